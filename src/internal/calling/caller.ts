/** Calls: a request out, an answer or a deadline in. Builds the parts; what they decide is theirs. */
import type * as Duration from "effect/Duration"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import * as SchemaIssue from "effect/SchemaIssue"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import * as Codec from "../../Codec.ts"
import type { CompiledProcedure } from "../../Handlers.ts"
import type { Peer } from "../../Transport.ts"
import { Deadline } from "../deadline.ts"
import { isDone } from "../eager.ts"
import type { Wire } from "../endpoint.ts"
import { Oversize } from "../errors.ts"
import type { Nanos } from "../time/now.ts"
import { millisOf, nanosOf } from "../time/now.ts"
import { callSpan, isTraced, traceparentOf } from "../watching/spans.ts"
import { gatherType } from "../wire/frame.ts"
import type { Ids } from "../wire/ids.ts"
import type { Trailer } from "../wire/trailer.ts"
import { withTrailer, writeMillisLeft } from "../wire/trailer.ts"
import * as Answer from "./answer.ts"
import type { Hear } from "./pendingCall.ts"
import { PendingCall, PendingCalls } from "./pendingCall.ts"
import type { RetransmitSchedule } from "./retransmission.ts"

export interface Options {
  /** How long a call of this fiber waits. */
  readonly timeout: (fiber: Fiber.Fiber<unknown, unknown>) => Duration.Duration
  /** When the request of a call of this fiber is sent again. */
  readonly retransmit: (fiber: Fiber.Fiber<unknown, unknown>) => RetransmitSchedule | undefined
  readonly matchSender: boolean
  /** How many calls may be in flight. */
  readonly maxCalls: number
  /** Whether a peer is told that the caller of its request waits no longer. */
  readonly cancel: boolean
  /** Whether requests say how long their caller waits, and which trace they belong to. */
  readonly propagate: boolean
  readonly ids: Ids
  /** This peer has answered a call, so it is where it says. */
  readonly onAddressProven: (from: Peer, at: number) => void
}

export interface Caller {
  /** Fails with a `CallError`, or with what the procedure declares. */
  readonly call: (
    peer: NetAddress.InetAddress,
    method: string,
    args: ReadonlyArray<unknown>,
    procedure?: CompiledProcedure,
    /** If given, the request is a gather, and this hears its answers. */
    hear?: Hear
  ) => Effect.Effect<unknown, unknown>
  /** Takes a datagram whose header says that it answers a call. */
  readonly onAnswer: (type: "Response" | "Failure", datagram: Uint8Array, from: Peer) => void
  /** Takes a datagram whose header says that it asks for a proof that a call came from here. */
  readonly onChallenge: (datagram: Uint8Array, from: Peer) => void
  /** Ends the calls in flight, and all that come after, with this error. */
  readonly close: (error: DatagramSocket.DatagramSocketError) => void
}

export const make = (wire: Wire, options: Options): Caller => {
  const parts: Parts = { wire, options, calls: new PendingCalls(wire, options), settingsOf: settingsBy(options) }
  return {
    call: (address, method, args, procedure, hear) =>
      Effect.withFiber((fiber) => call(parts, { peer: wire.peer(address), method, procedure, hear, fiber }, args)),
    onAnswer: (type, datagram, from) => onAnswer(parts, type, datagram, from),
    onChallenge: (datagram, from) => onChallenge(parts, datagram, from),
    close: (error) => parts.calls.close(error)
  }
}

interface Parts {
  readonly wire: Wire
  readonly options: Options
  readonly calls: PendingCalls
  readonly settingsOf: (fiber: Fiber.Fiber<unknown, unknown>) => Settings
}

/** What a fiber's context says of its calls. */
interface Settings {
  readonly context: Context.Context<never>
  readonly timeout: Nanos
  readonly schedule: RetransmitSchedule | undefined
  readonly traced: boolean
}

/**
 * Hot path (`npm run bench`): most calls that follow each other are made in one context, and to look up what it says takes a
 * tenth of a call's JavaScript, so the last one is kept. Under a deadline each call has less time.
 */
const settingsBy = ({ retransmit, timeout }: Options): Parts["settingsOf"] => {
  let last: Settings | undefined
  return (fiber) => {
    const { context } = fiber
    if (last?.context === context) return last
    const settings = {
      context,
      timeout: wholeNanosOf(timeout(fiber)),
      schedule: retransmit(fiber),
      traced: isTraced([context])
    }
    if (fiber.getRef(Deadline) === undefined) last = settings
    return settings
  }
}

/** What is called, and by which fiber. */
interface Target extends Answer.Called {
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly hear: Hear | undefined
}

