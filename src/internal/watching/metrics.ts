/** What a protocol counts. All names of metrics stand here. */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { Unsealed } from "../sealing/seal.ts"
import { millisOf } from "../time/now.ts"
import type { Malformed } from "../wire/malformed.ts"
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
 * - `Unsealed`: its seal does not hold.
 */
export type DropReason = Malformed | "UnknownId" | "ForeignSender" | "PortZero" | Unsealed

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

export interface Metrics {
  readonly callStarted: () => void
  /** `elapsedNanos` is given only if the peer answered: a time-out is no round trip. */
  readonly callEnded: (outcome: CallOutcome, elapsedNanos?: number) => void
  readonly requestStarted: () => void
  readonly requestEnded: (outcome: RequestOutcome) => void
  /** A request that was refused without ever being in flight. */
  readonly requestRefused: (outcome: RequestOutcome) => void
  /** The datagram of a call was sent again. */
  readonly retransmitted: () => void
  /** An answer was not sent at once: its receiver has proven nothing, and was sent as much as it may be. */
  readonly withheld: () => void
  /** A request, or its answer, was forgotten before its time, to make room for newer ones. */
  readonly forgotten: (what: "request" | "answer") => void
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
  return {
    callStarted: () => inFlight.calls.modify(1),
    callEnded: (outcome, elapsedNanos) => {
      inFlight.calls.modify(-1)
      endedCalls(outcome).update(1)
      if (elapsedNanos !== undefined) answeredIn.update(millisOf(elapsedNanos))
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
      registry.refresh()
      sent.datagrams.update(1)
      sent.bytes.update(bytes)
    },
    received: (bytes) => {
      registry.refresh()
      received.datagrams.update(1)
      received.bytes.update(bytes)
    },
    dropped: (reason) => dropped(reason).update(1)
  }
}

const counter = (name: string, description: string, attributes: Record<string, string> = {}): Metric.Counter<number> =>
  Metric.counter(name, { description, attributes, incremental: true })

// Labels have few values, and all of them stand in this file: no stranger can make a series.
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
