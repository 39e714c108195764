/**
 * The time of a simulation: those who sleep are in a heap, where TestClock has a sorted array, and what is to run is in a queue,
 * where Effect's scheduler asks the event loop. Time goes on once all that runs sleeps.
 */
import { Cause, Clock, Context, Duration, Effect, Exit, Scheduler } from "effect"
import { Heap } from "./Heap.ts"

interface Sleeper {
  wake: (() => void) | undefined
}

/** Runs an effect that waits for nothing but time. */
export const run = <A, E>(effect: Effect.Effect<A, E>): A => {
  const sleepers = new Heap<Sleeper>()
  let tasks: Array<() => void> = []
  /** Milliseconds. */
  let now = 0

  const nanos = () => BigInt(Math.round(now * 1_000_000))
  const clock: Clock.Clock = {
    currentTimeMillisUnsafe: () => now,
    currentTimeMillis: Effect.sync(() => now),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: (duration) =>
      Effect.callback<void>((resume) => {
        const sleeper: Sleeper = { wake: () => resume(Effect.void) }
        sleepers.push(now + Duration.toMillis(duration), sleeper)
        // It keeps its place until it is due, and then wakes nobody.
        return Effect.sync(() => sleeper.wake = undefined)
      })
  }

  const scheduler = new Scheduler.MixedScheduler("async", (task) => {
    let isWanted = true
    tasks.push(() => isWanted && task())
    return () => isWanted = false
  })

  const work = () => {
    while (tasks.length > 0) {
      const due = tasks
      tasks = []
      for (const task of due) task()
    }
  }

  const fiber = Effect.runFork(
    Effect.provideContext(effect, Context.add(Context.make(Clock.Clock, clock), Scheduler.Scheduler, scheduler))
  )
  work()
  while (fiber.pollUnsafe() === undefined) {
    const at = sleepers.nextAt
    const next = sleepers.pop()
    if (next === undefined) throw new Error("all that runs waits, and not for time")
    if (next.wake === undefined) continue
    now = at
    next.wake()
    work()
  }
  const exit = fiber.pollUnsafe()!
  if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
  return exit.value
}
