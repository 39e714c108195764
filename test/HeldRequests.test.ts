import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { HeldRequests } from "../src/internal/serving/held.ts"
import { stream } from "./support/stream.ts"

const Seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))

describe("what waits for a proof", () => {
  // broken by `>` for `>=` in `add`, by leaving out `- held.bytes` in `#empty`, or the second loop of `add`
  it.prop("is the newest, as many and as long as there is room for, and each is taken once", [Seed], ([seed]) => {
    const { below } = stream(seed)
    const maxRequests = 1 + below(8)
    const maxBytes = below(500)
    const held = new HeldRequests({ maxRequests, maxBytes })
    let model: Array<{ readonly number: number; readonly bytes: number; taken: boolean }> = []
    const bytesOf = () => model.reduce((sum, { bytes, taken }) => sum + (taken ? 0 : bytes), 0)
    for (let i = 0; i < 200; i++) {
      if (below(3) > 0) {
        const bytes = below(200)
        const number = held.add({ bytes, resume: () => {} })
        expect(number).toBeGreaterThan(0)
        model.push({ number, bytes, taken: false })
        model = model.slice(-maxRequests)
        while (bytesOf() > maxBytes) model.shift()
      } else {
        const number = below(200)
        const entry = model.find((entry) => entry.number === number && !entry.taken)
        expect(held.take(number)?.bytes).toBe(entry?.bytes)
        if (entry !== undefined) entry.taken = true
      }
      expect(held.bytes).toBe(bytesOf())
    }
    for (const { bytes, number, taken } of model) expect(held.take(number)?.bytes).toBe(taken ? undefined : bytes)
    expect(held.bytes).toBe(0)
  }, { arbitrary: { runs: 100 } })

  it("has no number 0, nor one that was not given yet", () => {
    const held = new HeldRequests({ maxRequests: 4, maxBytes: 100 })
    held.add({ bytes: 1, resume: () => {} })
    for (const number of [0, -1, 2, 4, 5, 2 ** 48 - 1, 0.5, Number.NaN]) expect(held.take(number)).toBe(undefined)
    expect(held.take(1)).toBeDefined()
  })
})
