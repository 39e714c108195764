import { describe, expect, it } from "@effect/vitest"
import { Cause, Clock, Deferred, Effect, Exit, Fiber, Layer, Queue, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { Protocol, Transport } from "../../src/index.ts"
import { SimulatedNetwork, whileTimePasses } from "../../src/testing/index.ts"

const now = Clock.currentTimeMillis

const seconds = (count: number) => Array.from({ length: count }, (_, i) => 1000 * (i + 1))

describe("whileTimePasses", () => {
  it.effect("time goes from sleep to sleep, and stands still when the effect has ended", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("7 millis")
      const woken: Array<number> = []
      const ticking = yield* Effect.forkChild(
        Effect.repeat(Effect.andThen(Effect.sleep("1 second"), Effect.map(now, (at) => woken.push(at))), {
          schedule: Schedule.forever
        })
      )
      expect(yield* whileTimePasses(Effect.delay(Effect.succeed("done"), "4500 millis"))).toBe("done")
      expect([yield* now, woken]).toStrictEqual([4507, seconds(4).map((at) => at + 7)])
      yield* Effect.yieldNow
      expect(yield* now).toBe(4507)
      yield* Fiber.interrupt(ticking)
    }))

  it.effect("an effect that takes some turns before it sleeps, and between its sleeps, loses no time", () =>
    Effect.gen(function*() {
      const turns = Effect.forEach(seconds(50), () => Effect.yieldNow, { discard: true })
      const slow = Effect.andThen(turns, Effect.sleep("1 second"))
      yield* whileTimePasses(Effect.andThen(slow, Effect.andThen(slow, turns)))
      expect(yield* now).toBe(2000)
    }))

  it.effect("takes no time for what needs none, and fails as the effect does", () =>
    Effect.gen(function*() {
      expect(yield* whileTimePasses(Effect.succeed(1))).toBe(1)
      expect(yield* whileTimePasses(Effect.flip(Effect.delay(Effect.fail("no"), "1 second")))).toBe("no")
      expect(yield* now).toBe(1000)
    }))

  it.effect("calls over a simulated network end when they would", () =>
    Effect.gen(function*() {
      const node = Protocol.layer().pipe(
        Layer.provide(Transport.layerSocket()),
        Layer.provide(SimulatedNetwork.socket("10.0.0.1:1"))
      )
      const { call } = yield* Effect.provideContext(Protocol.Protocol, yield* Layer.build(node))
      const error = yield* whileTimePasses(Effect.flip(call("10.0.0.2:1", "ping", [])))
      expect([Protocol.isNoResponse(error), yield* now]).toStrictEqual([true, 5000])
    }).pipe(Effect.provide(SimulatedNetwork.layer(SimulatedNetwork.mobile))))

  it.effect("what does not end is interrupted at the bound, and a defect", () =>
    Effect.gen(function*() {
      const interrupted = yield* Deferred.make<void>()
      const never = Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
      const exit = yield* Effect.exit(whileTimePasses(never, { atMost: "2 minutes" }))
      expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("it has not ended after 2m")
      yield* Deferred.await(interrupted)
      expect(yield* now).toBe(120_000)
    }))

  it.effect("several may run, one after the other, and in fibers that pass values on", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.unbounded<number>()
      yield* Effect.forkChild(
        Effect.forEach([1, 2, 3], (n) => Effect.andThen(Effect.sleep(n), Queue.offer(queue, n)), { discard: true })
      )
      for (const [n, at] of [[1, 1], [2, 3], [3, 6]] as const) {
        expect([yield* whileTimePasses(Queue.take(queue)), yield* now]).toStrictEqual([n, at])
      }
    }))
})
