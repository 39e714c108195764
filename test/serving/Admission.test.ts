/** What is judged of a request, in a under TestClock. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Logger, Result } from "effect"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import { Codec, Handlers, Protocol, type Transport } from "../../src/index.ts"
import { readRequest } from "../../src/internal/wire/requestBody.ts"
import { counting, Idempotent, settled, value } from "../support/counting.ts"
import * as Injected from "../support/injected.ts"
import { caller, metrics, withMetrics } from "../support/nodes.ts"
import { poked, typesSent } from "../support/poked.ts"
import { numbered, requestFor } from "../support/requests.ts"

const quiet = Effect.provide(Logger.layer([]))

describe("at most once", () => {
  it.effect("a request that comes again is answered as it was, and not run again", () =>
    Effect.gen(function*() {
      const { peer, runs } = yield* counting()
      const stranger = yield* peer("10.0.0.2")
      const first = yield* stranger.ask(numbered(1, "count"))
      expect(value(first[0])).toMatchObject({ _tag: "Response", value: 1 })
      expect(yield* stranger.ask(numbered(1, "count"), numbered(1, "count"))).toStrictEqual([first[0], first[0]])
      expect(runs()).toBe(1)
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.success": 1, "rpcudp_requests.repeated": 2 })
    }).pipe(withMetrics))

  it.effect("while its handler runs, it is ignored", () =>
    Effect.gen(function*() {
      const { go, peer, runs } = yield* counting()
      const stranger = yield* peer("10.0.0.2")
      expect(yield* stranger.ask(numbered(1, "slow"), numbered(1, "slow"), numbered(1, "slow"))).toStrictEqual([])
      yield* go
      yield* settled
      const { datagram } = yield* stranger.receive
      expect(value(datagram)).toMatchObject({ value: 1 })
      expect(yield* stranger.ask(numbered(1, "slow"))).toStrictEqual([datagram])
      expect(runs()).toBe(1)
    }))

  it.effect("while handlers run, too, the same id of another address or port is another request, run once", () =>
    Effect.gen(function*() {
      const { go, network, protocol, runs } = yield* counting()
      const peers = ["10.0.0.2:1000", "10.0.0.2:2000", "[2001:db8::1]:1000", "[2001:db8::2]:1000"]
      const all = () => {
        for (const from of peers) {
          network.inject({ from, to: NetAddress.formatInet(protocol.address), payload: numbered(1, "slow") })
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

  it.effect("nobody makes a quieter sender be forgotten", () =>
    Effect.gen(function*() {
      const { network, peer, protocol, runs } = yield* counting({ memory: { requests: 1024, bytes: 65_536 } })
      const victim = yield* peer("10.0.0.2")
      const [answer] = yield* victim.ask(numbered(1, "count"))
      const to = NetAddress.formatInet(protocol.address)
      for (let i = 0; i < 5000; i++) {
        network.inject({ from: "10.0.0.66:1000", to, payload: numbered(i, "bytes", 8000) })
        if (i % 100 === 0) yield* settled
      }
      yield* settled
      const before = runs()
      expect(yield* victim.ask(numbered(1, "count"))).toStrictEqual([answer])
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
        const [answer] = yield* stranger.ask(numbered(number, method, ...args))
        expect(Codec.typeOf(answer!)).toBe("Failure")
        expect(yield* stranger.ask(numbered(number, method, ...args))).toStrictEqual([answer])
        expect(runs()).toBe(number)
      }
    }).pipe(quiet))

  it.effect("what was not run may come again", () =>
    Effect.gen(function*() {
      const { peer } = yield* counting()
      const stranger = yield* peer("10.0.0.2")
      expect(yield* stranger.ask(numbered(1, "number", "no number"))).toHaveLength(1)
      expect(value((yield* stranger.ask(numbered(1, "number", 1)))[0])).toMatchObject({ value: 1 })
      expect(yield* stranger.ask(numbered(2, "who"))).toHaveLength(1)
      expect(value((yield* stranger.ask(numbered(2, "count")))[0])).toMatchObject({ value: 2 })
    }))

  it.effect("the same id of another address, or another port, is another request", () =>
    Effect.gen(function*() {
      const { peer } = yield* counting()
      for (
        const [i, [host, port]] of ([["10.0.0.2", 1000], ["10.0.0.2", 1001], ["10.0.0.3", 1000]] as const).entries()
      ) {
        expect(value((yield* (yield* peer(host, port)).ask(numbered(1, "count")))[0])).toMatchObject({ value: i + 1 })
      }
    }))

  it.effect("it is remembered for a minute, and not longer", () =>
    Effect.gen(function*() {
      const { peer, runs } = yield* counting()
      const stranger = yield* peer("10.0.0.2")
      yield* stranger.ask(numbered(1, "count"))
      yield* TestClock.adjust("59999 millis")
      yield* stranger.ask(numbered(1, "count"))
      expect(runs()).toBe(1)
      yield* TestClock.adjust("1 millis")
      yield* stranger.ask(numbered(1, "count"))
      expect(runs()).toBe(2)
    }))

  it.effect("over the bound of requests the oldest is forgotten, and counted", () =>
    Effect.gen(function*() {
      const { peer, runs } = yield* counting({ memory: { requests: 2 } })
      const stranger = yield* peer("10.0.0.2")
      yield* stranger.ask(numbered(1, "count"), numbered(2, "count"), numbered(3, "count"))
      yield* stranger.ask(numbered(2, "count"), numbered(3, "count"))
      expect(runs()).toBe(3)
      yield* stranger.ask(numbered(1, "count"))
      expect(runs()).toBe(4)
      expect(yield* metrics).toMatchObject({ "rpcudp_forgotten.request": 2 })
    }).pipe(withMetrics))

  it.effect("over the bound of bytes the oldest answer is forgotten, but not that it was given", () =>
    Effect.gen(function*() {
      const { peer, runs } = yield* counting({ memory: { bytes: 256 } })
      const stranger = yield* peer("10.0.0.2")
      for (let i = 1; i <= 3; i++) yield* stranger.ask(numbered(i, "bytes", 100))
      expect(yield* stranger.ask(numbered(1, "bytes", 100))).toStrictEqual([])
      expect(yield* stranger.ask(numbered(3, "bytes", 100))).toHaveLength(1)
      expect(runs()).toBe(3)
      expect(yield* metrics).toMatchObject({ "rpcudp_forgotten.answer": 1, "rpcudp_requests.repeated": 2 })
    }).pipe(withMetrics))

  it.effect("where it is switched off, for a group or a node, a repeated request is run again", () =>
    Effect.gen(function*() {
      for (
        const { peer, runs } of [yield* counting({}, Idempotent), yield* counting({ memory: false })]
      ) {
        const stranger = yield* peer("10.0.0.2")
        yield* stranger.ask(numbered(1, "count"), numbered(1, "count"))
        expect(runs()).toBe(2)
      }
    }))

  it.effect("an idempotent handler that takes its time is still not run twice at once", () =>
    Effect.gen(function*() {
      const { go, peer, runs } = yield* counting({}, Idempotent)
      const stranger = yield* peer("10.0.0.2")
      yield* stranger.ask(numbered(1, "slow"), numbered(1, "slow"))
      yield* go
      yield* settled
      expect(runs()).toBe(1)
    }))
})

describe("what a sender may ask for", () => {
  const overloaded = { _tag: "Failure", failure: { kind: "Overloaded" } }
  const long = "longer than the frame that refuses it"

  /** Challenges come, too: where no handler may run at all, there is no room for those who have proven nothing. */
  const refusals = (datagrams: ReadonlyArray<Uint8Array>) =>
    datagrams.filter((datagram) => Codec.typeOf(datagram) === "Failure")

  it.effect("handlers of one sender, whatever its port, leave room for those of another", () =>
    Effect.gen(function*() {
      const { go, peer } = yield* counting({ limits: { handlersPerSender: 3 } })
      const [one, same, other] = [yield* peer("10.0.0.2"), yield* peer("10.0.0.2"), yield* peer("10.0.0.3")]
      yield* one.ask(numbered(1, "slow"))
      yield* same.ask(numbered(2, "slow"))
      // The last one is for a request that has answered a challenge of its own.
      const [challenge] = yield* one.ask(numbered(3, "slow"))
      yield* one.ask(Codec.encodeProof(Result.getOrThrow(Codec.decodeChallenge(challenge!))))
      for (const peer of [one, same]) {
        expect(value((yield* peer.ask(numbered(4, "any", long)))[0])).toMatchObject(overloaded)
      }
      expect(value((yield* other.ask(numbered(5, "any", long)))[0])).toMatchObject({ _tag: "Response" })
      yield* go
      yield* settled
      expect(value((yield* one.ask(numbered(6, "any", long)))[0])).toMatchObject({ _tag: "Response" })
    }))

  it.effect("the last quarter of the handlers is for requests that have answered a challenge of their own", () =>
    Effect.gen(function*() {
      const { network, peer, protocol, runs, transport } = yield* counting({ limits: { handlers: 8 } })
      for (let i = 0; i < 8; i++) {
        network.inject({
          from: `10.0.1.${i}:1000`,
          to: NetAddress.formatInet(protocol.address),
          payload: numbered(i, "slow")
        })
      }
      yield* settled
      expect(yield* metrics).toMatchObject({ rpcudp_requests_in_flight: 6, "rpcudp_requests.overloaded": 2 })
      // A peer that answers no challenge is not run, nor told that it is not: it could still prove itself.
      const stranger = yield* peer("10.0.0.3")
      expect((yield* stranger.ask(numbered(9, "any", long))).map(Codec.typeOf)).toStrictEqual(["Challenge"])
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
      const longer = numbered(1, "any", "123456")
      const shorter = numbered(2, "any", "12345")
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
      const flood = Array.from({ length: 50 }, (_, i) => numbered(i, "count"))
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
      yield* one.ask(numbered(1000, "count"))
      yield* TestClock.adjust(1000)
      const flood = (from: number) => Array.from({ length: 50 }, (_, i) => numbered(from + i, "count"))
      yield* one.ask(...flood(0))
      expect(runs()).toBe(51)
      yield* TestClock.adjust(10_000)
      yield* other.ask(numbered(0, "count"))
      yield* one.ask(...flood(100))
      expect(runs()).toBe(62)
    }))

  it.effect("of a flood no more than 1,000 are refused aloud in a second", () =>
    Effect.gen(function*() {
      const { peer } = yield* counting({ limits: { handlers: 0, replyBytesPerSecond: Infinity } })
      const stranger = yield* peer("10.0.0.2")
      const flood = Array.from({ length: 1500 }, (_, i) => numbered(i, "any", long))
      expect(refusals(yield* stranger.ask(...flood))).toHaveLength(1000)
      yield* TestClock.adjust(1000)
      expect(refusals(yield* stranger.ask(...flood))).toHaveLength(1000)
    }))

  it.effect("IPv6 addresses of one network are one sender", () =>
    Effect.gen(function*() {
      const { network, protocol, runs } = yield* counting({ limits: { requestsPerSecond: 10 } })
      const to = NetAddress.formatInet(protocol.address)
      const send = (from: string) => {
        for (let i = 0; i < 10; i++) network.inject({ from, to, payload: numbered(i, "count") })
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

  it.effect("arguments that nest deeper than they may are dropped before they are decoded", () =>
    Effect.gen(function*() {
      const { peer, runs } = yield* counting({ limits: { depth: 2 } })
      const stranger = yield* peer("10.0.0.2")
      expect(yield* stranger.ask(numbered(1, "any", [[1]]))).toHaveLength(1)
      expect(yield* stranger.ask(numbered(2, "any", [[[1]]]))).toStrictEqual([])
      expect(runs()).toBe(1)
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.TooDeep": 1 })
    }).pipe(withMetrics))

  it.effect("a sender that repeats one request is held to its rate, too", () =>
    Effect.gen(function*() {
      const { receive, runs, sent } = yield* poked({ limits: { requestsPerSecond: 10 } })
      const repeated = requestFor("poke")
      for (let i = 0; i < 1000; i++) receive(repeated, Injected.peerAt("10.0.0.2:2"))
      expect(runs()).toBe(1)
      expect(typesSent(sent).filter((type) => type === "Response").length).toBeLessThanOrEqual(10)
    }))

  it.effect("a repeated request over its rate is not said to have been refused: it was run", () =>
    Effect.gen(function*() {
      const { receive, sent } = yield* poked({ limits: { requestsPerSecond: 10 } })
      // So long that a refusal would cost less.
      const repeated = requestFor("poke", ["x".repeat(40)])
      receive(repeated, Injected.peerAt("10.0.0.2:2"))
      for (let i = 0; i < 100; i++) receive(requestFor("poke"), Injected.peerAt("10.0.0.2:2"))
      sent.length = 0
      for (let i = 0; i < 100; i++) receive(repeated, Injected.peerAt("10.0.0.2:2"))
      expect(typesSent(sent)).not.toContain("Failure")
    }))

  it.effect("who is alone from the start, and proves its address, is not held to its rate in the first second either", () =>
    Effect.gen(function*() {
      const { receive, runs, sent } = yield* poked({ limits: { requestsPerSecond: 100 } })
      const only = Injected.peerAt("10.0.0.2:2")
      for (let i = 0; i < 1000; i++) {
        receive(requestFor("poke"), only)
        const challenge = sent.findLast(({ datagram }) => Codec.typeOf(datagram) === "Challenge")
        if (challenge !== undefined) {
          receive(Codec.encodeProof(Result.getOrThrow(Codec.decodeChallenge(challenge.datagram))), only)
        }
      }
      expect(runs()).toBe(1000)
    }))

  it.effect("refusals that could not be sent keep nobody else's from being sent", () =>
    Effect.gen(function*() {
      const { receive, sent } = yield* poked({ limits: { replyBytesPerSecond: 100, handlersPerSender: 1 } })
      const long = () => requestFor("never", ["x".repeat(40)])
      for (let i = 0; i < 5000; i++) receive(long(), Injected.peerAt("10.0.0.2:2"))
      sent.length = 0
      const honest = Injected.peerAt("10.9.9.9:9")
      receive(requestFor("never"), honest)
      receive(long(), honest)
      expect(typesSent(sent)).toContain("Failure")
    }))

  it.effect("what waiting handlers hold is bounded in bytes: of one sender, and of all", () =>
    Effect.gen(function*() {
      const limits = { waitingBytes: 8_000_000, waitingBytesPerSender: 1_000_000, handlersPerSender: 10_000 }
      const { receive, sent } = yield* poked({ limits })
      const bulky = () => requestFor("never", ["x".repeat(8000)])
      const bytesOf = (datagram: Uint8Array) => {
        const read = readRequest(datagram, 30)
        return typeof read === "string" ? Number.NaN : read.heapBytes
      }
      const each = bytesOf(bulky())
      const inFlight = Effect.map(metrics, (seen) => seen["rpcudp_requests_in_flight"]!)
      // Who proves nothing has three quarters of what there is, and what is over that only by one request.
      for (let i = 0; i < 1000; i++) receive(bulky(), Injected.peerAt("10.0.0.2:2"))
      expect(yield* inFlight).toBe(Math.ceil(750_000 / each))
      for (let host = 0; host < 100; host++) {
        for (let i = 0; i < 100; i++) receive(bulky(), Injected.peerAt(`10.1.${host}.2:2`))
      }
      expect(yield* inFlight).toBe(Math.ceil(6_000_000 / each))
      // With proofs it may have all.
      for (let i = 0; i < 1000; i++) {
        sent.length = 0
        const from = Injected.peerAt("10.0.0.2:2")
        receive(bulky(), from)
        const challenge = sent.find(({ datagram }) => Codec.typeOf(datagram) === "Challenge")
        if (challenge === undefined) break
        receive(Codec.encodeProof(Result.getOrThrow(Codec.decodeChallenge(challenge.datagram))), from)
      }
      expect(yield* inFlight).toBe(
        Math.ceil(6_000_000 / each) + Math.ceil(1_000_000 / each) - Math.ceil(750_000 / each)
      )
    }).pipe(withMetrics))

  it.effect("one network's senders leave handlers to others, however many they are and whatever they prove", () =>
    Effect.gen(function*() {
      const { receive, sent } = yield* poked({ limits: { handlers: 64, handlersPerSender: 4 } })
      const proven: Array<Transport.Peer> = []
      const answerAll = () => {
        for (const { datagram, to } of sent.splice(0)) {
          if (Codec.typeOf(datagram) !== "Challenge") continue
          proven.push(to)
          receive(Codec.encodeProof(Result.getOrThrow(Codec.decodeChallenge(datagram))), to)
        }
      }
      for (let i = 0; i < 1000; i++) {
        receive(requestFor("never"), Injected.peerAt(`[2001:db8:1:${(i % 17).toString(16)}::1]:2`))
        answerAll()
      }
      expect(yield* metrics).toMatchObject({ rpcudp_requests_in_flight: 16 })
      // Somebody else finds room, and one of that network is told that there is none, since it has proven where it is.
      receive(requestFor("never"), Injected.peerAt("[2001:db8:2::1]:2"))
      expect(yield* metrics).toMatchObject({ rpcudp_requests_in_flight: 17 })
      sent.length = 0
      receive(requestFor("never"), proven[0]!)
      expect(typesSent(sent)).toStrictEqual(["Failure"])
    }).pipe(withMetrics))

  it.effect("handlers of a sender are counted on every way to their end", () =>
    Effect.gen(function*() {
      const injected = Injected.make()
      const latches: Array<Deferred.Deferred<void>> = []
      const wait = (end: Effect.Effect<void>) =>
        Effect.suspend(() => {
          const latch = Deferred.makeUnsafe<void>()
          latches.push(latch)
          return Effect.andThen(Deferred.await(latch), end)
        })
      class Ends extends Handlers.Service<Ends>()("limits/Ends", { fine: {}, dies: {}, stops: {} }) {}
      const live = Ends.toLayer({
        fine: () => wait(Effect.void),
        dies: () => wait(Effect.die("x")),
        stops: () => wait(Effect.interrupt)
      })
      yield* Layer.build(
        Protocol.serve(Ends).pipe(
          Layer.provide(live),
          Layer.provide(Protocol.layer({ gracePeriod: 0, limits: { handlersPerSender: 1 } })),
          Layer.provide(injected.layer)
        )
      )
      // Another's keeps the numbers in use.
      injected.receive(requestFor("fine"), Injected.peerAt("10.0.0.9:2"))
      latches.pop()
      for (const method of ["fine", "dies", "stops", "fine"]) {
        injected.receive(requestFor(method), Injected.peerAt("10.0.0.2:2"))
        injected.receive(requestFor("fine"), Injected.peerAt("10.0.0.2:3"))
        expect(latches).toHaveLength(1)
        yield* Deferred.succeed(latches.pop()!, undefined)
        yield* Effect.yieldNow
        yield* Effect.yieldNow
      }
      expect(yield* metrics).toMatchObject({
        rpcudp_requests_in_flight: 1,
        "rpcudp_requests.overloaded": 4,
        "rpcudp_requests.success": 2
      })
    }).pipe(withMetrics))
})

describe("odd requests", () => {
  it.effect("of a request from port 0 nothing is run, and nothing is sent there, whatever came", () =>
    Effect.gen(function*() {
      const { receive, runs, sent } = yield* poked({ limits: { requestsPerSecond: 4 } })
      for (let i = 0; i < 100; i++) {
        for (const datagram of [requestFor("poke"), requestFor("nope"), requestFor("poke", ["x".repeat(40)])]) {
          receive(datagram, Injected.peerAt("10.0.0.2:0"))
        }
      }
      expect(runs()).toBe(0)
      expect(sent).toStrictEqual([])
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.PortZero": 300 })
    }).pipe(withMetrics))

  it.effect("a request that claims to come from the node itself is answered once, and the answer goes no further", () =>
    Effect.gen(function*() {
      const { network, protocol, runs } = yield* counting({ limits: { replyBytesPerSecond: 100 } })
      const self = NetAddress.formatInet(protocol.address)
      for (let i = 0; i < 20; i++) network.inject({ from: self, to: self, payload: numbered(i, "count") })
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
})
