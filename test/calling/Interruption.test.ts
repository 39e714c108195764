/** A call that is interrupted, and what becomes of its handler on the other machine. */
import { describe, expect, it } from "@effect/vitest"
import {
  Clock,
  Context,
  Deferred,
  Effect,
  Fiber,
  Layer,
  Logger,
  Redacted,
  Result,
  Schedule,
  Schema,
  SchemaTransformation
} from "effect"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import { Codec, Handlers, Protocol, Transport } from "../../src/index.ts"
import { SimulatedNetwork } from "../../src/testing/index.ts"
import * as MemoryNetwork from "../support/MemoryNetwork.ts"
import { metrics, node, raw, withMetrics } from "../support/nodes.ts"

const procedures = {
  /** Never ends by itself. */
  work: { args: [Schema.Int], success: Schema.Int },
  /** Waits for `work` of another node. */
  relay: { args: [Schema.Int, Schema.String], success: Schema.Int },
  /** Takes until it may to end, once it is interrupted. */
  careful: { args: [Schema.Int], success: Schema.Int },
  quick: { args: [Schema.Int], success: Schema.Int }
} as const

class Worker extends Handlers.Service<Worker>()("test/Worker", procedures) {}

class Idempotent extends Handlers.Service<Idempotent>()("test/Idempotent", procedures, { idempotent: true }) {}

/** Nodes on a network in memory, and what has happened at each. */
const nodesOf = Effect.fnUntraced(function*() {
  const network = MemoryNetwork.make()
  const events: Array<string> = []
  const clean = yield* Deferred.make<void>()
  const node_ = Effect.fnUntraced(
    function*(host: string, options?: Protocol.Options, group: typeof Worker | typeof Idempotent = Worker) {
      const note = (event: string) => Effect.sync(() => void events.push(`${host} ${event}`))
      const forever = (number: number) =>
        Effect.andThen(note(`began ${number}`), Effect.never).pipe(Effect.onInterrupt(() => note(`stopped ${number}`)))
      const handlers = Effect.map(Protocol.client(Worker), (worker) => ({
        work: forever,
        relay: (number: number, to: string) =>
          worker(to).work(number).pipe(Effect.orDie, Effect.onInterrupt(() => note(`stopped ${number}`))),
        careful: (number: number) =>
          forever(number).pipe(Effect.onInterrupt(() => Effect.andThen(Deferred.await(clean), note("cleaned up")))),
        quick: (number: number) => Effect.as(note(`ran ${number}`), number)
      }))
      const served = group === Worker
        ? Protocol.serve(Worker).pipe(Layer.provide(Worker.toLayer(handlers)))
        : Protocol.serve(Idempotent).pipe(Layer.provide(Idempotent.toLayer(handlers)))
      const context = yield* Layer.buildWithMemoMap(
        served.pipe(
          Layer.provideMerge(Protocol.layer({ gracePeriod: 0, ...options })),
          Layer.provide(Transport.layerSocket()),
          Layer.provide(network.socket(host, 1000))
        ),
        Layer.makeMemoMapUnsafe(),
        yield* Effect.scope
      )
      return yield* Effect.provideContext(Protocol.client(Worker), context)
    }
  )
  const stranger = (host: string, port?: number) =>
    Effect.map(
      raw(Transport.layerSocket().pipe(Layer.provide(network.socket(host, port)))),
      (peer) => ({
        ...peer,
        say: (...datagrams: ReadonlyArray<Uint8Array>) => {
          for (const datagram of datagrams) peer.send(server, datagram)
          return settled
        }
      })
    )
  return { network, events, node: node_, stranger, clean: Deferred.succeed(clean, undefined) }
})

const server = NetAddress.inetAddressFromStringUnsafe("10.0.0.1:1000")

// Datagrams arrive within microtasks, and fibers go on within a few turns.
const settled = Effect.forEach(Array.from({ length: 30 }), () => Effect.yieldNow, { discard: true })

const idOf = (number: number): Uint8Array => new Uint8Array(Codec.idBytes).fill(number)

