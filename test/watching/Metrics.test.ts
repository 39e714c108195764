import { assert, describe, expect, it } from "@effect/vitest"
import {
  Clock,
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
import { settled } from "../support/counting.ts"
import * as Injected from "../support/injected.ts"
import { caller, metrics, node, raw, respond, withMetrics } from "../support/nodes.ts"
import { poked } from "../support/poked.ts"
import { network, pair } from "../support/pair.ts"
import { requestFor } from "../support/requests.ts"

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
        rpcudp_round_trip_seconds: 8,
        rpcudp_datagrams_sent: 18,
        rpcudp_datagrams_received: 18,
        rpcudp_sent_bytes: bytes,
        rpcudp_received_bytes: bytes,
        "rpcudp_datagrams_dropped.UnknownId": 1
      })
    }).pipe(quiet, withMetrics))

  it.effect("each metric has the unit of what it counts, and tells outcomes apart by an attribute of its own name", () =>
    Effect.gen(function*() {
      yield* pair
      const own = new Map<string, ReadonlyArray<unknown>>()
      for (const { attributes = {}, id } of yield* Metric.snapshot) {
        const { unit, ...others } = attributes
        if (id.startsWith("rpcudp_")) own.set(id, [unit, ...Object.keys(others)])
      }
      expect(Object.fromEntries(own)).toStrictEqual({
        rpcudp_calls_total: ["{call}", "outcome"],
        rpcudp_calls_in_flight: ["{call}"],
        rpcudp_round_trip_seconds: ["seconds"],
        rpcudp_requests_total: ["{request}", "outcome"],
        rpcudp_requests_in_flight: ["{request}"],
        rpcudp_retransmissions_total: ["{datagram}"],
        rpcudp_replies_withheld_total: ["{reply}"],
        rpcudp_forgotten_total: ["{entry}", "what"],
        rpcudp_challenges_total: ["{challenge}", "event"],
        rpcudp_datagrams_sent_total: ["{datagram}"],
        rpcudp_sent_bytes_total: ["bytes"],
        rpcudp_datagrams_received_total: ["{datagram}"],
        rpcudp_received_bytes_total: ["bytes"],
        rpcudp_datagrams_dropped_total: ["{datagram}", "reason"]
      })
    }).pipe(withMetrics))

  it.effect("a round trip is the seconds from a call's first transmission to its answer", () =>
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
      const trips = (yield* Metric.snapshot).find(({ id }) => id === "rpcudp_round_trip_seconds")
      expect(trips?.state).toMatchObject({ count: 1, min: 0.25, max: 0.25, sum: 0.25 })
      assert(trips?.type === "Histogram")
      const boundaries = trips.state.buckets.map(([boundary]) => boundary)
      expect(boundaries).toStrictEqual([...new Set(boundaries)].sort((a, b) => a - b))
      expect([boundaries[0], boundaries.at(-1)]).toStrictEqual([0.0001, 10])
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
        rpcudp_round_trip_seconds: 2
      })
    }).pipe(quiet, withMetrics))

  it.effect("each metric has a unit, what only grows is told apart from what does not, and all that count begin at 0", () =>
    Effect.gen(function*() {
      yield* pair
      const snapshots = yield* Metric.snapshot
      expect(yield* metrics).toStrictEqual({})
      const labels = (id: string) => snapshots.filter((snapshot) => snapshot.id === id).length
      expect({
        calls: labels("rpcudp_calls_total"),
        requests: labels("rpcudp_requests_total"),
        drops: labels("rpcudp_datagrams_dropped_total"),
        challenges: labels("rpcudp_challenges_total"),
        forgotten: labels("rpcudp_forgotten_total"),
        roundTrips: labels("rpcudp_round_trip_seconds")
      }).toStrictEqual({ calls: 10, requests: 13, drops: 24, challenges: 4, forgotten: 2, roundTrips: 1 })
      // One for each method that is served: 11 of the greeter, and one of the node that calls it.
      const served = snapshots.filter(({ id }) => id === "rpc.server.call.duration")
      expect(served.map(({ attributes }) => attributes?.["rpc.status_code"])).toStrictEqual(Array(12).fill("success"))
      for (const { attributes, id, state, type } of snapshots) {
        expect(attributes, id).toHaveProperty("unit")
        expect(type === "Counter", id).toBe(id.endsWith("_total"))
        if (type === "Counter") expect(state, id).toMatchObject({ incremental: true })
      }
    }).pipe(withMetrics))

  /** The durations that were measured: their count and seconds, by side, method, status and error. */
  const durations = Effect.map(
    Metric.snapshot,
    (snapshots) =>
      snapshots.flatMap(({ attributes = {}, id, state, type }) =>
        type === "Histogram" && id.endsWith(".call.duration") && state.count > 0
          ? [[
            id.split(".")[1],
            attributes["rpc.method"],
            attributes["rpc.status_code"],
            attributes["error.type"],
            state.count,
            state.sum
          ]]
          : []
      )
  )

  it.effect("how long calls and requests took is told by method and by how they ended", () =>
    Effect.gen(function*() {
      const { address, greeter, protocol } = yield* pair
      yield* TestClock.adjust("1 minute")
      yield* greeter.poke()
      yield* greeter.poke()
      yield* Effect.flip(greeter.lookup("gone"))
      yield* Effect.flip(greeter.bytes(9000))
      yield* protocol.call(address, "poke", [])
      // A handler and a caller that wait: it is cancelled after 3 seconds, when its caller gives up.
      const call = yield* Effect.forkChild(greeter.never(), { startImmediately: true })
      yield* Effect.yieldNow
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.interrupt(call)
      // And one that nobody answers.
      const lost = yield* Effect.forkChild(Effect.flip(protocol.call("10.9.9.9:9", "poke", [])), {
        startImmediately: true
      })
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(lost)
      yield* settled
      expect((yield* durations).sort()).toStrictEqual([
        ["client", "_OTHER", "no_response", "no_response", 1, 5],
        ["client", "_OTHER", "success", undefined, 1, 0],
        ["client", "test/Greeter/bytes", "oversize", "oversize", 1, 0],
        ["client", "test/Greeter/lookup", "error", "error", 1, 0],
        ["client", "test/Greeter/never", "interrupted", "interrupted", 1, 3],
        ["client", "test/Greeter/poke", "success", undefined, 2, 0],
        ["server", "test/Greeter/bytes", "oversize", "oversize", 1, 0],
        ["server", "test/Greeter/lookup", "error", "error", 1, 0],
        ["server", "test/Greeter/never", "cancelled", "cancelled", 1, 3],
        ["server", "test/Greeter/poke", "success", undefined, 3, 0]
      ])
      const all = (yield* Metric.snapshot).filter(({ id }) => id.endsWith(".call.duration"))
      for (const { attributes, state, type } of all) {
        assert(type === "Histogram")
        expect(attributes).toMatchObject({ "rpc.system.name": "rpcudp", unit: "seconds" })
        expect(state.buckets.map(([boundary]) => boundary)).toStrictEqual(
          [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
        )
      }
    }).pipe(withMetrics))

  it.effect("a request to no method that is served has taken no time, and what else is refused has no duration", () =>
    Effect.gen(function*() {
      const { receive } = yield* poked()
      const never = requestFor("never")
      for (const datagram of [requestFor("nope"), never, never]) {
        receive(datagram, Injected.peerAt("10.0.0.2:2"))
      }
      expect(yield* durations).toStrictEqual([["server", "_OTHER", "unknown_method", "unknown_method", 1, 0]])
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.unknown_method": 1, "rpcudp_requests.repeated": 1 })
    }).pipe(withMetrics))

  it.effect("a handler that keeps the processor has taken that long, though it ends when its request comes", () =>
    Effect.gen(function*() {
      class Busy extends Handlers.Service<Busy>()("test/Busy", { work: {} }) {}
      const { transport } = network()
      let now = 0n
      const clock: Clock.Clock = Object.assign(Object.create(yield* Clock.Clock), {
        monotonicTimeNanosUnsafe: () => now
      })
      const work = Effect.sync(() => void (now += 20_000_000n))
      const server = yield* node(
        Protocol.serve(Busy).pipe(Layer.provide(Busy.toLayer({ work: () => work }))),
        transport("10.0.0.1")
      ).pipe(Effect.provideService(Clock.Clock, clock))
      const context = yield* caller(transport("10.0.0.2"))
      const busy = yield* Effect.provideContext(Protocol.client(Busy), context)
      yield* busy(Context.get(server, Protocol.Protocol).address).work()
      expect(yield* durations).toContainEqual(["server", "test/Busy/work", "success", undefined, 1, 0.02])
    }).pipe(withMetrics))

  it.effect("no stranger makes a series, whatever methods it names and whatever it sends", () =>
    Effect.gen(function*() {
      const { address, transport } = yield* pair
      const count = Effect.map(Metric.MetricRegistry, (registry) => registry.size)
      const before = yield* count
      const names = 10_000
      // Each from an address of its own, so that no budget ends it.
      for (let i = 0; i < 100; i++) {
        const stranger = yield* raw(transport(`10.1.${i}.1`))
        for (let j = 0; j < names / 100; j++) {
          stranger.send(address, requestFor(`stranger/${i}/${j}`))
          stranger.send(address, new Uint8Array(j).fill(i))
        }
      }
      // What is refused unread has no method.
      const stranger = yield* raw(transport("10.2.0.1"))
      const again = requestFor("poke")
      for (let i = 0; i < 2; i++) stranger.send(address, again)
      yield* settled
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.unknown_method": names, "rpcudp_requests.repeated": 1 })
      expect(yield* durations).toStrictEqual([
        ["server", "test/Greeter/poke", "success", undefined, 1, 0],
        ["server", "_OTHER", "unknown_method", "unknown_method", names, 0]
      ])
      // That of the requests to other methods.
      expect((yield* count) - before).toBe(1)
      for (const { attributes } of yield* Metric.snapshot) expect(JSON.stringify(attributes)).not.toContain("stranger")
    }).pipe(withMetrics))
})
