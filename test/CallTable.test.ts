import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Schema } from "effect"
import { idBytes } from "../src/Codec.ts"
import { Call, CallTable } from "../src/internal/callTable.ts"
import * as Now from "../src/internal/now.ts"

class Item extends Call<Item> {}

const Step = Schema.Struct({
  do: Schema.Literals(["add", "add", "find", "remove"]),
  // Few different beginnings: many calls stand in one slot.
  slot: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 })),
  which: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 63 }))
})

/** Where each slot's ids begin: the last two share one until the table has grown twice. */
const beginnings = [0, 1, 5, 5 + 128]

const idOf = (slot: number, which: number): Uint8Array => {
  const id = new Uint8Array(idBytes)
  id[3] = beginnings[slot]!
  id[19] = which
  return id
}

const table = (ids: ReadonlyArray<Uint8Array> = []) =>
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    let given = 0
    return new CallTable<Item>({
      clock,
      now: Now.make(clock),
      context: yield* Effect.context<never>(),
      ids: { next: () => ids[given++]! },
      onExpire: () => {}
    })
  })

describe("CallTable", () => {
  // Each of these breaks it: leaving out `before.nextInSlot = call.nextInSlot` in `#take`, the loop of `find`, the sort in
  // `clear`, or `#size--`.
  it.effect.prop("holds what was added and not removed", [Schema.Array(Step)], ([steps]) =>
    Effect.gen(function*() {
      const calls = yield* table()
      const model = new Map<string, Item>()
      for (const { do: what, slot, which } of steps) {
        const id = idOf(slot, which)
        const key = id.join()
        const known = model.get(key)
        const datagram = Uint8Array.from([9, ...id, 9])
        expect(calls.find(datagram, 1)).toBe(known)
        if (what === "add" && known === undefined) {
          const item = new Item(id, 0)
          calls.add(item, Infinity)
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
      for (const { id } of model.values()) expect(calls.find(id, 0)).toBe(undefined)
    }))

  // Broken by `call = call.nextInSlot` in `#grow`.
  it.effect("grows, and finds each call", () =>
    Effect.gen(function*() {
      const calls = yield* table()
      const items = Array.from({ length: 1000 }, (_, i) => {
        const id = new Uint8Array(idBytes)
        new DataView(id.buffer).setUint32(0, i * 48)
        return new Item(id, 0)
      })
      for (const item of items) calls.add(item, Infinity)
      for (const item of items) expect(calls.find(item.id, 0)).toBe(item)
      expect(calls.clear()).toStrictEqual(items)
    }))

  it.effect("gives no id that a call has", () =>
    Effect.gen(function*() {
      const calls = yield* table([idOf(0, 1), idOf(0, 1), idOf(0, 2)])
      calls.add(new Item(calls.nextId(), 0), Infinity)
      expect(calls.nextId()).toStrictEqual(idOf(0, 2))
    }))
})
