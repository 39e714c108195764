/**
 * Lets the time of a test pass for as long as an effect takes. No network.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"

/**
 * Runs an effect under `TestClock`. Whenever all that runs sleeps, time moves on to the next of the sleeps, so a call that waits
 * five seconds for its answer takes no time, and ends five seconds later by the clock. When the effect has ended, time stands
 * still again.
 *
 * Time passes for all of the test. The effect must wait for nothing but time: neither for real I/O nor for `TestClock.adjust`. If
 * it has not ended after `atMost`, an hour by default, that is a defect.
 *
 * ```ts
 * import { assert, it } from "@effect/vitest"
 * import { Clock, Effect } from "effect"
 * import { whileTimePasses } from "effect-rpcudp/testing"
 *
 * it.effect("sleeps for a minute, in no time", () =>
 *   Effect.gen(function*() {
 *     yield* whileTimePasses(Effect.sleep("1 minute"))
 *     assert.strictEqual(yield* Clock.currentTimeMillis, 60_000)
 *   }))
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const whileTimePasses = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options?: { readonly atMost?: Duration.Input | undefined }
): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    const atMost = Duration.fromInputUnsafe(options?.atMost ?? "1 hour")
    const fiber = yield* Effect.forkChild(effect)
    yield* untilSleeping
    // `adjust` goes from sleep to sleep, and is interrupted between two of them.
    yield* Effect.raceFirst(Fiber.await(fiber), TestClock.adjust(atMost))
    if (fiber.pollUnsafe() !== undefined) return yield* Fiber.join(fiber)
    yield* Fiber.interrupt(fiber)
    return yield* Effect.die(new Error(`it has not ended after ${Duration.format(atMost)}`))
  })

// What needs no time may need some turns of the event loop, each of which lets all fibers go on that can.
const untilSleeping = Effect.repeat(Effect.yieldNow, { times: 99 })
