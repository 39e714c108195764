/** What a node does for strangers, and what not, under TestClock. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Result, Schema } from "effect"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import { Codec, Handlers, Protocol, Transport } from "../src/index.ts"
import * as MemoryNetwork from "./support/MemoryNetwork.ts"
import { caller, metrics, node, raw, withMetrics } from "./support/nodes.ts"

const quiet = Effect.provide(Logger.layer([]))

class Refused extends Schema.TaggedError<Refused>()("Refused", { number: Schema.Int }) {}

const procedures = {
  /** Answers how often any handler has run. */
  count: { success: Schema.Int },
  /** Answers that once it may. */
  slow: { success: Schema.Int },
  refuse: { success: Schema.Int, error: Refused },
  die: { success: Schema.Int },
  bytes: { args: [Schema.Int], success: Schema.Uint8Array },
  number: { args: [Schema.Int], success: Schema.Int },
  any: { args: [Schema.Unknown], success: Schema.Int }
} as const

class Counter extends Handlers.Service<Counter>()("test/Counter", procedures) {}

class Idempotent extends Handlers.Service<Idempotent>()("test/Idempotent", procedures, { idempotent: true }) {}

const idOf = (number: number): Uint8Array => {
  const id = new Uint8Array(Codec.idBytes).fill(7)
  new DataView(id.buffer).setUint32(0, number)
  return id
}

const request = (number: number, method: string, ...args: ReadonlyArray<unknown>): Uint8Array =>
  Result.getOrThrow(Codec.encodeRequest(idOf(number), method, args))

/** A node that counts, on a network in memory, and peers that speak bytes to it. */
const counting = Effect.fnUntraced(function*(
  options?: Protocol.Options,
  group: typeof Counter | typeof Idempotent = Counter
) {
  const network = MemoryNetwork.make()
  const transport = (host: string, port?: number) =>
    Transport.layerSocket().pipe(Layer.provide(network.socket(host, port)))
  let runs = 0
  const go = yield* Deferred.make<void>()
  const run = Effect.sync(() => ++runs)
  const handlers = {
    count: () => run,
    slow: () => Effect.andThen(Deferred.await(go), run),
    refuse: () => Effect.flatMap(run, (number) => new Refused({ number })),
    die: () => Effect.andThen(run, Effect.die("as it should")),
    bytes: (length: number) => Effect.as(run, new Uint8Array(length)),
    number: () => run,
    any: () => run
  }
  const served = group === Counter
    ? Protocol.serve(Counter).pipe(Layer.provide(Counter.toLayer(handlers)))
    : Protocol.serve(Idempotent).pipe(Layer.provide(Idempotent.toLayer(handlers)))
  const protocol = Context.get(yield* node(served, transport("10.0.0.1"), options), Protocol.Protocol)
  const peer = (host: string, port?: number) =>
    Effect.map(raw(transport(host, port)), (peer) => ({
      ...peer,
      /** Sends all of them, and answers what has come back by the time that everything has settled. */
      ask: Effect.fnUntraced(function*(...requests: ReadonlyArray<Uint8Array>) {
        const name = NetAddress.formatInet(peer.address)
        const before = network.sent.length
        for (const request of requests) peer.send(protocol.address, request)
        yield* settled
        return network.sent.slice(before).filter(({ to }) => to === name).map(({ payload }) => payload)
      })
    }))
  return { go: Deferred.succeed(go, undefined), network, peer, protocol, runs: () => runs, transport }
})

// Datagrams arrive within microtasks, and fibers go on within a few turns.
const settled = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, { discard: true })

const value = (datagram: Uint8Array | undefined): unknown => Result.getOrThrow(Codec.decode(datagram!))

