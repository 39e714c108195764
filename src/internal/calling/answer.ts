/** From an answer's frame to the end of its call, and from that end to the outcome that is counted. No state, no socket. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as SchemaIssue from "effect/SchemaIssue"
import * as DatagramSocket from "effect/socket/DatagramSocket"
import * as Codec from "../../Codec.ts"
import type { CompiledProcedure } from "../../Handlers.ts"
import type { Peer } from "../../Transport.ts"
import { InvalidResponse, NoResponse, Oversize, Rejected, TooManyCalls } from "../errors.ts"
import type { CallOutcome } from "../watching/metrics.ts"

/** How a call ends. An Exit, unless a schema takes its time. */
export type Answer = Effect.Effect<unknown, unknown>

/** What was called. */
export interface Called {
  readonly peer: Peer
  readonly method: string
  /** Undefined: the call has no contract. */
  readonly procedure: CompiledProcedure | undefined
}

/** Returns how the call ends, or why this datagram ends no call. */
export const read = (
  type: "Response" | "Failure",
  datagram: Uint8Array,
  called: Called
): Answer | Codec.Malformed => type === "Response" ? readResponse(datagram, called) : readFailure(datagram, called)

export const outcomeOf = (exit: Exit.Exit<unknown, unknown>): CallOutcome => {
  if (Exit.isSuccess(exit)) return "success"
  const found = Cause.findErrorOption(exit.cause)
  if (Option.isNone(found)) return Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "defect"
  const error = found.value
  if (error instanceof NoResponse) return "no_response"
  if (error instanceof Rejected) return "rejected"
  if (error instanceof Oversize) return "oversize"
  if (error instanceof InvalidResponse) return "invalid_response"
  if (error instanceof TooManyCalls) return "too_many_calls"
  return DatagramSocket.isDatagramSocketError(error) ? "socket_error" : "error"
}

const readResponse = (datagram: Uint8Array, called: Called): Answer | Codec.Malformed => {
  const decoded = Codec.decodeResponse(datagram)
  if (Result.isFailure(decoded)) {
    // Python's rpcudp sends responses of any length. The caller learns more from this than from a time-out.
    return decoded.failure === "TooLong" ? oversize(called, datagram.length - Codec.headerBytes) : decoded.failure
  }
  if (called.procedure === undefined) return Exit.succeed(decoded.success)
  return Effect.mapErrorEager(called.procedure.success.decode(decoded.success), misfit(called))
}

const readFailure = (datagram: Uint8Array, called: Called): Answer | Codec.Malformed => {
  const decoded = Codec.decodeFailure(datagram)
  if (Result.isFailure(decoded)) return decoded.failure
  const reason = decoded.success
  switch (reason.kind) {
    case "Oversize":
      return oversize(called, reason.detail)
    case "Error":
      return declaredError(called, reason.detail)
    case "InvalidArguments":
      return rejected(called, reason.kind, reason.detail)
    default:
      return rejected(called, reason.kind, undefined)
  }
}

const declaredError = (called: Called, detail: unknown): Answer => {
  if (called.procedure === undefined) return rejected(called, "Failed", detail)
  if (called.procedure.error === undefined) {
    return Exit.fail(invalidResponse(called, "it failed with an error, and the contract declares none"))
  }
  const error = Effect.mapErrorEager(called.procedure.error.decode(detail), misfit(called))
  return Effect.flatMapEager(error, (error) => Exit.fail(error))
}

const rejected = (called: Called, reason: Rejected["reason"], detail: unknown): Exit.Exit<never, Rejected> =>
  Exit.fail(new Rejected({ peer: called.peer.address, method: called.method, reason, detail }))

const oversize = (called: Called, size: number): Exit.Exit<never, Oversize> =>
  Exit.fail(new Oversize({ method: called.method, size, limit: Codec.maxBodyBytes, of: "response" }))

const misfit = (called: Called) => (issue: SchemaIssue.Issue): InvalidResponse => invalidResponse(called, format(issue))

const invalidResponse = (called: Called, issue: string): InvalidResponse =>
  new InvalidResponse({ peer: called.peer.address, method: called.method, issue })

const format = SchemaIssue.makeFormatterDefault()
