/** Calls: a request out, an answer or a deadline in. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import { WebCrypto } from "effect/crypto/WebCrypto"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as SchemaIssue from "effect/SchemaIssue"
import * as DatagramSocket from "effect/socket/DatagramSocket"
import * as Codec from "../Codec.ts"
import type { CompiledProcedure } from "../Handlers.ts"
import type { Peer } from "../Transport.ts"
import { Call, CallTable } from "./callTable.ts"
import { InvalidResponse, NoResponse, Oversize, Rejected } from "./errors.ts"
import { isDone } from "./exit.ts"
import * as Ids from "./ids.ts"
import type { CallOutcome } from "./metrics.ts"
import { callSpan } from "./watch.ts"
import type { Wire } from "./wire.ts"

export interface Options {
  /** How long a call of this fiber waits. */
  readonly timeout: (fiber: Fiber.Fiber<unknown, unknown>) => Duration.Duration
  readonly matchSender: boolean
}

type Answer = Effect.Effect<unknown, unknown>

export interface Caller {
  /** Fails with a `CallError`, or with what the procedure declares. */
  readonly call: (
    peer: NetAddress.InetAddress,
    method: string,
    args: ReadonlyArray<unknown>,
    procedure?: CompiledProcedure
  ) => Answer
  /** Takes a datagram whose header says that it answers a call. */
  readonly onAnswer: (type: "Response" | "Failure", datagram: Uint8Array, from: Peer) => void
  /** Ends the calls in flight, and all that come after, with this error. */
  readonly close: (error: DatagramSocket.DatagramSocketError) => void
}

class PendingCall extends Call<PendingCall> {
  readonly peer: Peer
  readonly method: string
  readonly procedure: CompiledProcedure | undefined
  readonly resume: (answer: Answer) => void

  constructor(
    id: Uint8Array,
    startedAt: number,
    peer: Peer,
    method: string,
    procedure: CompiledProcedure | undefined,
    resume: (answer: Answer) => void
  ) {
    super(id, startedAt)
    this.peer = peer
    this.method = method
    this.procedure = procedure
    this.resume = resume
  }
}

export const make = (wire: Wire, options: Options): Caller => {
  const { context, metrics } = wire
  let closed: DatagramSocket.DatagramSocketError | undefined

  const calls = new CallTable<PendingCall>({
    clock: Context.get(context, Clock.Clock),
    context,
    ids: Ids.make(Context.get(context, WebCrypto)),
    onExpire: (call) => end(call, Exit.fail(noResponse(call)))
  })

  // The call has left the table by now: its caller may call again at once.
  const end = (call: PendingCall, answer: Answer, elapsed?: number) => {
    if (isDone(answer)) {
      metrics.callEnded(outcomeOf(answer), elapsed)
      return resume(call, answer)
    }
    // A schema that takes its time. The caller's fiber waits for it.
    resume(call, Effect.onExit(answer, (exit) => Effect.sync(() => metrics.callEnded(outcomeOf(exit), elapsed))))
  }

  const exchange = (
    fiber: Fiber.Fiber<unknown, unknown>,
    peer: Peer,
    method: string,
    args: unknown,
    procedure: CompiledProcedure | undefined
  ): Answer =>
    Effect.callback((resume) => {
      metrics.callStarted()
      const call = new PendingCall(calls.nextId(), calls.now(), peer, method, procedure, resume)
      if (closed !== undefined) return end(call, Exit.fail(closed))
      const request = Codec.encodeRequest(call.id, method, Array.isArray(args) ? args : [])
      if (Result.isFailure(request)) return end(call, refused(method, request.failure))
      calls.add(call, nanosOf(options.timeout(fiber)))
      wire.send(request.success, peer, (error) => {
        if (calls.remove(call)) end(call, Exit.fail(error))
      })
      // Runs only if the caller is interrupted.
      return Effect.sync(() => {
        if (calls.remove(call)) metrics.callEnded("interrupted")
      })
    })

  return {
    call: (address, method, args, procedure) =>
      Effect.withFiber((fiber) => {
        const peer = wire.peer(address)
        const encoded = procedure === undefined ? Exit.succeed(args) : procedure.args.encode(args)
        const call = isDone(encoded) && Exit.isSuccess(encoded)
          ? exchange(fiber, peer, method, encoded.value, procedure)
          : Effect.matchEffect(encoded, {
            onFailure: (issue) =>
              Effect.die(new TypeError(`the arguments of "${method}" do not fit: ${format(issue)}`)),
            onSuccess: (encoded) => exchange(fiber, peer, method, encoded, procedure)
          })
        return callSpan(call, fiber, procedure?.group, method, peer)
      }),

    onAnswer: (type, datagram, from) => {
      const call = calls.find(Codec.idOf(datagram))
      if (call === undefined) return wire.drop("UnknownId", from)
      if (options.matchSender && !call.peer.equals(from)) return wire.drop("ForeignSender", from)
      const answer = type === "Response" ? response(call, datagram) : failure(call, datagram)
      // It may be damaged, or forged by somebody who cannot read the request: the true one may still come.
      if (typeof answer === "string") return wire.drop(answer, from)
      calls.remove(call)
      end(call, answer, calls.now() - call.startedAt)
    },

    close: (error) => {
      if (closed !== undefined) return
      closed = error
      for (const call of calls.clear()) end(call, Exit.fail(error))
    }
  }
}

