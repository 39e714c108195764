/** How long peers take to answer, as RFC 6298 estimates it from round trips. The number of peers is bounded. No clock. */
import { RecentMap } from "../recentMap.ts"
import { millisecond, second } from "../time/now.ts"

/** Nanoseconds until a datagram is sent again, for a peer of which nothing is known (RFC 6298, 2.1). */
const initial = second

// RFC 6298, 2.4 rounds up to a second, as a peer may delay its acknowledgements. Here the answer itself comes back, so the least
// is what the resolution of timers and a busy process may add.
const min = 50 * millisecond

// RFC 6298, 2.5
const max = 60 * second

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

  /** Knows at least the last `minPeers` peers, and at most twice as many. */
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

  /** The same without back-off. */
  measuredTimeoutOf(peer: string): number {
    return this.#estimates.get(peer)?.measured ?? initial
  }

  /** Notes that the answer to a request that was sent once came after so many nanoseconds. */
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
   * Notes that no answer has come to what a call has sent at `sentAt`. The call began at `begunAt`, when the timeout was
   * `begunWith`. If its answer is overdue, calls that begin now wait twice as long as this one did at first, until the peer is
   * measured again (5.5 to 5.7). Otherwise a peer that has become slow would be sent each request twice, and so never be
   * measured. Later waits of the same call change nothing: one unlucky call says little about the peer. Nor does it if
   * another call has measured the peer since `sentAt`: then only this datagram was lost.
   */
  overdue(peer: string, begunAt: number, begunWith: number, sentAt: number, now: number): void {
    const estimate = this.#use(peer)
    if (estimate.measuredAt > sentAt) return
    const timeout = estimate.measuredAt > begunAt ? estimate.measured : begunWith
    if (now - sentAt >= timeout) estimate.timeout = Math.max(estimate.timeout, clamp(2 * timeout))
  }

  /**
   * Notes that an answer came to one of several transmissions: the first was sent at `begunAt`, the last at `sentAt`. If it came
   * later after the last one than the measured timeout, the peer has become slow. Then calls that begin now wait as long as
   * the answer took at most, since the first transmission, so that the next call is sent once and measured.
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

// Whole nanoseconds, as timers count them: rounding must not make a timer ring before the timeout is over.
const clamp = (nanos: number): number => Math.min(Math.max(Math.round(nanos), min), max)

const unknown = (): Estimate => ({
  smoothed: Number.NaN,
  variation: Number.NaN,
  measured: initial,
  timeout: initial,
  measuredAt: -Infinity
})
