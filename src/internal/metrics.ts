/** What a protocol counts. One place, so that the names are seen together. */
import * as Context from "effect/Context"
import { constVoid } from "effect/Function"
import * as Metric from "effect/Metric"
import type { Malformed } from "../Codec.ts"
import type { Unsealed } from "./seal.ts"

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

/** A challenge that was sent, one that was answered here, or one that somebody else has answered. */
export type ChallengeEvent = "sent" | "answered" | "proven"

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
  /** An answer was not sent, as that would have been too much for an address that nobody has proven to be the asker's. */
  readonly withheld: () => void
  /** What is remembered of requests made room for newer ones before its time. */
  readonly forgotten: (what: "request" | "answer") => void
  readonly challenged: (event: ChallengeEvent) => void
  readonly sent: (bytes: number) => void
  readonly received: (bytes: number) => void
  readonly dropped: (reason: DropReason) => void
}

/** `of` says to which registry the metrics belong, and with which attributes. */
export const make = (of: Context.Context<never>): Metrics => {
  const registry = Context.get(of, Metric.MetricRegistry)
  // What the registry holds on to must not be all of the program's services.
  const context = Context.make(Metric.MetricRegistry, registry).pipe(
    Context.add(Metric.CurrentMetricAttributes, Context.get(of, Metric.CurrentMetricAttributes))
  )
  const counts = countsOf(registry)
  const counted = (metric: Metric.Counter<number>) =>
    counts.of(metric, context, (value) => ({ count: value, incremental: true }))
  const gauged = (metric: Metric.Gauge<number>) => counts.of(metric, context, (value) => ({ value }))
  const labelled = <Label extends string>(metric: (label: Label) => Metric.Counter<number>) => {
    const known = new Map<Label, Count>()
    return (label: Label): Count => {
      let found = known.get(label)
      if (found === undefined) known.set(label, found = counted(metric(label)))
      return found
    }
  }
  const inFlight = { calls: gauged(callsInFlight), requests: gauged(requestsInFlight) }
  const sent = { datagrams: counted(datagramsSent), bytes: counted(bytesSent) }
  const received = { datagrams: counted(datagramsReceived), bytes: counted(bytesReceived) }
  const endedCalls = labelled(calls)
  const endedRequests = labelled(requests)
  const dropped = labelled(drops)
  const resent = counted(retransmissions)
  const withheld = counted(repliesWithheld)
  const forgotten = labelled(forgottenEarly)
  const challenged = labelled(challenges)
  return {
    callStarted: () => inFlight.calls.add(1),
    callEnded: (outcome, elapsedNanos) => {
      inFlight.calls.add(-1)
      endedCalls(outcome).add(1)
      if (elapsedNanos !== undefined) counts.adding(() => roundTrip.updateUnsafe(elapsedNanos / 1_000_000, context))
    },
    requestStarted: () => inFlight.requests.add(1),
    requestEnded: (outcome) => {
      inFlight.requests.add(-1)
      endedRequests(outcome).add(1)
    },
    requestRefused: (outcome) => endedRequests(outcome).add(1),
    retransmitted: () => resent.add(1),
    withheld: () => withheld.add(1),
    forgotten: (what) => forgotten(what).add(1),
    challenged: (event) => challenged(event).add(1),
    sent: (bytes) => {
      counts.look()
      sent.datagrams.add(1)
      sent.bytes.add(bytes)
    },
    received: (bytes) => {
      counts.look()
      received.datagrams.add(1)
      received.bytes.add(bytes)
    },
    dropped: (reason) => dropped(reason).add(1)
  }
}

/**
 * Numbers that are kept here, and that a registry reads when somebody looks at it: with some 15 updates a call, to find each
 * series in the registry and to update it there took 6% of the CPU.
 */
class Counts {
  readonly #registry: Metric.MetricRegistry
  readonly #counts = new Map<string, Count>()
  /** How many series the registry has, as far as is known here. */
  #size: number

  constructor(registry: Metric.MetricRegistry) {
    this.#registry = registry
    this.#size = registry.size
  }

  /** The number that this metric shows: one for all that count in this registry. */
  of<Input, State>(
    metric: Metric.Metric<Input, State>,
    context: Context.Context<never>,
    stateOf: (value: number) => State
  ): Count {
    // A registry that is empty tells the name.
    const empty: Metric.MetricRegistry = new Map()
    metric.valueUnsafe(Context.add(context, Metric.MetricRegistry, empty))
    const name = empty.keys().next().value!
    const known = this.#counts.get(name)
    if (known !== undefined) return known
    const get = () => stateOf(count.value)
    const count = new Count(metric.type === "Gauge", {
      register: () =>
        this.adding(() => Metric.registerUnsafe(metric, context, { get, update: constVoid, modify: constVoid })),
      isRegistered: () => this.#registry.has(name)
    })
    this.#counts.set(name, count)
    return count
  }

  /** For whatever adds series of ours to the registry. */
  adding(add: () => void): void {
    const before = this.#registry.size
    add()
    this.#size += this.#registry.size - before
  }

  /**
   * To be called often: a series that somebody has taken out of the registry begins anew. It does not see that if as many
   * others came since the last time.
   */
  look(): void {
    if (this.#registry.size < this.#size) this.#counts.forEach((count) => count.look())
    this.#size = this.#registry.size
  }
}

interface Series {
  readonly register: () => void
  readonly isRegistered: () => boolean
}

class Count {
  value = 0
  #registered = false
  readonly #isGauge: boolean
  readonly #series: Series

  constructor(isGauge: boolean, series: Series) {
    this.#isGauge = isGauge
    this.#series = series
  }

  add(amount: number): void {
    this.value += amount
    if (this.#registered) return
    // What has never been counted is no series.
    this.#registered = true
    this.#series.register()
  }

  look(): void {
    if (!this.#registered || this.#series.isRegistered()) return
    // What a gauge shows is still there.
    if (this.#isGauge) return this.#series.register()
    this.#registered = false
    this.value = 0
  }
}

const countsByRegistry = new WeakMap<Metric.MetricRegistry, Counts>()

const countsOf = (registry: Metric.MetricRegistry): Counts => {
  let counts = countsByRegistry.get(registry)
  if (counts === undefined) countsByRegistry.set(registry, counts = new Counts(registry))
  return counts
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
