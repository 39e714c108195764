/** Takes an admitted request to its one end: decodes its arguments, runs its handler, encodes and sends its result. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Codec from "../../Codec.ts"
import type { Handler } from "../../Handlers.ts"
import { Sender } from "../../Handlers.ts"
import { Deadline } from "../deadline.ts"
import { isDone, run } from "../eager.ts"
import type { Memory } from "./memory.ts"
import type { RequestOutcome } from "../watching/metrics.ts"
import { PerSecond } from "./rates.ts"
import type { Replies } from "./replies.ts"
import type { Admitted } from "./request.ts"
import { Expiry, Running } from "./request.ts"
import type { Suspended } from "./suspended.ts"
import { durationOf } from "../time/now.ts"
import { Timetable } from "../time/timetable.ts"
import { logDefect } from "../watching/logs.ts"
import type { Wire } from "../endpoint.ts"

export interface Options {
  readonly wire: Wire
  readonly replies: Replies
  readonly suspended: Suspended<Admitted>
  /** Undefined: nothing is remembered. */
  readonly memory: Memory | undefined
  /** Within how many nanoseconds a gather is answered. */
  readonly leisure: number
}

export class Handling {
  readonly #wire: Wire
  readonly #replies: Replies
  readonly #suspended: Suspended<Admitted>
  readonly #memory: Memory | undefined
  readonly #leisure: number
  readonly #random: typeof Random.Random.Service
  readonly #deaths = new PerSecond(100)
  readonly #clock: Clock.Clock
  readonly #expiries: Timetable<Expiry>