/** Whoever watches the caller's fiber may throw: that is neither this socket's loop to break nor the next call's end. */
const resume = (call: PendingCall, answer: Answer): void => {
  try {
    call.resume(answer)
  } catch (defect) {
    queueMicrotask(() => {
      throw defect
    })
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// answers
// ---------------------------------------------------------------------------------------------------------------------

const response = (call: PendingCall, datagram: Uint8Array): Answer | Codec.Malformed => {
  const decoded = Codec.decodeResponse(datagram)
  if (Result.isFailure(decoded)) {
    // Python's rpcudp sends responses of any length. The caller learns more from this than from a time-out.
    return decoded.failure === "TooLong" ? oversize(call, datagram.length - Codec.headerBytes) : decoded.failure
  }
  if (call.procedure === undefined) return Exit.succeed(decoded.success)
  return Effect.mapErrorEager(call.procedure.success.decode(decoded.success), invalid(call))
}

const failure = (call: PendingCall, datagram: Uint8Array): Answer | Codec.Malformed => {
  const decoded = Codec.decodeFailure(datagram)
  if (Result.isFailure(decoded)) return decoded.failure
  const reason = decoded.success
  switch (reason.kind) {
    case "Oversize":
      return oversize(call, reason.detail)
    case "Error":
      return declaredError(call, reason.detail)
    case "InvalidArguments":
      return rejected(call, reason.kind, reason.detail)
    default:
      return rejected(call, reason.kind, undefined)
  }
}

const declaredError = (call: PendingCall, detail: unknown): Answer => {
  if (call.procedure === undefined) return rejected(call, "Failed", detail)
  if (call.procedure.error === undefined) {
    return Exit.fail(invalidResponse(call, "it failed with an error, and the contract declares none"))
  }
  const error = Effect.mapErrorEager(call.procedure.error.decode(detail), invalid(call))
  return Effect.flatMapEager(error, (error) => Exit.fail(error))
}

const rejected = (call: PendingCall, reason: Rejected["reason"], detail: unknown): Exit.Exit<never, Rejected> =>
  Exit.fail(new Rejected({ peer: call.peer.address, method: call.method, reason, detail }))

const oversize = (call: PendingCall, size: number): Exit.Exit<never, Oversize> =>
  Exit.fail(new Oversize({ method: call.method, size, limit: Codec.maxBodyBytes, of: "response" }))

const invalid = (call: PendingCall) => (issue: SchemaIssue.Issue): InvalidResponse =>
  invalidResponse(call, format(issue))

const invalidResponse = (call: PendingCall, issue: string): InvalidResponse =>
  new InvalidResponse({ peer: call.peer.address, method: call.method, issue })

const noResponse = (call: PendingCall): NoResponse =>
  new NoResponse({
    peer: call.peer.address,
    method: call.method,
    elapsed: Duration.millis((call.due - call.startedAt) / 1_000_000)
  })

const refused = (method: string, error: Codec.TooLarge | Codec.Unencodable): Exit.Exit<never, Oversize> =>
  error._tag === "TooLarge"
    ? Exit.fail(new Oversize({ method, size: error.size, limit: Codec.maxBodyBytes, of: "request" }))
    : Exit.die(error)

const format = SchemaIssue.makeFormatterDefault()

// Whole nanoseconds, so that a deadline is met exactly and never by a rounding error short of it.
const nanosOf = (timeout: Duration.Duration): number =>
  Duration.isFinite(timeout) ? Math.round(Duration.toMillis(timeout) * 1_000_000) : Infinity

const outcomeOf = (exit: Exit.Exit<unknown, unknown>): CallOutcome => {
  if (Exit.isSuccess(exit)) return "success"
  const found = Cause.findErrorOption(exit.cause)
  if (Option.isNone(found)) return Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "defect"
  const error = found.value
  if (error instanceof NoResponse) return "no_response"
  if (error instanceof Rejected) return "rejected"
  if (error instanceof Oversize) return "oversize"
  if (error instanceof InvalidResponse) return "invalid_response"
  return DatagramSocket.isDatagramSocketError(error) ? "socket_error" : "error"
}
