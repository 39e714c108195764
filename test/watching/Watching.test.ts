import { assert, describe, expect, it } from "@effect/vitest"
import {
  Context,
  Effect,
  Fiber,
  Layer,
  Logger,
  Metric,
  References,
  Schedule,
  Schema,
  SchemaIssue,
  SchemaTransformation,
  Tracer
} from "effect"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import { Handlers, Protocol, Transport } from "../../src/index.ts"
import { vectors } from "../vectors/index.ts"
import { Greeter, greeterLive } from "../support/Contract.ts"
import * as MemoryNetwork from "../support/MemoryNetwork.ts"
import { caller, metrics, node, raw, respond, withMetrics } from "../support/nodes.ts"

const network = () => {
  const memory = MemoryNetwork.make()
  return { transport: (host: string) => Transport.layerSocket().pipe(Layer.provide(memory.socket(host))), memory }
}

const pair = Effect.gen(function*() {
  const { memory, transport } = network()
  const server = yield* node(Protocol.serve(Greeter).pipe(Layer.provide(greeterLive())), transport("10.0.0.1"))
  const address = Context.get(server, Protocol.Protocol).address
  const context = yield* caller(transport("10.0.0.2"))
  const protocol = Context.get(context, Protocol.Protocol)
  const greeter = (yield* Effect.provideContext(Protocol.client(Greeter), context))(address)
  return { address, greeter, memory, protocol, transport }
})

const quiet = Effect.provide(Logger.layer([]))

