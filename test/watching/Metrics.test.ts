import { assert, describe, expect, it } from "@effect/vitest"
import {
  Context,
  Effect,
  Fiber,
  Layer,
  Logger,
  Metric,
  Schedule,
  Schema,
  SchemaIssue,
  SchemaTransformation
} from "effect"
import { TestClock } from "effect/testing"
import { Handlers, Protocol } from "../../src/index.ts"
import { caller, metrics, node, raw, respond, withMetrics } from "../support/nodes.ts"
import { network, pair } from "../support/pair.ts"

const quiet = Effect.provide(Logger.layer([]))

describe("metrics", () => {
  it.effect("every call, request and datagram is counted, by how it ended", () =>
    Effect.gen(function*() {
      const { greeter, memory, protocol } = yield* pair
      yield* greeter.sayhi("a")
      yield* greeter.poke()
      yield* Effect.flip(greeter.lookup("gone"))
      yield* Effect.flip(greeter.dies())
      yield* Effect.flip(greeter.bytes(9000))
      yield* Effect.flip(protocol.call("10.0.0.1:49152", "nope", []))
      yield* Effect.flip(protocol.call("10.0.0.1:49152", "sayhi", []))
      yield* Effect.flip(greeter.poke().pipe(Protocol.withTimeout(0)))
      // Its answer comes all the same, and before that to a later call.
      yield* greeter.poke()
      const bytes = memory.sent.reduce((sum, { payload }) => sum + payload.length, 0)
      expect(yield* metrics).toStrictEqual({
        "rpcudp_calls.success": 3,
        "rpcudp_calls.error": 1,
        "rpcudp_calls.oversize": 1,
        "rpcudp_calls.rejected": 3,
        "rpcudp_calls.no_response": 1,
        "rpcudp_requests.success": 4,
        "rpcudp_requests.error": 1,
        "rpcudp_requests.oversize": 1,
        "rpcudp_requests.defect": 1,
        "rpcudp_requests.unknown_method": 1,
        "rpcudp_requests.invalid_arguments": 1,
        rpcudp_round_trip_time_ms: 8,
        rpcudp_datagrams_sent: 18,
        rpcudp_datagrams_received: 18,
        rpcudp_bytes_sent: bytes,
        rpcudp_bytes_received: bytes,
        "rpcudp_datagrams_dropped.UnknownId": 1
      })
    }).pipe(quiet, withMetrics))

  it.effect("a round trip is the milliseconds from a call's first transmission to its answer", () =>
    Effect.gen(function*() {
      const { transport } = network()
      const peer = yield* raw(transport("10.0.0.1"))
      const protocol = Context.get(yield* caller(transport("10.0.0.2")), Protocol.Protocol)
      yield* TestClock.adjust("1 minute")
      const call = yield* Effect.forkChild(
        protocol.call(peer.address, "who", []).pipe(Protocol.withRetransmit(Schedule.spaced("100 millis"))),
        { startImmediately: true }
      )
      const { datagram, from } = yield* peer.receive
      yield* TestClock.adjust("250 millis")
      peer.send(from, respond(datagram, 1))
      yield* Fiber.join(call)
      // A time-out is no round trip.
      const lost = yield* Effect.forkChild(Effect.flip(protocol.call(peer.address, "who", [])), {
        startImmediately: true
      })
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(lost)
      const trips = (yield* Metric.snapshot).find(({ id }) => id === "rpcudp_round_trip_time_ms")
      expect(trips?.state).toMatchObject({ count: 1, min: 250, max: 250, sum: 250 })
      assert(trips?.type === "Histogram")
      const boundaries = trips.state.buckets.map(([boundary]) => boundary)
      expect(boundaries).toStrictEqual([...new Set(boundaries)].sort((a, b) => a - b))
      expect([boundaries[0], boundaries.at(-1)]).toStrictEqual([0.1, 10_000])
      // What only grows is told apart from what does not.
      const counters = (yield* Metric.snapshot).filter(({ type }) => type === "Counter")
      expect(counters.length).toBeGreaterThan(5)
      for (const { id, state } of counters) expect(state, id).toMatchObject({ incremental: true })
    }).pipe(withMetrics))

  it.effect("a call whose answer has an asynchronous schema is counted once that has ended, by how it ended", () =>
    Effect.gen(function*() {
      const Even = Schema.Int.pipe(Schema.decodeTo(
        Schema.Int,
        SchemaTransformation.transformEffect({
          decode: (n: number) =>
            Effect.flatMap(
              Effect.yieldNow,
              () => n % 2 === 0 ? Effect.succeed(n) : Effect.fail(new SchemaIssue.InvalidValue())
            ),
          encode: (n: number) => Effect.succeed(n)
        })
      ))
      class Halves extends Handlers.Service<Halves>()("test/Halves", { same: { args: [Schema.Int], success: Even } }) {}
      const { transport } = network()
      const server = yield* node(
        Protocol.serve(Halves).pipe(Layer.provide(Halves.toLayer({ same: Effect.succeed }))),
        transport("10.0.0.1")
      )
      const context = yield* caller(transport("10.0.0.2"))
      const halves = yield* Effect.provideContext(Protocol.client(Halves), context)
      const { same } = halves(Context.get(server, Protocol.Protocol).address)
      expect(yield* same(2)).toBe(2)
      yield* Effect.flip(same(3))
      expect(yield* metrics).toMatchObject({
        "rpcudp_calls.success": 1,
        "rpcudp_calls.invalid_response": 1,
        rpcudp_round_trip_time_ms: 2
      })
    }).pipe(quiet, withMetrics))
})
