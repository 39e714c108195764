import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { RoundTrips } from "../src/internal/roundTrips.ts"

const ms = 1_000_000
const second = 1000 * ms

const Nanos = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 30 * second }))

const peers = Schema.Literals(["a", "b"])

const Step = Schema.Union([
  Schema.Struct({ do: Schema.Literal("measured"), peer: peers, nanos: Nanos }),
  Schema.Struct({ do: Schema.Literal("overdue"), peer: peers, nanos: Nanos }),
  Schema.Struct({ do: Schema.Literal("ambiguous"), peer: peers, nanos: Nanos })
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

  // RFC 6298, 5.5 to 5.7. Broken by leaving out `2 *` in `overdue`, or `estimate.timeout = estimate.measured`.
  it("waits twice as long once an answer is overdue, until it is measured again", () => {
    const trips = new RoundTrips(2)
    trips.measured("a", 100 * ms, 0)
    trips.overdue("a", 0, 300 * ms)
    expect(trips.timeoutOf("a")).toBe(600 * ms)
    expect(trips.measuredTimeoutOf("a")).toBe(300 * ms)
    trips.overdue("a", 300 * ms, 900 * ms)
    expect(trips.timeoutOf("a")).toBe(1200 * ms)
    trips.measured("a", 100 * ms, 2 * second)
    expect(trips.timeoutOf("a")).toBe(250 * ms)
    expect(trips.measuredTimeoutOf("a")).toBe(250 * ms)
    trips.overdue("unknown", 0, second)
    expect(trips.timeoutOf("unknown")).toBe(2 * second)
    expect(trips.measuredTimeoutOf("unknown")).toBe(second)
  })

  // broken by leaving out `now - sentAt < estimate.timeout`
  it("waits no longer for what a schedule sends again before it is overdue", () => {
    const trips = new RoundTrips(2)
    trips.measured("a", 100 * ms, 0)
    trips.overdue("a", 0, 300 * ms - 1)
    expect(trips.timeoutOf("a")).toBe(300 * ms)
  })

  // broken by leaving out `estimate.changedAt = now` in `measured`, or by `>=` for `>`
  it("is not made longer by a datagram that was lost before the last measurement", () => {
    const trips = new RoundTrips(2)
    trips.measured("a", 100 * ms, 1000)
    trips.overdue("a", 999, second)
    expect(trips.timeoutOf("a")).toBe(300 * ms)
    trips.overdue("a", 1000, second)
    expect(trips.timeoutOf("a")).toBe(600 * ms)
  })

  // RFC 9002, 6.2.1. Broken by leaving out `estimate.changedAt = now` in `overdue`.
  it("is made longer once by all that was outstanding when it was", () => {
    const trips = new RoundTrips(2)
    trips.measured("a", 100 * ms, 0)
    for (const sentAt of [0, 100, 200, 300]) trips.overdue("a", sentAt * ms, (sentAt + 500) * ms)
    expect(trips.timeoutOf("a")).toBe(600 * ms)
    trips.overdue("a", 500 * ms, 1100 * ms)
    expect(trips.timeoutOf("a")).toBe(1200 * ms)
  })

  describe("an answer to one of several transmissions", () => {
    /** Measured 300 ms, and three times overdue: 2.4 s. The last transmission was at 2.1 s. */
    const silent = () => {
      const trips = new RoundTrips(2)
      trips.measured("a", 100 * ms, 0)
      trips.overdue("a", 0, 300 * ms)
      trips.overdue("a", 300 * ms, 900 * ms)
      trips.overdue("a", 900 * ms, 2100 * ms)
      expect(trips.timeoutOf("a")).toBe(2400 * ms)
      return trips
    }

    // broken by leaving out `2 *`, or `Math.min(estimate.timeout,`
    it("within the timeout of the last leaves twice what the call began with, and no more than there was", () => {
      const trips = silent()
      trips.ambiguous("a", 300 * ms, 2100 * ms, 2400 * ms)
      expect(trips.timeoutOf("a")).toBe(600 * ms)
      trips.ambiguous("a", 600 * ms, 2100 * ms, 2400 * ms)
      expect(trips.timeoutOf("a")).toBe(600 * ms)
    })

    // Broken by leaving out `now - sentAt > estimate.measured`: a peer whose round trips have grown would hardly be measured.
    it("later than that leaves all of the back-off", () => {
      const trips = silent()
      trips.ambiguous("a", 300 * ms, 2100 * ms, 2400 * ms + 1)
      expect(trips.timeoutOf("a")).toBe(2400 * ms)
    })

    // broken by leaving out `estimate.changedAt !== sentAt`
    it("of a call that has not backed off last leaves what others have", () => {
      const trips = silent()
      trips.ambiguous("a", 300 * ms, 2200 * ms, 2300 * ms)
      trips.ambiguous("a", 300 * ms, 2000 * ms, 2200 * ms)
      expect(trips.timeoutOf("a")).toBe(2400 * ms)
    })

    // broken by leaving out `Math.max(estimate.measured,`
    it("never leaves less than was measured", () => {
      const trips = silent()
      trips.ambiguous("a", 50 * ms, 2100 * ms, 2200 * ms)
      expect(trips.timeoutOf("a")).toBe(300 * ms)
    })

    // broken by `this.#use(peer)` for `this.#estimates.get(peer)` in `ambiguous`
    it("says nothing of a peer of which nothing is known", () => {
      const trips = new RoundTrips(2)
      trips.ambiguous("a", second, 0, ms)
      expect(trips.size).toBe(0)
    })
  })

  // broken by leaving out `clamp` in either
  it.prop("never gives less than 50 ms nor more than a minute, and another peer's answers say nothing of one", [
    Schema.Array(Step)
  ], ([steps]) => {
    const both = new RoundTrips(2)
    const alone = new RoundTrips(2)
    let now = 0
    for (const step of steps) {
      now += step.nanos
      for (const trips of step.peer === "a" ? [both, alone] : [both]) {
        if (step.do === "measured") trips.measured(step.peer, step.nanos, now)
        if (step.do === "overdue") trips.overdue(step.peer, now - step.nanos, now)
        if (step.do === "ambiguous") trips.ambiguous(step.peer, second, now - step.nanos, now)
      }
      expect(both.measuredTimeoutOf(step.peer)).toBeLessThanOrEqual(both.timeoutOf(step.peer))
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
      trips.overdue("a", 0, 0)
    }
    for (const peer of ["a", "e", "f"]) expect(trips.timeoutOf(peer)).toBeGreaterThan(10 * second)
    expect(trips.timeoutOf("b")).toBe(second)
    for (let i = 0; i < 10_000; i++) {
      trips.overdue(String(i), 0, second)
      expect(trips.size).toBeLessThanOrEqual(6)
    }
  })
})
