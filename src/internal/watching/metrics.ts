/** What a protocol counts. All names of metrics stand here. */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import * as Record from "effect/Record"
import type { CompiledProcedure } from "../../Handlers.ts"
import type { Unsealed } from "../sealing/seal.ts"
import type { Nanos } from "../time/now.ts"
import { second } from "../time/now.ts"
import type { Malformed } from "../wire/malformed.ts"
import { methodAttributes, methodOf, otherMethod, outcomeAttributes } from "./conventions.ts"
import type { NumberMetric, Series } from "./series.ts"
import { SeriesRegistry } from "./series.ts"

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
  /** It came before. Nothing was run, and the answer was sent again if there was one already. */
  | "repeated"
  /** Too many handlers were running. */
  | "overloaded"
  /** Its sender has sent more, or was sent more, than its budget allows. */
  | "throttled"
  | "oversize"
  | "defect"
  /** Its group closed while its handler ran. */
  | "interrupted"
  /** Its caller was interrupted, and has said so. Nothing was answered. */
  | "cancelled"
  /** The deadline that its caller had told was over. Nothing was answered. */
  | "expired"

/**
 * Why a datagram was dropped.
 * - `Malformed`: it is no frame, or its body does not decode.
 * - `UnknownId`: no call in flight has its id, no challenge has its token, or no request that runs is the one to cancel.
 * - `ForeignSender`: it answers a call, and comes from elsewhere than the peer that was called.
 * - `PortZero`: nothing can be sent back to where it came from.
 * - `Misaddressed`: it is a gather that came to this node alone, or it came to a group and is none.
 * - `Unsealed`: its seal does not hold.
 */
export type DropReason = Malformed | "UnknownId" | "ForeignSender" | "PortZero" | "Misaddressed" | Unsealed

/** What happened to a challenge. */
export type ChallengeEvent =
  /** This node has sent one. */
  | "sent"
  /** This node was challenged, and has sent a proof. */
  | "answered"
  /** A sender that this node has challenged has sent its proof. */
  | "proven"
  /** A request that waited for the proof is judged again. It is counted as a request twice. */
  | "resumed"

export type Forgotten = "request" | "answer"

export interface Metrics {
  readonly callStarted: () => void
  /** `answered`: by its peer. A time-out is no round trip. */
  readonly callEnded: (
    procedure: CompiledProcedure | undefined,
    outcome: CallOutcome,
    elapsed: Nanos,
    answered: boolean
  ) => void
  /** It is served from now on. */
  readonly serving: (procedure: CompiledProcedure) => void
  readonly requestStarted: () => void
  readonly requestEnded: (procedure: CompiledProcedure, outcome: RequestOutcome, elapsed: Nanos) => void
  /** A request that was refused without ever being in flight. */
  readonly requestRefused: (outcome: RequestOutcome) => void
  /** The datagram of a call was sent again. */
  readonly retransmitted: () => void
  /** An answer was not sent at once: its receiver has proven nothing, and was sent as much as it may be. */
  readonly withheld: () => void
  /** A request, or its answer, was forgotten before its time, to make room for newer ones. */
  readonly forgotten: (what: Forgotten) => void
  readonly challenged: (event: ChallengeEvent) => void
  readonly sent: (bytes: number) => void
  readonly received: (bytes: number) => void
  readonly dropped: (reason: DropReason) => void
}

/** `context` has the registry that the metrics belong to, and their attributes. */
export const make = (context: Context.Context<never>): Metrics => {
  const registry = new SeriesRegistry(context)
  const inFlight = { calls: registry.series(callsInFlight), requests: registry.series(requestsInFlight) }
  const sent = { datagrams: registry.series(datagramsSent), bytes: registry.series(bytesSent) }
  const received = { datagrams: registry.series(datagramsReceived), bytes: registry.series(bytesReceived) }
  const endedCalls = registry.labelled(calls)
  const endedRequests = registry.labelled(requests)
  const dropped = registry.labelled(drops)
  const resent = registry.series(retransmissions)
  const withheld = registry.series(repliesWithheld)
  const forgotten = registry.labelled(forgottenEarly)
  const challenged = registry.labelled(challenges)
  const answeredIn = registry.series(roundTrip)
  const callDurations = durations<CallOutcome>(registry, callDuration)
  const requestDurations = durations<RequestOutcome>(registry, requestDuration)
  return {
    callStarted: () => inFlight.calls.add(1),
    callEnded: (procedure, outcome, elapsed, answered) => {
      const seconds = elapsed / second
      inFlight.calls.add(-1)
      endedCalls(outcome).add(1)
      callDurations(methodOf(procedure), outcome).record(seconds)
      if (answered) answeredIn.record(seconds)
    },
    serving: (procedure) => void requestDurations(procedure.fullName, "success"),
    requestStarted: () => inFlight.requests.add(1),
    requestEnded: (procedure, outcome, elapsed) => {
      inFlight.requests.add(-1)
      endedRequests(outcome).add(1)
      requestDurations(procedure.fullName, outcome).record(elapsed / second)
    },
    requestRefused: (outcome) => {
      endedRequests(outcome).add(1)
      // What else is refused may have a method, and was not read so far.
      if (outcome === "unknown_method") requestDurations(otherMethod, outcome).record(0)
    },
    retransmitted: () => resent.add(1),
    withheld: () => withheld.add(1),
    forgotten: (what) => forgotten(what).add(1),
    challenged: (event) => challenged(event).add(1),
    sent: (bytes) => {
      registry.refresh()
      sent.datagrams.add(1)
      sent.bytes.add(bytes)
    },
    received: (bytes) => {
      registry.refresh()
      received.datagrams.add(1)
      received.bytes.add(bytes)
    },
    dropped: (reason) => dropped(reason).add(1)
  }
}

