/** What becomes of a request to all members of a group. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Fiber, Layer, Logger, Redacted, Result, Schema, Scope, Stream } from "effect"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import { Codec, Handlers, Protocol, Transport } from "../../src/index.ts"
import { SimulatedNetwork, whileTimePasses } from "../../src/testing/index.ts"
import { caller, metrics, node, raw, withMetrics } from "../support/nodes.ts"

class Printer extends Handlers.Service<Printer>()("test/Printer", {
  name: { args: [Schema.String], success: Schema.String, error: Schema.String }
}) {}

const group = "239.1.2.3:9999"

const transport = Effect.fnUntraced(function*(host: string, groups: ReadonlyArray<string> = []) {
  const network = Layer.succeed(SimulatedNetwork.SimulatedNetwork, yield* SimulatedNetwork.SimulatedNetwork)
  const socket = (port: number) => SimulatedNetwork.socket(`${host}:${port}`).pipe(Layer.provide(network))
  return Transport.layerSocket({ multicast: groups.map((group) => ({ group, socket: socket(9999) })) }).pipe(
    Layer.provide(socket(1000))
  )
})

interface MemberOptions extends Protocol.Options {
  readonly groups?: ReadonlyArray<string>
}

/** A node that names itself so, and is a member of the group. */
const member = Effect.fnUntraced(function*(
  host: string,
  name: (asked: string) => Effect.Effect<string, string>,
  { groups = [group], ...options }: MemberOptions = {}
) {
  const served = Protocol.serve(Printer).pipe(Layer.provide(Printer.toLayer({ name })))
  return yield* node(served, yield* transport(host, groups), options)
})

/** A node that asks. */
const asking = Effect.fnUntraced(function*(options?: Protocol.Options) {
  const context = yield* caller(yield* transport("10.0.0.100"), { timeout: "2 seconds", ...options })
  const printers = yield* Effect.provideContext(Protocol.gather(Printer), context)
  return { protocol: Context.get(context, Protocol.Protocol), printers, context }
})

const test = <A, E>(
  effect: Effect.Effect<A, E, SimulatedNetwork.SimulatedNetwork | Scope.Scope>,
  settings?: SimulatedNetwork.Options
) => effect.pipe(Effect.provide(SimulatedNetwork.layer({ seed: 1, trace: true, ...settings })), withMetrics)

const from = (host: string) => NetAddress.inetAddressFromIpStringUnsafe(host, 1000)

const byName = <A extends { readonly value: string }>(all: ReadonlyArray<A>) =>
  all.toSorted((a, b) => a.value.localeCompare(b.value))

const collect = (answers: Stream.Stream<Protocol.Gathered<string>, Protocol.CallError>) =>
  whileTimePasses(Effect.map(Stream.runCollect(answers), byName))

