/** The time as a protocol reads it: nanoseconds of the monotonic clock since it was made; and what they are in other units. */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"

/** Nanoseconds: how long something takes, or a time by `Now`. */
export type Nanos = number

export type Now = () => Nanos

export const millisecond: Nanos = 1_000_000

export const second: Nanos = 1_000_000_000

export const nanosOf = (duration: Duration.Duration): Nanos => Duration.toMillis(duration) * millisecond

export const durationOf = (nanos: Nanos): Duration.Duration => Duration.millis(millisOf(nanos))

export const millisOf = (nanos: Nanos): number => nanos / millisecond

export const make = (clock: Clock.Clock): Now => {
  // A number holds the difference to the nanosecond, but not every clock's own reading.
  const origin = clock.monotonicTimeNanosUnsafe()
  return () => Number(clock.monotonicTimeNanosUnsafe() - origin)
}
