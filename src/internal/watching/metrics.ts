/** What a protocol counts. One place, so that the names are seen together. */
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { Unsealed } from "../sealing/seal.ts"
import type { Malformed } from "../wire/malformed.ts"

/** How a call ended. */
export type CallOutcome =
  | "success"
  | "error"
  | "no_response"
  | "rejected"
  | "oversize"
  | "invalid_response"
  | "socket_error"
  | "too_many_calls"
  | "interrupted"
  | "defect"

/** How a request ended. */
export type RequestOutcome =
  | "success"
  | "error"
  | "unknown_method"
  | "unserved"
  | "invalid_arguments"
  /** It came again: nothing was run, and the answer, if there is one already, was sent again. */
  | "repeated"
  /** Too many handlers were running. */
  | "overloaded"
  /** Its sender sends too much, or has had too much sent to it. */
  | "throttled"
  | "oversize"
  | "defect"
  | "interrupted"

/**
 * Why a datagram was dropped: it is malformed, or it answers nothing that is in flight, or it answers from elsewhere, or
 * nothing could be sent back to where it came from, or its seal does not hold.
 */
export type DropReason = Malformed | "UnknownId" | "ForeignSender" | "PortZero" | Unsealed

/**
 * A challenge that was sent, one that was answered here, one that somebody else has answered, or a request that was refused
 * for want of a proof and is taken up again with it: that one is counted as a request twice.
 */
export type ChallengeEvent = "sent" | "answered" | "proven" | "resumed"

export interface Metrics {
  readonly callStarted: () => void
  /** `elapsedNanos` only where the peer answered: a time-out is no round trip. */
  readonly callEnded: (outcome: CallOutcome, elapsedNanos?: number) => void
  readonly requestStarted: () => void
  readonly requestEnded: (outcome: RequestOutcome) => void
  /** A request that was refused without ever being in flight. */
  readonly requestRefused: (outcome: RequestOutcome) => void
  /** The datagram of a call was sent again. */
  readonly retransmitted: () => void
  /** An answer was not sent at once, as that would have been too much for an address that has proven nothing. */
  readonly withheld: () => void
  /** What is remembered of requests made room for newer ones before its time. */
  readonly forgotten: (what: "request" | "answer") => void
  readonly challenged: (event: ChallengeEvent) => void
  readonly sent: (bytes: number) => void
  readonly received: (bytes: number) => void
  readonly dropped: (reason: DropReason) => void
}

/** `context` says to which registry the metrics belong, and with which attributes. */
export const make = (context: Context.Context<never>): Metrics => {
  const shelf = new Shelf(context)
  const series = (metric: NumberMetric) => shelf.series(metric)
  const labelled = <Label extends string>(metric: (label: Label) => NumberMetric) => {
    const known = new Map<Label, Series>()
    return (label: Label): Series => {
      let found = known.get(label)
      if (found === undefined) known.set(label, found = series(metric(label)))
      return found
    }
  }
  const inFlight = { calls: series(callsInFlight), requests: series(requestsInFlight) }
  const sent = { datagrams: series(datagramsSent), bytes: series(bytesSent) }
  const received = { datagrams: series(datagramsReceived), bytes: series(bytesReceived) }
  const endedCalls = labelled(calls)
  const endedRequests = labelled(requests)
  const dropped = labelled(drops)
  const resent = series(retransmissions)
  const withheld = series(repliesWithheld)
  const forgotten = labelled(forgottenEarly)
  const challenged = labelled(challenges)
  const answeredIn = series(roundTrip)
  return {
    callStarted: () => inFlight.calls.modify(1),
    callEnded: (outcome, elapsedNanos) => {
      inFlight.calls.modify(-1)
      endedCalls(outcome).update(1)
      if (elapsedNanos !== undefined) answeredIn.update(elapsedNanos / 1_000_000)
    },
    requestStarted: () => inFlight.requests.modify(1),
    requestEnded: (outcome) => {
      inFlight.requests.modify(-1)
      endedRequests(outcome).update(1)
    },
    requestRefused: (outcome) => endedRequests(outcome).update(1),
    retransmitted: () => resent.update(1),
    withheld: () => withheld.update(1),
    forgotten: (what) => forgotten(what).update(1),
    challenged: (event) => challenged(event).update(1),
    sent: (bytes) => {
      shelf.look()
      sent.datagrams.update(1)
      sent.bytes.update(bytes)
    },
    received: (bytes) => {
      shelf.look()
      received.datagrams.update(1)
      received.bytes.update(bytes)
    },
    dropped: (reason) => dropped(reason).update(1)
  }
}