describe("at most once", () => {
  it.effect("a request that comes again is answered as it was, and not run again", () =>
    Effect.gen(function*() {
      const { peer, runs } = yield* counting()
      const stranger = yield* peer("10.0.0.2")
      const first = yield* stranger.ask(request(1, "count"))
      expect(value(first[0])).toMatchObject({ _tag: "Response", value: 1 })
      expect(yield* stranger.ask(request(1, "count"), request(1, "count"))).toStrictEqual([first[0], first[0]])
      expect(runs()).toBe(1)
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.success": 1, "rpcudp_requests.repeated": 2 })
    }).pipe(withMetrics))

  it.effect("while its handler runs, it is ignored", () =>
    Effect.gen(function*() {
      const { go, peer, runs } = yield* counting()
      const stranger = yield* peer("10.0.0.2")
      expect(yield* stranger.ask(request(1, "slow"), request(1, "slow"), request(1, "slow"))).toStrictEqual([])
      yield* go
      yield* settled
      const { datagram } = yield* stranger.receive
      expect(value(datagram)).toMatchObject({ value: 1 })
      expect(yield* stranger.ask(request(1, "slow"))).toStrictEqual([datagram])
      expect(runs()).toBe(1)
    }))

  // broken by leaving out `^ originOf(budget, from)` in src/internal/serving/admission.ts, `^ from.address.port` in `originOf`, and by
  // `sender.hash` for `sender.hostHash` there
  it.effect("while handlers run, too, the same id of another address or port is another request, run once", () =>
    Effect.gen(function*() {
      const { go, network, protocol, runs } = yield* counting()
      const peers = ["10.0.0.2:1000", "10.0.0.2:2000", "[2001:db8::1]:1000", "[2001:db8::2]:1000"]
      const all = () => {
        for (const from of peers) {
          network.inject({ from, to: NetAddress.formatInet(protocol.address), payload: request(1, "slow") })
        }
        return settled
      }
      yield* all()
      yield* all()
      yield* go
      yield* settled
      yield* all()
      expect(runs()).toBe(4)
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.success": 4, "rpcudp_requests.repeated": 8 })
    }).pipe(withMetrics))

  // broken by `oldest` alone in `#yielding` of src/internal/serving/memory.ts
  it.effect("nobody makes a quieter sender be forgotten", () =>
    Effect.gen(function*() {
      const { network, peer, protocol, runs } = yield* counting({ memory: { requests: 1024, bytes: 65_536 } })
      const victim = yield* peer("10.0.0.2")
      const [answer] = yield* victim.ask(request(1, "count"))
      const to = NetAddress.formatInet(protocol.address)
      for (let i = 0; i < 5000; i++) {
        network.inject({ from: "10.0.0.66:1000", to, payload: request(i, "bytes", 8000) })
        if (i % 100 === 0) yield* settled
      }
      yield* settled
      const before = runs()
      expect(yield* victim.ask(request(1, "count"))).toStrictEqual([answer])
      expect(runs()).toBe(before)
      const seen = yield* metrics
      expect(seen["rpcudp_forgotten.answer"]).toBeGreaterThan(1000)
      expect(seen["rpcudp_forgotten.request"]).toBeGreaterThan(1000)
    }).pipe(withMetrics))

  it.effect("an error, a death and a result that is too long are remembered, too", () =>
    Effect.gen(function*() {
      const { peer, runs } = yield* counting()
      const stranger = yield* peer("10.0.0.2")
      for (const [number, method, ...args] of [[1, "refuse"], [2, "die"], [3, "bytes", 9000]] as const) {
        const [answer] = yield* stranger.ask(request(number, method, ...args))
        expect(Codec.typeOf(answer!)).toBe("Failure")
        expect(yield* stranger.ask(request(number, method, ...args))).toStrictEqual([answer])
        expect(runs()).toBe(number)
      }
    }).pipe(quiet))

  it.effect("what was not run may come again", () =>
    Effect.gen(function*() {
      const { peer } = yield* counting()
      const stranger = yield* peer("10.0.0.2")
      expect(yield* stranger.ask(request(1, "number", "no number"))).toHaveLength(1)
      expect(value((yield* stranger.ask(request(1, "number", 1)))[0])).toMatchObject({ value: 1 })
      expect(yield* stranger.ask(request(2, "who"))).toHaveLength(1)
      expect(value((yield* stranger.ask(request(2, "count")))[0])).toMatchObject({ value: 2 })
    }))

  it.effect("the same id of another address, or another port, is another request", () =>
    Effect.gen(function*() {
      const { peer } = yield* counting()
      for (
        const [i, [host, port]] of ([["10.0.0.2", 1000], ["10.0.0.2", 1001], ["10.0.0.3", 1000]] as const).entries()
      ) {
        expect(value((yield* (yield* peer(host, port)).ask(request(1, "count")))[0])).toMatchObject({ value: i + 1 })
      }
    }))

  it.effect("it is remembered for a minute, and not longer", () =>
    Effect.gen(function*() {
      const { peer, runs } = yield* counting()
      const stranger = yield* peer("10.0.0.2")
      yield* stranger.ask(request(1, "count"))
      yield* TestClock.adjust("59999 millis")
      yield* stranger.ask(request(1, "count"))
      expect(runs()).toBe(1)
      yield* TestClock.adjust("1 millis")
      yield* stranger.ask(request(1, "count"))
      expect(runs()).toBe(2)
    }))

  it.effect("over the bound of requests the oldest is forgotten, and counted", () =>
    Effect.gen(function*() {
      const { peer, runs } = yield* counting({ memory: { requests: 2 } })
      const stranger = yield* peer("10.0.0.2")
      yield* stranger.ask(request(1, "count"), request(2, "count"), request(3, "count"))
      yield* stranger.ask(request(2, "count"), request(3, "count"))
      expect(runs()).toBe(3)
      yield* stranger.ask(request(1, "count"))
      expect(runs()).toBe(4)
      expect(yield* metrics).toMatchObject({ "rpcudp_forgotten.request": 2 })
    }).pipe(withMetrics))

  it.effect("over the bound of bytes the oldest answer is forgotten, but not that it was given", () =>
    Effect.gen(function*() {
      const { peer, runs } = yield* counting({ memory: { bytes: 256 } })
      const stranger = yield* peer("10.0.0.2")
      for (let i = 1; i <= 3; i++) yield* stranger.ask(request(i, "bytes", 100))
      expect(yield* stranger.ask(request(1, "bytes", 100))).toStrictEqual([])
      expect(yield* stranger.ask(request(3, "bytes", 100))).toHaveLength(1)
      expect(runs()).toBe(3)
      expect(yield* metrics).toMatchObject({ "rpcudp_forgotten.answer": 1, "rpcudp_requests.repeated": 2 })
    }).pipe(withMetrics))

  it.effect("where it is switched off, for a group or a node, a repeated request is run again", () =>
    Effect.gen(function*() {
      for (
        const { peer, runs } of [yield* counting({}, Idempotent), yield* counting({ memory: false })]
      ) {
        const stranger = yield* peer("10.0.0.2")
        yield* stranger.ask(request(1, "count"), request(1, "count"))
        expect(runs()).toBe(2)
      }
    }))

  it.effect("an idempotent handler that takes its time is still not run twice at once", () =>
    Effect.gen(function*() {
      const { go, peer, runs } = yield* counting({}, Idempotent)
      const stranger = yield* peer("10.0.0.2")
      yield* stranger.ask(request(1, "slow"), request(1, "slow"))
      yield* go
      yield* settled
      expect(runs()).toBe(1)
    }))
})

