import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { idBytes } from "../../src/Codec.ts"
import { forgotten, Memory } from "../../src/internal/serving/memory.ts"
import * as KeyedHash from "../../src/internal/serving/keyedHash.ts"
import { stream } from "../support/stream.ts"

const below = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: maximum - 1 }))

const Step = Schema.Union([
  Schema.Struct({ do: Schema.Literal("add"), id: below(30), sender: below(3), length: below(300) }),
  // One that is near the bound of bytes, or over it.
  Schema.Struct({ do: Schema.Literal("add"), id: below(30), sender: below(3), length: below(9000) }),
  // One that is cancelled: of it there is no answer.
  Schema.Struct({ do: Schema.Literal("cancel"), id: below(30), sender: below(3) }),
  Schema.Struct({ do: Schema.Literal("many"), count: below(100), sender: below(3), length: below(200) }),
  Schema.Struct({ do: Schema.Literal("wait"), time: below(12) })
])

const Bounds = Schema.Struct({
  window: below(40),
  entries: below(9),
  bytes: below(15),
  senders: below(4),
  hash: below(3)
})

/** Those of all ids, those that put many into few chains, and one that puts all into one. */
const hashes = [
  KeyedHash.make({ getRandomValues: stream(1).bytes }),
  { ofId: (bytes: Uint8Array, start: number) => bytes[start]! & 3 },
  { ofId: () => 0 }
] as const

const idOf = (n: number): Uint8Array => Uint8Array.from({ length: idBytes }, (_, i) => n >> (i % 4) * 8)

const answerOf = (serial: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => serial * 7 + i * (serial % 5 + 1))

interface Entry {
  readonly id: number
  readonly sender: number
  readonly answer: Uint8Array
  readonly at: number
  held: boolean
}

