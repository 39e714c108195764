import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { RoundTrips } from "../src/internal/roundTrips.ts"

const ms = 1_000_000
const second = 1000 * ms

const Nanos = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 30 * second }))

const Step = Schema.Union([
  Schema.Struct({ do: Schema.Literal("measured"), peer: Schema.Literals(["a", "b"]), nanos: Nanos }),
  Schema.Struct({ do: Schema.Literal("overdue"), peer: Schema.Literals(["a", "b"]), nanos: Nanos })
])

describe("RoundTrips", () => {
  it("gives a second to a peer of which nothing is known", () => {
    const trips = new RoundTrips(2)
    expect(trips.timeoutOf("a")).toBe(second)
    expect(trips.size).toBe(0)
  })

  // RFC 6298, 2.2 and 2.3. Broken by smoothing before the variation is updated, or by `roundTrip` for `roundTrip / 2`.
  it("estimates as the RFC does", () => {
    const trips = new RoundTrips(2)
    trips.measured("a", 100 * ms, 0)
    expect(trips.timeoutOf("a")).toBe((100 + 4 * 50) * ms)
    trips.measured("a", 180 * ms, 0)
    // RTTVAR = 3/4 50 + 1/4 80, SRTT = 7/8 100 + 1/8 180
    expect(trips.timeoutOf("a")).toBe((110 + 4 * 57.5) * ms)
  })

  // RFC 6298, 5.5 to 5.7. Broken by leaving out `Math.max(estimate.timeout,` or `2 *` in `overdue`.
  it("waits twice as long once an answer is overdue, never less for that, until it is measured again", () => {
    const trips = new RoundTrips(2)
    for (let i = 0; i < 40; i++) trips.measured("a", 100 * ms, 0)
    expect(trips.timeoutOf("a")).toBeCloseTo(100 * ms, -4)
    trips.overdue("a", 100 * ms, 0)
    expect(trips.timeoutOf("a")).toBe(200 * ms)
    trips.overdue("a", 60 * ms, 0)
    expect(trips.timeoutOf("a")).toBe(200 * ms)
    trips.measured("a", 100 * ms, 0)
    expect(trips.timeoutOf("a")).toBeCloseTo(100 * ms, -4)
    trips.overdue("unknown", 10 * ms, 0)
    expect(trips.timeoutOf("unknown")).toBe(second)
  })

  // broken by leaving out `if (estimate.measuredAt > sentAt) return`
  it("is not made longer by a datagram that was lost before the last measurement", () => {
    const trips = new RoundTrips(2)
    trips.measured("a", 100 * ms, 1000)
    trips.overdue("a", second, 999)
    expect(trips.timeoutOf("a")).toBe(300 * ms)
    trips.overdue("a", second, 1000)
    expect(trips.timeoutOf("a")).toBe(2 * second)
  })

  // broken by leaving out `clamp` in either
  it.prop("never gives less than 50 ms nor more than a minute, and another peer's answers say nothing of one", [
    Schema.Array(Step)
  ], ([steps]) => {
    const both = new RoundTrips(2)
    const alone = new RoundTrips(2)
    for (const step of steps) {
      both[step.do](step.peer, step.nanos, 0)
      if (step.peer === "a") alone[step.do]("a", step.nanos, 0)
      expect(both.timeoutOf("a")).toBe(alone.timeoutOf("a"))
      expect(both.timeoutOf(step.peer)).toBeGreaterThanOrEqual(50 * ms)
      expect(both.timeoutOf(step.peer)).toBeLessThanOrEqual(60 * second)
    }
  })

  // broken by leaving out `this.#estimates.set` for a peer that is known
  it("remembers the peers that were used last, and not all of the others", () => {
    const trips = new RoundTrips(3)
    for (const peer of ["a", "b", "c", "d", "e", "f"]) {
      trips.measured(peer, 10 * second, 0)
      trips.overdue("a", second, 0)
    }
    for (const peer of ["a", "e", "f"]) expect(trips.timeoutOf(peer)).toBeGreaterThan(10 * second)
    expect(trips.timeoutOf("b")).toBe(second)
    for (let i = 0; i < 10_000; i++) {
      trips.overdue(String(i), second, 0)
      expect(trips.size).toBeLessThanOrEqual(6)
    }
  })
})
