/** What ends a call, what proves an address and who is challenged, in a node. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Result } from "effect"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import { Codec, Protocol, Transport } from "../../src/index.ts"
import { counting, settled } from "../support/counting.ts"
import * as Injected from "../support/injected.ts"
import * as MemoryNetwork from "../support/MemoryNetwork.ts"
import { oneHost } from "../support/MemoryNetwork.ts"
import { caller, metrics, respond, withMetrics } from "../support/nodes.ts"
import { poked, typesSent } from "../support/poked.ts"
import { idOf, requestFor } from "../support/requests.ts"

describe("a caller", () => {
  it.effect("calls in flight: one more fails at once, and nothing is sent", () =>
    Effect.gen(function*() {
      const network = MemoryNetwork.make()
      const transport = Transport.layerSocket().pipe(Layer.provide(network.socket("10.0.0.1")))
      const { call } = Context.get(yield* caller(transport, { limits: { calls: 3 } }), Protocol.Protocol)
      const waiting = yield* Effect.forkChild(
        Effect.all(Array.from({ length: 3 }, () => Effect.exit(call("10.0.0.9:1", "who", []))), {
          concurrency: "unbounded"
        })
      )
      yield* settled
      const error = yield* Effect.flip(call("10.0.0.9:1", "who", []))
      expect(error).toMatchObject({ _tag: "TooManyCalls", limit: 3, method: "who" })
      expect(error.message).toBe("3 calls wait for their answers already: \"who\" was not sent to 10.0.0.9:1")
      expect(network.sent).toHaveLength(3)
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(waiting)
      // There is room again.
      yield* Effect.forkChild(Effect.exit(call("10.0.0.9:1", "who", [])))
      yield* settled
      expect(network.sent).toHaveLength(4)
      expect(yield* metrics).toMatchObject({ "rpcudp_calls.too_many_calls": 1, "rpcudp_calls.no_response": 3 })
    }).pipe(withMetrics))

  it.effect("calls that are over at once have all made room before the first of their callers goes on", () =>
    Effect.gen(function*() {
      const { call } = Context.get(yield* caller(oneHost()(), { limits: { calls: 2 } }), Protocol.Protocol)
      const ask = Effect.exit(call("10.9.9.9:9", "who", []))
      const two = Effect.all([ask, ask], { concurrency: "unbounded" })
      const callers = yield* Effect.forkChild(Effect.all([Effect.andThen(ask, two), ask], { concurrency: "unbounded" }))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(callers)
      expect(yield* metrics).toStrictEqual({
        "rpcudp_calls.no_response": 4,
        rpcudp_datagrams_sent: 4,
        rpcudp_sent_bytes: 4 * 27
      })
    }).pipe(withMetrics))

  it.effect("where answers may come from elsewhere, so may challenges", () =>
    Effect.gen(function*() {
      const { network, peer, transport } = yield* counting()
      const calling = Context.get(yield* caller(transport("10.0.0.2"), { matchSender: false }), Protocol.Protocol)
      const [callee, other] = [yield* peer("10.0.0.3"), yield* peer("10.0.0.4")]
      yield* Effect.forkChild(calling.call(callee.address, "who", []))
      const { datagram } = yield* callee.receive
      other.send(calling.address, Codec.encodeChallenge(Codec.idOf(datagram), idOf(99)))
      yield* settled
      expect(network.sent.filter(({ to }) => to === NetAddress.formatInet(other.address)).map(({ payload }) => payload))
        .toStrictEqual([Codec.encodeProof(idOf(99))])
    }))

  it.effect("an answer from elsewhere proves no address, not even where it counts", () =>
    Effect.gen(function*() {
      const { protocol, receive, sent } = yield* poked({ matchSender: false, limits: { replyBytesPerSecond: 1000 } })
      const called = Injected.peerAt("10.0.0.2:2")
      const victim = Injected.peerAt("10.0.0.3:3")
      const call = yield* Effect.forkChild(protocol.call(called.address, "ping", []), { startImmediately: true })
      receive(respond(sent[0]!.datagram, "pong"), victim)
      expect(yield* Fiber.join(call)).toBe("pong")
      for (const peer of [victim, called]) {
        sent.length = 0
        for (let i = 0; i < 10_000; i++) receive(requestFor("poke"), peer)
        const bytes = sent.filter(({ datagram }) => Codec.typeOf(datagram) === "Response")
          .reduce((sum, { datagram }) => sum + datagram.length, 0)
        expect(bytes).toBeLessThanOrEqual(4000)
      }
    }))

  it.effect("a challenge is answered to who was called only, and only while the call waits", () =>
    Effect.gen(function*() {
      const { protocol, receive, sent } = yield* poked()
      const peer = Injected.peerAt("10.0.0.2:2")
      const call = yield* Effect.forkChild(protocol.call(peer.address, "who", []), { startImmediately: true })
      const id = Codec.idOf(sent[0]!.datagram)
      const token = new Uint8Array(20).fill(7)
      sent.length = 0
      receive(Codec.encodeChallenge(id, token), Injected.peerAt("10.0.0.3:2"))
      receive(Codec.encodeChallenge(new Uint8Array(20), token), peer)
      receive(Codec.encodeChallenge(id, token).subarray(0, 40), peer)
      expect(sent).toStrictEqual([])
      receive(Codec.encodeChallenge(id, token), peer)
      expect(sent.map(({ datagram }) => datagram)).toStrictEqual([Codec.encodeProof(token)])
      yield* Fiber.interrupt(call)
      receive(Codec.encodeChallenge(id, token), peer)
      expect(typesSent(sent)).toStrictEqual(["Proof", "Cancel"])
      expect(yield* metrics).toMatchObject({
        "rpcudp_datagrams_dropped.UnknownId": 2,
        "rpcudp_datagrams_dropped.ForeignSender": 1,
        "rpcudp_challenges.answered": 1,
        "rpcudp_datagrams_dropped.Truncated": 1
      })
    }).pipe(withMetrics))

  it.effect("a failure that cannot be read ends no call, and the true one still does", () =>
    Effect.gen(function*() {
      const { protocol, receive, sent } = yield* poked()
      const call = yield* Effect.forkChild(Effect.flip(protocol.call("10.0.0.2:2", "who", [])), {
        startImmediately: true
      })
      const { datagram } = sent[0]!
      const from = Injected.peerAt("10.0.0.2:2")
      const failure = Result.getOrThrow(Codec.encodeFailure(Codec.idOf(datagram), { kind: "Defect" }, datagram.length))
      receive(failure.subarray(0, -1), from)
      receive(failure, from)
      expect(yield* Fiber.join(call)).toMatchObject({ _tag: "Rejected", reason: "Defect" })
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.Truncated": 1 })
    }).pipe(withMetrics))

  it.effect("an observer of one caller that throws keeps no other call from its end", () =>
    Effect.gen(function*() {
      const transport = oneHost()
      const { call } = Context.get(yield* caller(transport()), Protocol.Protocol)
      const thrown: Array<unknown> = []
      const listeners = process.listeners("uncaughtException")
      process.removeAllListeners("uncaughtException")
      process.on("uncaughtException", (error) => thrown.push(error))
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          process.removeAllListeners("uncaughtException")
          for (const listener of listeners) process.on("uncaughtException", listener)
        })
      )
      const context = yield* Effect.context<never>()
      const attempt = (timeout: number) => call("10.9.9.9:9", "who", []).pipe(Protocol.withTimeout(timeout))
      Effect.runCallbackWith(context)(attempt(50), {
        onExit: () => {
          throw new Error("an observer")
        }
      })
      const others = yield* Effect.forkChild(
        Effect.forEach([50, 100], (timeout) => Effect.flip(attempt(timeout)), { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("1 second")
      expect((yield* Fiber.join(others)).map(({ _tag }) => _tag)).toStrictEqual(["NoResponse", "NoResponse"])
      expect(thrown).toHaveLength(1)
    }))

  it.effect("a deadline is exact at any date", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 10, 22))
      const { call } = Context.get(yield* caller(oneHost()()), Protocol.Protocol)
      for (const millis of [1, 10, 333]) {
        const waiting = yield* Effect.forkChild(
          Effect.flip(call("10.9.9.9:9", "who", []).pipe(Protocol.withTimeout(millis)))
        )
        yield* TestClock.adjust(millis)
        expect((yield* Fiber.join(waiting)).message).toBe(`10.9.9.9:9 did not answer "who" within ${millis}ms`)
      }
    }))

  it.effect("a node that only calls is answered, and takes no proof", () =>
    Effect.gen(function*() {
      const injected = Injected.make()
      const context = yield* Layer.build(Protocol.layer().pipe(Layer.provide(injected.layer)))
      const { call } = Context.get(context, Protocol.Protocol)
      const peer = Injected.peerAt("10.0.0.2:2")
      const answered = yield* Effect.forkChild(call(peer.address, "who", []), { startImmediately: true })
      injected.receive(respond(injected.sent[0]!.datagram, "me"), peer)
      expect(yield* Fiber.join(answered)).toBe("me")
      injected.receive(Codec.encodeProof(new Uint8Array(Codec.idBytes)), peer)
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.UnknownId": 1, "rpcudp_calls.success": 1 })
    }).pipe(withMetrics))
})
