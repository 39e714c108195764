/** Serves: a request in, at most one answer out. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
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
import { DuplicateMethod } from "./errors.ts"
import { isDone } from "./exit.ts"
import type { RequestOutcome } from "./metrics.ts"
import { logDefect, requestSpan } from "./watch.ts"
import type { Wire } from "./wire.ts"

export interface Options {
  /** How many requests may be in the hands of handlers at once. */
  readonly maxHandlers: number
}

export interface Server {
  readonly serve: (implementation: Implementation) => Effect.Effect<void, DuplicateMethod, Scope.Scope>
  /** Takes a datagram whose header says that it is a request. */
  readonly onRequest: (datagram: Uint8Array, from: Peer) => void
}

/** A group while it is served. */
interface Served {
  readonly group: string
  readonly handlers: Implementation["handlers"]
  readonly fibers: Set<Fiber.Fiber<unknown, unknown>>
  open: boolean
}

/** A request in the hands of its handler. */
interface Request {
  readonly id: Uint8Array
  readonly bytes: number
  readonly from: Peer
  readonly handler: Handler
  readonly served: Served
}

export const make = (wire: Wire, options: Options): Server => {
  const { context, metrics } = wire
  const methods = new Map<string, Served>()
  let inFlight = 0

  const refuse = (id: Uint8Array, bytes: number, from: Peer, failure: Codec.FailureReason) => {
    const encoded = Codec.encodeFailure(id, failure, bytes)
    // A refused send is the caller's time-out: nobody here could do more about it.
    if (Result.isSuccess(encoded)) wire.send(encoded.success, from)
  }

  const fail = (request: Request, outcome: RequestOutcome, failure: Codec.FailureReason) => {
    inFlight--
    metrics.requestEnded(outcome)
    refuse(request.id, request.bytes, request.from, failure)
  }

  const die = (request: Request, cause: Cause.Cause<unknown>) => {
    logDefect(context, "rpcudp: a handler died", cause, {
      method: request.handler.procedure.method,
      sender: request.from
    })
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
    inFlight--
    metrics.requestEnded(outcome)
    wire.send(encoded.success, request.from)
  }

  /** Runs one step of a request. What is done at once needs no fiber: that is half the cost of a small handler. */
  const step = <A, E, R>(
    request: Request,
    effect: Effect.Effect<A, E, R>,
    context: Context.Context<R>,
    next: (exit: Exit.Exit<A, E>) => void
  ): void => {
    if (isDone(effect)) return next(effect)
    const { served } = request
    const fiber = Effect.runForkWith(context)(effect)
    const settle = (exit: Exit.Exit<A, E>) => {
      served.fibers.delete(fiber)
      if (served.open) return next(exit)
      inFlight--
      metrics.requestEnded("interrupted")
    }
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return settle(exit)
    served.fibers.add(fiber)
    fiber.addObserver(settle)
    // Its first steps, which ran just now, may have closed the scope.
    if (!served.open) fiber.interruptUnsafe()
  }

  const decodeArgs = (request: Request, args: ReadonlyArray<unknown>) => {
    const { context, procedure } = request.handler
    step(request, procedure.args.decode(args), context, (exit) => {
      if (Exit.isSuccess(exit)) return handle(request, exit.value)
      const issue = Cause.findErrorOption(exit.cause)
      if (Option.isNone(issue)) return die(request, exit.cause)
      fail(request, "invalid_arguments", { kind: "InvalidArguments", detail: format(issue.value) })
    })
  }

  const handle = (request: Request, args: ReadonlyArray<unknown>) => {
    const { context, procedure } = request.handler
    const handlerContext = Context.add(context, Sender, request.from.address)
    const handler = requestSpan(
      callHandler(request.handler, args),
      context,
      procedure.group,
      procedure.method,
      request.from
    )
    step(
      request,
      handler,
      handlerContext,
      (exit) => Exit.isSuccess(exit) ? encodeSuccess(request, exit.value) : encodeError(request, exit.cause)
    )
  }

  const encodeSuccess = (request: Request, value: unknown) => {
    const { context, procedure } = request.handler
    step(request, procedure.success.encode(value), context, (exit) =>
      Exit.isSuccess(exit)
        ? answer(request, "success", Codec.encodeResponse(request.id, exit.value))
        : die(request, misfit("result", exit.cause)))
  }

  const encodeError = (request: Request, cause: Cause.Cause<unknown>) => {
    const { context, procedure } = request.handler
    const error = Cause.hasDies(cause) ? Option.none() : Cause.findErrorOption(cause)
    if (Option.isNone(error) || procedure.error === undefined) return die(request, cause)
    step(request, procedure.error.encode(error.value), context, (exit) => {
      if (Exit.isFailure(exit)) return die(request, misfit("error", exit.cause))
      answer(
        request,
        "error",
        Codec.encodeFailure(request.id, { kind: "Error", detail: exit.value }, request.bytes)
      )
    })
  }

  return {
    serve: (implementation) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          const { group, handlers } = implementation
          for (const method of handlers.keys()) {
            const other = methods.get(method)
            if (other !== undefined) return Effect.fail(new DuplicateMethod({ method, groups: [other.group, group] }))
          }
          const served: Served = { group, handlers, fibers: new Set(), open: true }
          for (const method of handlers.keys()) methods.set(method, served)
          return Effect.succeed(served)
        }),
        (served) =>
          Effect.withFiber((fiber) => {
            served.open = false
            for (const method of served.handlers.keys()) methods.delete(method)
            // Waits for them: what they use closes after this. A handler that closes its own scope can't wait for itself.
            return Fiber.interruptAll([...served.fibers].filter((handler) => handler !== fiber))
          })
      ),

    onRequest: (datagram, from) => {
      const decoded = Codec.decodeRequest(datagram)
      if (Result.isFailure(decoded)) return wire.drop(decoded.failure, from)
      const { args, id, method } = decoded.success
      const served = methods.get(method)
      const handler = served?.handlers.get(method)
      if (served === undefined || handler === undefined) {
        // A node that serves nothing does not know yet, or no longer, what it will: silence is what callers try again on.
        if (methods.size === 0) return metrics.requestRefused("unserved")
        metrics.requestRefused("unknown_method")
        return refuse(id, datagram.length, from, { kind: "UnknownMethod" })
      }
      if (inFlight >= options.maxHandlers) {
        metrics.requestRefused("overloaded")
        return refuse(id, datagram.length, from, { kind: "Overloaded" })
      }
      inFlight++
      metrics.requestStarted()
      decodeArgs({ id, bytes: datagram.length, from, handler, served }, args)
    }
  }
}

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