describe("a request to a group", () => {
  it.effect("is answered by each member that has a result, and ends at the deadline of a call", () =>
    test(
      Effect.gen(function*() {
        yield* member("10.0.0.1", (asked) => Effect.succeed(`a ${asked}`))
        yield* member("10.0.0.2", (asked) => Effect.succeed(`b ${asked}`))
        yield* member("10.0.0.3", () => Effect.fail("out of paper"))
        yield* member("10.0.0.4", () => Effect.die("on fire"))
        // This one has not joined.
        yield* member("10.0.0.5", (asked) => Effect.succeed(`c ${asked}`), { groups: [] })
        const { printers } = yield* asking()
        expect(yield* collect(printers(group).name("laser"))).toStrictEqual([
          { sender: from("10.0.0.1"), value: "a laser" },
          { sender: from("10.0.0.2"), value: "b laser" }
        ])
        expect(yield* Clock.currentTimeMillis).toBe(2000)
        const network = yield* SimulatedNetwork.SimulatedNetwork
        // To four members, and two answers: nobody says that it has none.
        expect((yield* network.trace).map(({ from, to }) => `${from} > ${to}`).toSorted()).toStrictEqual([
          "10.0.0.100:1000 > 10.0.0.1:9999",
          "10.0.0.100:1000 > 10.0.0.2:9999",
          "10.0.0.100:1000 > 10.0.0.3:9999",
          "10.0.0.100:1000 > 10.0.0.4:9999",
          "10.0.0.1:1000 > 10.0.0.100:1000",
          "10.0.0.2:1000 > 10.0.0.100:1000"
        ])
      }).pipe(Effect.provide(Logger.layer([])))
    ))

  it.effect("that is broadcast is answered as well", () =>
    test(Effect.gen(function*() {
      const broadcast = "255.255.255.255:9999"
      yield* member("10.0.0.1", (asked) => Effect.succeed(`a ${asked}`), { groups: [broadcast] })
      const { printers } = yield* asking()
      expect(yield* collect(printers(broadcast).name("laser"))).toStrictEqual([
        { sender: from("10.0.0.1"), value: "a laser" }
      ])
      // Nor did sockets of other ports hear it.
      expect(yield* metrics).toMatchObject({ rpcudp_datagrams_received: 2 })
    })))

  it.effect("runs once and counts once, however often it and its answers arrive", () =>
    test(
      Effect.gen(function*() {
        let runs = 0
        yield* member("10.0.0.1", () => Effect.sync(() => `run ${++runs}`))
        const { printers } = yield* asking()
        expect(yield* collect(printers(group).name("laser"))).toStrictEqual([
          { sender: from("10.0.0.1"), value: "run 1" }
        ])
        expect(runs).toBe(1)
        expect(yield* metrics).toMatchObject({ "rpcudp_requests.repeated": 1, "rpcudp_datagrams_dropped.UnknownId": 1 })
      }),
      { duplicate: 1, delay: ["0 millis", "100 millis"] }
    ))

  it.effect("takes nothing after its deadline, and nothing is left of it", () =>
    test(Effect.gen(function*() {
      yield* member("10.0.0.1", () => Effect.as(Effect.sleep("3 seconds"), "late"))
      const { printers } = yield* asking()
      expect(yield* collect(printers(group).name("laser"))).toStrictEqual([])
      expect(yield* metrics).toMatchObject({ "rpcudp_calls.no_response": 1 })
      expect((yield* metrics)["rpcudp_calls_in_flight"]).toBeUndefined()
      yield* TestClock.adjust("5 seconds")
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.UnknownId": 1 })
    })))

  it.effect("whose stream is left early counts no more answers, and is forgotten", () =>
    test(Effect.gen(function*() {
      yield* member("10.0.0.1", () => Effect.succeed("one"))
      yield* member("10.0.0.2", () => Effect.as(Effect.sleep("1 second"), "two"))
      const { printers } = yield* asking()
      const first = printers(group).name("laser").pipe(Stream.take(1), Stream.runCollect)
      const gathering = yield* Effect.forkChild(first, { startImmediately: true })
      yield* TestClock.adjust("500 millis")
      expect(yield* Fiber.join(gathering)).toMatchObject([{ value: "one" }])
      expect(yield* metrics).toMatchObject({ "rpcudp_calls.interrupted": 1 })
      yield* TestClock.adjust("5 seconds")
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.UnknownId": 1 })
      expect((yield* metrics)["rpcudp_calls_in_flight"]).toBeUndefined()
    })))

  it.effect("does not count what does not fit its contract, or fails", () =>
    test(Effect.gen(function*() {
      const stranger = yield* raw(yield* transport("10.0.0.1", [group]))
      const liar = yield* raw(yield* transport("10.0.0.2"))
      const { printers } = yield* asking()
      const gathering = yield* Effect.forkChild(collect(printers(group).name("laser")), { startImmediately: true })
      const { datagram, from: asker } = yield* stranger.receive
      const id = Codec.idOf(datagram)
      stranger.send(asker, Result.getOrThrow(Codec.encodeFailure(id, { kind: "Defect" }, datagram.length)))
      stranger.send(asker, Codec.encodeCancel(id))
      // Damaged: its other copy counts.
      stranger.send(asker, Result.getOrThrow(Codec.encodeResponse(id, "x")).subarray(0, -1))
      stranger.send(asker, Result.getOrThrow(Codec.encodeResponse(id, "good")))
      liar.send(asker, Result.getOrThrow(Codec.encodeResponse(id, 42)))
      liar.send(asker, Result.getOrThrow(Codec.encodeResponse(id, "too late for this sender")))
      expect(yield* Fiber.join(gathering)).toStrictEqual([{ sender: from("10.0.0.1"), value: "good" }])
    })))

  it.effect("takes 1,024 answers, whoever sends them", () =>
    test(Effect.gen(function*() {
      const stranger = yield* raw(yield* transport("10.0.0.1", [group]))
      const network = yield* SimulatedNetwork.SimulatedNetwork
      const { printers } = yield* asking()
      const gathering = yield* Effect.forkChild(collect(printers(group).name("laser")), { startImmediately: true })
      const { datagram } = yield* stranger.receive
      const payload = Result.getOrThrow(Codec.encodeResponse(Codec.idOf(datagram), "me"))
      for (let port = 2000; port < 3100; port++) {
        yield* network.forge({ from: `10.0.0.1:${port}`, to: "10.0.0.100:1000", payload })
      }
      expect(yield* Fiber.join(gathering)).toHaveLength(1024)
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.UnknownId": 1100 - 1024 })
    })))

  it.effect("is no request to one node, nor the other way round", () =>
    test(Effect.gen(function*() {
      let runs = 0
      yield* member("10.0.0.1", () => Effect.sync(() => `run ${++runs}`))
      const { printers, protocol } = yield* asking()
      const asked = yield* Effect.exit(whileTimePasses(protocol.call(group, "name", ["laser"])))
      expect(Exit.isFailure(asked)).toBe(true)
      expect(yield* collect(printers("10.0.0.1:1000").name("laser"))).toStrictEqual([])
      expect(runs).toBe(0)
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.ForeignGroup": 2 })
    })))

  it.effect("that no member has a method for, or has room for, is refused in silence", () =>
    test(Effect.gen(function*() {
      yield* member("10.0.0.1", () => Effect.succeed("one"), { limits: { requestsPerSecond: 4 } })
      const stranger = yield* raw(yield* transport("10.0.0.9"))
      const send = (method: string, i: number) =>
        stranger.send(
          NetAddress.inetAddressFromStringUnsafe(group),
          Result.getOrThrow(Codec.encodeGather(Uint8Array.from({ length: 20 }, () => i), method, ["x"]))
        )
      send("unknown", 0)
      for (let i = 1; i < 10; i++) send("name", i)
      yield* TestClock.adjust("1 second")
      const network = yield* SimulatedNetwork.SimulatedNetwork
      const answers = (yield* network.trace).filter(({ to }) => to === "10.0.0.9:1000")
      const counted = yield* metrics
      expect(counted).toMatchObject({ "rpcudp_requests.unknown_method": 1 })
      expect(counted["rpcudp_requests.throttled"]).toBeGreaterThan(0)
      expect(answers).toHaveLength(counted["rpcudp_requests.success"]!)
      expect(counted["rpcudp_challenges.sent"]).toBeUndefined()
    })))

  it.effect("that its members can answer only to somebody who proves to be there is answered once that is proven", () =>
    test(Effect.gen(function*() {
      const long = "x".repeat(4000)
      yield* member("10.0.0.1", () => Effect.succeed(long), { limits: { replyBytesPerSecond: 1000 } })
      const { printers } = yield* asking()
      expect(yield* collect(printers(group).name("laser"))).toStrictEqual([{ sender: from("10.0.0.1"), value: long }])
      expect(yield* metrics).toMatchObject({ "rpcudp_challenges.sent": 1, "rpcudp_challenges.proven": 1 })
    })))

  it.effect("fails if the socket refuses it, if it is too long, and if too many calls wait", () =>
    test(Effect.gen(function*() {
      const network = yield* SimulatedNetwork.SimulatedNetwork
      yield* member("10.0.0.1", () => Effect.succeed("one"))
      const { printers } = yield* asking({ limits: { calls: 1 } })
      expect(yield* Effect.flip(collect(printers(group).name("x".repeat(9000))))).toMatchObject({ _tag: "Oversize" })
      const first = yield* Effect.forkChild(Stream.runDrain(printers(group).name("first")), { startImmediately: true })
      expect(yield* Effect.flip(collect(printers(group).name("second")))).toMatchObject({ _tag: "TooManyCalls" })
      yield* Fiber.interrupt(first)
      yield* network.set({ refuse: "Unreachable" })
      expect(yield* Effect.flip(collect(printers(group).name("third")))).toMatchObject({ _tag: "DatagramSocketError" })
      const negative = collect(printers(group).name("fourth")).pipe(Protocol.withTimeout("-1 second"))
      expect(Exit.hasDies(yield* Effect.exit(negative))).toBe(true)
    })))

  it.effect("ends with the error of its socket, if that closes", () =>
    test(Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { printers } = yield* asking().pipe(Scope.provide(scope))
      const gathering = yield* Effect.forkChild(Effect.flip(Stream.runDrain(printers(group).name("laser"))), {
        startImmediately: true
      })
      yield* Scope.close(scope, Exit.void)
      expect(yield* Fiber.join(gathering)).toMatchObject({ _tag: "DatagramSocketError" })
      expect(yield* Effect.flip(collect(printers(group).name("laser")))).toMatchObject({ _tag: "DatagramSocketError" })
      // One that hears nothing any more could still send.
      const deaf = Layer.effect(
        Transport.Transport,
        Effect.map(Transport.Transport, (transport) => ({
          ...transport,
          send: () => {},
          run: () => Effect.fail(Transport.closedError())
        }))
      ).pipe(Layer.provide(yield* transport("10.0.0.101")))
      const context = yield* caller(deaf)
      const others = yield* Effect.provideContext(Protocol.gather(Printer), context)
      expect(yield* Effect.flip(collect(others(group).name("laser")))).toMatchObject({ _tag: "DatagramSocketError" })
    })))

  it.effect("is put off at random, by at most half a second and half of what its caller waits, as that has said", () =>
    test(Effect.gen(function*() {
      const startedAt: Array<number> = []
      const started = Effect.map(Clock.currentTimeMillis, (at) => `${startedAt.push(at)}`)
      for (let i = 1; i <= 20; i++) yield* member(`10.0.0.${i}`, () => started)
      const { printers } = yield* asking({ propagate: true })
      expect(yield* collect(printers(group).name("laser"))).toHaveLength(20)
      expect(Math.min(...startedAt)).toBeLessThan(250)
      expect(Math.max(...startedAt)).toBeGreaterThan(250)
      expect(Math.max(...startedAt)).toBeLessThan(500)
      expect(new Set(startedAt).size).toBeGreaterThan(15)
      startedAt.length = 0
      const begunAt = yield* Clock.currentTimeMillis
      const hasty = collect(printers(group).name("laser")).pipe(Protocol.withTimeout("100 millis"))
      expect(yield* hasty).toHaveLength(20)
      expect(Math.max(...startedAt) - begunAt).toBeLessThan(50)
    })))

  it.effect("reaches the members of a closed network, and nobody else", () =>
    test(Effect.gen(function*() {
      const keys = (id: number, byte: number) => ({
        keys: { ring: [{ id, secret: Redacted.make(new Uint8Array(32).fill(byte)) }] as const }
      })
      yield* member("10.0.0.1", () => Effect.succeed("one"), keys(1, 1))
      yield* member("10.0.0.2", () => Effect.succeed("two"), keys(2, 2))
      yield* member("10.0.0.3", () => Effect.succeed("three"))
      const { printers } = yield* asking(keys(1, 1))
      expect(yield* collect(printers(group).name("laser"))).toStrictEqual([{ sender: from("10.0.0.1"), value: "one" }])
    })))
})