describe("limits", () => {
  const overloaded = { _tag: "Failure", failure: { kind: "Overloaded" } }
  const long = "longer than the frame that refuses it"

  /** Challenges come, too: where no handler may run at all, there is no room for those who have proven nothing. */
  const refusals = (datagrams: ReadonlyArray<Uint8Array>) =>
    datagrams.filter((datagram) => Codec.typeOf(datagram) === "Failure")

  it.effect("handlers of one sender, whatever its port, leave room for those of another", () =>
    Effect.gen(function*() {
      const { go, peer } = yield* counting({ limits: { handlersPerSender: 3 } })
      const [one, same, other] = [yield* peer("10.0.0.2"), yield* peer("10.0.0.2"), yield* peer("10.0.0.3")]
      yield* one.ask(request(1, "slow"))
      yield* same.ask(request(2, "slow"))
      // The last one is for a request that has answered a challenge of its own.
      const [challenge] = yield* one.ask(request(3, "slow"))
      yield* one.ask(Codec.encodeProof(Result.getOrThrow(Codec.decodeChallenge(challenge!))))
      for (const peer of [one, same]) {
        expect(value((yield* peer.ask(request(4, "any", long)))[0])).toMatchObject(overloaded)
      }
      expect(value((yield* other.ask(request(5, "any", long)))[0])).toMatchObject({ _tag: "Response" })
      yield* go
      yield* settled
      expect(value((yield* one.ask(request(6, "any", long)))[0])).toMatchObject({ _tag: "Response" })
    }))

  it.effect("the last quarter of the handlers is for requests that have answered a challenge of their own", () =>
    Effect.gen(function*() {
      const { network, peer, protocol, runs, transport } = yield* counting({ limits: { handlers: 8 } })
      for (let i = 0; i < 8; i++) {
        network.inject({
          from: `10.0.1.${i}:1000`,
          to: NetAddress.formatInet(protocol.address),
          payload: request(i, "slow")
        })
      }
      yield* settled
      expect(yield* metrics).toMatchObject({ rpcudp_requests_in_flight: 6, "rpcudp_requests.overloaded": 2 })
      // A peer that answers no challenge is not run, nor told that it is not: it could still prove itself.
      const stranger = yield* peer("10.0.0.3")
      expect((yield* stranger.ask(request(9, "any", long))).map(Codec.typeOf)).toStrictEqual(["Challenge"])
      expect(runs()).toBe(0)
      // A caller with this library proves its address, and its request is taken up again.
      const calling = Context.get(yield* caller(transport("10.0.0.2")), Protocol.Protocol)
      expect(yield* calling.call(protocol.address, "any", [long])).toBe(1)
      expect(yield* metrics).toMatchObject({ "rpcudp_challenges.proven": 1, "rpcudp_challenges.resumed": 1 })
    }).pipe(withMetrics))

  it.effect("a refusal that would be longer than the request is not sent", () =>
    Effect.gen(function*() {
      const { peer } = yield* counting({ limits: { handlers: 0 } })
      const stranger = yield* peer("10.0.0.2")
      const longer = request(1, "any", "123456")
      const shorter = request(2, "any", "12345")
      expect([longer.length, shorter.length]).toStrictEqual([34, 33])
      expect(refusals(yield* stranger.ask(shorter))).toStrictEqual([])
      const [answer] = refusals(yield* stranger.ask(longer))
      expect(value(answer)).toMatchObject(overloaded)
      expect(answer).toHaveLength(34)
    }))

  it.effect("requests of one sender: a second's worth at once, then as many as time brings, and others unharmed", () =>
    Effect.gen(function*() {
      const { peer, runs } = yield* counting({ limits: { requestsPerSecond: 10 } })
      const [one, other] = [yield* peer("10.0.0.2"), yield* peer("10.0.0.3")]
      const flood = Array.from({ length: 50 }, (_, i) => request(i, "count"))
      yield* one.ask(...flood)
      expect(runs()).toBe(10)
      yield* other.ask(...flood.slice(0, 5))
      expect(runs()).toBe(15)
      yield* TestClock.adjust(100)
      yield* one.ask(...flood.slice(20))
      expect(runs()).toBe(16)
      yield* TestClock.adjust(2000)
      yield* one.ask(...flood.slice(25))
      expect(runs()).toBe(26)
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.throttled": 84 })
    }).pipe(withMetrics))

  it.effect("a sender that has proven its address is held to its rate only while others send, too", () =>
    Effect.gen(function*() {
      const { peer, protocol, runs } = yield* counting({ limits: { requestsPerSecond: 10 } })
      const [one, other] = [yield* peer("10.0.0.2"), yield* peer("10.0.0.3")]
      // It answers a call.
      const called = yield* Effect.forkChild(protocol.call(one.address, "who", []))
      const { datagram } = yield* one.receive
      one.send(protocol.address, Result.getOrThrow(Codec.encodeResponse(Codec.idOf(datagram), null)))
      yield* Fiber.join(called)
      yield* one.ask(request(1000, "count"))
      yield* TestClock.adjust(1000)
      const flood = (from: number) => Array.from({ length: 50 }, (_, i) => request(from + i, "count"))
      yield* one.ask(...flood(0))
      expect(runs()).toBe(51)
      yield* TestClock.adjust(10_000)
      yield* other.ask(request(0, "count"))
      yield* one.ask(...flood(100))
      expect(runs()).toBe(62)
    }))

  it.effect("of a flood no more than 1,000 are refused aloud in a second", () =>
    Effect.gen(function*() {
      const { peer } = yield* counting({ limits: { handlers: 0, replyBytesPerSecond: Infinity } })
      const stranger = yield* peer("10.0.0.2")
      const flood = Array.from({ length: 1500 }, (_, i) => request(i, "any", long))
      expect(refusals(yield* stranger.ask(...flood))).toHaveLength(1000)
      yield* TestClock.adjust(1000)
      expect(refusals(yield* stranger.ask(...flood))).toHaveLength(1000)
    }))

  it.effect("IPv6 addresses of one network are one sender", () =>
    Effect.gen(function*() {
      const { network, protocol, runs } = yield* counting({ limits: { requestsPerSecond: 10 } })
      const to = NetAddress.formatInet(protocol.address)
      const send = (from: string) => {
        for (let i = 0; i < 10; i++) network.inject({ from, to, payload: request(i, "count") })
      }
      send("[2001:db8:0:1::1]:1000")
      yield* settled
      expect(runs()).toBe(10)
      send("[2001:db8:0:1:ffff::2]:1000")
      yield* settled
      expect(runs()).toBe(10)
      send("[2001:db8:0:2::1]:1000")
      yield* settled
      expect(runs()).toBe(20)
    }))

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

  it.effect("arguments that nest deeper than they may are dropped before they are decoded", () =>
    Effect.gen(function*() {
      const { peer, runs } = yield* counting({ limits: { depth: 2 } })
      const stranger = yield* peer("10.0.0.2")
      expect(yield* stranger.ask(request(1, "any", [[1]]))).toHaveLength(1)
      expect(yield* stranger.ask(request(2, "any", [[[1]]]))).toStrictEqual([])
      expect(runs()).toBe(1)
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.TooDeep": 1 })
    }).pipe(withMetrics))

  it.effect("a setting that makes no sense is a defect of the build", () =>
    Effect.gen(function*() {
      for (
        const [options, what] of [
          [{ limits: { handlers: -1 } }, "handlers"],
          [{ limits: { requestsPerSecond: Number.NaN } }, "requestsPerSecond"],
          [{ memory: { requests: 0 } }, "requests"],
          [{ memory: { bytes: 2 ** 40 } }, "bytes"]
        ] as const
      ) {
        const exit = yield* Effect.exit(counting(options))
        expect(Exit.isFailure(exit) && Exit.hasDies(exit)).toBe(true)
        expect(String(exit)).toContain(what)
      }
    }))
})

