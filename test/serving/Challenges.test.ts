/** What is sent to who has proven nothing, and how an address is proven. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Fiber, Logger, Result } from "effect"
import { TestClock } from "effect/testing"
import { Codec, Protocol } from "../../src/index.ts"
import { Sizes } from "../../src/internal/sizes.ts"
import { counting, settled, value } from "../support/counting.ts"
import * as Injected from "../support/injected.ts"
import { caller, metrics, respond, withMetrics } from "../support/nodes.ts"
import { poked, typesSent } from "../support/poked.ts"
import { idOf, numbered, requestFor } from "../support/requests.ts"

describe("no amplifier", () => {
  const limits = { replyBytesPerSecond: 1000 }

  it.effect("what is sent to an address that has proven nothing stays within its budget", () =>
    Effect.gen(function*() {
      const { network, peer, protocol } = yield* counting({ limits })
      // The victim answers nothing: it never asked.
      const victim = yield* peer("10.0.0.2")
      let number = 0
      const flood = () => {
        for (let i = 0; i < 40; i++) victim.send(protocol.address, numbered(number++, "bytes", 800))
        for (let i = 0; i < 40; i++) victim.send(protocol.address, numbered(number++, "who"))
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

  it.effect("an answer that its budget has no room for is sent once the caller has proven that it asked", () =>
    Effect.gen(function*() {
      const { protocol, runs, transport } = yield* counting({ limits: { replyBytesPerSecond: 150 } })
      const calling = Context.get(yield* caller(transport("10.0.0.2")), Protocol.Protocol)
      expect(yield* calling.call(protocol.address, "bytes", [800])).toHaveLength(800)
      expect(runs()).toBe(1)
      expect(yield* metrics).toMatchObject({ rpcudp_replies_withheld: 1, "rpcudp_challenges.proven": 1 })
    }).pipe(withMetrics))

  it.effect("each challenge has a number of its own, whether something waits for it or not", () =>
    Effect.gen(function*() {
      const { peer } = yield* counting({ limits: { requestsPerSecond: 2 } })
      const strangers = yield* Effect.all([peer("10.0.0.2"), peer("10.0.0.3")])
      const numbers: Array<number> = []
      for (const { ask } of strangers) {
        const answers = yield* ask(...[1, 2, 3, 4].map((number) => numbered(number, "count")))
        for (const challenge of answers.filter((answer) => Codec.typeOf(answer) === "Challenge")) {
          numbers.push(Buffer.from(Result.getOrThrow(Codec.decodeChallenge(challenge))).readUIntBE(0, 6))
        }
      }
      // The second is doubted, and runs. The third and the fourth wait.
      expect(numbers).toStrictEqual([1, 2, 3, 4, 5, 6])
    }))

  it.effect("nor is a remembered answer kept from who proves that it asks again", () =>
    Effect.gen(function*() {
      const { peer, runs } = yield* counting({ limits: { requestsPerSecond: 2 } })
      const stranger = yield* peer("10.0.0.2")
      yield* stranger.ask(numbered(1, "count"), numbered(2, "count"))
      const [challenge] = yield* stranger.ask(numbered(1, "count"))
      const token = Result.getOrThrow(Codec.decodeChallenge(challenge!))
      expect(value((yield* stranger.ask(Codec.encodeProof(token)))[0])).toMatchObject({ id: idOf(1), value: 1 })
      // A proof is good for what it was asked for, once.
      expect(yield* stranger.ask(Codec.encodeProof(token))).toStrictEqual([])
      expect(runs()).toBe(2)
    }))

  it.effect("who asks again for a remembered answer that its budget has no room for is asked for a proof again", () =>
    Effect.gen(function*() {
      const { peer, runs } = yield* counting({ limits: { replyBytesPerSecond: 150 } })
      const stranger = yield* peer("10.0.0.2")
      for (let i = 0; i < 2; i++) {
        const asked = yield* stranger.ask(numbered(1, "bytes", 800))
        expect(asked.map(Codec.typeOf)).toStrictEqual(["Challenge"])
        yield* TestClock.adjust("1 seconds")
      }
      const [challenge] = yield* stranger.ask(numbered(1, "bytes", 800))
      const token = Result.getOrThrow(Codec.decodeChallenge(challenge!))
      expect(value((yield* stranger.ask(Codec.encodeProof(token)))[0])).toMatchObject({ id: idOf(1) })
      expect(runs()).toBe(1)
    }))

  it.effect("an answer to a call proves an address, for ten minutes", () =>
    Effect.gen(function*() {
      const { peer, protocol } = yield* counting({ limits })
      const one = yield* peer("10.0.0.2")
      const called = yield* Effect.forkChild(protocol.call(one.address, "who", []))
      const { datagram } = yield* one.receive
      one.send(protocol.address, Result.getOrThrow(Codec.encodeResponse(Codec.idOf(datagram), null)))
      yield* Fiber.join(called)
      const flood = (from: number) => Array.from({ length: 20 }, (_, i) => numbered(from + i, "bytes", 800))
      expect(yield* one.ask(...flood(0))).toHaveLength(20)
      yield* TestClock.adjust("599 seconds")
      expect(yield* one.ask(...flood(100))).toHaveLength(20)
      yield* TestClock.adjust("1 seconds")
      const answers = (yield* one.ask(...flood(200))).filter((datagram) => Codec.typeOf(datagram) === "Response")
      expect(answers.length).toBeLessThan(10)
    }))

  it.effect("a token of another sender proves nothing", () =>
    Effect.gen(function*() {
      const { network, peer, protocol } = yield* counting({ limits })
      const [victim, attacker] = [yield* peer("10.0.0.2"), yield* peer("10.0.0.3")]
      const flood = (from: number) => Array.from({ length: 4 }, (_, i) => numbered(from + i, "bytes", 800))
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

  it.effect("answers, challenges, proofs and cancels that nobody waits for are dropped, whoever sends them", () =>
    Effect.gen(function*() {
      const { peer } = yield* counting()
      const stranger = yield* peer("10.0.0.2")
      expect(
        yield* stranger.ask(
          Result.getOrThrow(Codec.encodeResponse(idOf(1), "count")),
          Result.getOrThrow(Codec.encodeFailure(idOf(2), { kind: "Overloaded" }, 100)),
          Codec.encodeChallenge(idOf(3), idOf(4)),
          Codec.encodeProof(idOf(5)),
          Codec.encodeCancel(idOf(6))
        )
      ).toStrictEqual([])
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.UnknownId": 5 })
    }).pipe(withMetrics))

  it.effect("who has answered a call has not asked for anything: what is sent to it in its name is budgeted", () =>
    Effect.gen(function*() {
      const { protocol, receive, sent } = yield* poked({ limits: { replyBytesPerSecond: 1000 } })
      const victim = Injected.peerAt("10.0.0.2:2")
      const call = yield* Effect.forkChild(protocol.call(victim.address, "ping", []), { startImmediately: true })
      receive(respond(sent[0]!.datagram, "pong"), victim)
      yield* Fiber.join(call)
      sent.length = 0
      for (let second = 0; second < 6; second++) {
        for (let i = 0; i < 10_000; i++) receive(requestFor("poke"), victim)
        yield* TestClock.adjust(1000)
      }
      const bytesOf = (challenges: boolean) =>
        sent.filter(({ datagram }) => (Codec.typeOf(datagram) === "Challenge") === challenges)
          .reduce((sum, { datagram }) => sum + datagram.length, 0)
      // The credit is for both; each has a budget besides.
      expect(bytesOf(false) + bytesOf(true)).toBeGreaterThan(2 ** 20)
      expect(bytesOf(false)).toBeLessThanOrEqual(2 ** 20 + 4000 + 5000)
      expect(bytesOf(true)).toBeLessThanOrEqual(4000 + 5 * 4000 + 500 * 43)
    }))

  it.effect("a forged proof proves nothing, and a true one only for where it came from", () =>
    Effect.gen(function*() {
      const { receive, sent } = yield* poked({ limits: { replyBytesPerSecond: 1000 } })
      const peer = Injected.peerAt("10.0.0.2:2")
      for (let i = 0; i < 200; i++) receive(requestFor("poke"), peer)
      const challenge = sent.find(({ datagram }) => Codec.typeOf(datagram) === "Challenge")
      expect(challenge?.to).toBe(peer)
      const token = Result.getOrThrow(Codec.decodeChallenge(challenge!.datagram))
      receive(Codec.encodeProof(new Uint8Array(20)), peer)
      receive(Codec.encodeProof(token), Injected.peerAt("10.0.0.3:2"))
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.UnknownId": 2 })
      sent.length = 0
      receive(requestFor("poke"), peer)
      expect(typesSent(sent)).not.toContain("Response")
      receive(Codec.encodeProof(token), peer)
      receive(requestFor("poke"), peer)
      expect(typesSent(sent).at(-1)).toBe("Response")
      expect(yield* metrics).toMatchObject({ "rpcudp_challenges.proven": 1 })
    }).pipe(withMetrics))

  it.effect("no two nodes ask for the same proof, so that who knows one's secret knows no other's", () =>
    Effect.gen(function*() {
      const tokens = yield* Effect.forEach([1, 2], () =>
        Effect.gen(function*() {
          const { receive, sent } = yield* poked({ limits: { requestsPerSecond: 1 } })
          for (let i = 0; i < 2; i++) receive(numbered(i, "poke"), Injected.peerAt("10.0.0.2:2"))
          return sent.flatMap(({ datagram }) =>
            Codec.typeOf(datagram) === "Challenge" ? [Result.getOrThrow(Codec.decodeChallenge(datagram))] : []
          )
        }))
      expect(tokens[0]!.length).toBeGreaterThan(0)
      expect(tokens[0]).toHaveLength(tokens[1]!.length)
      for (const [i, token] of tokens[0]!.entries()) expect(token).not.toStrictEqual(tokens[1]![i])
    }))

  it.effect("as many requests wait for a proof as there is room for, the newest", () =>
    Effect.gen(function*() {
      const { receive, runs, sent } = yield* poked({ limits: { requestsPerSecond: 1 } })
      const hosts = [2, 3, 4].map((n) => Injected.peerAt(`10.0.${n}.2:2`))
      for (const from of hosts) receive(requestFor("poke"), from)
      sent.length = 0
      const before = runs()
      for (const from of hosts) receive(requestFor("poke"), from)
      expect(typesSent(sent)).toStrictEqual(["Challenge", "Challenge", "Challenge"])
      for (const { datagram, to } of sent.splice(0)) {
        receive(Codec.encodeProof(Result.getOrThrow(Codec.decodeChallenge(datagram))), to)
      }
      expect(runs()).toBe(before + 2)
    }).pipe(Effect.updateService(Sizes, (sizes) => ({ ...sizes, heldRequests: 2 }))))

  it.effect("whoever asks again in vain though it has proven itself is not challenged again for it", () =>
    Effect.gen(function*() {
      const { receive, runs, sent } = yield* poked({ limits: { requestsPerSecond: 1 } })
      const from = Injected.peerAt("10.0.0.2:2")
      const request = requestFor("poke")
      receive(request, from)
      // Each of these waits for a proof of its own, of which only so many are served in a second.
      const proofs: Array<Uint8Array> = []
      for (let i = 0; i < 5; i++) {
        sent.length = 0
        receive(request, from)
        for (const { datagram } of sent) {
          if (Codec.typeOf(datagram) === "Challenge") {
            proofs.push(Codec.encodeProof(Result.getOrThrow(Codec.decodeChallenge(datagram))))
          }
        }
      }
      expect(proofs).toHaveLength(5)
      sent.length = 0
      for (const proof of proofs) receive(proof, from)
      expect(typesSent(sent)).toStrictEqual(["Response"])
      expect(runs()).toBe(1)
    }))

  it.effect("a node that is made to answer itself is soon silent", () =>
    Effect.gen(function*() {
      const { receive, sent } = yield* poked({ limits: { requestsPerSecond: 4 } })
      const own = Injected.peerAt("10.0.0.1:1")
      for (let i = 0; i < 100; i++) receive(requestFor("poke", ["x".repeat(40)]), own)
      let rounds = 0
      while (sent.length > 0) {
        rounds++
        for (const { datagram } of sent.splice(0)) receive(datagram, own)
      }
      expect(rounds).toBe(1)
    }))

  it.effect("where no challenge may be sent any more, who asks in more bytes than a refusal takes is refused aloud", () =>
    Effect.gen(function*() {
      const { receive, sent } = yield* poked({ limits: { requestsPerSecond: 1, replyBytesPerSecond: 1000 } })
      const from = Injected.peerAt("10.0.0.2:2")
      const requests = Array.from({ length: 200 }, () => requestFor("poke", ["x".repeat(60)]))
      for (const request of requests) receive(request, from)
      const types = typesSent(sent)
      const challenges = types.filter((type) => type === "Challenge").length
      // The first one is answered, and its sender asked for a proof in time.
      expect(types.slice(0, 2)).toStrictEqual(["Challenge", "Response"])
      expect(challenges).toBe(Math.floor(4000 / 43))
      const refused = sent.filter(({ datagram }) => Codec.typeOf(datagram) === "Failure")
      expect(refused.length).toBeGreaterThan(10)
      expect(refused.map(({ datagram }) => Result.getOrThrow(Codec.decodeFailure(datagram)))[0]).toMatchObject({
        kind: "Overloaded"
      })
      const ids = requests.slice(challenges, challenges + refused.length).map(Codec.idOf)
      expect(refused.map(({ datagram }) => Codec.idOf(datagram))).toStrictEqual(ids)
      expect(yield* metrics).toMatchObject({ "rpcudp_challenges.sent": challenges })
    }).pipe(withMetrics))

  it.effect("a proof that is no proof proves nothing, and one for which nothing waits does nothing else", () => {
    const logged: Array<unknown> = []
    return Effect.gen(function*() {
      const { receive, sent } = yield* poked({ limits: { requestsPerSecond: 2, replyBytesPerSecond: 1000 } })
      const from = Injected.peerAt("10.0.0.2:2")
      // Half of what it may have is gone: it is challenged in time, and nothing waits for that.
      for (let i = 0; i < 2; i++) receive(requestFor("poke"), from)
      const challenge = sent.find(({ datagram }) => Codec.typeOf(datagram) === "Challenge")!.datagram
      const proof = Codec.encodeProof(Result.getOrThrow(Codec.decodeChallenge(challenge)))
      const odd = proof.slice()
      odd[Codec.headerBytes] = 0x01
      receive(odd, from)
      expect((yield* metrics)["rpcudp_challenges.proven"]).toBe(undefined)
      receive(proof, from)
      expect(yield* metrics).toMatchObject({
        "rpcudp_challenges.proven": 1,
        "rpcudp_datagrams_dropped.Shape": 1,
        "rpcudp_requests.success": 2
      })
      yield* Effect.yieldNow
      expect(logged).toStrictEqual([])
    }).pipe(withMetrics, Effect.provide(Logger.layer([Logger.make(({ message }) => void logged.push(message))])))
  })
})