const request = (number: number, method: string): Uint8Array =>
  Result.getOrThrow(Codec.encodeRequest(idOf(number), method, [number]))

/** Begins, and is interrupted once its request has arrived. */
const interrupted = <A, E, R>(call: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(call, { startImmediately: true })
    yield* settled
    yield* Fiber.interrupt(fiber)
    yield* settled
  })

const typesOf = ({ sent }: MemoryNetwork.MemoryNetwork) => sent.map(({ payload }) => Codec.typeOf(payload))

describe("a call that is interrupted", () => {
  it.effect("interrupts its handler: 22 bytes, and nothing is answered or logged", () => {
    const logged: Array<unknown> = []
    return Effect.gen(function*() {
      const { events, network, node } = yield* nodesOf()
      yield* node("10.0.0.1")
      const worker = yield* node("10.0.0.2")
      yield* interrupted(worker(server).work(1))
      expect(events).toStrictEqual(["10.0.0.1 began 1", "10.0.0.1 stopped 1"])
      expect(typesOf(network)).toStrictEqual(["Request", "Cancel"])
      const [asked, cancelled] = network.sent
      expect(cancelled).toStrictEqual({
        from: asked!.from,
        to: asked!.to,
        payload: Uint8Array.from([5, ...Codec.idOf(asked!.payload), 0xc0])
      })
      const seen = yield* metrics
      expect(seen).toMatchObject({ "rpcudp_calls.interrupted": 1, "rpcudp_requests.cancelled": 1 })
      expect(Object.keys(seen).filter((name) => /in_flight|dropped|defect|round_trip/.test(name))).toStrictEqual([])
      expect(logged).toStrictEqual([])
    }).pipe(withMetrics, Effect.provide(Logger.layer([Logger.make(({ message }) => logged.push(message))])))
  })

  it.effect("interrupts what its handler has called, from machine to machine", () =>
    Effect.gen(function*() {
      const { events, node } = yield* nodesOf()
      yield* node("10.0.0.1")
      yield* node("10.0.0.2")
      const worker = yield* node("10.0.0.3")
      yield* interrupted(worker("10.0.0.2:1000").relay(7, "10.0.0.1:1000"))
      expect(events).toStrictEqual(["10.0.0.1 began 7", "10.0.0.2 stopped 7", "10.0.0.1 stopped 7"])
    }))

  it.effect("as `Effect.race` interrupts the slower one, and `Effect.timeout` one that takes too long", () =>
    Effect.gen(function*() {
      const { events, node } = yield* nodesOf()
      yield* node("10.0.0.1")
      yield* node("10.0.0.2")
      const worker = yield* node("10.0.0.3")
      const race = Effect.race(worker(server).work(1), Effect.andThen(settled, worker("10.0.0.2:1000").quick(2)))
      expect(yield* race).toBe(2)
      yield* settled
      expect(events).toStrictEqual(["10.0.0.1 began 1", "10.0.0.2 ran 2", "10.0.0.1 stopped 1"])
      const timed = yield* Effect.forkChild(Effect.timeout(worker(server).work(3), "1 second"))
      yield* settled
      yield* TestClock.adjust("1 second")
      yield* Fiber.await(timed)
      yield* settled
      expect(events.slice(3)).toStrictEqual(["10.0.0.1 began 3", "10.0.0.1 stopped 3"])
    }))

  it.effect("only it: nothing is sent at a deadline, after an answer, or with `cancel: false`", () =>
    Effect.gen(function*() {
      const { events, network, node } = yield* nodesOf()
      yield* node("10.0.0.1")
      const worker = yield* node("10.0.0.2")
      const late = yield* Effect.forkChild(Effect.exit(worker(server).work(1)))
      yield* settled
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(late)
      const answered = yield* Effect.forkChild(Effect.andThen(worker(server).quick(2), Effect.never))
      yield* settled
      yield* Fiber.interrupt(answered)
      const silent = yield* node("10.0.0.3", { cancel: false })
      yield* interrupted(silent(server).work(3))
      expect(typesOf(network)).toStrictEqual(["Request", "Request", "Response", "Request"])
      expect(events).toStrictEqual(["10.0.0.1 began 1", "10.0.0.1 ran 2", "10.0.0.1 began 3"])
    }))

  it.effect("while a schema takes its time with the answer has ended: it is counted once, and nothing is sent", () =>
    Effect.gen(function*() {
      const Slow = Schema.Int.pipe(Schema.decodeTo(
        Schema.Int,
        SchemaTransformation.transformEffect({ decode: () => Effect.never, encode: (n: number) => Effect.succeed(n) })
      ))
      class Slowly extends Handlers.Service<Slowly>()("test/Slowly", { same: { args: [Schema.Int], success: Slow } }) {}
      const { network } = yield* nodesOf()
      const at = (host: string) => Transport.layerSocket().pipe(Layer.provide(network.socket(host, 1000)))
      const live = Slowly.toLayer({ same: Effect.succeed })
      yield* node(Protocol.serve(Slowly).pipe(Layer.provide(live)), at("10.0.0.1"))
      const context = yield* node(Layer.empty, at("10.0.0.2"))
      const slowly = yield* Effect.provideContext(Protocol.client(Slowly), context)
      yield* interrupted(slowly(server).same(1))
      expect(typesOf(network)).toStrictEqual(["Request", "Response"])
      const seen = yield* metrics
      expect(seen).toMatchObject({ "rpcudp_calls.interrupted": 1, rpcudp_round_trip_seconds: 1 })
      expect(Object.keys(seen).filter((name) => name.includes("in_flight"))).toStrictEqual([])
    }).pipe(withMetrics))

  it.effect("gives its room back", () =>
    Effect.gen(function*() {
      const { events, node } = yield* nodesOf()
      yield* node("10.0.0.1", { limits: { handlers: 1 } })
      const worker = yield* node("10.0.0.2")
      for (const number of [1, 2, 3]) yield* interrupted(worker(server).work(number))
      expect(events.filter((event) => event.includes("began"))).toHaveLength(3)
    }))

  it.effect("is heard where all is sealed", () =>
    Effect.gen(function*() {
      const { events, network, node } = yield* nodesOf()
      const keys: Protocol.Keys = { ring: [{ id: 1, secret: Redacted.make(new Uint8Array(32).fill(1)) }] }
      yield* node("10.0.0.1", { keys })
      const worker = yield* node("10.0.0.2", { keys })
      yield* interrupted(worker(server).work(1))
      expect(events).toStrictEqual(["10.0.0.1 began 1", "10.0.0.1 stopped 1"])
      expect(network.sent[1]!.payload).toHaveLength(22 + 42)
    }))
})