describe("watching", () => {
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

  it.effect("a series that was taken out of the registry begins anew", () =>
    Effect.gen(function*() {
      const { greeter } = yield* pair
      yield* greeter.poke()
      yield* greeter.poke()
      const registry = yield* Metric.MetricRegistry
      registry.clear()
      yield* greeter.poke()
      expect(yield* metrics).toMatchObject({ "rpcudp_calls.success": 1, rpcudp_datagrams_sent: 2 })
    }).pipe(withMetrics))

  it.effect("so does one that was taken out alone, but what is in flight is still in flight", () =>
    Effect.gen(function*() {
      const { greeter, protocol, transport } = yield* pair
      const silent = yield* raw(transport("10.0.0.3"))
      yield* Effect.forkChild(protocol.call(silent.address, "poke", []), { startImmediately: true })
      yield* greeter.poke()
      const registry = yield* Metric.MetricRegistry
      for (const [name, { id }] of registry) {
        if (id === "rpcudp_datagrams_sent" || id === "rpcudp_calls_in_flight") registry.delete(name)
      }
      expect(yield* metrics).not.toHaveProperty("rpcudp_datagrams_sent")
      yield* Effect.forkChild(protocol.call(silent.address, "poke", []), { startImmediately: true })
      expect(yield* metrics).toMatchObject({
        "rpcudp_calls.success": 1,
        rpcudp_calls_in_flight: 2,
        rpcudp_datagrams_received: 2,
        rpcudp_datagrams_sent: 1
      })
    }).pipe(withMetrics))

  it.effect("nodes count together, but those whose programs have attributes of their own", () =>
    Effect.gen(function*() {
      const { address, transport } = yield* pair
      const call = Effect.fnUntraced(function*(host: string) {
        const context = yield* caller(transport(host))
        yield* Context.get(context, Protocol.Protocol).call(address, "poke", [])
      })
      yield* call("10.0.0.3")
      yield* call("10.0.0.4")
      yield* Effect.provideService(call("10.0.0.5"), Metric.CurrentMetricAttributes, { site: "north" })
      expect(yield* metrics).toMatchObject({
        "rpcudp_calls.success": 2,
        "rpcudp_calls.success,north": 1,
        "rpcudp_datagrams_sent.north": 1,
        "rpcudp_datagrams_received.north": 1,
        "rpcudp_round_trip_time_ms.north": 1,
        "rpcudp_requests.success": 3
      })
    }).pipe(withMetrics))

  it.effect("a drop is logged at debug with its sender and its reason, and not at all above debug", () =>
    Effect.gen(function*() {
      const logged: Array<unknown> = []
      const logger = Logger.make(({ fiber, logLevel, message }) => {
        logged.push([logLevel, message, fiber.getRef(References.CurrentLogAnnotations)])
      })
      const drop = Effect.gen(function*() {
        const { transport } = network()
        const { address } = Context.get(yield* caller(transport("10.0.0.1")), Protocol.Protocol)
        const peer = yield* raw(transport("10.0.0.2"))
        for (const { hex } of vectors.ignored_by_python) peer.send(address, hex)
        peer.send(address, respond(new Uint8Array(21), 1))
        // answered once everything before it has been dealt with
        peer.send(address, vectors.requests[0]!.hex)
        for (let i = 0; i < 4; i++) yield* peer.receive
        return NetAddress.formatInet(peer.address)
      }).pipe(Effect.provide(Logger.layer([logger])))

      yield* drop
      expect(logged).toStrictEqual([])
      const sender = yield* Effect.provideService(drop, References.MinimumLogLevel, "Debug")
      expect(logged).toStrictEqual(
        [
          "TooShort",
          "TooShort",
          "TooShort",
          "UnknownId",
          "Shape",
          "Shape",
          "Shape",
          "Truncated",
          "TrailingBytes",
          "Shape",
          "InvalidUtf8",
          "UnknownId"
        ].map((reason) => ["Debug", ["rpcudp: dropped a datagram"], { reason, sender }])
      )
    }))

  it.effect("a handler's defect is logged at error, with its cause, its method and its sender", () =>
    Effect.gen(function*() {
      const logged: Array<{ readonly level: string; readonly text: string }> = []
      const logger = Logger.make((options) => {
        logged.push({ level: options.logLevel, text: JSON.stringify(Logger.formatStructured.log(options)) })
      })
      yield* Effect.gen(function*() {
        const { greeter } = yield* pair
        for (const call of [greeter.dies, greeter.throws, greeter.lies, greeter.undeclared]) yield* Effect.flip(call())
      }).pipe(Effect.provide(Logger.layer([logger])))
      expect(logged.map(({ level }) => level)).toStrictEqual(["Error", "Error", "Error", "Error"])
      expect(logged[0]!.text).toContain("secret")
      expect(logged[0]!.text).toContain("\"method\":\"dies\"")
      expect(logged[0]!.text).toContain("\"sender\":\"10.0.0.2:")
      expect(logged[1]!.text).toContain("secret")
      expect(logged[2]!.text).toContain("the result of the handler does not fit its schema")
      expect(logged[3]!.text).toContain("NotFound")
    }))

  /** A tracer that keeps every span. */
  const recorder = () => {
    const spans: Array<Tracer.Span> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    return { spans, tracer }
  }

  it.effect("a call is a span of kind client, a request one of kind server, with OpenTelemetry's attributes", () =>
    Effect.gen(function*() {
      const { spans, tracer } = recorder()
      const { address, protocol } = yield* Effect.gen(function*() {
        // A server that was built within a span does not make its requests children of that.
        const { address, greeter, protocol } = yield* pair.pipe(Effect.withSpan("building"))
        yield* greeter.lookup("there").pipe(Effect.withSpan("parent"))
        yield* Effect.flip(protocol.call(address, "lookup", ["gone"]))
        return { address, protocol }
      }).pipe(Effect.provideService(Tracer.Tracer, tracer))
      expect(spans.map(({ kind, name }) => [kind, name])).toStrictEqual([
        ["internal", "building"],
        ["internal", "parent"],
        ["client", "test/Greeter/lookup"],
        ["server", "test/Greeter/lookup"],
        ["client", "lookup"],
        ["server", "test/Greeter/lookup"]
      ])
      const [, parent, call, request, untyped] = spans
      expect(call!.parent).toMatchObject({ value: { spanId: parent!.spanId } })
      expect(request!.parent).toMatchObject({ _tag: "None" })
      expect(Object.fromEntries(call!.attributes)).toStrictEqual({
        "rpc.system": "rpcudp",
        "rpc.service": "test/Greeter",
        "rpc.method": "lookup",
        "network.transport": "udp",
        "server.address": "10.0.0.1",
        "server.port": address.port
      })
      expect(Object.fromEntries(request!.attributes)).toStrictEqual({
        "rpc.system": "rpcudp",
        "rpc.service": "test/Greeter",
        "rpc.method": "lookup",
        "network.transport": "udp",
        "client.address": "10.0.0.2",
        "client.port": protocol.address.port
      })
      expect(untyped!.attributes.has("rpc.service")).toBe(false)
      expect(spans.map(({ status }) => status._tag === "Ended" && status.exit._tag)).toStrictEqual([
        "Success",
        "Success",
        "Success",
        "Success",
        "Failure",
        "Failure"
      ])
    }))

  it.effect("a handler's own spans are children of its request's", () =>
    Effect.gen(function*() {
      const { spans, tracer } = recorder()
      yield* Effect.gen(function*() {
        const { greeter } = yield* pair
        yield* greeter.sayhi("a")
      }).pipe(Effect.provideService(Tracer.Tracer, tracer))
      const request = spans.find(({ kind }) => kind === "server")
      expect(spans.find(({ name }) => name === "sayhi")!.parent).toMatchObject({ value: { spanId: request!.spanId } })
    }))

  it.effect("without a tracer, or with tracing off, no span is made", () =>
    Effect.gen(function*() {
      const { spans, tracer } = recorder()
      yield* Effect.gen(function*() {
        const { greeter } = yield* pair
        yield* greeter.poke()
      }).pipe(Effect.provideService(Tracer.Tracer, tracer), Effect.withTracerEnabled(false))
      expect(spans).toHaveLength(0)
      const { greeter } = yield* pair
      const call = yield* Effect.forkChild(Effect.andThen(greeter.poke(), Effect.option(Effect.currentSpan)))
      expect(yield* Fiber.join(call)).toMatchObject({ _tag: "None" })
    }))
})