const call = (parts: Parts, target: Target, args: ReadonlyArray<unknown>): Answer.Answer => {
  const { fiber, method, procedure } = target
  const encoded = procedure === undefined ? Exit.succeed(args) : procedure.args.encode(args)
  const call = isDone(encoded) && Exit.isSuccess(encoded)
    ? exchange(parts, target, encoded.value)
    : Effect.matchEffect(encoded, {
      onFailure: (issue) => Effect.die(new TypeError(`the arguments of "${method}" do not fit: ${format(issue)}`)),
      onSuccess: (encoded) => exchange(parts, target, encoded)
    })
  return parts.settingsOf(fiber).traced ? callSpan(call, target, Answer.outcomeOf) : call
}

const exchange = ({ calls, options, settingsOf, wire }: Parts, target: Target, args: unknown): Answer.Answer =>
  Effect.callback((resume) => {
    const { fiber, hear, method, peer, procedure } = target
    const { schedule, timeout } = settingsOf(fiber)
    if (timeout < 0) return resume(Effect.die(new RangeError("the time-out of a call is not negative")))
    wire.metrics.callStarted()
    const call = new PendingCall(wire.now(), peer, method, procedure, resume, hear)
    const refusal = calls.refusalOf(call)
    if (refusal !== undefined) return calls.end(call, Exit.fail(refusal))
    const encoded = Codec.encodeRequest(noId, method, Array.isArray(args) ? args : [])
    if (Result.isFailure(encoded)) return calls.end(call, unencodable(method, encoded.failure))
    const bare = encoded.success
    // `Codec.encodeGather` would have every client bundle it.
    if (hear !== undefined) bare[0] = gatherType
    const request = options.propagate ? withTrailer(bare, trailerOf(timeout, fiber)) : bare
    calls.add(call, request, timeout)
    const send = schedule === undefined ? wire.sendOnce : wire.send
    send(request, peer, (error) => {
      if (calls.has(call)) calls.end(call, Exit.fail(error))
    })
    // It may have been refused, or even answered, by now.
    if (schedule !== undefined && calls.has(call)) {
      const refresh = request === bare || timeout === Infinity
        ? undefined
        : () => writeMillisLeft(request, bare.length, millisOf(call.due - wire.now()))
      calls.retransmit(call, request, schedule, fiber, refresh)
    }
    // Runs only if the caller is interrupted.
    return Effect.sync(() => {
      if (calls.interrupt(call) && options.cancel && hear === undefined) wire.send(Codec.encodeCancel(call.id), peer)
    })
  })

const trailerOf = (timeout: Nanos, fiber: Fiber.Fiber<unknown, unknown>): Trailer => ({
  millisLeft: timeout === Infinity ? undefined : millisOf(timeout),
  traceparent: traceparentOf(fiber)
})

const onAnswer = (
  { calls, options, wire }: Parts,
  type: "Response" | "Failure",
  datagram: Uint8Array,
  from: Peer
): void => {
  const call = calls.find(datagram)
  if (call === undefined) return wire.drop("UnknownId", from)
  if (call.hear !== undefined) {
    // Anybody who hears a gather can answer it, in anybody's name: an answer proves no address, and no failure counts.
    const heard = type === "Response" ? call.hear(datagram, from) : "UnknownId"
    return typeof heard === "string" ? wire.drop(heard, from) : calls.heard(call, heard)
  }
  const own = call.peer.equals(from)
  if (options.matchSender && !own) return wire.drop("ForeignSender", from)
  const answer = Answer.read(type, datagram, call)
  // It may be damaged, or forged by somebody who cannot read the request: the true one may still come.
  if (typeof answer === "string") return wire.drop(answer, from)
  const at = wire.now()
  if (own) options.onAddressProven(from, at)
  calls.answer(call, answer, at)
}

const onChallenge = ({ calls, options, wire }: Parts, datagram: Uint8Array, from: Peer): void => {
  const call = calls.find(datagram)
  // Whoever answers a gather asks for no proof.
  if (call === undefined || call.hear !== undefined) return wire.drop("UnknownId", from)
  // Whoever else knows the id is no peer to prove anything to.
  if (options.matchSender && !call.peer.equals(from)) return wire.drop("ForeignSender", from)
  const token = Codec.decodeChallenge(datagram)
  if (Result.isFailure(token)) return wire.drop(token.failure, from)
  wire.metrics.challenged("answered")
  wire.send(Codec.encodeProof(token.success), from)
}

// The table writes another over it, straight into the request.
const noId = new Uint8Array(Codec.idBytes)

const unencodable = (method: string, error: Codec.TooLarge | Codec.Unencodable): Exit.Exit<never, Oversize> =>
  error._tag === "TooLarge"
    ? Exit.fail(new Oversize({ method, size: error.size, limit: Codec.maxBodyBytes, of: "request" }))
    : Exit.die(error)

const format = SchemaIssue.makeFormatterDefault()

// Whole nanoseconds, so that a deadline is met exactly and never by a rounding error short of it.
const wholeNanosOf = (timeout: Duration.Duration): Nanos => Math.round(nanosOf(timeout))