type NumberMetric = Metric.Metric<number, unknown>

/**
 * The series of a protocol, found in its registry once and held: with some 15 updates a call, to find each of them each time
 * took 6% of the CPU.
 */
class Shelf {
  readonly #context: Context.Context<never>
  readonly #registry: Metric.MetricRegistry
  readonly #series: Array<Series> = []
  /** How many series the registry has, as far as is known here. */
  #size: number

  constructor(context: Context.Context<never>) {
    this.#context = context
    this.#registry = Context.get(context, Metric.MetricRegistry)
    this.#size = this.#registry.size
  }

  series(metric: NumberMetric): Series {
    // A registry that is empty tells the name, and what the series is before anything is counted.
    const begin = () => {
      const empty: Metric.MetricRegistry = new Map()
      metric.valueUnsafe(Context.add(this.#context, Metric.MetricRegistry, empty))
      return empty.entries().next().value!
    }
    const [name] = begin()
    const series = new Series(this.#context, metric.type === "Gauge", {
      find: () => this.#registry.get(name) ?? this.#put(name, begin()[1]),
      keep: (held) => this.#registry.has(name) || this.#put(name, held)
    })
    this.#series.push(series)
    return series
  }

  /**
   * To be called often: a series that somebody has taken out of the registry begins anew. It does not see that if as many
   * others came since the last time.
   */
  look(): void {
    if (this.#registry.size < this.#size) this.#series.forEach((series) => series.letGo())
    this.#size = this.#registry.size
  }

  #put(name: string, held: Held): Held {
    this.#registry.set(name, held)
    this.#size++
    return held
  }
}

/** What a registry has of a series. */
type Held = Metric.Metric.Metadata<number, unknown>

interface Place {
  readonly find: () => Held
  /** Puts it back if it is gone. */
  readonly keep: (held: Held) => void
}

class Series {
  readonly #context: Context.Context<never>
  readonly #isGauge: boolean
  readonly #place: Place
  #held: Held | undefined

  constructor(context: Context.Context<never>, isGauge: boolean, place: Place) {
    this.#context = context
    this.#isGauge = isGauge
    this.#place = place
  }

  update(input: number): void {
    this.#hold().hooks.update(input, this.#context)
  }

  modify(input: number): void {
    this.#hold().hooks.modify(input, this.#context)
  }

  letGo(): void {
    if (this.#held === undefined) return
    // What a gauge shows is still there.
    if (this.#isGauge) this.#place.keep(this.#held)
    else this.#held = undefined
  }

  #hold(): Held {
    return this.#held ??= this.#place.find()
  }
}

const counter = (name: string, description: string, attributes: Record<string, string> = {}): Metric.Counter<number> =>
  Metric.counter(name, { description, attributes, incremental: true })

// The values of each label are few and known here: no stranger can make a series.
const calls = (outcome: CallOutcome) => counter("rpcudp_calls", "Calls that have ended", { outcome })

const callsInFlight = Metric.gauge("rpcudp_calls_in_flight", { description: "Calls that wait for their answer" })

const roundTrip = Metric.histogram("rpcudp_round_trip_time_ms", {
  description: "Milliseconds from a request to its answer",
  boundaries: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000]
})

const requests = (outcome: RequestOutcome) => counter("rpcudp_requests", "Requests that have ended", { outcome })

const retransmissions = counter("rpcudp_retransmissions", "Requests that were sent again")

const requestsInFlight = Metric.gauge("rpcudp_requests_in_flight", { description: "Handlers that are running" })

const repliesWithheld = counter("rpcudp_replies_withheld", "Answers that the budget of their receiver had no room for")

const forgottenEarly = (what: "request" | "answer") =>
  counter("rpcudp_forgotten", "Requests, or answers to them, that could not be remembered for long enough", { what })

const challenges = (event: ChallengeEvent) => counter("rpcudp_challenges", "Challenges to prove an address", { event })

const datagramsSent = counter("rpcudp_datagrams_sent", "Datagrams handed to the socket")

const bytesSent = counter("rpcudp_bytes_sent", "Bytes of the datagrams handed to the socket")

const datagramsReceived = counter("rpcudp_datagrams_received", "Datagrams that arrived")

const bytesReceived = counter("rpcudp_bytes_received", "Bytes of the datagrams that arrived")

const drops = (reason: DropReason) =>
  counter("rpcudp_datagrams_dropped", "Datagrams that arrived and were dropped", { reason })
