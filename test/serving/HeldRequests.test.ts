import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { HeldRequests } from "../../src/internal/serving/held.ts"
import { stream } from "../support/stream.ts"

const Seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))

const waiting = (bytes: number) => ({ bytes: new Uint8Array(bytes), resume: () => {} })

describe("what waits for a proof", () => {
  it.prop("is the newest, as many and as long as there is room for, and each is taken once", [Seed], ([seed]) => {
    const { below } = stream(seed)
    const maxRequests = 1 + below(below(2) === 0 ? 8 : 64)
    const maxBytes = below(below(2) === 0 ? 500 : 10_000)
    const held = new HeldRequests({ maxRequests, maxBytes })
    const model: Array<{ readonly number: number; readonly bytes: number; readonly sender: number }> = []
    let number = 0
    const sum = (entries: typeof model) => entries.reduce((sum, { bytes }) => sum + bytes, 0)
    for (let i = 0; i < 300; i++) {
      if (below(3) > 0) {
        const [bytes, sender] = [below(200), below(3)]
        // Not every challenge has something that waits for it.
        number += 1 + below(3)
        held.add(number, waiting(bytes), sender)
        if (bytes <= maxBytes) {
          for (;;) {
            const own = model.filter((entry) => entry.sender === sender)
            const fits = own.length + 1 <= maxRequests / 16 && sum(own) + bytes <= maxBytes / 16
            if (own.length === 0 || fits) break
            model.splice(model.indexOf(own[0]!), 1)
          }
          while (model.length >= maxRequests || sum(model) + bytes > maxBytes) model.shift()
          model.push({ number, bytes, sender })
        }
      } else {
        const taken = below(600)
        const at = model.findIndex((entry) => entry.number === taken)
        expect(held.take(taken)?.bytes.length).toBe(model[at]?.bytes)
        if (at !== -1) model.splice(at, 1)
      }
      expect(held.bytes).toBe(sum(model))
    }
    for (const { bytes, number } of model) expect(held.take(number)?.bytes.length).toBe(bytes)
    expect(held.bytes).toBe(0)
  }, { arbitrary: { runs: 100 } })

  it("may be a sixteenth of the requests and of the bytes, and not one more", () => {
    const held = new HeldRequests({ maxRequests: 32, maxBytes: 1600 })
    const add = (number: number, bytes: number) => held.add(number, waiting(bytes), 1)
    add(1, 60)
    add(2, 40)
    expect(held.bytes).toBe(100)
    add(3, 0)
    expect([held.bytes, held.take(1)]).toStrictEqual([40, undefined])
    expect(held.take(3)?.bytes.length).toBe(0)
    add(4, 61)
    expect([held.bytes, held.take(2)]).toStrictEqual([61, undefined])
  })

  it("is not made to give way by another sender, however much that has", () => {
    const held = new HeldRequests({ maxRequests: 4096, maxBytes: 2 ** 20 })
    held.add(0, waiting(30), 1)
    for (let i = 1; i <= 10_000; i++) held.add(i, waiting(i % 2 === 0 ? 8000 : 20), 2)
    expect(held.bytes).toBeLessThanOrEqual(30 + 2 ** 16)
    expect(held.take(0)?.bytes.length).toBe(30)
  })

  it("has nothing under a number that was not given", () => {
    const held = new HeldRequests({ maxRequests: 4, maxBytes: 100 })
    held.add(1, waiting(1), 1)
    for (const number of [0, -1, 2, 4, 5, 2 ** 48 - 1, 0.5, Number.NaN]) expect(held.take(number)).toBe(undefined)
    expect(held.take(1)).toBeDefined()
  })
})
