/** One request to a group, and the answers of all who have joined it. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Layer, Logger, Redacted, Result, Schedule, Schema, Stream } from "effect"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import { Codec, Handlers, Protocol, Transport } from "../../src/index.ts"
import { SimulatedNetwork } from "../../src/testing/index.ts"
import { metrics, node, raw, respond, withMetrics } from "../support/nodes.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

const procedures = {
  /** Answers with the host of whoever answers, and counts. */
  who: { success: Schema.String },
  /** The same after so many milliseconds. */
  slow: { args: [Schema.Int], success: Schema.String },
  bytes: { args: [Schema.Int], success: Schema.Uint8Array },
  refuse: { error: Refused },
  die: {}
} as const

class Who extends Handlers.Service<Who>()("test/Who", procedures) {}

class Idempotent extends Handlers.Service<Idempotent>()("test/Idempotent", procedures, { idempotent: true }) {}

const group = "239.1.2.3:9999"

const at = (address: string) => NetAddress.inetAddressFromStringUnsafe(address)

interface Settings {
  readonly options?: Protocol.Options
  readonly served?: typeof Who | typeof Idempotent
  /** What is joined, if anything is. */
  readonly multicast?: ReadonlyArray<string>
}

/** A transport of this host, which has joined these groups. */
const transport = (host: string, multicast: ReadonlyArray<string> = [group], port = 1000) =>
  Transport.layerSocket({
    multicast: multicast.map((group) => ({ group, socket: Layer.fresh(SimulatedNetwork.socket(`${host}:9999`)) }))
  }).pipe(Layer.provide(SimulatedNetwork.socket(`${host}:${port}`)))

const network = Effect.map(
  Effect.context<SimulatedNetwork.SimulatedNetwork>(),
  (context) => Layer.succeedContext(context)
)

/** How often handlers of each host have run. */
type Ran = Record<string, number>

const serving = (host: string, ran: Ran, served: typeof Who | typeof Idempotent) => {
  const run = <A>(value: A) =>
    Effect.sync(() => {
      ran[host] = (ran[host] ?? 0) + 1
      return value
    })
  const handlers = {
    who: () => run(host),
    slow: (millis: number) => Effect.delay(run(host), millis),
    bytes: (length: number) => run(new Uint8Array(length)),
    refuse: () => Effect.andThen(run(undefined), new Refused()),
    die: () => Effect.andThen(run(undefined), Effect.die(new Error("secret")))
  }
  return served === Who
    ? Protocol.serve(Who).pipe(Layer.provide(Who.toLayer(handlers)))
    : Protocol.serve(Idempotent).pipe(Layer.provide(Idempotent.toLayer(handlers)))
}

/** Nodes that have joined, and one that only calls. */
const scene = Effect.fnUntraced(function*(hosts: ReadonlyArray<string>, settings: Settings = {}) {
  const ran: Ran = {}
  const on = yield* network
  const { multicast, options, served = Who } = settings
  for (const host of hosts) {
    yield* node(serving(host, ran, served), transport(host, multicast).pipe(Layer.provide(on)), options)
  }
  const context = yield* node(Layer.empty, transport("10.0.0.99", []).pipe(Layer.provide(on)), options)
  const member = (host: string) => raw(transport(host).pipe(Layer.provide(on)))
  return { ran, context, member }
})

const hosts = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]

/** Runs under TestClock until it has ended. */
const over = <A, E, R>(effect: Effect.Effect<A, E, R>, millis = 5000) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    for (let passed = 0; passed < millis; passed += 25) yield* TestClock.adjust(25)
    return yield* Fiber.join(fiber)
  })

const collect = <A, E, R>(stream: Stream.Stream<A, E, R>, millis = 1000) =>
  Stream.runCollect(stream).pipe(Protocol.withTimeout(millis))

const sendersOf = (answers: ReadonlyArray<Protocol.Gathered<unknown>>) =>
  answers.map(({ sender }) => NetAddress.formatInet(sender)).sort()

const all = ["10.0.0.1:1000", "10.0.0.2:1000", "10.0.0.3:1000"]

/** Datagrams that were sent from here. */
const from = (host: string) =>
  Effect.gen(function*() {
    const { trace } = yield* SimulatedNetwork.SimulatedNetwork
    return (yield* trace).filter((entry) => entry.from.startsWith(host))
  })

