/** Serves: a request in, at most one answer out. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as SchemaIssue from "effect/SchemaIssue"
import type * as Scope from "effect/Scope"
import * as Codec from "../Codec.ts"
import type { Handler, Implementation } from "../Handlers.ts"
import { Sender } from "../Handlers.ts"
import type { Peer } from "../Transport.ts"
import { Answers, forgotten } from "./answers.ts"
import { DuplicateMethod } from "./errors.ts"
import { isDone, run } from "./exit.ts"
import type { Ids } from "./ids.ts"
import { idAt } from "./ids.ts"
import type { KeyedHash } from "./keyedHash.ts"
import type { RequestOutcome } from "./metrics.ts"
import type { Sender as Limited } from "./senders.ts"
import { Senders } from "./senders.ts"
import type { Suspendable } from "./suspended.ts"
import { Suspended } from "./suspended.ts"
import type { RequestSpan } from "./watch.ts"
import { logDefect, requestSpans } from "./watch.ts"
import type { Wire } from "./wire.ts"

export interface Options {
  /** How many requests may be in the hands of handlers at once. */
  readonly maxHandlers: number
  /** How many of them may be of one sender. */
  readonly maxHandlersPerSender: number
  readonly requestsPerSecond: number
  readonly replyBytesPerSecond: number
  /** How deep an argument may nest. */
  readonly maxDepth: number
  /** What is remembered of requests, so that a repeated one is not run again. Undefined: nothing. */
  readonly memory: { readonly window: number; readonly maxEntries: number; readonly maxBytes: number } | undefined
  /** How long handlers may go on once their group is no longer served. */
  readonly gracePeriod: Duration.Duration
  readonly hash: () => KeyedHash
  readonly ids: Ids
}

export interface Server {
  readonly serve: (
    ...implementations: ReadonlyArray<Implementation>
  ) => Effect.Effect<void, DuplicateMethod, Scope.Scope>
  /** Takes a datagram whose header says that it is a request. */
  readonly onRequest: (datagram: Uint8Array, from: Peer) => void
  /** Takes a datagram whose header says that it answers a challenge. */
  readonly onProof: (datagram: Uint8Array, from: Peer) => void
  /** This peer has sent back an id that only it can have received. */
  readonly prove: (from: Peer, at: number) => void
}

/** A group while it is served. */
interface Served {
  readonly group: string
  readonly idempotent: boolean
  readonly handlers: Implementation["handlers"]
  /** What takes its time, and for which request. */
  readonly fibers: Map<Fiber.Fiber<unknown, unknown>, Request>
  /** How many requests are in the hands of its handlers. */
  inFlight: number
  /** Whether new requests are taken. */
  accepting: boolean
  /** Whether handlers may go on. */
  open: boolean
  onEnd: (() => void) | undefined
}

interface Method {
  readonly served: Served
  readonly handler: Handler
  readonly span: RequestSpan
}

/** A request in the hands of its handler. */
interface Request extends Suspendable {
  /** When it came. */
  readonly at: number
  readonly bytes: number
  readonly method: Method
}

/** The request that a fiber, or one that it comes from, was made for. */
class Running extends Context.Service<Running, Request>()("effect-rpcudp/internal/server/Running") {}

/** What is there as soon as something is served. A node that only calls needs none of it. */
interface Guard {
  readonly hash: KeyedHash
  readonly senders: Senders
  readonly answers: Answers | undefined
}

