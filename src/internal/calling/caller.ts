/** Calls: a request out, an answer or a deadline in. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as SchemaIssue from "effect/SchemaIssue"
import * as DatagramSocket from "effect/socket/DatagramSocket"
import * as Codec from "../../Codec.ts"
import type { CompiledProcedure } from "../../Handlers.ts"
import type { Peer } from "../../Transport.ts"
import { Call, CallTable } from "./callTable.ts"
import { InvalidResponse, NoResponse, Oversize, Rejected, TooManyCalls } from "../errors.ts"
import { isDone } from "../eager.ts"
import type { Ids } from "../wire/ids.ts"
import { idAt } from "../wire/ids.ts"
import type { CallOutcome } from "../watching/metrics.ts"
import type { Retransmission, RetransmitSchedule } from "./retransmission.ts"
import * as Retransmissions from "./retransmission.ts"
import { callSpan } from "../watching/watch.ts"
import type { Wire } from "../endpoint.ts"

export interface Options {
  /** How long a call of this fiber waits. */
  readonly timeout: (fiber: Fiber.Fiber<unknown, unknown>) => Duration.Duration
  /** When the request of a call of this fiber is sent again. */
  readonly retransmit: (fiber: Fiber.Fiber<unknown, unknown>) => RetransmitSchedule | undefined
  readonly matchSender: boolean
  /** How many calls may be in flight. */
  readonly maxCalls: number
  readonly ids: Ids
  /** This peer has answered a call: it is where it says. */
  readonly onAddressProven: (from: Peer, at: number) => void
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
  /** Takes a datagram whose header says that it asks for a proof that a call came from here. */
  readonly onChallenge: (datagram: Uint8Array, from: Peer) => void
  /** Ends the calls in flight, and all that come after, with this error. */
  readonly close: (error: DatagramSocket.DatagramSocketError) => void
}

class PendingCall extends Call<PendingCall> {
  readonly peer: Peer
  readonly method: string
  readonly procedure: CompiledProcedure | undefined
  readonly resume: (answer: Answer) => void
  retransmission: Retransmission | undefined = undefined

  constructor(
    startedAt: number,
    peer: Peer,
    method: string,
    procedure: CompiledProcedure | undefined,
    resume: (answer: Answer) => void
  ) {
    super(startedAt)
    this.peer = peer
    this.method = method
    this.procedure = procedure
    this.resume = resume
  }
}

export const make = (wire: Wire, options: Options): Caller => {
  const { context, metrics, now } = wire
  let closed: DatagramSocket.DatagramSocketError | undefined

  const calls = new CallTable<PendingCall>({
    clock: Context.get(context, Clock.Clock),
    now,
    context,
    ids: options.ids,
    onExpire: (call) => end(call, Exit.fail(noResponse(call)))
  })

  const retransmitter = Retransmissions.make({
    now,
    context,
    // That a repeated request was refused says nothing of the first one.
    send: (datagram, to) => {
      metrics.retransmitted()
      wire.send(datagram, to)
    }
  })

  const stop = (call: PendingCall) => {
    if (call.retransmission !== undefined) retransmitter.stop(call.retransmission)
  }

  const rest = () => {
    calls.rest()
    retransmitter.rest()
  }

  // The call has left the table by now: its caller may call again at once.
  const end = (call: PendingCall, answer: Answer, elapsed?: number) => {
    stop(call)
    if (isDone(answer)) {
      metrics.callEnded(outcomeOf(answer), elapsed)
      resume(call, answer)
    } else {
      // A schema that takes its time. The caller's fiber waits for it.
      resume(call, Effect.onExit(answer, (exit) => Effect.sync(() => metrics.callEnded(outcomeOf(exit), elapsed))))
    }
    rest()
  }

  const exchange = (
    fiber: Fiber.Fiber<unknown, unknown>,
    peer: Peer,
    method: string,
    args: unknown,
    procedure: CompiledProcedure | undefined
  ): Answer =>
    Effect.callback((resume) => {
      const timeout = nanosOf(options.timeout(fiber))
      if (timeout < 0) return resume(Effect.die(new RangeError("the time-out of a call is not negative")))
      metrics.callStarted()
      const call = new PendingCall(now(), peer, method, procedure, resume)
      if (closed !== undefined) return end(call, Exit.fail(closed))
      if (calls.size >= options.maxCalls) return end(call, Exit.fail(tooMany(call, options.maxCalls)))
      const request = Codec.encodeRequest(noId, method, Array.isArray(args) ? args : [])
      if (Result.isFailure(request)) return end(call, refused(method, request.failure))
      calls.add(call, request.success, idAt, timeout)
      wire.send(request.success, peer, (error) => {
        if (calls.remove(call)) end(call, Exit.fail(error))
      })
      const schedule = options.retransmit(fiber)
      // It may have been refused, or even answered, by now.
      if (schedule !== undefined && calls.has(call)) {
        call.retransmission = retransmitter.start(schedule, request.success, peer, fiber)
      }
      // Runs only if the caller is interrupted.
      return Effect.sync(() => {
        if (!calls.remove(call)) return
        stop(call)
        metrics.callEnded("interrupted")
        rest()
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
      const call = calls.find(datagram, idAt)
      if (call === undefined) return wire.drop("UnknownId", from)
      const own = call.peer.equals(from)
      if (options.matchSender && !own) return wire.drop("ForeignSender", from)
      const answer = type === "Response" ? response(call, datagram) : failure(call, datagram)
      // It may be damaged, or forged by somebody who cannot read the request: the true one may still come.
      if (typeof answer === "string") return wire.drop(answer, from)
      const at = now()
      calls.remove(call)
      if (call.retransmission !== undefined) retransmitter.answered(call.retransmission, at)
      if (own) options.onAddressProven(from, at)
      end(call, answer, at - call.startedAt)
    },

    onChallenge: (datagram, from) => {
      const call = calls.find(datagram, idAt)
      if (call === undefined) return wire.drop("UnknownId", from)
      // Whoever else knows the id is no peer to prove anything to.
      if (options.matchSender && !call.peer.equals(from)) return wire.drop("ForeignSender", from)
      const token = Codec.decodeChallenge(datagram)
      if (Result.isFailure(token)) return wire.drop(token.failure, from)
      metrics.challenged("answered")
      wire.send(Codec.encodeProof(token.success), from)
    },

    close: (error) => {
      if (closed !== undefined) return
      closed = error
      for (const call of calls.clear()) end(call, Exit.fail(error))
    }
  }
}

// The table writes another over it, straight into the request.
const noId = new Uint8Array(Codec.idBytes)

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

const tooMany = (call: PendingCall, limit: number): TooManyCalls =>
  new TooManyCalls({ peer: call.peer.address, method: call.method, limit })

const refused = (method: string, error: Codec.TooLarge | Codec.Unencodable): Exit.Exit<never, Oversize> =>
  error._tag === "TooLarge"
    ? Exit.fail(new Oversize({ method, size: error.size, limit: Codec.maxBodyBytes, of: "request" }))
    : Exit.die(error)

const format = SchemaIssue.makeFormatterDefault()

// Whole nanoseconds, so that a deadline is met exactly and never by a rounding error short of it.
const nanosOf = (timeout: Duration.Duration): number => Math.round(Duration.toMillis(timeout) * 1_000_000)

const outcomeOf = (exit: Exit.Exit<unknown, unknown>): CallOutcome => {
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