const on = (settings: SimulatedNetwork.Options = {}) =>
  Effect.provide(SimulatedNetwork.layer({ trace: true, ...settings }))

const quiet = Effect.provide(Logger.layer([]))

describe("a gather", () => {
  it.effect("is answered by each who has joined, from where it may be called, and ends at the deadline", () =>
    Effect.gen(function*() {
      const { context, ran } = yield* scene(hosts)
      const before = yield* Clock.currentTimeMillis
      const timed = Effect.gen(function*() {
        const answers = yield* collect(Protocol.gather(Who)(group).who())
        return { answers, after: yield* Clock.currentTimeMillis }
      }).pipe(Effect.provideContext(context))
      const { after, answers } = yield* over(timed)
      expect(sendersOf(answers)).toStrictEqual(all)
      for (const { sender, value } of answers) expect(NetAddress.formatIp(sender.address)).toBe(value)
      expect(after - before).toBe(1000)
      expect(ran).toStrictEqual({ "10.0.0.1": 1, "10.0.0.2": 1, "10.0.0.3": 1 })
      expect(yield* metrics).toMatchObject({
        "rpcudp_calls.success": 1,
        "rpcudp_requests.success": 3
      })
      expect((yield* metrics)["rpcudp_calls_in_flight"]).toBe(undefined)
    }).pipe(withMetrics, on()))

  it.effect("reaches all of a network by its broadcast address, and IPv6 groups", () =>
    Effect.gen(function*() {
      const { context } = yield* scene(hosts, { multicast: ["255.255.255.255:9999"] })
      const answers = yield* over(
        collect(Protocol.gather(Who)("255.255.255.255:9999").who()).pipe(Effect.provideContext(context))
      )
      expect(sendersOf(answers)).toStrictEqual(all)
      const six = yield* network
      yield* node(serving("::6", {}, Who), transport("[2001:db8::6]", ["[ff02::1234]:9999"]).pipe(Layer.provide(six)))
      const caller = yield* node(Layer.empty, transport("[2001:db8::7]", []).pipe(Layer.provide(six)))
      const [answer] = yield* over(
        collect(Protocol.gather(Who)("[ff02::1234]:9999").who()).pipe(Effect.provideContext(caller))
      )
      expect(answer).toStrictEqual({ sender: at("[2001:db8::6]:1000"), value: "::6" })
    }).pipe(on()))

  it.effect("has one answer of each, however often its datagrams arrive", () =>
    Effect.gen(function*() {
      const { context, ran } = yield* scene(hosts)
      const answers = yield* over(
        collect(Protocol.gather(Who)(group).who()).pipe(
          Protocol.withRetransmit(Schedule.spaced("100 millis")),
          Effect.provideContext(context)
        )
      )
      expect(sendersOf(answers)).toStrictEqual(all)
      expect(ran).toStrictEqual({ "10.0.0.1": 1, "10.0.0.2": 1, "10.0.0.3": 1 })
      // And a copy is not answered: one answer of each left, which arrived twice.
      for (const host of hosts) expect(yield* from(host)).toHaveLength(2)
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.UnknownId": 3 })
    }).pipe(withMetrics, on({ duplicate: 1, delay: ["1 millis", "40 millis"] })))

  it.effect("of an idempotent group is not answered again either", () =>
    Effect.gen(function*() {
      const { context, ran } = yield* scene(hosts, { served: Idempotent })
      const answers = yield* over(
        collect(Protocol.gather(Idempotent)(group).who()).pipe(
          Protocol.withRetransmit(Schedule.spaced("100 millis")),
          Effect.provideContext(context)
        )
      )
      expect(sendersOf(answers)).toStrictEqual(all)
      expect(ran).toStrictEqual({ "10.0.0.1": 1, "10.0.0.2": 1, "10.0.0.3": 1 })
      for (const host of hosts) expect(yield* from(host)).toHaveLength(1)
    }).pipe(on()))

  it.effect("that is lost is heard when it is sent again", () =>
    Effect.gen(function*() {
      const { context } = yield* scene(hosts)
      const { set } = yield* SimulatedNetwork.SimulatedNetwork
      yield* set({ loss: 1 })
      const gathering = yield* Effect.forkChild(
        collect(Protocol.gather(Who)(group).who()).pipe(
          Protocol.withRetransmit(Schedule.spaced("200 millis")),
          Effect.provideContext(context)
        ),
        { startImmediately: true }
      )
      yield* TestClock.adjust(100)
      yield* set({ loss: 0 })
      for (let i = 0; i < 20; i++) yield* TestClock.adjust(100)
      expect(sendersOf(yield* Fiber.join(gathering))).toStrictEqual(all)
    }).pipe(on()))

  it.effect("takes nothing after its deadline, and is empty where nobody answers", () =>
    Effect.gen(function*() {
      const { context } = yield* scene(["10.0.0.1"], { options: { leisure: 0 } })
      const gather = Protocol.gather(Who)(group)
      const slow = (millis: number) => over(collect(gather.slow(millis)).pipe(Effect.provideContext(context)))
      expect(yield* slow(999)).toHaveLength(1)
      expect(yield* slow(1001)).toStrictEqual([])
      const nobody = collect(Protocol.gather(Who)("239.9.9.9:9999").who()).pipe(Effect.provideContext(context))
      expect(yield* over(nobody)).toStrictEqual([])
      expect(yield* metrics).toMatchObject({
        "rpcudp_calls.success": 1,
        "rpcudp_calls.no_response": 2,
        "rpcudp_datagrams_dropped.UnknownId": 1
      })
    }).pipe(withMetrics, on()))

  it.effect("ends with its consumer, whose interruption frees its place and is told to nobody", () =>
    Effect.gen(function*() {
      const { context } = yield* scene(hosts)
      const gather = Protocol.gather(Who)(group)
      const first = yield* over(
        collect(gather.who().pipe(Stream.take(1))).pipe(Effect.provideContext(context))
      )
      expect(first).toHaveLength(1)
      const gathering = yield* Effect.forkChild(collect(gather.who()).pipe(Effect.provideContext(context)), {
        startImmediately: true
      })
      yield* TestClock.adjust(0)
      expect(yield* metrics).toMatchObject({ rpcudp_calls_in_flight: 1 })
      yield* Fiber.interrupt(gathering)
      expect((yield* metrics)["rpcudp_calls_in_flight"]).toBe(undefined)
      yield* TestClock.adjust(1000)
      expect(yield* metrics).toMatchObject({
        "rpcudp_calls.interrupted": 2,
        "rpcudp_datagrams_dropped.UnknownId": 5
      })
      expect(yield* from("10.0.0.99")).toHaveLength(6)
    }).pipe(withMetrics, on()))

  it.effect("takes no more answers than it may, whoever forges their senders", () =>
    Effect.gen(function*() {
      const { context, member } = yield* scene([])
      const { forge } = yield* SimulatedNetwork.SimulatedNetwork
      const stranger = yield* member("10.0.0.66")
      const gathering = yield* Effect.forkChild(
        collect(Protocol.gather(Who, { answers: 5 })(group).who()).pipe(Effect.provideContext(context)),
        { startImmediately: true }
      )
      const { datagram } = yield* stranger.receive
      for (let i = 1; i <= 20; i++) {
        yield* forge({ from: `10.0.1.${i}:1`, to: "10.0.0.99:1000", payload: respond(datagram, `${i}`) })
      }
      const answers = yield* Fiber.join(gathering)
      expect(answers.map(({ value }) => value)).toStrictEqual(["1", "2", "3", "4", "5"])
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.UnknownId": 15 })
      const none = new RangeError("a gather takes at least one answer")
      for (const answers of [0, -1, Number.NaN]) {
        expect(() => Protocol.gather(Who, { answers })).toThrow(none)
      }
    }).pipe(withMetrics, on()))

  it.effect("drops what does not fit its contract, and takes the true answer of the same sender", () =>
    Effect.gen(function*() {
      const { context, member } = yield* scene([])
      const peer = yield* member("10.0.0.66")
      const gathering = yield* Effect.forkChild(
        collect(Protocol.gather(Who)(group).who()).pipe(Effect.provideContext(context)),
        { startImmediately: true }
      )
      const { datagram, from: caller } = yield* peer.receive
      const failure = Codec.encodeFailure(Codec.idOf(datagram), { kind: "Overloaded" }, 100)
      const challenge = Codec.encodeChallenge(Codec.idOf(datagram), new Uint8Array(20))
      for (
        const answer of [
          respond(datagram, 17),
          respond(datagram, "x").subarray(0, 22),
          Result.getOrThrow(failure),
          challenge,
          respond(datagram, "true"),
          respond(datagram, "second")
        ]
      ) peer.send(caller, answer)
      yield* TestClock.adjust(1000)
      expect(yield* Fiber.join(gathering)).toStrictEqual([{ sender: at("10.0.0.66:1000"), value: "true" }])
      expect(yield* metrics).toMatchObject({
        "rpcudp_datagrams_dropped.Shape": 1,
        "rpcudp_datagrams_dropped.Truncated": 1,
        "rpcudp_datagrams_dropped.UnknownId": 3
      })
      // Nobody has been told anything more.
      expect(yield* from("10.0.0.99")).toHaveLength(1)
    }).pipe(withMetrics, on()))

  it.effect("fails where it cannot be sent, and is a defect where its arguments do not fit", () =>
    Effect.gen(function*() {
      const { context } = yield* scene([], { options: { limits: { calls: 1 } } })
      const gather = Protocol.gather(Who)(group)
      const fails = <A>(stream: Stream.Stream<A, Protocol.GatherError, Protocol.Protocol>) =>
        Effect.flip(collect(stream)).pipe(Effect.provideContext(context))
      const first = yield* Effect.forkChild(collect(gather.who()).pipe(Effect.provideContext(context)), {
        startImmediately: true
      })
      yield* TestClock.adjust(0)
      expect(yield* fails(gather.who())).toMatchObject({ _tag: "TooManyCalls", limit: 1 })
      yield* TestClock.adjust(1000)
      yield* Fiber.join(first)
      const { set } = yield* SimulatedNetwork.SimulatedNetwork
      yield* set({ refuse: "PermissionDenied" })
      expect(yield* fails(gather.who())).toMatchObject({ reason: { kind: "PermissionDenied" } })
      const misfit = yield* Effect.exit(collect(gather.slow(0.5)).pipe(Effect.provideContext(context)))
      expect(misfit).toMatchObject({ cause: { reasons: [{ _tag: "Die" }] } })
      expect(() => Protocol.gather(Who)("nowhere")).toThrow("\"nowhere\" is no address")
    }).pipe(on()))

  it.effect("proves nothing: who answers one may be anybody", () =>
    Effect.gen(function*() {
      const on = yield* network
      const options = { limits: { replyBytesPerSecond: 20 } }
      const context = yield* node(
        serving("10.0.0.99", {}, Who),
        transport("10.0.0.99").pipe(Layer.provide(on)),
        options
      )
      const peer = yield* raw(transport("10.0.0.66").pipe(Layer.provide(on)))
      const gathering = yield* Effect.forkChild(
        collect(Protocol.gather(Who)(group).who()).pipe(Effect.provideContext(context)),
        { startImmediately: true }
      )
      const { datagram, from: caller } = yield* peer.receive
      peer.send(caller, respond(datagram, "me"))
      yield* TestClock.adjust(1000)
      expect(sendersOf(yield* Fiber.join(gathering))).toContain("10.0.0.66:1000")
      for (let i = 0; i < 4; i++) {
        peer.send(caller, Result.getOrThrow(Codec.encodeRequest(new Uint8Array(20).fill(i), "bytes", [60])))
      }
      yield* TestClock.adjust(0)
      // An answer has 83 bytes, of 80 that it may be sent in a burst: it is challenged.
      const sent = (yield* from("10.0.0.99:1000")).filter(({ to }) => to === "10.0.0.66:1000")
      expect(sent.length).toBeGreaterThan(0)
      for (const { size } of sent) expect(size).toBe(43)
    }).pipe(on()))

  it.effect("crosses with keys, too", () =>
    Effect.gen(function*() {
      const key = { id: 1, secret: Redacted.make(new Uint8Array(32).fill(7)) }
      const { context } = yield* scene(hosts, { options: { keys: { ring: [key] } } })
      const answers = yield* over(collect(Protocol.gather(Who)(group).who()).pipe(Effect.provideContext(context)))
      expect(sendersOf(answers)).toStrictEqual(all)
    }).pipe(on()))
})

