import { Clock, Effect } from "effect"

/** The clock at hand, whose wall clock a test may set: `step` is how many milliseconds it is ahead. */
export const stepping = Effect.map(Clock.Clock, (real) => {
  const wall = { step: 0 }
  const clock: Clock.Clock = Object.assign(Object.create(real), {
    currentTimeMillisUnsafe: () => real.currentTimeMillisUnsafe() + wall.step
  })
  return { clock, wall }
})