describe("a request that is cancelled", () => {
  for (const group of [Worker, Idempotent]) {
    it.effect(`is not run again, nor answered, when a copy of it comes (${group.key})`, () =>
      Effect.gen(function*() {
        const { events, network, node, stranger } = yield* nodesOf()
        yield* node("10.0.0.1", {}, group)
        const peer = yield* stranger("10.0.0.2")
        yield* peer.say(request(1, "work"), Codec.encodeCancel(idOf(1)))
        yield* peer.say(request(1, "work"), request(1, "work"))
        expect(events).toStrictEqual(["10.0.0.1 began 1", "10.0.0.1 stopped 1"])
        expect(network.sent.filter(({ from }) => from === "10.0.0.1:1000")).toStrictEqual([])
        expect(yield* metrics).toMatchObject({ "rpcudp_requests.cancelled": 1, "rpcudp_requests.repeated": 2 })
        yield* TestClock.adjust("1 minute")
        yield* peer.say(request(1, "work"))
        expect(events).toHaveLength(3)
      }).pipe(withMetrics))
  }

  it.effect("runs again where nothing is remembered", () =>
    Effect.gen(function*() {
      const { events, node, stranger } = yield* nodesOf()
      yield* node("10.0.0.1", { memory: false })
      const peer = yield* stranger("10.0.0.2")
      yield* peer.say(request(1, "work"), Codec.encodeCancel(idOf(1)))
      yield* peer.say(request(1, "work"))
      expect(events).toStrictEqual(["10.0.0.1 began 1", "10.0.0.1 stopped 1", "10.0.0.1 began 1"])
    }))

  it.effect("is over once its handler has cleaned up", () =>
    Effect.gen(function*() {
      const { clean, events, network, node, stranger } = yield* nodesOf()
      yield* node("10.0.0.1")
      const peer = yield* stranger("10.0.0.2")
      yield* peer.say(request(1, "careful"), Codec.encodeCancel(idOf(1)))
      yield* peer.say(request(1, "careful"), Codec.encodeCancel(idOf(1)))
      expect(events).toStrictEqual(["10.0.0.1 began 1", "10.0.0.1 stopped 1"])
      expect(yield* metrics).toMatchObject({
        "rpcudp_requests_in_flight": 1,
        "rpcudp_requests.repeated": 1,
        "rpcudp_datagrams_dropped.UnknownId": 1
      })
      yield* clean
      yield* settled
      yield* peer.say(request(1, "careful"))
      expect(events.slice(2)).toStrictEqual(["10.0.0.1 cleaned up"])
      expect(network.sent.filter(({ from }) => from === "10.0.0.1:1000")).toStrictEqual([])
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.cancelled": 1, "rpcudp_requests.repeated": 2 })
    }).pipe(withMetrics))
})