describe("whoever serves", () => {
  it.effect("answers no gather that came to it alone, and at a group nothing but gathers", () =>
    Effect.gen(function*() {
      const { context, ran } = yield* scene(["10.0.0.1"])
      const alone = collect(Protocol.gather(Who)("10.0.0.1:1000").who()).pipe(Effect.provideContext(context))
      expect(yield* over(alone)).toStrictEqual([])
      const client = yield* Effect.provideContext(Protocol.client(Who), context)
      expect(yield* over(Effect.flip(client(group).who()))).toMatchObject({ _tag: "NoResponse" })
      expect(ran).toStrictEqual({})
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.Misaddressed": 2 })
      expect(yield* from("10.0.0.1")).toStrictEqual([])
      // And nobody answers who has not joined.
      yield* node(
        serving("10.0.0.2", ran, Who),
        transport("10.0.0.2", ["239.9.9.9:9999"]).pipe(Layer.provide(yield* network))
      )
      expect(sendersOf(yield* over(collect(Protocol.gather(Who)(group).who()).pipe(Effect.provideContext(context)))))
        .toStrictEqual(["10.0.0.1:1000"])
    }).pipe(withMetrics, on()))

  it.effect("is silent where it would refuse or fail", () =>
    Effect.gen(function*() {
      class Other extends Handlers.Service<Other>()("test/Other", { nothing: {}, who: { args: [Schema.Int] } }) {}
      const { context, ran } = yield* scene(["10.0.0.1"])
      const gather = Protocol.gather(Who)(group)
      const streams = [
        gather.refuse(),
        gather.die(),
        gather.bytes(9000),
        Protocol.gather(Other)(group).nothing(),
        Protocol.gather(Other)(group).who(1)
      ]
      for (const stream of streams) {
        expect(
          yield* over(
            collect<unknown, Protocol.GatherError, Protocol.Protocol>(stream).pipe(Effect.provideContext(context))
          )
        )
          .toStrictEqual([])
      }
      expect(yield* from("10.0.0.1")).toStrictEqual([])
      expect(ran).toStrictEqual({ "10.0.0.1": 3 })
      expect(yield* metrics).toMatchObject({
        "rpcudp_requests.error": 1,
        "rpcudp_requests.defect": 1,
        "rpcudp_requests.oversize": 1,
        "rpcudp_requests.unknown_method": 1,
        "rpcudp_requests.invalid_arguments": 1
      })
    }).pipe(quiet, withMetrics, on()))

  it.effect("answers within its leisure, each when chance has it, and at once without", () =>
    Effect.gen(function*() {
      const many = Array.from({ length: 40 }, (_, i) => `10.0.1.${i + 1}`)
      const { context } = yield* scene(many, { options: { leisure: "2 seconds" } })
      const times: Array<number> = []
      const began = yield* Clock.currentTimeMillis
      const gather = Protocol.gather(Who)(group).who().pipe(
        Stream.tap(() => Effect.map(Clock.currentTimeMillis, (now) => times.push(now - began))),
        (stream) => collect(stream, 4000),
        Effect.provideContext(context)
      )
      expect(yield* over(gather)).toHaveLength(40)
      // By a seed: in each quarter of the leisure some, and none behind it.
      const quarters = [0, 1, 2, 3].map((quarter) =>
        times.filter((time) => Math.ceil(time / 500) === quarter + 1).length
      )
      for (const some of quarters) expect(some).toBeGreaterThan(3)
      expect(quarters.reduce((sum, some) => sum + some, 0)).toBe(40)
    }).pipe(on()))

  it.effect("answers in half of the time that its caller has, if that says so", () =>
    Effect.gen(function*() {
      const many = Array.from({ length: 40 }, (_, i) => `10.0.1.${i + 1}`)
      const { context } = yield* scene(many, { options: { leisure: "1 minute", propagate: true } })
      yield* TestClock.adjust("10 minutes")
      let last = 0
      const began = yield* Clock.currentTimeMillis
      const gather = Protocol.gather(Who)(group).who().pipe(
        Stream.tap(() => Effect.map(Clock.currentTimeMillis, (now) => (last = now - began))),
        collect,
        Effect.provideContext(context)
      )
      expect(yield* over(gather)).toHaveLength(40)
      expect(last).toBeLessThanOrEqual(500)
      expect(last).toBeGreaterThan(250)
    }).pipe(on()))

  it.effect("sends no more to a forged sender, its network and all of them than their budgets, and challenges none", () =>
    Effect.gen(function*() {
      const options = { leisure: 0, limits: { replyBytesPerSecond: 250, totalReplyBytesPerSecond: 1500 } }
      yield* scene(hosts, { options })
      const { forge, stats, trace } = yield* SimulatedNetwork.SimulatedNetwork
      let number = 0
      const spoof = Effect.fnUntraced(function*(sender: string, count: number) {
        for (let i = 0; i < count; i++) {
          const id = new Uint8Array(20)
          new DataView(id.buffer).setUint32(0, ++number)
          yield* forge({ from: sender, to: group, payload: Result.getOrThrow(Codec.encodeGather(id, "bytes", [80])) })
        }
        yield* TestClock.adjust(0)
      })
      const bytesTo = (prefix: string) =>
        Effect.map(
          trace,
          (entries) =>
            entries.filter(({ from, to }) => from.startsWith("10.0.0.1:1000") && to.startsWith(prefix))
              .reduce((sum, { size }) => sum + size, 0)
        )
      // In bursts of four seconds' worth: 1,000 bytes to one, 4,000 to its network, 6,000 to all.
      yield* spoof("10.7.7.1:53", 50)
      const one = yield* bytesTo("10.7.7.1")
      expect(one).toBeGreaterThan(800)
      expect(one).toBeLessThanOrEqual(1000)
      for (let i = 2; i < 20; i++) yield* spoof(`10.7.7.${i}:53`, 20)
      const network = yield* bytesTo("10.7.7.")
      expect(network).toBeGreaterThan(3500)
      expect(network).toBeLessThanOrEqual(4000)
      for (let i = 1; i < 30; i++) yield* spoof(`10.8.${i}.1:53`, 20)
      const all = yield* bytesTo("10.")
      expect(all).toBeGreaterThan(5500)
      expect(all).toBeLessThanOrEqual(6000)
      // A challenge has 43 bytes, a failure less than 64: nothing but answers has left.
      expect((yield* trace).filter(({ from, size }) => from.includes(":1000") && size < 80)).toStrictEqual([])
      expect((yield* stats).sent).toBeGreaterThan(0)
    }).pipe(on()))

  it.effect("says nothing of a gather while all its room is taken", () =>
    Effect.gen(function*() {
      // With a deadline a gather is longer than an `Overloaded`, which a call would be told.
      const options = { limits: { handlers: 2 }, leisure: 0, propagate: true }
      const { context, ran } = yield* scene(["10.0.0.1"], { options })
      const client = yield* Effect.provideContext(Protocol.client(Who), context)
      // The second has answered a challenge.
      const calls = Effect.all([client(all[0]!).slow(2000), client(all[0]!).slow(2000)], { concurrency: "unbounded" })
      const running = yield* Effect.forkChild(calls, { startImmediately: true })
      yield* over(Effect.void, 100)
      expect(yield* metrics).toMatchObject({ "rpcudp_requests_in_flight": 2 })
      const before = (yield* from("10.0.0.1")).length
      const gather = collect(Protocol.gather(Who)(group).slow(1)).pipe(Effect.provideContext(context))
      expect(yield* over(gather, 1000)).toStrictEqual([])
      expect(yield* from("10.0.0.1")).toHaveLength(before)
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.overloaded": 2 })
      yield* over(Fiber.join(running))
      expect(ran).toStrictEqual({ "10.0.0.1": 2 })
    }).pipe(withMetrics, on()))

  it.effect("runs no gather that it has no room for", () =>
    Effect.gen(function*() {
      const { context, ran } = yield* scene(["10.0.0.1"], { options: { limits: { handlers: 2 }, leisure: 0 } })
      const gather = Protocol.gather(Who)(group)
      const gathered = yield* over(
        Effect.all(Array.from({ length: 5 }, () => collect(gather.slow(500))), { concurrency: "unbounded" }).pipe(
          Effect.provideContext(context)
        )
      )
      // The last quarter is for requests that have answered a challenge, which no gather has.
      expect(gathered.map((answers) => answers.length)).toStrictEqual([1, 0, 0, 0, 0])
      expect(ran).toStrictEqual({ "10.0.0.1": 1 })
      expect(yield* from("10.0.0.1")).toHaveLength(1)
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.overloaded": 4 })
    }).pipe(withMetrics, on()))
})
