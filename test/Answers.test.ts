import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { idBytes } from "../src/Codec.ts"
import { Answers, forgotten } from "../src/internal/answers.ts"
import * as KeyedHash from "../src/internal/keyedHash.ts"
import { stream } from "./support/stream.ts"

const below = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: maximum - 1 }))

const Step = Schema.Union([
  Schema.Struct({ do: Schema.Literal("add"), id: below(30), sender: below(3), length: below(300) }),
  // One that is near the length of the rings, or over it.
  Schema.Struct({ do: Schema.Literal("add"), id: below(30), sender: below(3), length: below(9000) }),
  Schema.Struct({ do: Schema.Literal("many"), count: below(100), length: below(200) }),
  Schema.Struct({ do: Schema.Literal("wait"), time: below(12) })
])

const Bounds = Schema.Struct({ window: below(40), entries: below(9), bytes: below(15), hash: below(3) })

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

describe("Answers", () => {
  // Each of these breaks it: `<` for `<=` in `#isOver`; `to.set(from)` in `#growEntries`; 0 for the middle in `#growRing`;
  // 0 for `left` in `#endOf`; `<=` for `<` where `find` sees what is forgotten; leaving out the comparison of ages with the
  // size in `find`, `- this.#first` in `#growEntries`, or `-Infinity` in `#oldestHeld`.
  it.prop("are those of a list, whatever comes and when", [Bounds, Schema.Array(Step)], ([bounds, steps]) => {
    const window = 1 + bounds.window
    const maxEntries = 2 ** bounds.entries
    const maxBytes = 2 ** bounds.bytes
    const early = { request: 0, answer: 0 }
    const expected = { request: 0, answer: 0 }
    const answers = new Answers({ window, maxEntries, maxBytes, onEarly: (what) => early[what]++ })
    const hash = hashes[bounds.hash] ?? hashes[0]
    const hashOf = (id: Uint8Array, sender: number) => hash.ofId(id, 0) ^ sender
    let model: Array<Entry> = []
    let serial = 0
    let longest = 0
    let now = 0

    const isOver = (entry: Entry) => entry.at + window <= now
    const find = (id: number, sender: number) => {
      const bytes = idOf(id)
      return answers.find(hashOf(bytes, sender), Uint8Array.from([9, ...bytes, 9]), 1, now)
    }

    const add = (id: number, sender: number, length: number) => {
      const known = find(id, sender)
      expect(known !== undefined).toBe(model.some((e) => e.id === id && e.sender === sender && !isOver(e)))
      if (known !== undefined) return
      longest = Math.max(longest, length)
      const entry: Entry = { id, sender, answer: answerOf(serial++, length), at: now, held: true }
      answers.add(hashOf(idOf(id), sender), idOf(id), entry.answer, now)
      model = model.filter((entry) => !isOver(entry))
      if (model.length === maxEntries) {
        model.shift()
        expected.request++
      }
      model.push(entry)
      expect(answers.size).toBe(model.length)
    }

    const check = () => {
      let newer = 0
      for (const entry of model.toReversed()) {
        const found = isOver(entry) ? undefined : find(entry.id, entry.sender)
        newer += entry.answer.length
        if (isOver(entry)) expect(find(entry.id, entry.sender)).toBe(undefined)
        else if (found === forgotten) {
          // The end of the ring is left free where an answer would not fit in one piece: once in a turn.
          expect(newer + longest).toBeGreaterThan(maxBytes)
          if (entry.held) expected.answer++
          entry.held = false
        } else {
          expect(found !== undefined && Buffer.compare(found, entry.answer)).toBe(0)
          // What was forgotten stays so.
          expect(entry.held).toBe(true)
        }
      }
      expect(early).toStrictEqual(expected)
    }

    for (const step of steps) {
      switch (step.do) {
        case "add":
          add(step.id, step.sender, step.length)
          check()
          break
        case "many":
          for (let i = 0; i < step.count; i++) {
            add(1000 + serial, 0, step.length)
            // Else one may be forgotten without having been seen to be.
            check()
          }
          break
        case "wait":
          now += step.time
          check()
      }
    }
    expect(answers.bytes).toBeLessThanOrEqual(maxBytes + 56 * maxEntries)
  }, { arbitrary: { runs: 100, size: 40 } })

  // broken by leaving out the comparison of hashes in `find`
  it("an id of one sender says nothing of the same id of another", () => {
    const answers = new Answers({ window: 10, maxEntries: 8, maxBytes: 8192, onEarly: () => {} })
    answers.add(0, idOf(1), answerOf(1, 20), 0)
    // They stand in one chain.
    expect(answers.find(1 << 20, idOf(1), 0, 0)).toBe(undefined)
    expect(answers.find(0, idOf(1), 0, 0)).toStrictEqual(answerOf(1, 20))
  })

  // broken by leaving out what comes after `middle > 0` in `#growRing`
  it("answers on both sides of the end of the ring outlive its growth", () => {
    const answers = new Answers({ window: 10, maxEntries: 8, maxBytes: 8192, onEarly: () => {} })
    answers.add(0, idOf(0), answerOf(0, 2000), 0)
    for (const [n, length] of [[1, 2000], [2, 1500], [3, 1000]] as const) {
      answers.add(n, idOf(n), answerOf(n, length), 10)
    }
    for (const [n, length] of [[1, 2000], [2, 1500], [3, 1000]] as const) {
      expect(answers.find(n, idOf(n), 0, 10)).toStrictEqual(answerOf(n, length))
    }
  })

  // broken by `this.#ring.subarray(start, ...)` in `find`
  it("an answer that was found stays as it is", () => {
    const answers = new Answers({ window: 1, maxEntries: 4, maxBytes: 64, onEarly: () => {} })
    answers.add(1, idOf(1), answerOf(1, 40), 0)
    const found = answers.find(1, idOf(1), 0, 0)
    answers.add(2, idOf(2), answerOf(2, 60), 0)
    expect(found).toStrictEqual(answerOf(1, 40))
  })

  // broken by `hash & 15` in `#chainOf`, and by `8` instead of `idBytes` in `ofId` of the keyed hash
  it("ids that begin alike are found as fast as others", () => {
    const hash = KeyedHash.make({ getRandomValues: stream(2).bytes })
    const answers = new Answers({ window: 1, maxEntries: 4096, maxBytes: 4096, onEarly: () => {} })
    const id = (n: number) => Uint8Array.from({ length: idBytes }, (_, i) => i < 18 ? 7 : i === 18 ? n & 0xff : n >> 8)
    for (let n = 0; n < 4096; n++) answers.add(hash.ofId(id(n), 0), id(n), Uint8Array.of(n), 0)
    let reads = 0
    for (let n = 0; n < 4096; n++) {
      const counted = new Proxy(id(n), {
        get: (bytes, i) => {
          reads++
          return bytes[Number(i)]
        }
      })
      expect(answers.find(hash.ofId(counted, 0), counted, 0, 0)).toStrictEqual(Uint8Array.of(n))
    }
    // To be hashed, to be compared, and to be told from the few others of their chains.
    expect(reads / 4096).toBeLessThan(3 * idBytes)
  })
})