describe("a cancel", () => {
  it.effect("for nothing, from elsewhere, or for an answered request changes nothing, and is not answered", () =>
    Effect.gen(function*() {
      const { events, network, node, stranger } = yield* nodesOf()
      yield* node("10.0.0.1")
      const peer = yield* stranger("10.0.0.2", 2000)
      yield* peer.say(Codec.encodeCancel(idOf(1)))
      yield* peer.say(request(1, "work"), request(2, "quick"))
      yield* peer.say(Codec.encodeCancel(idOf(2)))
      for (const [host, port] of [["10.0.0.2", 2001], ["10.0.0.3", 2000]] as const) {
        yield* (yield* stranger(host, port)).say(Codec.encodeCancel(idOf(1)))
      }
      expect(events).toStrictEqual(["10.0.0.1 began 1", "10.0.0.1 ran 2"])
      yield* peer.say(request(2, "quick"))
      expect(events).toHaveLength(2)
      expect(network.sent.filter(({ from }) => from === "10.0.0.1:1000").map(({ payload }) => payload[1]))
        .toStrictEqual([2, 2])
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.UnknownId": 4, "rpcudp_requests_in_flight": 1 })
    }).pipe(withMetrics))

  it.effect("with a body is dropped as malformed, and where nothing is served as unknown", () =>
    Effect.gen(function*() {
      const { events, network, node: worker, stranger } = yield* nodesOf()
      yield* worker("10.0.0.1")
      const peer = yield* stranger("10.0.0.2")
      const withBody = Result.getOrThrow(Codec.encodeResponse(idOf(1), "now"))
      withBody[0] = 5
      yield* peer.say(request(1, "work"), withBody)
      expect(events).toStrictEqual(["10.0.0.1 began 1"])
      const idle = Context.get(
        yield* node(Layer.empty, Transport.layerSocket().pipe(Layer.provide(network.socket("10.0.0.9")))),
        Protocol.Protocol
      )
      peer.send(idle.address, Codec.encodeCancel(idOf(1)))
      yield* settled
      expect(yield* metrics).toMatchObject({
        "rpcudp_datagrams_dropped.Shape": 1,
        "rpcudp_datagrams_dropped.UnknownId": 1
      })
    }).pipe(withMetrics))
})

// ---------------------------------------------------------------------------------------------------------------------
// on networks that lose, repeat and reorder
// ---------------------------------------------------------------------------------------------------------------------