  constructor({ leisure, memory, replies, suspended, wire }: Options) {
    this.#wire = wire
    this.#replies = replies
    this.#suspended = suspended
    this.#memory = memory
    this.#leisure = leisure
    this.#random = Context.get(wire.context, Random.Random)
    this.#clock = Context.get(wire.context, Clock.Clock)
    this.#expiries = new Timetable<Expiry>({
      clock: this.#clock,
      now: wire.now,
      context: wire.context,
      onDue: (due) => {
        for (const { request } of due) this.abandon(request, "expired")
      }
    })
  }

  start(request: Admitted, args: ReadonlyArray<unknown>): void {
    const { handler, served } = request.method
    served.inFlight++
    this.#wire.metrics.requestStarted()
    const decoded = handler.procedure.args.decode(args)
    this.#step(request, request.isGather ? this.#atLeisure(request, decoded) : decoded, handler.context, this.#handle)
  }

  /** Interrupts what runs for a request that nobody waits for. Returns whether anything did that was not interrupted before. */
  abandon(request: Admitted, why: "cancelled" | "expired"): boolean {
    const running = request.method.served.fibers.get(request)
    if (running === undefined || request.abandoned !== undefined) return false
    request.abandoned = why
    running.interruptUnsafe()
    return true
  }

  /** Later, by chance: the whole group must not answer at once (RFC 7252, 8.2). And while the caller still waits. */
  #atLeisure<A, E>({ at, expiresAt }: Admitted, effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    const leisure = Math.min(this.#leisure, (expiresAt - at) / 2)
    if (leisure <= 0) return effect
    const wait = Math.floor(this.#random.nextDoubleUnsafe() * leisure)
    return Effect.andThen(this.#clock.sleep(durationOf(wait)), effect)
  }

  readonly #handle = (request: Admitted, args: Exit.Exit<ReadonlyArray<unknown>, SchemaIssue.Issue>): void => {
    if (Exit.isFailure(args)) return this.#refuseArgs(request, args.cause)
    const handler = callHandler(request.method.handler, args.value)
    // A handler that is done already reads no context, so none is made.
    if (isDone(handler)) return this.#encode(request, handler)
    this.#step(request, handler, this.#contextOf(request), this.#encode)
  }

  #refuseArgs(request: Admitted, cause: Cause.Cause<SchemaIssue.Issue>): void {
    const issue = Cause.findErrorOption(cause)
    if (Option.isNone(issue)) return this.#die(request, cause)
    const detail = format(issue.value)
    request.span?.failed(Cause.fail(detail))
    this.#fail(request, "invalid_arguments", { kind: "InvalidArguments", detail })
  }

  readonly #encode = (request: Admitted, exit: Exit.Exit<unknown, unknown>): void => {
    const { context, procedure } = request.method.handler
    if (Exit.isSuccess(exit)) {
      return this.#step(request, procedure.success.encode(exit.value), context, this.#answerSuccess)
    }
    const error = Cause.hasDies(exit.cause) ? Option.none() : Cause.findErrorOption(exit.cause)
    if (Option.isNone(error) || procedure.error === undefined) return this.#die(request, exit.cause)
    request.span?.failed(exit.cause)
    this.#step(request, procedure.error.encode(error.value), context, this.#answerError)
  }

  readonly #answerSuccess = (request: Admitted, value: Exit.Exit<unknown, SchemaIssue.Issue>): void => {
    if (Exit.isFailure(value)) return this.#die(request, misfit("result", value.cause))
    this.#answer(request, "success", Codec.encodeResponse(request.id, value.value))
  }

  readonly #answerError = (request: Admitted, error: Exit.Exit<unknown, SchemaIssue.Issue>): void => {
    if (Exit.isFailure(error)) return this.#die(request, misfit("error", error.cause))
    const failure = { kind: "Error", detail: error.value } as const
    this.#answer(request, "error", Codec.encodeFailure(request.id, failure, request.bytes))
  }

  /** Ends the request with an encoded answer and this outcome, or with why the answer could not be encoded. */
  #answer(
    request: Admitted,
    outcome: RequestOutcome,
    encoded: Result.Result<Uint8Array, Codec.TooLarge | Codec.Unencodable>
  ): void {
    if (Result.isSuccess(encoded)) return this.#finish(request, outcome, encoded.success)
    if (encoded.failure._tag === "Unencodable") return this.#die(request, Cause.die(encoded.failure))
    this.#fail(request, "oversize", { kind: "Oversize", detail: encoded.failure.size })
  }

  #die(request: Admitted, cause: Cause.Cause<unknown>): void {
    request.span?.failed(cause)
    // Whoever finds a request that makes a handler die must not be able to fill the disk with logs.
    if (this.#deaths.hasRoom(this.#wire.now())) {
      this.#deaths.count()
      logDefect(this.#wire.context, "rpcudp: a handler died", cause, {
        method: request.method.handler.procedure.method,
        sender: request.from
      })
    }
    this.#fail(request, "defect", { kind: "Defect" })
  }

  #fail(request: Admitted, outcome: RequestOutcome, failure: Codec.FailureReason): void {
    const encoded = Codec.encodeFailure(request.id, failure, request.bytes)
    this.#finish(request, outcome, Result.isSuccess(encoded) ? encoded.success : undefined)
  }

  /** Every end of a request. Its answer, if it has one, is sent: to a gather, only if that is its result. */
  #finish(request: Admitted, outcome: RequestOutcome, ownAnswer: Uint8Array | undefined): void {
    const { budget, hash, id, isGather, method: { served } } = request
    const answer = isGather && outcome !== "success" ? undefined : ownAnswer
    const at = this.#wire.now()
    try {
      // A copy of a gather is not answered again: the whole group would, and all at once.
      const kept = isGather ? undefined : answer
      if (isRemembered(request, outcome, answer)) this.#memory?.add(hash, id, kept, budget.hash, at)
      if (answer !== undefined) this.#replies.send(answer, request, at)
    } finally {
      // Even if the transport throws. And last, as the closing of its group may wait for this request.
      this.#suspended.remove(request)
      if (request.expiry !== undefined) {
        this.#expiries.remove(request.expiry)
        this.#expiries.disarmIfIdle()
      }
      this.#wire.metrics.requestEnded(request.method.handler.procedure, outcome, at - request.at)
      request.span?.end(outcome)
      served.inFlight--
      served.onEnd?.()
    }
  }

  /**
   * Runs one step of a request. Hot path (micro: "dispatch: a request in, its handler, a response out"): a step that is done
   * already gets no fiber, and the next step is a method that is handed the request instead of a closure.
   */
  #step<A, E, R>(
    request: Admitted,
    effect: Effect.Effect<A, E, R>,
    context: Context.Context<R>,
    next: (request: Admitted, exit: Exit.Exit<A, E>) => void
  ): void {
    if (isDone(effect)) return next(request, effect)
    const { served } = request.method
    const settle = (exit: Exit.Exit<A, E>) => {
      served.fibers.delete(request)
      if (request.abandoned !== undefined) return this.#finish(request, request.abandoned, undefined)
      if (served.open) return next(request, exit)
      this.#finish(request, "interrupted", undefined)
    }
    run(effect, context, settle, (fiber) => {
      served.fibers.set(request, fiber)
      if (!request.suspended) {
        // It was a view of the datagram, and so kept that, and all that its transport had read with it.
        request.id = new Uint8Array(request.id)
        this.#suspended.add(request)
        this.#expire(request)
      }
      // The handler has begun to run, and may have closed the scope of its group.
      if (!served.open) fiber.interruptUnsafe()
    })
  }

  /** Has the request abandoned when its caller waits no longer, if that has said when. */
  #expire(request: Admitted): void {
    if (request.expiresAt === Infinity) return
    request.expiry = new Expiry(request)
    this.#expiries.add(request.expiry, request.expiresAt - request.at, request.at)
  }

  /** What a handler runs in. */
  #contextOf(request: Admitted): Context.Context<Sender> {
    const { expiresAt, from, method, span } = request
    const own = Context.add(Context.add(method.handler.context, Sender, from.address), Running, request)
    const context = span === undefined ? own : span.addTo(own)
    if (expiresAt === Infinity) return context
    const left = expiresAt - this.#wire.now()
    return Context.add(context, Deadline, this.#clock.monotonicTimeNanosUnsafe() + BigInt(Math.round(left)))
  }
}

/**
 * Whether a copy of the request must not run. Nobody waits for one that was abandoned, even if it did no harm. Of a gather,
 * every copy would have its answer.
 */
const isRemembered = (request: Admitted, outcome: RequestOutcome, answer: Uint8Array | undefined): boolean =>
  request.abandoned !== undefined ||
  request.isGather ||
  (answer !== undefined && outcome !== "invalid_arguments" && !request.method.served.idempotent)

// A handler may throw before there is an Effect.
const callHandler = (handler: Handler, args: ReadonlyArray<unknown>): Effect.Effect<unknown, unknown, Sender> => {
  try {
    return handler.run(args)
  } catch (defect) {
    return Exit.die(defect)
  }
}

const format = SchemaIssue.makeFormatterDefault()

/** A defect of the handler: what it returned does not fit its contract. The message says where. */
const misfit = (of: "result" | "error", cause: Cause.Cause<SchemaIssue.Issue>): Cause.Cause<unknown> =>
  Option.match(Cause.findErrorOption(cause), {
    onNone: () => cause,
    onSome: (issue) => Cause.die(new TypeError(`the ${of} of the handler does not fit its schema: ${format(issue)}`))
  })
