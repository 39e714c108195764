/** Deadlines and traces that cross from a caller to the handler of its request, and on to the calls that this makes. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Duration, Effect, Layer, Result, Schedule, Schema, Tracer } from "effect"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import { Codec, Handlers, Protocol, Transport } from "../../src/index.ts"
import { whileTimePasses } from "../../src/testing/index.ts"
import { countingClock } from "../laws/clock.ts"
import * as MemoryNetwork from "../support/MemoryNetwork.ts"
import { metrics, raw, withMetrics } from "../support/nodes.ts"
import { recorder } from "../support/recorder.ts"
import { requestFor } from "../support/requests.ts"

class Group extends Handlers.Service<Group>()("propagation/Group", {
  /** Returns how many milliseconds its caller still waits. */
  left: { success: Schema.Number },
  /** Returns the same after so many milliseconds. */
  slow: { args: [Schema.Int], success: Schema.Number },
  /** Waits so long, and then for `slow` of the last of these nodes, by way of the others. */
  relay: { args: [Schema.Int, Schema.Array(Schema.String)], success: Schema.Number },
  never: {},
  bytes: { args: [Schema.Uint8Array], success: Schema.Int }
}) {}

const addressOf = (number: number) => `10.0.0.${number}:1000`

const left = Effect.map(Handlers.timeLeft, Duration.toMillis)

/** Nodes on a network in memory, and what has happened at each. */
const world = () => {
  const network = MemoryNetwork.make()
  const events: Array<string> = []
  const node = Effect.fnUntraced(function*(number: number, options?: Protocol.Options) {
    const note = (event: string) =>
      Effect.map(Clock.currentTimeMillis, (at) => void events.push(`${at} ${number} ${event}`))
    const handlers = Effect.map(Protocol.client(Group), (group) =>
      Group.of({
        left: () => left,
        slow: (millis) => Effect.andThen(Effect.sleep(millis), left).pipe(Effect.onInterrupt(() => note("stopped"))),
        relay: (millis, [next = "", ...others]) =>
          Effect.sleep(millis).pipe(
            Effect.andThen(others.length > 0 ? group(next).relay(millis, others) : group(next).slow(millis)),
            Effect.tapError((error) => note(error._tag)),
            Effect.orDie,
            Effect.onInterrupt(() => note("stopped"))
          ),
        never: () => Effect.onInterrupt(Effect.never, () => note("stopped")),
        bytes: ({ length }) => Effect.succeed(length)
      }))
    const context = yield* Layer.buildWithMemoMap(
      Protocol.serve(Group).pipe(
        Layer.provide(Group.toLayer(handlers)),
        Layer.provideMerge(Protocol.layer({ gracePeriod: 0, ...options })),
        Layer.provide(Transport.layerSocket()),
        Layer.provide(network.socket(`10.0.0.${number}`, 1000))
      ),
      Layer.makeMemoMapUnsafe(),
      yield* Effect.scope
    )
    return (yield* Effect.provideContext(Protocol.client(Group), context))(addressOf(1))
  })
  const trailers = () =>
    network.sent.flatMap(({ payload }) => {
      const request = Codec.decodeRequest(payload)
      return Codec.typeOf(payload) === "Request" && Result.isSuccess(request) ? [request.success.trailer] : []
    })
  return { events, network, node, trailers }
}

const propagate = { propagate: true }

