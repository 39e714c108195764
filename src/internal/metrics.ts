/** What a protocol counts. One place, so that the names are seen together. */
import type * as Context from "effect/Context"
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

/** `context` says to which registry the metrics belong. */
export const make = (context: Context.Context<never>): Metrics => {
  const add = (metric: Metric.Counter<number>, amount: number) => metric.updateUnsafe(amount, context)
  return {
    callStarted: () => callsInFlight.modifyUnsafe(1, context),
    callEnded: (outcome, elapsedNanos) => {
      callsInFlight.modifyUnsafe(-1, context)
      add(calls(outcome), 1)
      if (elapsedNanos !== undefined) roundTrip.updateUnsafe(elapsedNanos / 1_000_000, context)
    },
    requestStarted: () => requestsInFlight.modifyUnsafe(1, context),
    requestEnded: (outcome) => {
      requestsInFlight.modifyUnsafe(-1, context)
      add(requests(outcome), 1)
    },
    requestRefused: (outcome) => add(requests(outcome), 1),
    retransmitted: () => add(retransmissions, 1),
    withheld: () => add(repliesWithheld, 1),
    forgotten: (what) => add(forgottenEarly(what), 1),
    challenged: (event) => add(challenges(event), 1),
    sent: (bytes) => {
      add(datagramsSent, 1)
      add(bytesSent, bytes)
    },
    received: (bytes) => {
      add(datagramsReceived, 1)
      add(bytesReceived, bytes)
    },
    dropped: (reason) => add(drops(reason), 1)
  }
}

const counter = (name: string, description: string, attributes: Record<string, string> = {}): Metric.Counter<number> =>
  Metric.counter(name, { description, attributes, incremental: true })

// The values of each label are few and known here: no stranger can make a series.
const labelled = <Label extends string>(name: string, label: string, description: string) => {
  const series = new Map<Label, Metric.Counter<number>>()
  return (value: Label): Metric.Counter<number> => {
    let metric = series.get(value)
    if (metric === undefined) series.set(value, metric = counter(name, description, { [label]: value }))
    return metric
  }
}

const calls = labelled<CallOutcome>("rpcudp_calls", "outcome", "Calls that have ended")

const callsInFlight = Metric.gauge("rpcudp_calls_in_flight", { description: "Calls that wait for their answer" })

const roundTrip = Metric.histogram("rpcudp_round_trip_time_ms", {
  description: "Milliseconds from a request to its answer",
  boundaries: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000]
})

const retransmissions = counter("rpcudp_retransmissions", "Requests that were sent again")

const requests = labelled<RequestOutcome>("rpcudp_requests", "outcome", "Requests that have ended")

const requestsInFlight = Metric.gauge("rpcudp_requests_in_flight", { description: "Handlers that are running" })

const repliesWithheld = counter("rpcudp_replies_withheld", "Answers that the budget of their receiver had no room for")

const forgottenEarly = labelled<"request" | "answer">(
  "rpcudp_forgotten",
  "what",
  "Requests, or answers to them, that could not be remembered for long enough"
)

const challenges = labelled<ChallengeEvent>("rpcudp_challenges", "event", "Challenges to prove an address")

const datagramsSent = counter("rpcudp_datagrams_sent", "Datagrams handed to the socket")

const bytesSent = counter("rpcudp_bytes_sent", "Bytes of the datagrams handed to the socket")

const datagramsReceived = counter("rpcudp_datagrams_received", "Datagrams that arrived")

const bytesReceived = counter("rpcudp_bytes_received", "Bytes of the datagrams that arrived")

const drops = labelled<DropReason>("rpcudp_datagrams_dropped", "reason", "Datagrams that arrived and were dropped")