const networks: Readonly<Record<string, SimulatedNetwork.Settings>> = {
  lan: SimulatedNetwork.lan,
  wifi: SimulatedNetwork.wifi,
  mobile: SimulatedNetwork.mobile,
  satellite: SimulatedNetwork.satellite,
  hostile: SimulatedNetwork.hostile
}

/** A run of a handler. Times are in milliseconds. */
interface Run {
  readonly startedAt: number
  endedAt: number
}

const calls = 200

describe("on a network that loses, repeats and reorders", () => {
  for (const [name, settings] of Object.entries(networks)) {
    it.effect(`no handler outlives its caller by more than the way of a cancel (${name})`, () =>
      Effect.gen(function*() {
        const network = yield* SimulatedNetwork.SimulatedNetwork
        const runs = new Map<number, Array<Run>>()
        const cancels = new Map<number, Array<number>>()
        const numbers = new Map<string, number>()
        const millis = yield* Clock.clockWith((clock) => Effect.succeed(() => clock.currentTimeMillisUnsafe()))
        const observed = Layer.effect(
          Transport.Transport,
          Effect.map(Transport.Transport, (transport) => ({
            ...transport,
            run: (onDatagram: Parameters<typeof transport.run>[0]) =>
              transport.run((datagram, from) => {
                const message = Result.getOrUndefined(Codec.decode(datagram))
                if (message?._tag === "Request") numbers.set(String(message.id), Number(message.args[0]))
                // One that has overtaken its request finds nothing.
                const number = message?._tag === "Cancel" ? numbers.get(String(message.id)) : undefined
                if (number !== undefined) cancels.set(number, [...cancels.get(number) ?? [], millis()])
                onDatagram(datagram, from)
              })
          }))
        )
        const handlers = Worker.toLayer({
          work: (number) =>
            Effect.suspend(() => {
              const run: Run = { startedAt: millis(), endedAt: Infinity }
              runs.set(number, [...runs.get(number) ?? [], run])
              return Effect.never.pipe(Effect.onInterrupt(() => Effect.sync(() => void (run.endedAt = millis()))))
            }),
          relay: Effect.succeed,
          careful: Effect.succeed,
          quick: Effect.succeed
        })
        const at = (address: string, options?: Protocol.Options) =>
          Protocol.layer({ gracePeriod: 0, ...options }).pipe(
            Layer.provide(observed),
            Layer.provide(Transport.layerSocket()),
            Layer.provide(SimulatedNetwork.socket(address))
          )
        yield* Layer.build(Protocol.serve(Worker).pipe(Layer.provide(handlers), Layer.provide(at("10.0.0.1:1000"))))
        const caller = yield* Layer.build(at("10.0.0.2:1000", { retransmit: Schedule.exponential("100 millis") }))
        const worker = yield* Effect.provideContext(Protocol.client(Worker), caller)
        // Each is interrupted at a time of its own, some before their request has arrived.
        const all = yield* Effect.forkChild(Effect.forEach(
          Array.from({ length: calls }, (_, number) => number),
          (number) => Effect.timeoutOption(worker(server).work(number), 10 * number),
          { concurrency: "unbounded", discard: true }
        ))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(all)
        expect(yield* network.inFlight).toBe(0)

        let stopped = 0
        for (const [number, ofCall] of runs) {
          expect(ofCall, `call ${number} ran more than once`).toHaveLength(1)
          const cancelledAt = cancels.get(number)?.find((at) => at >= ofCall[0]!.startedAt) ?? Infinity
          expect(ofCall[0]!.endedAt, `call ${number}`).toBe(cancelledAt)
          if (cancelledAt < Infinity) stopped++
        }
        // Without a cancel of its own, each would still run.
        expect(stopped).toBeGreaterThan(calls / 2)
      }).pipe(
        // A damaged id is the id of another request.
        Effect.provide(
          SimulatedNetwork.layer({ ...settings, corrupt: 0, duplicate: 0.2, loss: settings.loss ?? 0.1, seed: 7 })
        )
      ))
  }
})
