/** How long peers take to answer, as RFC 6298 estimates it from single round trips. Bounded, and without a clock. */
import { RecentMap } from "./recentMap.ts"

/** Nanoseconds until a datagram is sent again, for a peer of which nothing is known (RFC 6298, 2.1). */
const initial = 1_000_000_000

// RFC 6298, 2.4 rounds up to a second, for peers that put off what acknowledges. Here the answer itself comes back, so
// only the grain of timers and of a busy process is to be covered.
const min = 50_000_000

// RFC 6298, 2.5
const max = 60_000_000_000

interface Estimate {
  /** SRTT and RTTVAR, in nanoseconds. NaN until there is a measurement. */
  smoothed: number
  variation: number
  /** RTO, in nanoseconds. */
  timeout: number
  measuredAt: number
}

export class RoundTrips {
  readonly #estimates: RecentMap<Estimate>

  /** Of so many peers it is known at least, and of twice as many at most. */
  constructor(minPeers: number) {
    this.#estimates = new RecentMap(minPeers)
  }

  get size(): number {
    return this.#estimates.size
  }

  /** Nanoseconds after which an answer of this peer is overdue. */
  timeoutOf(peer: string): number {
    return this.#estimates.get(peer)?.timeout ?? initial
  }

  /** The answer came after so many nanoseconds, to a request that was sent once: others are ambiguous (section 3). */
  measured(peer: string, roundTrip: number, now: number): void {
    const estimate = this.#use(peer)
    if (Number.isNaN(estimate.smoothed)) {
      estimate.smoothed = roundTrip
      estimate.variation = roundTrip / 2
    } else {
      estimate.variation = 0.75 * estimate.variation + 0.25 * Math.abs(estimate.smoothed - roundTrip)
      estimate.smoothed = 0.875 * estimate.smoothed + 0.125 * roundTrip
    }
    estimate.timeout = clamp(estimate.smoothed + 4 * estimate.variation)
    estimate.measuredAt = now
  }

  /**
   * No answer came within so many nanoseconds to what was sent then. The next wait is twice as long, for other calls, too,
   * until there is a new measurement (5.5 to 5.7): else a peer that has become slow would never be measured again. Where
   * another call has measured it since, only this datagram was lost.
   */
  overdue(peer: string, waited: number, sentAt: number): void {
    const estimate = this.#use(peer)
    if (estimate.measuredAt > sentAt) return
    estimate.timeout = Math.max(estimate.timeout, clamp(2 * waited))
  }

  #use(peer: string): Estimate {
    const estimate = this.#estimates.get(peer) ?? unknown()
    this.#estimates.set(peer, estimate)
    return estimate
  }
}

const clamp = (nanos: number): number => Math.min(Math.max(nanos, min), max)

const unknown = (): Estimate => ({
  smoothed: Number.NaN,
  variation: Number.NaN,
  timeout: initial,
  measuredAt: -Infinity
})