describe("a deadline", () => {
  it.effect("crosses: a handler is interrupted at it, and a copy of its request is not run", () =>
    Effect.gen(function*() {
      const { events, network, node, trailers } = world()
      yield* node(1)
      const peer = yield* node(2, propagate)
      expect(Protocol.isNoResponse(yield* whileTimePasses(Effect.flip(peer.never())))).toBe(true)
      expect(trailers()).toStrictEqual([{ millisLeft: 5000 }])
      yield* whileTimePasses(Effect.sleep("1 millis"))
      expect(events).toStrictEqual(["5000 1 stopped"])
      network.inject({ from: addressOf(2), to: addressOf(1), payload: network.sent[0]!.payload })
      yield* whileTimePasses(Effect.sleep("1 minute"))
      expect(events).toHaveLength(1)
      const seen = yield* metrics
      expect(seen).toMatchObject({ "rpcudp_requests.expired": 1, "rpcudp_requests.repeated": 1 })
      expect(seen["rpcudp_requests_in_flight"]).toBe(undefined)
      expect(network.sent).toHaveLength(1)
    }).pipe(withMetrics))

  it.effect("is told to the handler, as the time that is left", () =>
    Effect.gen(function*() {
      const { node } = world()
      yield* node(1)
      const peer = yield* node(2, propagate)
      expect(yield* peer.left().pipe(Protocol.withTimeout("1500 millis"))).toBe(1500)
      expect(yield* whileTimePasses(peer.slow(400).pipe(Protocol.withTimeout("1 second")))).toBe(600)
      expect(yield* peer.left().pipe(Protocol.withTimeout(Infinity))).toBe(Infinity)
      const silent = yield* node(3)
      expect(yield* silent.left()).toBe(Infinity)
      expect(yield* left).toBe(Infinity)
    }))

  it.effect("that is over leaves no time, and not less than none", () =>
    Effect.gen(function*() {
      const now = yield* Clock.monotonicTimeNanos
      for (const [nanos, millis] of [[2_000_000n, 2], [0n, 0], [-2_000_000n, 0]] as const) {
        expect(yield* Effect.provideService(left, Handlers.Deadline, now + nanos)).toBe(millis)
      }
    }))

  it.effect("is inherited by the calls that the handler makes, from node to node, and never grows", () =>
    Effect.gen(function*() {
      const { events, node, trailers } = world()
      for (const number of [1, 2, 3]) yield* node(number, propagate)
      const peer = yield* node(4, propagate)
      const way = [addressOf(2), addressOf(3), addressOf(2)]
      expect(yield* whileTimePasses(peer.relay(100, way).pipe(Protocol.withTimeout("1 second")))).toBe(600)
      expect(trailers()).toStrictEqual([1000, 900, 800, 700].map((millisLeft) => ({ millisLeft })))
      events.length = 0
      yield* whileTimePasses(Effect.flip(peer.relay(300, way).pipe(Protocol.withTimeout("1 second"))))
      yield* whileTimePasses(Effect.sleep("1 minute"))
      expect(trailers().slice(4)).toStrictEqual([1000, 700, 400, 100].map((millisLeft) => ({ millisLeft })))
      // None goes on when the first caller has given up.
      expect(events.map((event) => event.split(" ")[0])).toStrictEqual(Array.from(events, () => "1400"))
      expect(events.length).toBeGreaterThanOrEqual(4)
    }))

  it.effect("is inherited without being told on, and a shorter time-out stays as it is", () =>
    Effect.gen(function*() {
      const { node, trailers } = world()
      yield* node(1, { timeout: "300 millis" })
      yield* node(2)
      const peer = yield* node(3, propagate)
      const call = peer.relay(100, [addressOf(2)])
      for (const [timeout, ended] of [["1 second", 400], ["250 millis", 250]] as const) {
        const before = yield* Clock.currentTimeMillis
        yield* whileTimePasses(Effect.exit(peer.relay(100, [addressOf(9)]).pipe(Protocol.withTimeout(timeout))))
        expect((yield* Clock.currentTimeMillis) - before).toBe(ended)
      }
      expect(yield* whileTimePasses(call)).toBe(Infinity)
      expect(trailers().filter((trailer) => trailer !== undefined)).toHaveLength(3)
    }))

  it.effect("is as far away as it is by then, when a request is sent again", () =>
    Effect.gen(function*() {
      const { events, network, node, trailers } = world()
      yield* node(1)
      const peer = yield* node(2, { ...propagate, retransmit: Schedule.spaced("1 second") })
      network.delivers = ({ from }) => from !== addressOf(2) || network.sent.length > 2
      yield* whileTimePasses(Effect.exit(peer.never()))
      yield* whileTimePasses(Effect.sleep("1 minute"))
      const told = trailers().map((trailer) => trailer!.millisLeft!)
      expect(told[0]).toBe(5000)
      expect(told.length).toBeGreaterThan(2)
      for (const [i, millis] of told.entries()) if (i > 0) expect(millis).toBeLessThanOrEqual(5000 - 1000 * i)
      // Within the millisecond that is rounded down.
      expect(events).toHaveLength(1)
      expect(Number.parseFloat(events[0]!)).toBeGreaterThan(4999)
      expect(Number.parseFloat(events[0]!)).toBeLessThanOrEqual(5000)
    }))

  it.effect("goes on while its request waits for a proof of its sender's address", () =>
    Effect.gen(function*() {
      const { events, network, node } = world()
      yield* node(1, { limits: { requestsPerSecond: 1 } })
      const stranger = yield* raw(Transport.layerSocket().pipe(Layer.provide(network.socket("10.0.0.7"))))
      const to = NetAddress.inetAddressFromStringUnsafe(addressOf(1))
      for (let i = 0; i < 2; i++) stranger.send(to, requestFor("never", [], { millisLeft: 1500 }))
      yield* whileTimePasses(Effect.sleep("1 second"))
      for (const { payload } of network.sent.filter(({ payload }) => Codec.typeOf(payload) === "Challenge")) {
        stranger.send(to, Codec.encodeProof(Result.getOrThrow(Codec.decodeChallenge(payload))))
      }
      yield* whileTimePasses(Effect.sleep("1 minute"))
      expect(events).toStrictEqual(["1500 1 stopped", "1500 1 stopped"])
    }))

  it.effect("that is over leaves no time, and never less than none", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 minute")
      expect(yield* Effect.provideService(left, Handlers.Deadline, 1_000_000n)).toBe(0)
    }))

  it.effect("of a request that has ended leaves no timer behind", () =>
    Effect.gen(function*() {
      const clock = yield* countingClock
      yield* clock.counted(Effect.gen(function*() {
        const { node } = world()
        yield* node(1)
        const peer = yield* node(2, propagate)
        expect(yield* whileTimePasses(peer.slow(10))).toBe(4990)
      }))
      for (let i = 0; i < 20; i++) yield* Effect.yieldNow
      expect(clock.sleepers()).toBe(0)
    }))

  it.effect("leaves less to each call that is made under it, one after the other", () =>
    Effect.gen(function*() {
      const { node } = world()
      yield* node(1)
      const peer = yield* node(2, propagate)
      const three = Effect.all([peer.slow(100), peer.slow(200), peer.left()])
      expect(yield* whileTimePasses(Effect.provideService(three, Handlers.Deadline, 1_000_000_000n)))
        .toStrictEqual([900, 700, 700])
    }))

  it.effect("under which a node was built is not that of its requests", () =>
    Effect.gen(function*() {
      const { node } = world()
      yield* Effect.provideService(node(1), Handlers.Deadline, 1_000_000n)
      expect(yield* (yield* node(2)).left()).toBe(Infinity)
    }))
})

