/** The clock of a test, which counts who sleeps. */
import type { Duration } from "effect"
import { Clock, Effect } from "effect"

export interface CountingClock {
  readonly counted: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly sleepers: () => number
  /** In nanoseconds: TestClock's milliseconds add up with rounding errors. */
  readonly now: () => number
}

export const countingClock = Effect.map(Clock.Clock, (real): CountingClock => {
  let sleepers = 0
  const counting: Clock.Clock = Object.assign(Object.create(real), {
    sleep: (duration: Duration.Duration) =>
      Effect.suspend(() => {
        sleepers++
        return Effect.ensuring(real.sleep(duration), Effect.sync(() => sleepers--))
      })
  })
  return {
    counted: Effect.provideService(Clock.Clock, counting),
    sleepers: () => sleepers,
    now: () => Number(real.monotonicTimeNanosUnsafe())
  }
})