describe("Memory", () => {
  it.prop("is that of a list, whatever comes and when", [Bounds, Schema.Array(Step)], ([bounds, steps]) => {
    const window = 1 + bounds.window
    const maxEntries = 2 ** bounds.entries
    const maxBytes = 2 ** bounds.bytes
    const senders = 2 ** bounds.senders
    const blockBytes = Math.min(64, maxBytes)
    const early = { request: 0, answer: 0 }
    const expected = { request: 0, answer: 0 }
    const memory = new Memory({ window, maxEntries, maxBytes, senders, onEarly: (what) => early[what]++ })
    const hash = hashes[bounds.hash] ?? hashes[0]
    const hashOf = (id: Uint8Array, sender: number) => hash.ofId(id, 0) ^ sender
    const model: Array<Entry> = []
    let serial = 0
    let now = 0

    const isOver = (entry: Entry) => entry.at + window <= now
    const find = (id: number, sender: number) => {
      const bytes = idOf(id)
      return memory.find(hashOf(bytes, sender), Uint8Array.from([9, ...bytes, 9]), 1, now)
    }
    const placeOf = ({ sender }: Entry) => sender % senders
    const blocksOf = (length: number) => Math.ceil(length / blockBytes)
    /** The oldest of all of these, or of those of a sender that has more than its sender. */
    const yielding = (entries: ReadonlyArray<Entry>, sender: number, amount: (entry: Entry) => number): Entry => {
      const of = (place: number) =>
        entries.reduce((sum, entry) => sum + (placeOf(entry) === place ? amount(entry) : 0), 0)
      const [oldest] = entries
      return of(sender % senders) > of(placeOf(oldest!))
        ? entries.find((entry) => placeOf(entry) === sender % senders)!
        : oldest!
    }

    const add = (id: number, sender: number, length: number | undefined) => {
      const known = find(id, sender)
      expect(known !== undefined).toBe(model.some((e) => e.id === id && e.sender === sender && !isOver(e)))
      if (known !== undefined) return
      const isHeld = length !== undefined
      const entry: Entry = { id, sender, answer: answerOf(serial++, length ?? 0), at: now, held: isHeld }
      memory.add(hashOf(idOf(id), sender), idOf(id), isHeld ? entry.answer : undefined, sender, now)
      while (model.length > 0 && isOver(model[0]!)) model.shift()
      if (model.length === maxEntries) {
        model.splice(model.indexOf(yielding(model, sender, () => 1)), 1)
        expected.request++
      }
      const held = () => model.filter((entry) => entry.held)
      const taken = () => held().reduce((sum, { answer }) => sum + blocksOf(answer.length), 0)
      if (entry.answer.length > maxBytes) {
        entry.held = false
        expected.answer++
      }
      while (entry.held && (taken() + blocksOf(entry.answer.length)) * blockBytes > maxBytes) {
        yielding(held(), sender, ({ answer }) => answer.length).held = false
        expected.answer++
      }
      model.push(entry)
      expect(memory.size).toBe(model.length)
    }

    const check = () => {
      for (const entry of model) {
        expect(find(entry.id, entry.sender)).toStrictEqual(
          isOver(entry) ? undefined : entry.held ? entry.answer : forgotten
        )
      }
      expect(early).toStrictEqual(expected)
    }

    for (const step of steps) {
      switch (step.do) {
        case "add":
          add(step.id, step.sender, step.length)
          break
        case "cancel":
          add(step.id, step.sender, undefined)
          break
        case "many":
          for (let i = 0; i < step.count; i++) add(1000 + serial, step.sender, step.length)
          break
        case "wait":
          now += step.time
      }
      check()
    }
    expect(memory.bytes).toBeLessThanOrEqual(maxBytes * (1 + 4 / blockBytes) + 80 * maxEntries)
  }, { arbitrary: { runs: 200, size: 40 } })

  it("who fills it makes itself be forgotten, and nobody who asks less", () => {
    const memory = new Memory({ window: 1e9, maxEntries: 64, maxBytes: 4096, senders: 4096, onEarly: () => {} })
    for (let n = 0; n < 5; n++) memory.add(n, idOf(n), answerOf(n, 200), 1, n)
    for (let n = 100; n < 2000; n++) memory.add(n, idOf(n), answerOf(n, 300), 2, n)
    for (let n = 0; n < 5; n++) expect(memory.find(n, idOf(n), 0, 2000)).toStrictEqual(answerOf(n, 200))
    expect(memory.find(1999, idOf(1999), 0, 2000)).toStrictEqual(answerOf(1999, 300))
    expect(memory.find(1900, idOf(1900), 0, 2000)).toBe(undefined)
  })

  it("an id of one sender says nothing of the same id of another", () => {
    const memory = new Memory({ window: 10, maxEntries: 8, maxBytes: 8192, senders: 1, onEarly: () => {} })
    memory.add(0, idOf(1), answerOf(1, 20), 0, 0)
    // They stand in one chain.
    expect(memory.find(1 << 20, idOf(1), 0, 0)).toBe(undefined)
    expect(memory.find(0, idOf(1), 0, 0)).toStrictEqual(answerOf(1, 20))
  })

  it("takes for each of its places, which are 64 at first and double, 80 bytes and a block of 64 with its place", () => {
    const memory = new Memory({ window: 1, maxEntries: 2 ** 20, maxBytes: 2 ** 20, senders: 1, onEarly: () => {} })
    expect(memory.bytes).toBe(0)
    for (let n = 1; n <= 1000; n++) {
      memory.add(n, idOf(n), answerOf(n, 60), 0, 0)
      expect(memory.bytes).toBe(Math.max(64, 2 ** Math.ceil(Math.log2(n))) * (80 + 64 + 4))
    }
  })

  it("an answer that was found stays as it is", () => {
    const memory = new Memory({ window: 1, maxEntries: 4, maxBytes: 64, senders: 1, onEarly: () => {} })
    memory.add(1, idOf(1), answerOf(1, 40), 0, 0)
    const found = memory.find(1, idOf(1), 0, 0)
    memory.add(2, idOf(2), answerOf(2, 60), 0, 0)
    expect(found).toStrictEqual(answerOf(1, 40))
  })

  it("ids that begin alike are found as fast as others", () => {
    const hash = KeyedHash.make({ getRandomValues: stream(2).bytes })
    const memory = new Memory({ window: 1, maxEntries: 4096, maxBytes: 4096 * 64, senders: 1, onEarly: () => {} })
    const id = (n: number) => Uint8Array.from({ length: idBytes }, (_, i) => i < 18 ? 7 : i === 18 ? n & 0xff : n >> 8)
    for (let n = 0; n < 4096; n++) memory.add(hash.ofId(id(n), 0), id(n), Uint8Array.of(n), 0, 0)
    let reads = 0
    for (let n = 0; n < 4096; n++) {
      const counted = new Proxy(id(n), {
        get: (bytes, i) => {
          reads++
          return bytes[Number(i)]
        }
      })
      expect(memory.find(hash.ofId(counted, 0), counted, 0, 0)).toStrictEqual(Uint8Array.of(n))
    }
    // To be hashed, to be compared, and to be told from the few others of their chains.
    expect(reads / 4096).toBeLessThan(3 * idBytes)
  })
})