describe("a request", () => {
  it.effect("is what it was, byte for byte, unless its layer propagates", () =>
    Effect.gen(function*() {
      const { network, node } = world()
      yield* node(1)
      const peer = yield* node(2)
      yield* peer.left()
      const [{ payload }] = network.sent as [MemoryNetwork.Packet]
      expect(new Uint8Array(payload)).toStrictEqual(
        new Uint8Array(Result.getOrThrow(Codec.encodeRequest(Codec.idOf(payload), "left", [])))
      )
    }))

  it.effect("has no trailer where there is no room", () =>
    Effect.gen(function*() {
      const { node, trailers } = world()
      yield* node(1)
      const peer = yield* node(2, propagate)
      // The body of 8,192 bytes has 11 around these, and a trailer has 7.
      for (const length of [8181, 8175, 8174]) expect(yield* peer.bytes(new Uint8Array(length))).toBe(length)
      expect(trailers()).toStrictEqual([undefined, undefined, { millisLeft: 5000 }])
    }))
})

describe("a trace", () => {
  const spansOf = (options: Protocol.Options, remote?: Protocol.RemoteSpans) => {
    const { spans, tracer } = recorder()
    return Effect.gen(function*() {
      const { node, trailers } = world()
      yield* node(1, { remoteSpans: remote })
      const peer = yield* node(2, options)
      yield* peer.left()
      const of = (kind: string) => spans.find((span) => span.kind === kind)!
      return { call: of("client"), request: of("server"), trailer: trailers()[0] }
      // Requests have nothing to do with the span in which their server was built.
    }).pipe(Effect.withSpan("building"), Effect.provideService(Tracer.Tracer, tracer))
  }

  it.effect("crosses as W3C's trace context has it, and links the span of the request to that of the call", () =>
    Effect.gen(function*() {
      const { call, request, trailer } = yield* spansOf(propagate)
      expect(Buffer.from(trailer!.traceparent!).toString("hex")).toBe(`${call.traceId}${call.spanId}01`)
      expect(request.parent._tag).toBe("None")
      expect(request.links).toMatchObject([{ span: { traceId: call.traceId, spanId: call.spanId, sampled: true } }])
    }))

  it.effect("makes it a child where the layer says so, or nothing", () =>
    Effect.gen(function*() {
      const child = yield* spansOf(propagate, "parent")
      expect(child.request.parent).toMatchObject({ value: { spanId: child.call.spanId } })
      expect([child.request.traceId, child.request.links]).toStrictEqual([child.call.traceId, []])
      for (const { request } of [yield* spansOf(propagate, "none"), yield* spansOf({})]) {
        expect([request.parent._tag, request.links]).toStrictEqual(["None", []])
      }
    }))

  it.effect("of zeros is none, as W3C's trace context has it", () =>
    Effect.gen(function*() {
      const { spans, tracer } = recorder()
      yield* Effect.gen(function*() {
        const { network, node } = world()
        yield* node(1, { remoteSpans: "parent" })
        const stranger = yield* raw(Transport.layerSocket().pipe(Layer.provide(network.socket("10.0.0.7"))))
        const to = NetAddress.inetAddressFromStringUnsafe(addressOf(1))
        for (const [start, end] of [[0, 16], [16, 24], [24, 24]] as const) {
          const traceparent = new Uint8Array(25).fill(1).fill(0, start, end)
          stranger.send(to, requestFor("left", [], { traceparent }))
        }
        yield* whileTimePasses(Effect.sleep("1 second"))
      }).pipe(Effect.withSpan("building"), Effect.provideService(Tracer.Tracer, tracer))
      const requests = spans.filter(({ kind }) => kind === "server")
      expect(requests.map(({ parent }) => parent._tag)).toStrictEqual(["None", "None", "Some"])
    }))

  it.effect("stands in each copy of its request, whether or not the call has a deadline", () =>
    Effect.gen(function*() {
      const { network, node, trailers } = world()
      yield* node(1)
      const peer = yield* node(2, { ...propagate, retransmit: Schedule.spaced("1 second") })
      network.delivers = () => false
      for (const timeout of ["5 seconds", Infinity] as const) {
        network.sent.length = 0
        const call = Protocol.withTimeout(peer.left(), timeout)
        yield* whileTimePasses(Effect.exit(Effect.timeout(call, "4500 millis")))
        const copies = trailers()
        expect(copies.length).toBeGreaterThanOrEqual(3)
        expect(new Set(copies.map((trailer) => String(trailer!.traceparent)))).toHaveLength(1)
        expect(copies.every((trailer) => (trailer!.millisLeft === undefined) === (timeout === Infinity))).toBe(true)
      }
    }).pipe(Effect.provideService(Tracer.Tracer, recorder().tracer)))

  it.effect("that is not sampled says so", () =>
    Effect.gen(function*() {
      const { request, trailer } = yield* Effect.provideService(spansOf(propagate), Tracer.MinimumTraceLevel, "None")
      expect(trailer?.traceparent?.[24]).toBe(0)
      expect(request.links).toMatchObject([{ span: { sampled: false } }])
    }))

  it.effect("whose ids are not those of W3C's trace context is told nobody", () =>
    Effect.gen(function*() {
      const [traceId, spanId] = ["0a".repeat(16), "0b".repeat(8)]
      const { node, trailers } = world()
      yield* node(1)
      const peer = yield* node(2, propagate)
      const ids = [
        [traceId, spanId],
        [`g${traceId}`, spanId],
        [`${traceId}g`, spanId],
        [traceId.toUpperCase(), spanId],
        [traceId, `g${spanId}`],
        [traceId, `${spanId}g`],
        [traceId, ""]
      ] as const
      for (const [traceId, spanId] of ids) {
        const tracer = Tracer.make({
          span: (options) =>
            Object.defineProperties(new Tracer.NativeSpan(options), {
              traceId: { value: traceId },
              spanId: { value: spanId }
            })
        })
        yield* Effect.provideService(peer.left(), Tracer.Tracer, tracer)
      }
      expect(trailers().map((trailer) => trailer?.traceparent !== undefined)).toStrictEqual(ids.map((_, i) => i === 0))
    }))

  it.effect("is nothing to tell where nobody traces", () =>
    Effect.gen(function*() {
      const { node, trailers } = world()
      yield* node(1)
      const peer = yield* node(2, propagate)
      yield* Effect.withSpan(peer.left(), "unseen")
      expect(trailers()).toStrictEqual([{ millisLeft: 5000 }])
    }))
})

describe("a stranger's trailer", () => {
  it.effect("that is none is dropped with its request, and a time that is over interrupts at once", () =>
    Effect.gen(function*() {
      const { events, network, node } = world()
      yield* node(1)
      const stranger = yield* raw(Transport.layerSocket().pipe(Layer.provide(network.socket("10.0.0.7"))))
      const id = new Uint8Array(20).fill(1)
      const to = NetAddress.inetAddressFromStringUnsafe(addressOf(1))
      const request = Result.getOrThrow(Codec.encodeRequest(id, "never", []))
      for (const bytes of [[0], [0x80], [0x81, 3, 1], [0x81, 1, 0xff]]) {
        stranger.send(to, Uint8Array.from([...request, ...bytes]))
      }
      stranger.send(to, Result.getOrThrow(Codec.encodeRequest(id, "never", [], { millisLeft: 0 })))
      yield* whileTimePasses(Effect.sleep("1 second"))
      expect(events).toStrictEqual(["0 1 stopped"])
      expect(yield* metrics).toMatchObject({
        "rpcudp_datagrams_dropped.TrailingBytes": 4,
        "rpcudp_requests.expired": 1
      })
    }).pipe(withMetrics))
})
