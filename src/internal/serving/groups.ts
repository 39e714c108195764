/** The groups that are served, from `serve` until the last of their handlers has ended. No bytes, no socket. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { CompiledProcedure, Implementation } from "../../Handlers.ts"
import { DuplicateMethod } from "../errors.ts"
import type { Admitted, Method, Served } from "./request.ts"
import { Running } from "./request.ts"
import type { Metrics } from "../watching/metrics.ts"
import type { RemoteSpans } from "../watching/spans.ts"
import { requestSpans } from "../watching/spans.ts"

export interface Options {
  /** What the protocol was built in. The timer of the grace period runs in it. */
  readonly context: Context.Context<never>
  readonly metrics: Metrics
  /** How long handlers may go on once their group is no longer served. */
  readonly gracePeriod: Duration.Duration
  readonly remoteSpans: RemoteSpans
}

export class Groups {
  readonly #options: Options
  readonly #methods = new Map<string, Method>()
  #procedures: ReadonlyArray<CompiledProcedure> | undefined

  constructor(options: Options) {
    this.#options = options
  }

  /** How many methods are served. */
  get size(): number {
    return this.#methods.size
  }

  /** What is served: the same list until that changes. */
  get procedures(): ReadonlyArray<CompiledProcedure> {
    return this.#procedures ??= Array.from(this.#methods.values(), ({ handler }) => handler.procedure)
  }

  method(name: string): Method | undefined {
    return this.#methods.get(name)
  }

  /** Serves them until the scope closes, and then for as long as the grace period lets them end. */
  serve(implementations: ReadonlyArray<Implementation>): Effect.Effect<void, DuplicateMethod, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.withFiber(({ context }) => {
        const duplicate = this.#duplicateIn(implementations)
        return duplicate === undefined
          ? Effect.succeed(implementations.map((implementation) => this.#open(implementation, context)))
          : Effect.fail(duplicate)
      }),
      (groups) =>
        Effect.withFiber((fiber) => {
          const closer = Context.getOrUndefined(fiber.context, Running)
          for (const served of groups) served.accepting = false
          return Effect.flatMap(
            this.#drained(groups, closer),
            // Waits until they have ended: what they use is closed after this.
            () => Fiber.interruptAll(groups.flatMap((served) => this.#close(served, fiber, closer)))
          )
        })
    )
  }

  #duplicateIn(implementations: ReadonlyArray<Implementation>): DuplicateMethod | undefined {
    const declared = new Map(Array.from(this.#methods, ([method, { served }]) => [method, served.group]))
    for (const { group, handlers } of implementations) {
      for (const method of handlers.keys()) {
        const other = declared.get(method)
        if (other !== undefined) return new DuplicateMethod({ method, groups: [other, group] })
        declared.set(method, group)
      }
    }
    return undefined
  }

  /** `context`: what they are served in. */
  #open({ group, handlers, idempotent }: Implementation, context: Context.Context<never>): Served {
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
      const contexts = [handler.context, context, this.#options.context]
      const startSpan = requestSpans(contexts, handler.procedure.fullName, this.#options.remoteSpans)
      this.#methods.set(name, { served, handler, startSpan })
      this.#options.metrics.serving(handler.procedure)
    }
    this.#procedures = undefined
    return served
  }

  /** Waits for the handlers of these groups, at most for the grace period, and not for the handler that closes them. */
  #drained(groups: ReadonlyArray<Served>, closer: Admitted | undefined): Effect.Effect<void> {
    const { context, gracePeriod } = this.#options
    const isOver = () => groups.every((served) => served.inFlight <= (closer?.method.served === served ? 1 : 0))
    if (isOver() || Duration.isZero(gracePeriod)) return Effect.void
    return Effect.callback<void>((resume) => {
      const timer = Effect.runForkWith(context)(Effect.sleep(gracePeriod))
      timer.addObserver(() => resume(Effect.void))
      const onEnd = () => {
        if (isOver()) timer.interruptUnsafe()
      }
      for (const served of groups) served.onEnd = onEnd
    })
  }

  /** Forgets the methods, so that no request finds them. Returns the fibers to interrupt. */
  #close(served: Served, fiber: Fiber.Fiber<unknown, unknown>, closer: Admitted | undefined) {
    served.open = false
    for (const method of served.handlers.keys()) this.#methods.delete(method)
    this.#procedures = undefined
    const others: Array<Fiber.Fiber<unknown, unknown>> = []
    for (const [request, running] of served.fibers) {
      // A handler that closes its own scope can wait neither for itself nor for a fiber of its own that waits for it.
      if (request !== closer) others.push(running)
      else if (running !== fiber) running.interruptUnsafe()
    }
    return others
  }
}
