import { describe, expect, it } from "@effect/vitest"
import { Clock, type Duration, Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import { idBytes } from "../../src/Codec.ts"
import { Call, CallTable } from "../../src/internal/calling/callTable.ts"
import * as Now from "../../src/internal/time/now.ts"

class Item extends Call<Item> {
  /** How many were looked at, in all tables. */
  static looks = 0

  override hasId(bytes: Uint8Array, start: number): boolean {
    Item.looks++
    return super.hasId(bytes, start)
  }
}

const Step = Schema.Struct({
  do: Schema.Literals(["add", "add", "find", "remove"]),
  // Few different beginnings: many calls stand in one slot.
  slot: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 })),
  which: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 11 }))
})

/** Where each slot's ids begin: the last two share one until the table has grown. */
const beginnings = [0, 1, 5, 5 + 128]

const idOf = (slot: number, which: number): Uint8Array => {
  const id = new Uint8Array(idBytes)
  id[3] = beginnings[slot]!
  // Two of them differ in one word alone, or in two.
  id[4 + 4 * (which % 4)] = 1 + (which >> 2)
  return id
}

/** A table, and how a call gets into it: with the first of these ids that no call has. Returns which one that was. */
const make = Effect.gen(function*() {
  const real = yield* Clock.Clock
  let sleeps = 0
  const clock: Clock.Clock = Object.assign(Object.create(real), {
    sleep: (duration: Duration.Duration) => {
      sleeps++
      return real.sleep(duration)
    }
  })
  let given: ReadonlyArray<Uint8Array> = []
  /** How many were in the table as each expired. */
  const whenExpired: Array<number> = []
  const calls: CallTable<Item> = new CallTable<Item>({
    clock,
    now: Now.make(clock),
    context: yield* Effect.context<never>(),
    ids: {
      write: (bytes, start) => {
        bytes.set(given[0]!, start)
        given = given.slice(1)
      }
    },
    onExpire: () => void whenExpired.push(calls.size)
  })
  const add = (item: Item, ...ids: ReadonlyArray<Uint8Array>): Uint8Array => addFor(Infinity, item, ...ids)
  const addFor = (timeout: number, item: Item, ...ids: ReadonlyArray<Uint8Array>): Uint8Array => {
    given = ids
    const request = new Uint8Array(1 + idBytes + 1).fill(9)
    calls.add(item, request, 1, timeout)
    expect([request[0], request[1 + idBytes]]).toStrictEqual([9, 9])
    return request.slice(1, 1 + idBytes)
  }
  return { add, addFor, calls, sleeps: () => sleeps, whenExpired }
})

describe("CallTable", () => {
  it.effect.prop("holds what was added and not removed", [Schema.Array(Step)], ([steps]) =>
    Effect.gen(function*() {
      const { add, calls } = yield* make
      const model = new Map<string, Item>()
      for (const { do: what, slot, which } of steps) {
        const id = idOf(slot, which)
        const key = id.join()
        const known = model.get(key)
        const datagram = Uint8Array.from([9, ...id, 9])
        expect(calls.find(datagram, 1)).toBe(known)
        if (what === "add" && known === undefined) {
          const item = new Item(0)
          add(item, id)
          expect(item.id).toStrictEqual(id)
          model.set(key, item)
        } else if (what === "remove" && known !== undefined) {
          expect(calls.has(known)).toBe(true)
          expect(calls.remove(known)).toBe(true)
          expect(calls.remove(known)).toBe(false)
          expect(calls.has(known)).toBe(false)
          model.delete(key)
        }
        expect(calls.size).toBe(model.size)
      }
      // In the order in which they began.
      expect(calls.clear()).toStrictEqual([...model.values()])
      expect(calls.size).toBe(0)
    }), { arbitrary: { runs: 100, size: 60 } })

  it.effect("grows, and finds each call", () =>
    Effect.gen(function*() {
      const { add, calls } = yield* make
      const added = Array.from({ length: 1000 }, (_, i) => {
        const id = new Uint8Array(idBytes)
        new DataView(id.buffer).setUint32(0, i * 48)
        const item = new Item(0)
        add(item, id)
        return { id, item }
      })
      for (const { id, item } of added) expect(calls.find(id, 0)).toBe(item)
      expect(calls.clear()).toStrictEqual(added.map(({ item }) => item))
      for (const { id } of added) expect(calls.find(id, 0)).toBe(undefined)
    }))

  it.effect("looks at few calls to find one, however many there are", () =>
    Effect.gen(function*() {
      const { add, calls } = yield* make
      const ids = Array.from({ length: 4096 }, (_, i) => {
        const id = new Uint8Array(idBytes)
        // An odd factor: all slots get the same number.
        new DataView(id.buffer).setUint32(0, Math.imul(i, 0x9e3779b1))
        add(new Item(0), id)
        return id
      })
      Item.looks = 0
      for (const id of ids) calls.find(id, 0)
      expect(Item.looks).toBe(ids.length)
    }))

  it.effect("sleeps for no call that waits until it is removed", () =>
    Effect.gen(function*() {
      const { add, sleeps } = yield* make
      add(new Item(0), idOf(0, 1))
      expect(sleeps()).toBe(0)
    }))

  it.effect("of calls that are due at once, all have left before the first is heard of", () =>
    Effect.gen(function*() {
      const { addFor, whenExpired } = yield* make
      for (const which of [1, 2, 3]) addFor(1_000_000, new Item(0), idOf(0, which))
      addFor(1_000_001, new Item(0), idOf(0, 4))
      yield* TestClock.adjust("1 millis")
      expect(whenExpired).toStrictEqual([1, 1, 1])
    }))

  it.effect("gives no id that a call has", () =>
    Effect.gen(function*() {
      const { add } = yield* make
      add(new Item(0), idOf(0, 1))
      expect(add(new Item(0), idOf(0, 1), idOf(0, 2))).toStrictEqual(idOf(0, 2))
    }))
})
