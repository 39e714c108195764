/** How long peers take to answer, as RFC 6298 estimates it from single round trips. Bounded, and without a clock. */
import { RecentMap } from "../recentMap.ts"

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
  /** RTO as it was measured, in nanoseconds. */
  measured: number
  /** RTO with its back-off, in nanoseconds. */
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

  /** Nanoseconds after which an answer of this peer is overdue, back-off included. */
  timeoutOf(peer: string): number {
    return this.#estimates.get(peer)?.timeout ?? initial
  }

  /** The same without back-off: what the round trips measured last say. */
  measuredTimeoutOf(peer: string): number {
    return this.#estimates.get(peer)?.measured ?? initial
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
    estimate.measured = clamp(estimate.smoothed + 4 * estimate.variation)
    estimate.timeout = estimate.measured
    estimate.measuredAt = now
  }

  /**
   * No answer has come to what was sent last at `sentAt`, of a call that began at `begunAt` with this timeout. If it is
   * overdue, other calls wait twice as long as that call did at first, until there is a new measurement (5.5 to 5.7): else
   * a peer that has become slow would never be measured again. What a call waits after that is its own: a single one that
   * is unlucky says nothing of how long others should wait. If another call has measured the peer since, only this
   * datagram was lost.
   */
  overdue(peer: string, begunAt: number, begunWith: number, sentAt: number, now: number): void {
    const estimate = this.#use(peer)
    if (estimate.measuredAt > sentAt) return
    const timeout = estimate.measuredAt > begunAt ? estimate.measured : begunWith
    if (now - sentAt >= timeout) estimate.timeout = Math.max(estimate.timeout, clamp(2 * timeout))
  }

  /**
   * The answer came to one of several transmissions, the first and the last of which were sent then. If it came later than
   * what was measured says, after the last one already, the peer has become slow: other calls wait as long as the answer
   * can have taken at most, so that the next is measured.
   */
  ambiguous(peer: string, begunAt: number, sentAt: number, now: number): void {
    const estimate = this.#estimates.get(peer)
    if (estimate === undefined || estimate.measuredAt > begunAt || now - sentAt <= estimate.measured) return
    estimate.timeout = Math.max(estimate.timeout, clamp(now - begunAt))
  }

  #use(peer: string): Estimate {
    const estimate = this.#estimates.get(peer) ?? unknown()
    this.#estimates.set(peer, estimate)
    return estimate
  }
}

// Whole nanoseconds, as timers count them: what waits for the timeout has then waited no less.
const clamp = (nanos: number): number => Math.min(Math.max(Math.round(nanos), min), max)

const unknown = (): Estimate => ({
  smoothed: Number.NaN,
  variation: Number.NaN,
  measured: initial,
  timeout: initial,
  measuredAt: -Infinity
})
