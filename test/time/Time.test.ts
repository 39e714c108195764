/** The laws of time, under TestClock. */
import { assert, describe, expect, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Exit, Fiber, Layer, Schedule } from "effect"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import { Protocol, Transport } from "../../src/index.ts"
import { stepping } from "../support/clocks.ts"
import * as MemoryNetwork from "../support/MemoryNetwork.ts"
import { caller, metrics, raw, respond, withMetrics } from "../support/nodes.ts"

/** A node that calls a peer who never answers by itself. */
const silence = Effect.fnUntraced(function*(options?: Protocol.Options) {
  const network = MemoryNetwork.make()
  const transport = Transport.layerSocket().pipe(Layer.provide(network.socket("10.0.0.1")))
  const peer = yield* raw(Transport.layerSocket().pipe(Layer.provide(network.socket("10.0.0.2"))))
  const protocol = Context.get(yield* caller(transport, options), Protocol.Protocol)
  return { call: protocol.call(peer.address, "who", []), network, peer, protocol }
})

describe("time", () => {
  it.effect("NoResponse comes at exactly 5 s by default, and not at 4,999 ms", () =>
    Effect.gen(function*() {
      const { call, peer } = yield* silence()
      const waiting = yield* Effect.forkChild(Effect.flip(call))
      yield* peer.receive
      yield* TestClock.adjust("4999 millis")
      expect(waiting.pollUnsafe()).toBe(undefined)
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(waiting)
      assert(error._tag === "NoResponse")
      expect(error.method).toBe("who")
      expect(error.peer).toStrictEqual(peer.address)
      expect(Duration.toMillis(error.elapsed)).toBe(5000)
      expect(error.message).toBe(`${NetAddress.formatInet(peer.address)} did not answer "who" within 5s`)
    }))

  it.effect("an answer at 4,999 ms counts, one after the deadline does not", () =>
    Effect.gen(function*() {
      const { call, peer } = yield* silence()
      for (const [delay, answered] of [[4999, true], [5000, false]] as const) {
        const waiting = yield* Effect.forkChild(Effect.exit(call))
        const { datagram, from } = yield* peer.receive
        yield* TestClock.adjust(delay)
        peer.send(from, respond(datagram, "answer"))
        expect((yield* Fiber.join(waiting))._tag).toBe(answered ? "Success" : "Failure")
      }
    }))

  it.effect("a layer's time-out is its calls', and withTimeout's is that of the calls inside", () =>
    Effect.gen(function*() {
      const { call } = yield* silence({ timeout: "2 seconds" })
      const ends = (self: typeof call) => Effect.andThen(Effect.flip(self), Clock.currentTimeMillis)
      const waiting = yield* Effect.forkChild(Effect.all([
        ends(call),
        ends(call.pipe(Protocol.withTimeout("300 millis"))),
        ends(Protocol.withTimeout(call, Duration.millis(1.5))),
        ends(call.pipe(Protocol.withTimeout("10 seconds"), Protocol.withTimeout("1 millis"))),
        ends(call.pipe(Protocol.withTimeout(0)))
      ], { concurrency: "unbounded" }))
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.join(waiting)).toStrictEqual([2000, 300, 1.5, 10_000, 0])
    }))

  it.effect("a negative time-out is a defect, and none waits for ever", () =>
    Effect.gen(function*() {
      const { call } = yield* silence()
      for (const timeout of [-1, Duration.negativeInfinity]) {
        const exit = yield* Effect.exit(Protocol.withTimeout(call, timeout))
        expect(Exit.isFailure(exit) && Exit.hasDies(exit)).toBe(true)
        for (
          const options of [{ timeout }, { gracePeriod: timeout }, { memory: { window: timeout } }] as const
        ) {
          const built = yield* Effect.exit(silence(options))
          expect(Exit.isFailure(built) && Exit.hasDies(built)).toBe(true)
        }
      }
      expect((yield* metrics)["rpcudp_calls_in_flight"]).toBe(undefined)
    }).pipe(withMetrics))

  it.effect("an infinite time-out waits until the answer", () =>
    Effect.gen(function*() {
      const { call, peer } = yield* silence({ timeout: Duration.infinity })
      const waiting = yield* Effect.forkChild(call)
      const { datagram, from } = yield* peer.receive
      yield* TestClock.adjust("1000 days")
      peer.send(from, respond(datagram, "at last"))
      expect(yield* Fiber.join(waiting)).toBe("at last")
    }))

  it.effect("10,000 calls with different deadlines expire each at its own, in order", () =>
    Effect.gen(function*() {
      const { protocol } = yield* silence()
      const expired: Array<number> = []
      // A permutation: 7919 and 10,000 have no common factor.
      const lengths = Array.from({ length: 10_000 }, (_, i) => 1 + (i * 7919) % 10_000)
      const waiting = yield* Effect.forkChild(Effect.forEach(lengths, (length) =>
        protocol.call("10.0.0.9:1", "who", []).pipe(
          Protocol.withTimeout(length),
          Effect.flip,
          Effect.andThen(Clock.currentTimeMillis),
          Effect.map((now) => {
            expect(now).toBe(length)
            expired.push(length)
          })
        ), { concurrency: "unbounded", discard: true }))
      yield* Effect.yieldNow
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(waiting)
      expect(expired).toStrictEqual(Array.from({ length: 10_000 }, (_, i) =>
        i + 1))
    }))

  /** A clock that tells how many sleep on it. */
  const countingSleepers = Effect.map(Clock.Clock, (clock) => {
    let sleeping = 0
    let slept = 0
    const counting: Clock.Clock = Object.assign(Object.create(clock), {
      sleep: (duration: Duration.Duration) =>
        Effect.suspend(() => {
          sleeping++
          slept++
          return Effect.ensuring(clock.sleep(duration), Effect.sync(() => sleeping--))
        })
    })
    return { clock: counting, sleeping: () => sleeping, slept: () => slept }
  })

  it.effect("one fiber sleeps for all calls, and none once no call waits", () =>
    Effect.gen(function*() {
      const { clock, sleeping, slept } = yield* countingSleepers
      yield* Effect.gen(function*() {
        const { call, peer } = yield* silence()
        expect(sleeping()).toBe(0)
        for (let round = 0; round < 3; round++) {
          const waiting = yield* Effect.forkChild(
            Effect.all(Array.from({ length: 100 }, () => call), { concurrency: "unbounded" })
          )
          const requests = yield* Effect.all(Array.from({ length: 100 }, () => peer.receive))
          expect(sleeping()).toBe(1)
          for (const { datagram, from } of requests) peer.send(from, respond(datagram, "answer"))
          yield* Fiber.join(waiting)
          // What looks whether all is quiet runs after what is running now.
          yield* Effect.yieldNow
          yield* Effect.yieldNow
          expect(sleeping()).toBe(0)
          yield* TestClock.adjust("1 hour")
          expect(slept()).toBe(round + 1)
        }
        // Nor after a time-out, nor after an interruption.
        const timedOut = yield* Effect.forkChild(Effect.flip(call))
        yield* peer.receive
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(timedOut)
        yield* TestClock.adjust("1 hour")
        expect([sleeping(), slept()]).toStrictEqual([0, 4])
        const interrupted = yield* Effect.forkChild(call)
        yield* peer.receive
        yield* Fiber.interrupt(interrupted)
        yield* Effect.yieldNow
        yield* Effect.yieldNow
        expect(sleeping()).toBe(0)
      }).pipe(Effect.provideService(Clock.Clock, clock))
    }))

  it.effect("one more sleeps for all calls that are sent again, and none once no call waits", () =>
    Effect.gen(function*() {
      const { clock, sleeping } = yield* countingSleepers
      yield* Effect.gen(function*() {
        const { call, peer } = yield* silence()
        const retransmitted = Protocol.withRetransmit(call, Protocol.adaptive)
        const waiting = yield* Effect.forkChild(Effect.all([retransmitted, retransmitted], { concurrency: 2 }))
        const requests = yield* Effect.all([peer.receive, peer.receive])
        expect(sleeping()).toBe(2)
        for (const { datagram, from } of requests) peer.send(from, respond(datagram, "answer"))
        yield* Fiber.join(waiting)
        yield* Effect.yieldNow
        yield* Effect.yieldNow
        expect(sleeping()).toBe(0)
      }).pipe(Effect.provideService(Clock.Clock, clock))
    }))

  it.effect("a caller that calls again at once does not arm the sleeper again", () =>
    Effect.gen(function*() {
      const { clock, slept } = yield* countingSleepers
      yield* Effect.gen(function*() {
        const { call, peer } = yield* silence()
        yield* peer.receive.pipe(
          Effect.map(({ datagram, from }) => peer.send(from, respond(datagram, "answer"))),
          Effect.forever,
          Effect.forkChild
        )
        for (let i = 0; i < 100; i++) yield* call
        expect(slept()).toBe(1)
      }).pipe(Effect.provideService(Clock.Clock, clock))
    }))

  it.effect("a call with an earlier deadline than all others is not late", () =>
    Effect.gen(function*() {
      const { call } = yield* silence()
      const long = yield* Effect.forkChild(Effect.flip(call))
      const short = yield* Effect.forkChild(Effect.flip(call.pipe(Protocol.withTimeout("1 second"))))
      yield* TestClock.adjust("1 second")
      expect((yield* Fiber.join(short))._tag).toBe("NoResponse")
      expect(long.pollUnsafe()).toBe(undefined)
      yield* TestClock.adjust("4 seconds")
      expect((yield* Fiber.join(long))._tag).toBe("NoResponse")
    }))

  it.effect("a retry with a schedule sends again after each time-out, and its error is the last one's", () =>
    Effect.gen(function*() {
      const { call, network } = yield* silence()
      const waiting = yield* call.pipe(
        Protocol.withTimeout("300 millis"),
        Effect.retry({ schedule: Schedule.exponential("50 millis"), times: 3, while: (e) => e._tag === "NoResponse" }),
        Effect.flip,
        Effect.andThen(Clock.currentTimeMillis),
        Effect.forkChild
      )
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.join(waiting)).toBe(4 * 300 + 50 + 100 + 200)
      expect(network.sent).toHaveLength(4)
      // each with an id of its own
      expect(new Set(network.sent.map(({ payload }) => payload.slice(1, 21).join())).size).toBe(4)
    }))

  it.effect("stepping the wall clock ends no call", () =>
    Effect.gen(function*() {
      const { clock, wall } = yield* stepping
      yield* Effect.gen(function*() {
        const { call, peer } = yield* silence()
        const waiting = yield* Effect.forkChild(call)
        const { datagram, from } = yield* peer.receive
        wall.step = 3_600_000
        const short = yield* Effect.forkChild(Effect.flip(call.pipe(Protocol.withTimeout("100 millis"))))
        yield* peer.receive
        yield* TestClock.adjust("100 millis")
        expect((yield* Fiber.join(short))._tag).toBe("NoResponse")
        expect(waiting.pollUnsafe()).toBe(undefined)
        peer.send(from, respond(datagram, "answer"))
        expect(yield* Fiber.join(waiting)).toBe("answer")
      }).pipe(Effect.provideService(Clock.Clock, clock))
    }))

  it.effect("a call that had no time at all does not keep the next from its deadline", () =>
    Effect.gen(function*() {
      const { call } = yield* silence()
      expect((yield* Effect.flip(call.pipe(Protocol.withTimeout(0))))._tag).toBe("NoResponse")
      const waiting = yield* Effect.forkChild(Effect.flip(call))
      yield* TestClock.adjust("5 seconds")
      expect((yield* Fiber.join(waiting))._tag).toBe("NoResponse")
    }))

  it.effect("the round trip is measured from the request to its answer", () =>
    Effect.gen(function*() {
      const { call, peer } = yield* silence()
      const waiting = yield* Effect.forkChild(call)
      const { datagram, from } = yield* peer.receive
      yield* TestClock.adjust("80 millis")
      peer.send(from, respond(datagram, "answer"))
      yield* Fiber.join(waiting)
      expect(yield* metrics).toMatchObject({ rpcudp_round_trip_seconds: 1, "rpcudp_calls.success": 1 })
    }).pipe(withMetrics))
})