export const make = (wire: Wire, options: Options): Server => {
  const { context, metrics, now } = wire
  const methods = new Map<string, Method>()
  let inFlight = 0
  let guard: Guard | undefined
  const refusals = new PerSecond(1000)
  const deaths = new PerSecond(100)

  const suspended = new Suspended<Request>()
  // Senders that have proven nothing do not get the last quarter.
  const maxUnproven = Math.ceil(options.maxHandlers * 0.75)

  const makeGuard = (): Guard => {
    const { ids, memory, replyBytesPerSecond, requestsPerSecond } = options
    const hash = options.hash()
    const secret = new Uint8Array(Codec.idBytes)
    ids.write(secret, 0)
    return {
      hash,
      senders: new Senders({ hash, secret, requestsPerSecond, replyBytesPerSecond }),
      answers: memory === undefined ? undefined : new Answers({ ...memory, onEarly: metrics.forgotten })
    }
  }

  /** Sends what its receiver's budget has room for, and answers whether it had. */
  const reply = (datagram: Uint8Array, to: Peer, sender: Limited, at: number): boolean => {
    if (guard?.senders.spend(sender, datagram.length, at) === false) {
      metrics.withheld()
      return false
    }
    // A refused send is the caller's time-out: nobody here could do more about it.
    wire.send(datagram, to)
    return true
  }

  /** Answers a request that was not run. */
  const refuse = (
    id: Uint8Array,
    bytes: number,
    from: Peer,
    sender: Limited,
    at: number,
    failure: Codec.FailureReason
  ): boolean => {
    const encoded = Codec.encodeFailure(id, failure, bytes)
    return Result.isSuccess(encoded) && reply(encoded.success, from, sender, at)
  }

  /** Says that there is no room, if that costs less than the request did. A flood is not worth a datagram each. */
  const refuseOverloaded = (id: Uint8Array, bytes: number, from: Peer, sender: Limited, at: number) => {
    if (bytes < overloadedBytes || !refusals.hasRoom(at)) return
    if (refuse(id, bytes, from, sender, at, { kind: "Overloaded" })) refusals.count()
  }

  const challenge = (senders: Senders, datagram: Uint8Array, to: Peer, sender: Limited, at: number) => {
    if (!senders.spend(sender, datagram.length, at)) return
    metrics.challenged("sent")
    wire.send(datagram, to)
  }

  const end = (request: Request, outcome: RequestOutcome) => {
    inFlight--
    metrics.requestEnded(outcome)
    suspended.remove(request)
    const { served } = request.method
    served.inFlight--
    served.onEnd?.()
  }

  /** A request that is dealt with at once is so when it came: the clock costs as much as all that follows in `conclude`. */
  const timeOf = (request: Request): number => request.suspended ? now() : request.at

  /** The handler has run: a repeated request gets the same answer. */
  const conclude = (request: Request, outcome: RequestOutcome, datagram: Uint8Array) => {
    const { from, hash, id, method, sender } = request
    const at = timeOf(request)
    if (!method.served.idempotent) guard?.answers?.add(hash ^ originOf(sender, from), id, datagram, at)
    try {
      reply(datagram, from, sender, at)
    } finally {
      // Whatever the transport does. Not before it: this may be what closing waits for.
      end(request, outcome)
    }
  }

  const fail = (request: Request, outcome: RequestOutcome, failure: Codec.FailureReason) => {
    const encoded = Codec.encodeFailure(request.id, failure, request.bytes)
    if (Result.isSuccess(encoded)) conclude(request, outcome, encoded.success)
    else end(request, outcome)
  }

  const die = (request: Request, cause: Cause.Cause<unknown>) => {
    // Whoever finds a request that a handler dies of must not fill the disk with it.
    if (deaths.hasRoom(timeOf(request))) {
      deaths.count()
      logDefect(context, "rpcudp: a handler died", cause, {
        method: request.method.handler.procedure.method,
        sender: request.from
      })
    }
    fail(request, "defect", { kind: "Defect" })
  }

  /** Sends what was encoded; `outcome` is that of the request if it can be sent. */
  const answer = (
    request: Request,
    outcome: RequestOutcome,
    encoded: Result.Result<Uint8Array, Codec.TooLarge | Codec.Unencodable>
  ) => {
    if (Result.isFailure(encoded)) {
      return encoded.failure._tag === "TooLarge"
        ? fail(request, "oversize", { kind: "Oversize", detail: encoded.failure.size })
        : die(request, Cause.die(encoded.failure))
    }
    conclude(request, outcome, encoded.success)
  }

  /**
   * Runs one step of a request. What is done at once needs no fiber: that is half the cost of a small handler. Nor does the
   * next step close over what this one knows: it is handed the request.
   */
  const step = <A, E, R>(
    request: Request,
    effect: Effect.Effect<A, E, R>,
    context: Context.Context<R>,
    next: (request: Request, exit: Exit.Exit<A, E>) => void
  ): void => {
    if (isDone(effect)) return next(request, effect)
    const { served } = request.method
    let running: Fiber.Fiber<A, E> | undefined
    const settle = (exit: Exit.Exit<A, E>) => {
      if (running !== undefined) served.fibers.delete(running)
      if (served.open) return next(request, exit)
      end(request, "interrupted")
    }
    run(effect, context, settle, (fiber) => {
      if (!request.suspended) suspended.add(request, guard?.senders.isProven(request.sender, now()) === true)
      running = fiber
      served.fibers.set(fiber, request)
      // Its first steps, which ran just now, may have closed the scope.
      if (!served.open) fiber.interruptUnsafe()
    })
  }

  const decodeArgs = (request: Request, args: ReadonlyArray<unknown>) => {
    const { context, procedure } = request.method.handler
    step(request, procedure.args.decode(args), context, handle)
  }

  const handle = (request: Request, args: Exit.Exit<ReadonlyArray<unknown>, SchemaIssue.Issue>) => {
    if (Exit.isFailure(args)) return refuseArgs(request, args.cause)
    const { from, method } = request
    const { context } = method.handler
    const handler = method.span(callHandler(method.handler, args.value), from)
    // A context each costs 0.1 us, and a handler that is done at once looks at none.
    if (isDone(handler)) return encode(request, handler)
    step(request, handler, Context.add(Context.add(context, Sender, from.address), Running, request), encode)
  }

  const refuseArgs = (request: Request, cause: Cause.Cause<SchemaIssue.Issue>) => {
    const issue = Cause.findErrorOption(cause)
    if (Option.isNone(issue)) return die(request, cause)
    const { bytes, from, id, sender } = request
    refuse(id, bytes, from, sender, timeOf(request), { kind: "InvalidArguments", detail: format(issue.value) })
    end(request, "invalid_arguments")
  }

  const encode = (request: Request, exit: Exit.Exit<unknown, unknown>) => {
    const { context, procedure } = request.method.handler
    if (Exit.isSuccess(exit)) return step(request, procedure.success.encode(exit.value), context, answerSuccess)
    const error = Cause.hasDies(exit.cause) ? Option.none() : Cause.findErrorOption(exit.cause)
    if (Option.isNone(error) || procedure.error === undefined) return die(request, exit.cause)
    step(request, procedure.error.encode(error.value), context, answerError)
  }

  const answerSuccess = (request: Request, value: Exit.Exit<unknown, SchemaIssue.Issue>) => {
    if (Exit.isFailure(value)) return die(request, misfit("result", value.cause))
    answer(request, "success", Codec.encodeResponse(request.id, value.value))
  }

  const answerError = (request: Request, error: Exit.Exit<unknown, SchemaIssue.Issue>) => {
    if (Exit.isFailure(error)) return die(request, misfit("error", error.cause))
    const failure = { kind: "Error", detail: error.value } as const
    answer(request, "error", Codec.encodeFailure(request.id, failure, request.bytes))
  }

  /**
   * Resumes when no handler of these groups runs any more but the one that closes them, at the latest after the grace
   * period.
   */
  const drained = (groups: ReadonlyArray<Served>, closer: Request | undefined) => {
    const isOver = () => groups.every((served) => served.inFlight <= (closer?.method.served === served ? 1 : 0))
    if (isOver() || Duration.isZero(options.gracePeriod)) return Effect.void
    return Effect.callback<void>((resume) => {
      const timer = Effect.runForkWith(context)(Effect.sleep(options.gracePeriod))
      timer.addObserver(() => resume(Effect.void))
      const onEnd = () => {
        if (isOver()) timer.interruptUnsafe()
      }
      for (const served of groups) served.onEnd = onEnd
    })
  }

  const close = (served: Served, fiber: Fiber.Fiber<unknown, unknown>, closer: Request | undefined) => {
    served.open = false
    for (const method of served.handlers.keys()) methods.delete(method)
    const others: Array<Fiber.Fiber<unknown, unknown>> = []
    for (const [running, request] of served.fibers) {
      // A handler that closes its own scope can't wait for itself, nor for what waits for it.
      if (request !== closer) others.push(running)
      else if (running !== fiber) running.interruptUnsafe()
    }
    return others
  }

  const open = ({ group, handlers, idempotent }: Implementation): Served => {
    const served: Served = {
      group,
      idempotent,
      handlers,
      fibers: new Map(),
      inFlight: 0,
      accepting: true,
      open: true,
      onEnd: undefined
    }
    for (const [name, handler] of handlers) {
      methods.set(name, { served, handler, span: requestSpans(handler.context, group, name) })
    }
    return served
  }

  return {
    serve: (...implementations) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          const declared = new Map(Array.from(methods, ([method, { served }]) => [method, served.group]))
          for (const { group, handlers } of implementations) {
            for (const method of handlers.keys()) {
              const other = declared.get(method)
              if (other !== undefined) return Effect.fail(new DuplicateMethod({ method, groups: [other, group] }))
              declared.set(method, group)
            }
          }
          guard ??= makeGuard()
          return Effect.succeed(implementations.map(open))
        }),
        (groups) =>
          Effect.withFiber((fiber) => {
            const closer = Context.getOrUndefined(fiber.context, Running)
            for (const served of groups) served.accepting = false
            return Effect.flatMap(
              drained(groups, closer),
              // Waits for them: what they use closes after this.
              () => Fiber.interruptAll(groups.flatMap((served) => close(served, fiber, closer)))
            )
          })
      ),

    onRequest: (datagram, from) => {
      // A node that serves nothing does not know yet, or no longer, what it will: silence is what callers try again on.
      if (guard === undefined || methods.size === 0) return metrics.requestRefused("unserved")
      const { answers, hash: { ofId }, senders } = guard
      if (from.address.port === 0) return wire.drop("PortZero", from)
      const at = now()
      const hash = ofId(datagram, idAt)
      const sender = senders.of(from.host)

      if (suspended.isRepeated(hash, datagram, from)) return metrics.requestRefused("repeated")
      const known = answers?.find(hash ^ originOf(sender, from), datagram, idAt, at)
      if (known !== undefined) {
        metrics.requestRefused("repeated")
        // Over its rate nothing is said: it would have been refused, and it was not.
        if (known !== forgotten && senders.admit(sender, at)) reply(known, from, sender, at)
        return
      }

      const crowded = suspended.unproven >= maxUnproven
      const token = senders.challenge(sender, at, crowded)
      if (token !== undefined) challenge(senders, Codec.encodeChallenge(Codec.idOf(datagram), token), from, sender, at)
      if (!senders.admit(sender, at)) {
        metrics.requestRefused("throttled")
        return refuseOverloaded(Codec.idOf(datagram), datagram.length, from, sender, at)
      }

      const decoded = Codec.decodeRequest(datagram, options.maxDepth)
      if (Result.isFailure(decoded)) return wire.drop(decoded.failure, from)
      const { args, id } = decoded.success
      const method = methods.get(decoded.success.method)
      if (method === undefined) {
        metrics.requestRefused("unknown_method")
        refuse(id, datagram.length, from, sender, at, { kind: "UnknownMethod" })
        return
      }
      const { served } = method
      if (!served.accepting) return metrics.requestRefused("unserved")
      if (
        inFlight >= options.maxHandlers || suspended.of(sender) >= options.maxHandlersPerSender ||
        (crowded && !senders.isProven(sender, at))
      ) {
        metrics.requestRefused("overloaded")
        return refuseOverloaded(id, datagram.length, from, sender, at)
      }
      inFlight++
      served.inFlight++
      metrics.requestStarted()
      decodeArgs(
        { id, hash, at, bytes: datagram.length, from, sender, method, suspended: false, proven: false },
        args
      )
    },

    onProof: (datagram, from) => {
      const proof = Codec.decodeProof(datagram)
      if (Result.isFailure(proof)) return wire.drop(proof.failure, from)
      if (guard?.senders.answered(from.host, Codec.idOf(datagram), now()) !== true) return wire.drop("UnknownId", from)
      metrics.challenged("proven")
    },

    prove: (from, at) => guard?.senders.prove(from.host, at)
  }
}

