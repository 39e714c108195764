/** An Effect that is done before it has started needs no fiber. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"

/**
 * `Exit.isExit`, with the types of the effect: an Exit is the effect that ends with it.
 *
 * Hot path (micro: "dispatch: a request in, its handler, a response out"): most are successes, which one look tells.
 */
export const isDone = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Exit<A, E> =>
  Object.getPrototypeOf(effect) === success || Exit.isExit(effect)

const success: unknown = Object.getPrototypeOf(Exit.void)

/**
 * Runs an effect outside of any fiber, and tells how it ended: at once where it can. Where it takes its time, `onSuspend` is
 * told first of the fiber that it has.
 */
export const run = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  context: Context.Context<R>,
  onExit: (exit: Exit.Exit<A, E>) => void,
  onSuspend: (fiber: Fiber.Fiber<A, E>) => void
): void => {
  if (isDone(effect)) return onExit(effect)
  const fiber = Effect.runForkWith(context)(effect)
  const exit = fiber.pollUnsafe()
  if (exit !== undefined) return onExit(exit)
  onSuspend(fiber)
  fiber.addObserver(onExit)
}