/** The series of each method, by how a call or a request of it ended. Each begins when it is first asked for. */
const durations = <Outcome extends string>(
  registry: SeriesRegistry,
  metric: (method: string, outcome: Outcome) => NumberMetric
): (method: string, outcome: Outcome) => Series => {
  const methods = new Map<string, Map<Outcome, Series>>()
  return (method, outcome) => {
    let known = methods.get(method)
    if (known === undefined) methods.set(method, known = new Map())
    let series = known.get(outcome)
    if (series === undefined) known.set(outcome, series = registry.series(metric(method, outcome)))
    return series
  }
}

// Effect's exporters read the unit of a metric from its attribute `unit`. In braces stands what a number counts (UCUM).
const counter = (
  name: string,
  unit: string,
  description: string,
  attributes: Readonly<Record<string, string>> = {}
): Metric.Counter<number> =>
  Metric.counter(name, { description, attributes: { ...attributes, unit }, incremental: true })

const gauge = (name: string, unit: string, description: string): Metric.Gauge<number> =>
  Metric.gauge(name, { description, attributes: { unit } })

const seconds = (
  name: string,
  description: string,
  boundaries: ReadonlyArray<number>,
  attributes: Readonly<Record<string, string>> = {}
): Metric.Histogram<number> =>
  Metric.histogram(name, { description, attributes: { ...attributes, unit: "seconds" }, boundaries })

/** A counter for each value of a label. The compiler sees that none is missing, and no stranger can make another. */
const counters = <Label extends string>(
  name: string,
  unit: string,
  description: string,
  attribute: string,
  labels: Readonly<Record<Label, true>>
): ReadonlyMap<Label, NumberMetric> =>
  new Map(Record.keys(labels).map((label) => [label, counter(name, unit, description, { [attribute]: label })]))

const calls = counters<CallOutcome>("rpcudp_calls_total", "{call}", "Calls that have ended", "outcome", {
  success: true,
  error: true,
  no_response: true,
  rejected: true,
  oversize: true,
  invalid_response: true,
  socket_error: true,
  too_many_calls: true,
  interrupted: true,
  defect: true
})

const callsInFlight = gauge("rpcudp_calls_in_flight", "{call}", "Calls that wait for their answer")

// The conventions' boundaries, which are too coarse for what one network answers: `roundTrip` has finer ones.
const callBoundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

// Without the convention's server.address: a node calls peers without number.
const callDuration = (method: string, outcome: CallOutcome) =>
  seconds("rpc.client.call.duration", "How long calls took, however they ended", callBoundaries, {
    ...methodAttributes(method),
    ...outcomeAttributes(outcome)
  })

const roundTrip = seconds(
  "rpcudp_round_trip_seconds",
  "From a request to its answer",
  [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
)

const requests = counters<RequestOutcome>("rpcudp_requests_total", "{request}", "Requests that have ended", "outcome", {
  success: true,
  error: true,
  unknown_method: true,
  unserved: true,
  invalid_arguments: true,
  repeated: true,
  overloaded: true,
  throttled: true,
  oversize: true,
  defect: true,
  interrupted: true,
  cancelled: true,
  expired: true
})

const requestsInFlight = gauge("rpcudp_requests_in_flight", "{request}", "Handlers that are running")

const requestDuration = (method: string, outcome: RequestOutcome) =>
  seconds("rpc.server.call.duration", "How long requests took, however they ended", callBoundaries, {
    ...methodAttributes(method),
    ...outcomeAttributes(outcome)
  })

const retransmissions = counter("rpcudp_retransmissions_total", "{datagram}", "Requests that were sent again")

const repliesWithheld = counter(
  "rpcudp_replies_withheld_total",
  "{reply}",
  "Answers that the budget of their receiver had no room for"
)

const forgottenEarly = counters<Forgotten>(
  "rpcudp_forgotten_total",
  "{entry}",
  "Requests, or answers to them, that could not be remembered for long enough",
  "what",
  { request: true, answer: true }
)

const challenges = counters<ChallengeEvent>(
  "rpcudp_challenges_total",
  "{challenge}",
  "Challenges to prove an address",
  "event",
  { sent: true, answered: true, proven: true, resumed: true }
)

const datagramsSent = counter("rpcudp_datagrams_sent_total", "{datagram}", "Datagrams handed to the socket")

const bytesSent = counter("rpcudp_sent_bytes_total", "bytes", "Bytes of the datagrams handed to the socket")

const datagramsReceived = counter("rpcudp_datagrams_received_total", "{datagram}", "Datagrams that arrived")

const bytesReceived = counter("rpcudp_received_bytes_total", "bytes", "Bytes of the datagrams that arrived")

const drops = counters<DropReason>(
  "rpcudp_datagrams_dropped_total",
  "{datagram}",
  "Datagrams that arrived and were dropped",
  "reason",
  {
    TooShort: true,
    TooLong: true,
    UnknownType: true,
    Shape: true,
    Truncated: true,
    TrailingBytes: true,
    TooDeep: true,
    Extension: true,
    InvalidUtf8: true,
    Reserved: true,
    DuplicateKey: true,
    UnhashableKey: true,
    TooMany: true,
    UnknownId: true,
    ForeignSender: true,
    PortZero: true,
    Misaddressed: true,
    NotSealed: true,
    UnknownKey: true,
    Stale: true,
    Reflected: true,
    Replayed: true,
    Forged: true,
    TooManySessions: true
  }
)
