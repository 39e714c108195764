import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { RoundTrips } from "../../src/internal/calling/roundTrips.ts"

const ms = 1_000_000
const second = 1000 * ms

const Nanos = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 90 * second }))

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

  // RFC 6298, 2.2 and 2.3.
  it("estimates as the RFC does", () => {
    const trips = new RoundTrips(2)
    trips.measured("a", 100 * ms, 0)
    expect(trips.timeoutOf("a")).toBe((100 + 4 * 50) * ms)
    trips.measured("a", 180 * ms, 0)
    // RTTVAR = 3/4 50 + 1/4 80, SRTT = 7/8 100 + 1/8 180
    expect(trips.timeoutOf("a")).toBe((110 + 4 * 57.5) * ms)
  })

  // RFC 6298, 5.5 to 5.7.
  it("waits twice as long once an answer is overdue, until it is measured again", () => {
    const trips = new RoundTrips(2)
    trips.measured("a", 100 * ms, 0)
    trips.overdue("a", 0, 300 * ms, 0, 300 * ms)
    expect(trips.timeoutOf("a")).toBe(600 * ms)
    expect(trips.measuredTimeoutOf("a")).toBe(300 * ms)
    trips.overdue("a", 300 * ms, 600 * ms, 300 * ms, 900 * ms)
    expect(trips.timeoutOf("a")).toBe(1200 * ms)
    trips.measured("a", 100 * ms, 2 * second)
    expect(trips.timeoutOf("a")).toBe(250 * ms)
    expect(trips.measuredTimeoutOf("a")).toBe(250 * ms)
    trips.overdue("unknown", 0, second, 0, second)
    expect(trips.timeoutOf("unknown")).toBe(2 * second)
    expect(trips.measuredTimeoutOf("unknown")).toBe(second)
  })

  it("waits no longer because one call waits long, nor less because another began with less", () => {
    const trips = new RoundTrips(2)
    trips.measured("a", 100 * ms, 0)
    for (const sentAt of [0, 300, 900, 2100]) trips.overdue("a", 0, 300 * ms, sentAt * ms, (2 * sentAt + 300) * ms)
    expect(trips.timeoutOf("a")).toBe(600 * ms)
    trips.overdue("a", 300 * ms, 600 * ms, 300 * ms, 900 * ms)
    trips.overdue("a", 0, 300 * ms, 4500 * ms, 9300 * ms)
    expect(trips.timeoutOf("a")).toBe(1200 * ms)
  })

  it("waits no longer for what a schedule sends again before it is overdue", () => {
    const trips = new RoundTrips(2)
    trips.measured("a", 100 * ms, 0)
    trips.overdue("a", 0, 300 * ms, 0, 300 * ms - 1)
    expect(trips.timeoutOf("a")).toBe(300 * ms)
    trips.overdue("a", second, 300 * ms, second, 1300 * ms - 1)
    expect(trips.timeoutOf("a")).toBe(300 * ms)
    trips.overdue("a", second, 300 * ms, second, 1300 * ms)
    expect(trips.timeoutOf("a")).toBe(600 * ms)
  })

  it("is not made longer by a datagram that was lost before the last measurement", () => {
    const trips = new RoundTrips(2)
    trips.measured("a", 100 * ms, 1000)
    trips.overdue("a", 999, 300 * ms, 999, second)
    expect(trips.timeoutOf("a")).toBe(300 * ms)
    trips.overdue("a", 1000, 300 * ms, 1000, second)
    expect(trips.timeoutOf("a")).toBe(600 * ms)
  })

  it("doubles what was measured since, where a call began with more than that", () => {
    const trips = new RoundTrips(2)
    trips.measured("a", 100 * ms, second)
    trips.overdue("a", 0, second, 2 * second, 3 * second)
    expect(trips.timeoutOf("a")).toBe(600 * ms)
    // A call that began with the measurement has what it began with.
    const others = new RoundTrips(2)
    others.measured("a", 100 * ms, second)
    others.overdue("a", second, 400 * ms, 2 * second, 3 * second)
    expect(others.timeoutOf("a")).toBe(800 * ms)
  })

  describe("an answer to one of several transmissions", () => {
    it("within the timeout of the last one says nothing", () => {
      const trips = new RoundTrips(2)
      trips.measured("a", 100 * ms, 0)
      trips.ambiguous("a", 0, second, 1300 * ms)
      expect(trips.timeoutOf("a")).toBe(300 * ms)
    })

    it("after that shows that the peer has become slow: it is given as long as the answer can have taken", () => {
      const trips = new RoundTrips(2)
      trips.measured("a", 100 * ms, 0)
      trips.ambiguous("a", 0, second, 1301 * ms)
      expect(trips.timeoutOf("a")).toBe(1301 * ms)
      expect(trips.measuredTimeoutOf("a")).toBe(300 * ms)
      trips.ambiguous("a", 0, 200 * ms, 600 * ms)
      expect(trips.timeoutOf("a")).toBe(1301 * ms)
      const later = new RoundTrips(2)
      later.measured("a", 100 * ms, 0)
      later.ambiguous("a", second, 2 * second, 2301 * ms)
      expect(later.timeoutOf("a")).toBe(1301 * ms)
    })

    it("of a call that began before the last measurement says nothing", () => {
      const trips = new RoundTrips(2)
      trips.measured("a", 100 * ms, 1)
      trips.ambiguous("a", 0, second, 2 * second)
      expect(trips.timeoutOf("a")).toBe(300 * ms)
    })

    it("of a peer of which nothing is known says nothing", () => {
      const trips = new RoundTrips(2)
      trips.ambiguous("a", 0, 0, ms)
      expect(trips.size).toBe(0)
    })
  })

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
        if (step.do === "overdue") trips.overdue(step.peer, now - step.nanos, step.nanos, now - step.nanos, now)
        if (step.do === "ambiguous") trips.ambiguous(step.peer, now - 2 * step.nanos, now - step.nanos, now)
      }
      expect(both.measuredTimeoutOf(step.peer)).toBeLessThanOrEqual(both.timeoutOf(step.peer))
      expect(both.timeoutOf("a")).toBe(alone.timeoutOf("a"))
      expect(both.timeoutOf(step.peer)).toSatisfy(Number.isInteger)
      expect(both.timeoutOf(step.peer)).toBeGreaterThanOrEqual(50 * ms)
      expect(both.timeoutOf(step.peer)).toBeLessThanOrEqual(60 * second)
    }
  })

  it("remembers the peers that were used last, and not all of the others", () => {
    const trips = new RoundTrips(3)
    for (const peer of ["a", "b", "c", "d", "e", "f"]) {
      trips.measured(peer, 10 * second, 0)
      trips.overdue("a", 0, second, 0, 0)
    }
    for (const peer of ["a", "e", "f"]) expect(trips.timeoutOf(peer)).toBeGreaterThan(10 * second)
    expect(trips.timeoutOf("b")).toBe(second)
    for (let i = 0; i < 10_000; i++) {
      trips.overdue(String(i), 0, second, 0, second)
      expect(trips.size).toBeLessThanOrEqual(6)
    }
  })
})
