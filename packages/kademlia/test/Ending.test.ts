/** A program that is told to stop, and what it leaves behind. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { endingWithin } from "../commands/ending.ts"

/** Runs a program until it has begun, and tells it to stop. */
const stopped = Effect.fnUntraced(function*<A, E>(
  program: (begun: Effect.Effect<void>) => Effect.Effect<A, E>,
  rest: Effect.Effect<void> = Effect.void
) {
  const begun = yield* Deferred.make<void>()
  const givenUp: Array<string | undefined> = []
  const giveUp = (at: string | undefined) => Effect.sync(() => void givenUp.push(at))
  const fiber = yield* program(Effect.asVoid(Deferred.succeed(begun, undefined))).pipe(
    endingWithin({ limit: "2 seconds", rest, giveUp }),
    Effect.forkChild({ startImmediately: true })
  )
  yield* Deferred.await(begun)
  fiber.interruptUnsafe()
  return { fiber, givenUp }
})

describe("a program that is told to stop", () => {
  const never = Effect.withSpan(Effect.never, "closing")
  const hanging: ReadonlyArray<readonly [string, (begun: Effect.Effect<void>) => Effect.Effect<void>]> = [
    [
      "whose finalizer never ends",
      (begun) => Effect.scoped(Effect.andThen(Effect.addFinalizer(() => never), Effect.andThen(begun, Effect.never)))
    ],
    ["that is where it cannot be interrupted", (begun) => Effect.uninterruptible(Effect.andThen(begun, never))]
  ]
  for (const [which, program] of hanging) {
    it.effect(`${which} is given up at the limit, not before, and it is told where it was`, () =>
      Effect.gen(function*() {
        const { fiber, givenUp } = yield* stopped(program)
        yield* TestClock.adjust("1999 millis")
        expect([fiber.pollUnsafe(), ...givenUp]).toStrictEqual([undefined])
        yield* TestClock.adjust("1 milli")
        expect(givenUp).toStrictEqual(["closing"])
        const exit = yield* Fiber.await(fiber)
        expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
      }))
  }

  it.effect("ends as it does by itself, once its finalizers have, and what else is to", () =>
    Effect.gen(function*() {
      const done: Array<string> = []
      const slow = (what: string, millis: number) =>
        Effect.andThen(Effect.sleep(millis), Effect.sync(() => void done.push(what)))
      const { fiber, givenUp } = yield* stopped(
        (begun) =>
          Effect.scoped(Effect.andThen(
            Effect.addFinalizer(() => Effect.andThen(slow("finalizer", 900), Effect.die("it failed"))),
            Effect.andThen(begun, Effect.never)
          )),
        slow("rest", 1_000)
      )
      yield* TestClock.adjust("1899 millis")
      expect([fiber.pollUnsafe(), ...done]).toStrictEqual([undefined, "finalizer"])
      yield* TestClock.adjust("1 milli")
      const exit = yield* Fiber.await(fiber)
      expect(done).toStrictEqual(["finalizer", "rest"])
      expect(Exit.isFailure(exit) && Cause.hasDies(exit.cause)).toBe(true)
      expect(givenUp).toStrictEqual([])
    }))

  it.effect("is given up where all has ended but what else is to", () =>
    Effect.gen(function*() {
      const { fiber, givenUp } = yield* stopped((begun) => Effect.andThen(begun, Effect.never), Effect.never)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.await(fiber)
      expect(givenUp).toStrictEqual([undefined])
    }))
})

it.effect("a program that nobody stops ends as it does by itself", () =>
  Effect.gen(function*() {
    const ending = endingWithin({ limit: 0, rest: Effect.never, giveUp: () => Effect.die("it was given up") })
    expect(yield* ending(Effect.succeed(1))).toBe(1)
    expect(yield* Effect.flip(ending(Effect.fail("no")))).toBe("no")
  }))