describe("no amplifier", () => {
  const limits = { replyBytesPerSecond: 1000 }

  it.effect("what is sent to an address that has proven nothing stays within its budget", () =>
    Effect.gen(function*() {
      const { network, peer, protocol } = yield* counting({ limits })
      // The victim answers nothing: it never asked.
      const victim = yield* peer("10.0.0.2")
      let number = 0
      const flood = () => {
        for (let i = 0; i < 40; i++) victim.send(protocol.address, request(number++, "bytes", 800))
        for (let i = 0; i < 40; i++) victim.send(protocol.address, request(number++, "who"))
      }
      for (let second = 0; second < 30; second++) {
        flood()
        yield* settled
        const toVictim = network.sent.filter(({ to }) => to.startsWith("10.0.0.2:"))
        const bytesOf = (challenges: boolean) =>
          toVictim.filter(({ payload }) => (Codec.typeOf(payload) === "Challenge") === challenges)
            .reduce((sum, { payload }) => sum + payload.length, 0)
        expect(bytesOf(false)).toBeLessThanOrEqual(4000 + 1000 * second)
        expect(bytesOf(true)).toBeLessThanOrEqual(4000 + 4000 * second)
        yield* TestClock.adjust(1000)
      }
      const seen = yield* metrics
      expect(seen["rpcudp_replies_withheld"]).toBeGreaterThan(0)
      expect(seen["rpcudp_requests.throttled"]).toBeGreaterThan(0)
    }).pipe(withMetrics))

  it.effect("a caller with this library proves its address when it is asked, and is answered on", () =>
    Effect.gen(function*() {
      const { protocol, transport } = yield* counting({ limits })
      const calling = Context.get(yield* caller(transport("10.0.0.2")), Protocol.Protocol)
      for (let i = 0; i < 50; i++) {
        expect(yield* calling.call(protocol.address, "bytes", [800])).toHaveLength(800)
      }
      expect(yield* metrics).toMatchObject({ "rpcudp_challenges.answered": 1, "rpcudp_challenges.proven": 1 })
    }).pipe(withMetrics))

  // broken by leaving out `this.#challenges.ask` in `send` of src/internal/serving/replies.ts
  it.effect("an answer that its budget has no room for is sent once the caller has proven that it asked", () =>
    Effect.gen(function*() {
      const { protocol, runs, transport } = yield* counting({ limits: { replyBytesPerSecond: 150 } })
      const calling = Context.get(yield* caller(transport("10.0.0.2")), Protocol.Protocol)
      expect(yield* calling.call(protocol.address, "bytes", [800])).toHaveLength(800)
      expect(runs()).toBe(1)
      expect(yield* metrics).toMatchObject({ rpcudp_replies_withheld: 1, "rpcudp_challenges.proven": 1 })
    }).pipe(withMetrics))

  // broken by `return` for the last line of `#repeat` in src/internal/serving/admission.ts
  it.effect("nor is a remembered answer kept from who proves that it asks again", () =>
    Effect.gen(function*() {
      const { peer, runs } = yield* counting({ limits: { requestsPerSecond: 2 } })
      const stranger = yield* peer("10.0.0.2")
      yield* stranger.ask(request(1, "count"), request(2, "count"))
      const [challenge] = yield* stranger.ask(request(1, "count"))
      const token = Result.getOrThrow(Codec.decodeChallenge(challenge!))
      expect(value((yield* stranger.ask(Codec.encodeProof(token)))[0])).toMatchObject({ id: idOf(1), value: 1 })
      // A proof is good for what it was asked for, once.
      expect(yield* stranger.ask(Codec.encodeProof(token))).toStrictEqual([])
      expect(runs()).toBe(2)
    }))

  it.effect("an answer to a call proves an address, for ten minutes", () =>
    Effect.gen(function*() {
      const { peer, protocol } = yield* counting({ limits })
      const one = yield* peer("10.0.0.2")
      const called = yield* Effect.forkChild(protocol.call(one.address, "who", []))
      const { datagram } = yield* one.receive
      one.send(protocol.address, Result.getOrThrow(Codec.encodeResponse(Codec.idOf(datagram), null)))
      yield* Fiber.join(called)
      const flood = (from: number) => Array.from({ length: 20 }, (_, i) => request(from + i, "bytes", 800))
      expect(yield* one.ask(...flood(0))).toHaveLength(20)
      yield* TestClock.adjust("599 seconds")
      expect(yield* one.ask(...flood(100))).toHaveLength(20)
      yield* TestClock.adjust("1 seconds")
      const answers = (yield* one.ask(...flood(200))).filter((datagram) => Codec.typeOf(datagram) === "Response")
      expect(answers.length).toBeLessThan(10)
    }))

  it.effect("a challenge is answered only by who made the call, to whom it was made", () =>
    Effect.gen(function*() {
      const { network, peer, transport } = yield* counting()
      const calling = Context.get(yield* caller(transport("10.0.0.2")), Protocol.Protocol)
      const [callee, other] = [yield* peer("10.0.0.3"), yield* peer("10.0.0.4")]
      yield* Effect.forkChild(calling.call(callee.address, "who", []))
      const { datagram } = yield* callee.receive
      const token = idOf(99)
      const proofs = () => network.sent.filter(({ payload }) => Codec.typeOf(payload) === "Proof")
      other.send(calling.address, Codec.encodeChallenge(Codec.idOf(datagram), token))
      callee.send(calling.address, Codec.encodeChallenge(idOf(1), token))
      const damaged = Codec.encodeChallenge(Codec.idOf(datagram), token)
      damaged[Codec.headerBytes + 1] = 19
      callee.send(calling.address, damaged)
      yield* settled
      expect(proofs()).toStrictEqual([])
      callee.send(calling.address, Codec.encodeChallenge(Codec.idOf(datagram), token))
      yield* settled
      expect(proofs().map(({ payload, to }) => [to, payload])).toStrictEqual([
        [NetAddress.formatInet(callee.address), Codec.encodeProof(token)]
      ])
      expect(yield* metrics).toMatchObject({
        "rpcudp_datagrams_dropped.ForeignSender": 1,
        "rpcudp_datagrams_dropped.UnknownId": 1,
        "rpcudp_datagrams_dropped.TrailingBytes": 1,
        "rpcudp_challenges.answered": 1
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

  it.effect("a token of another sender proves nothing", () =>
    Effect.gen(function*() {
      const { network, peer, protocol } = yield* counting({ limits })
      const [victim, attacker] = [yield* peer("10.0.0.2"), yield* peer("10.0.0.3")]
      const flood = (from: number) => Array.from({ length: 4 }, (_, i) => request(from + i, "bytes", 800))
      yield* victim.ask(...flood(0))
      yield* attacker.ask(...flood(0))
      const tokens = network.sent
        .filter(({ payload, to }) => Codec.typeOf(payload) === "Challenge" && to.startsWith("10.0.0.3:"))
        .map(({ payload }) => Result.getOrThrow(Codec.decodeChallenge(payload)))
      expect(tokens).toHaveLength(1)
      // The attacker proves its own address, but not the victim's with its token.
      victim.send(protocol.address, Codec.encodeProof(tokens[0]!))
      victim.send(protocol.address, Codec.encodeProof(idOf(1)))
      attacker.send(protocol.address, Codec.encodeProof(tokens[0]!))
      yield* settled
      expect(yield* metrics).toMatchObject({
        "rpcudp_datagrams_dropped.UnknownId": 2,
        "rpcudp_challenges.proven": 1
      })
    }).pipe(withMetrics))
})

describe("logs", () => {
  it.effect("of handlers that die, 100 a second are logged, and all are counted", () =>
    Effect.gen(function*() {
      let logged = 0
      yield* Effect.gen(function*() {
        const { peer } = yield* counting()
        const stranger = yield* peer("10.0.0.2")
        yield* stranger.ask(...Array.from({ length: 150 }, (_, i) => request(i, "die")))
        expect(logged).toBe(100)
        yield* TestClock.adjust(1000)
        yield* stranger.ask(request(1000, "die"))
        expect(logged).toBe(101)
      }).pipe(Effect.provide(Logger.layer([Logger.make(() => void logged++)])))
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.defect": 151 })
    }).pipe(withMetrics))
})

describe("odd senders", () => {
  it.effect("a request from port 0 is not run: nothing could be sent there", () =>
    Effect.gen(function*() {
      const { network, protocol, runs } = yield* counting()
      network.inject({ from: "10.0.0.2:0", to: NetAddress.formatInet(protocol.address), payload: request(1, "count") })
      yield* settled
      expect(runs()).toBe(0)
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.PortZero": 1 })
    }).pipe(withMetrics))

  it.effect("a request that claims to come from the node itself is answered once, and the answer goes no further", () =>
    Effect.gen(function*() {
      const { network, protocol, runs } = yield* counting({ limits: { replyBytesPerSecond: 100 } })
      const self = NetAddress.formatInet(protocol.address)
      for (let i = 0; i < 20; i++) network.inject({ from: self, to: self, payload: request(i, "count") })
      yield* settled
      // Answers, and challenges that nobody answers: one at once, and one for each request that has no budget left.
      expect(network.sent.every(({ to }) => to === self)).toBe(true)
      expect(network.sent.length).toBeLessThanOrEqual(21)
      expect(runs()).toBeGreaterThan(0)
      const before = network.sent.length
      yield* settled
      expect(network.sent.length).toBe(before)
      const seen = yield* metrics
      expect(seen["rpcudp_datagrams_dropped.UnknownId"]).toBe(before)
    }).pipe(withMetrics))

  it.effect("answers, challenges and proofs that nobody waits for are dropped, whoever sends them", () =>
    Effect.gen(function*() {
      const { peer } = yield* counting()
      const stranger = yield* peer("10.0.0.2")
      expect(
        yield* stranger.ask(
          Result.getOrThrow(Codec.encodeResponse(idOf(1), "count")),
          Result.getOrThrow(Codec.encodeFailure(idOf(2), { kind: "Overloaded" }, 100)),
          Codec.encodeChallenge(idOf(3), idOf(4)),
          Codec.encodeProof(idOf(5))
        )
      ).toStrictEqual([])
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.UnknownId": 4 })
    }).pipe(withMetrics))
})
