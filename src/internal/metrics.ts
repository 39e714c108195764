/** What a protocol counts. One place, so that the names are seen together. */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { Malformed } from "../Codec.ts"

/** How a call ended. */
export type CallOutcome =
  | "success"
  | "error"
  | "no_response"
  | "rejected"
  | "oversize"
  | "invalid_response"
  | "socket_error"
  | "interrupted"
  | "defect"

/** How a request ended. */
export type RequestOutcome =
  | "success"
  | "error"
  | "unknown_method"
  | "unserved"
  | "invalid_arguments"
  | "overloaded"
  | "oversize"
  | "defect"
  | "interrupted"

/** Why a datagram was dropped: it is malformed, or it answers no call in flight, or it answers from elsewhere. */
export type DropReason = Malformed | "UnknownId" | "ForeignSender"

export interface Metrics {
  readonly callStarted: () => void
  /** `elapsedNanos` only where the peer answered: a time-out is no round trip. */
  readonly callEnded: (outcome: CallOutcome, elapsedNanos?: number) => void
  readonly requestStarted: () => void
  readonly requestEnded: (outcome: RequestOutcome) => void
  /** A request that was refused without ever being in flight. */
  readonly requestRefused: (outcome: RequestOutcome) => void
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

const requests = labelled<RequestOutcome>("rpcudp_requests", "outcome", "Requests that have ended")

const requestsInFlight = Metric.gauge("rpcudp_requests_in_flight", { description: "Handlers that are running" })

const datagramsSent = counter("rpcudp_datagrams_sent", "Datagrams handed to the socket")

const bytesSent = counter("rpcudp_bytes_sent", "Bytes of the datagrams handed to the socket")

const datagramsReceived = counter("rpcudp_datagrams_received", "Datagrams that arrived")

const bytesReceived = counter("rpcudp_bytes_received", "Bytes of the datagrams that arrived")

const drops = labelled<DropReason>("rpcudp_datagrams_dropped", "reason", "Datagrams that arrived and were dropped")