/** Has room for so many in each second. */
class PerSecond {
  readonly #most: number
  #second = -Infinity
  #count = 0

  constructor(most: number) {
    this.#most = most
  }

  hasRoom(now: number): boolean {
    const second = Math.floor(now / 1_000_000_000)
    if (this.#second !== second) {
      this.#second = second
      this.#count = 0
    }
    return this.#count < this.#most
  }

  count(): void {
    this.#count++
  }
}

// The length of a failure frame that says so.
const overloadedBytes = 34

/** Whose request it is, port included, in 32 bits: the id that goes with it has 160. */
const originOf = (sender: Limited, from: Peer): number => Math.imul(sender.hash, 0x9e3779b1) ^ from.address.port

// A handler may throw before there is an Effect.
const callHandler = (handler: Handler, args: ReadonlyArray<unknown>): Effect.Effect<unknown, unknown, Sender> => {
  try {
    return handler.run(args)
  } catch (defect) {
    return Exit.die(defect)
  }
}

const format = SchemaIssue.makeFormatterDefault()

/** What the handler gave does not fit its contract: a defect of the handler, with a message that says where. */
const misfit = (of: "result" | "error", cause: Cause.Cause<SchemaIssue.Issue>): Cause.Cause<unknown> =>
  Option.match(Cause.findErrorOption(cause), {
    onNone: () => cause,
    onSome: (issue) => Cause.die(new TypeError(`the ${of} of the handler does not fit its schema: ${format(issue)}`))
  })
