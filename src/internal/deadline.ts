/** Until when somebody waits for what a fiber does. Handlers exports it; calls and handlers keep to it. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"

/**
 * When nobody waits any more for what this fiber does, as `Clock` counts monotonic nanoseconds. Undefined, the default: nobody has
 * said.
 *
 * A handler runs under it if its caller propagates deadlines: then it is interrupted. Calls inside wait no longer, whatever
 * their own time-out, so they inherit the smaller one. Fibers that the handler forks inherit it too: work that goes on after
 * the answer is given `undefined`, by `Effect.provideService`.
 *
 * @category references
 * @since 0.1.0
 */
export const Deadline = Context.Reference<bigint | undefined>("effect-rpcudp/Handlers/Deadline", {
  defaultValue: () => undefined
})

/**
 * How long somebody still waits for what this fiber does: for ever, if nobody has said.
 *
 * @category getters
 * @since 0.1.0
 */
export const timeLeft: Effect.Effect<Duration.Duration> = Effect.withFiber((fiber) => Effect.succeed(timeLeftOf(fiber)))

export const timeLeftOf = (fiber: Fiber.Fiber<unknown, unknown>): Duration.Duration => {
  const deadline = fiber.getRef(Deadline)
  if (deadline === undefined) return Duration.infinity
  const left = deadline - fiber.getRef(Clock.Clock).monotonicTimeNanosUnsafe()
  return Duration.nanos(left > 0n ? left : 0n)
}
