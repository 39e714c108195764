/** The time as a protocol reads it: nanoseconds of the monotonic clock since it was made. */
import type * as Clock from "effect/Clock"

export type Now = () => number

/** A second, in nanoseconds. */
export const second = 1_000_000_000

export const make = (clock: Clock.Clock): Now => {
  // A number holds the difference to the nanosecond, but not every clock's own reading.
  const origin = clock.monotonicTimeNanosUnsafe()
  return () => Number(clock.monotonicTimeNanosUnsafe() - origin)
}
