/** How a program ends that is told to stop: within a limit, whatever it waits for then. No signals, and no process. */
import type { Duration } from "effect"
import { Context, Effect, Exit, Fiber, Option, Tracer } from "effect"

export interface Options {
  /** How long it may take to end once it is interrupted. */
  readonly limit: Duration.Input
  /** What else has to end by then, when the program has. */
  readonly rest: Effect.Effect<void>
  /** Ends all that is left. It is told in which span the program is, if that has not ended and is in one. */
  readonly giveUp: (at: string | undefined) => Effect.Effect<void>
}

/**
 * The program runs in a fiber of its own, so that its finalizers, and what it does not let interrupt, can be left behind. What
 * does not let go of the thread cannot: no clock goes on meanwhile.
 */
export const endingWithin =
  ({ giveUp, limit, rest }: Options) => <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkDetach(program)
        const waited = yield* Effect.exit(restore(Fiber.await(fiber)))
        if (Exit.isSuccess(waited)) return yield* waited.value
        fiber.interruptUnsafe()
        const ended = yield* Fiber.await(fiber).pipe(Effect.tap(() => rest), Effect.timeoutOption(limit))
        if (Option.isSome(ended)) return yield* ended.value
        yield* giveUp(fiber.pollUnsafe() === undefined ? spanOf(fiber) : undefined)
        return yield* Effect.interrupt
      })
    )

const spanOf = ({ context }: Fiber.Fiber<unknown, unknown>): string | undefined => {
  const span = Option.getOrUndefined(Context.getOption(context, Tracer.ParentSpan))
  return span?._tag === "Span" ? span.name : undefined
}
