/** What a node does for strangers, and what it does not. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Result, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Codec, Handlers, Protocol, Transport } from "../src/index.ts"
import { readRequest } from "../src/internal/wire/requestBody.ts"
import * as Injected from "./support/injected.ts"
import { metrics, respond, withMetrics } from "./support/nodes.ts"

class Service extends Handlers.Service<Service>()("limits/Service", {
  poke: { args: [Schema.optionalKey(Schema.String)] },
  never: { args: [Schema.optionalKey(Schema.String)] }
}) {}

class Other extends Handlers.Service<Other>()("limits/Other", { other: {}, never2: {} }) {}

let serial = 0

const request = (method: string, args: ReadonlyArray<unknown> = []): Uint8Array => {
  const id = new Uint8Array(Codec.idBytes)
  new DataView(id.buffer).setUint32(0, ++serial)
  return Result.getOrThrow(Codec.encodeRequest(id, method, args))
}

const node = Effect.fnUntraced(function*(options: Protocol.Options = {}) {
  const injected = Injected.make()
  let runs = 0
  const live = Service.toLayer({
    poke: () => Effect.sync(() => void runs++),
    never: () => Effect.never
  })
  const context = yield* Layer.build(
    Protocol.serve(Service).pipe(
      Layer.provide(live),
      Layer.provideMerge(Protocol.layer({ gracePeriod: 0, ...options })),
      Layer.provide(injected.layer)
    )
  )
  return { ...injected, protocol: Context.get(context, Protocol.Protocol), runs: () => runs }
})

const throwingTransport = (injected: Injected.Injected) =>
  Layer.effect(
    Transport.Transport,
    Effect.map(Transport.Transport, (transport) => ({
      ...transport,
      send: () => {
        throw new Error("as the test says")
      }
    }))
  ).pipe(Layer.provide(injected.layer))

const typesSent = (sent: Injected.Injected["sent"]) => sent.map(({ datagram }) => Codec.typeOf(datagram))

describe("limits", () => {
  it.effect("a sender that repeats one request is held to its rate, too", () =>
    Effect.gen(function*() {
      const { receive, runs, sent } = yield* node({ limits: { requestsPerSecond: 10 } })
      const repeated = request("poke")
      for (let i = 0; i < 1000; i++) receive(repeated, Injected.peerAt("10.0.0.2:2"))
      expect(runs()).toBe(1)
      expect(typesSent(sent).filter((type) => type === "Response").length).toBeLessThanOrEqual(10)
    }))

  // broken by `refuseOverloaded` for a request that is known
  it.effect("a repeated request over its rate is not said to have been refused: it was run", () =>
    Effect.gen(function*() {
      const { receive, sent } = yield* node({ limits: { requestsPerSecond: 10 } })
      // So long that a refusal would cost less.
      const repeated = request("poke", ["x".repeat(40)])
      receive(repeated, Injected.peerAt("10.0.0.2:2"))
      for (let i = 0; i < 100; i++) receive(request("poke"), Injected.peerAt("10.0.0.2:2"))
      sent.length = 0
      for (let i = 0; i < 100; i++) receive(repeated, Injected.peerAt("10.0.0.2:2"))
      expect(typesSent(sent)).not.toContain("Failure")
    }))

  it.effect("nothing is sent to port 0, whatever came from there", () =>
    Effect.gen(function*() {
      const { receive, sent } = yield* node({ limits: { requestsPerSecond: 4 } })
      for (let i = 0; i < 100; i++) {
        for (const datagram of [request("poke"), request("nope"), request("poke", ["x".repeat(40)])]) {
          receive(datagram, Injected.peerAt("10.0.0.2:0"))
        }
      }
      expect(sent).toStrictEqual([])
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.PortZero": 300 })
    }).pipe(withMetrics))

  it.effect("who has answered a call has not asked for anything: what is sent to it in its name is budgeted", () =>
    Effect.gen(function*() {
      const { protocol, receive, sent } = yield* node({ limits: { replyBytesPerSecond: 1000 } })
      const victim = Injected.peerAt("10.0.0.2:2")
      const call = yield* Effect.forkChild(protocol.call(victim.address, "ping", []), { startImmediately: true })
      receive(respond(sent[0]!.datagram, "pong"), victim)
      yield* Fiber.join(call)
      sent.length = 0
      for (let second = 0; second < 6; second++) {
        for (let i = 0; i < 10_000; i++) receive(request("poke"), victim)
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

  // broken by leaving out `if (own)` in src/internal/calling/caller.ts
  it.effect("an answer from elsewhere proves no address, not even where it counts", () =>
    Effect.gen(function*() {
      const { protocol, receive, sent } = yield* node({ matchSender: false, limits: { replyBytesPerSecond: 1000 } })
      const called = Injected.peerAt("10.0.0.2:2")
      const victim = Injected.peerAt("10.0.0.3:3")
      const call = yield* Effect.forkChild(protocol.call(called.address, "ping", []), { startImmediately: true })
      receive(respond(sent[0]!.datagram, "pong"), victim)
      expect(yield* Fiber.join(call)).toBe("pong")
      for (const peer of [victim, called]) {
        sent.length = 0
        for (let i = 0; i < 10_000; i++) receive(request("poke"), peer)
        const bytes = sent.filter(({ datagram }) => Codec.typeOf(datagram) === "Response")
          .reduce((sum, { datagram }) => sum + datagram.length, 0)
        expect(bytes).toBeLessThanOrEqual(4000)
      }
    }))

  // broken by leaving out `Math.min` in `limitsOf` of src/Protocol.ts
  it.effect("no limit of depth is more than what is safe to decode", () =>
    Effect.gen(function*() {
      for (const depth of [30, 31, Infinity]) {
        const injected = Injected.make()
        const ran: Array<unknown> = []
        class Deep extends Handlers.Service<Deep>()("limits/Deep", { any: { args: [Schema.Unknown] } }) {}
        yield* Layer.build(
          Protocol.serve(Deep).pipe(
            Layer.provide(Deep.toLayer({ any: (value) => Effect.sync(() => void ran.push(value)) })),
            Layer.provide(Protocol.layer({ limits: { depth } })),
            Layer.provide(injected.layer)
          )
        )
        const nested = (levels: number) =>
          Uint8Array.from([
            0,
            ...new Uint8Array(Codec.idBytes).fill(levels),
            ...Buffer.from("92a3616e7991", "hex"),
            ...new Uint8Array(levels).fill(0x91),
            0xc0
          ])
        for (const levels of [30, 31, 32, 33, 100, 8000]) receive(nested(levels))
        function receive(datagram: Uint8Array) {
          injected.receive(datagram, Injected.peerAt("10.0.0.2:2"))
        }
        expect(ran, `depth ${depth}`).toHaveLength(1)
      }
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.TooDeep": 15 })
    }).pipe(withMetrics))

  // broken by `this.#otherAt = now` in src/internal/serving/senders.ts
  it.effect("who is alone from the start, and proves its address, is not held to its rate in the first second either", () =>
    Effect.gen(function*() {
      const { receive, runs, sent } = yield* node({ limits: { requestsPerSecond: 100 } })
      const only = Injected.peerAt("10.0.0.2:2")
      for (let i = 0; i < 1000; i++) {
        receive(request("poke"), only)
        const challenge = sent.findLast(({ datagram }) => Codec.typeOf(datagram) === "Challenge")
        if (challenge !== undefined) {
          receive(Codec.encodeProof(Result.getOrThrow(Codec.decodeChallenge(challenge.datagram))), only)
        }
      }
      expect(runs()).toBe(1000)
    }))

  it.effect("refusals that could not be sent keep nobody else's from being sent", () =>
    Effect.gen(function*() {
      const { receive, sent } = yield* node({ limits: { replyBytesPerSecond: 100, handlersPerSender: 1 } })
      const long = () => request("never", ["x".repeat(40)])
      for (let i = 0; i < 5000; i++) receive(long(), Injected.peerAt("10.0.0.2:2"))
      sent.length = 0
      const honest = Injected.peerAt("10.9.9.9:9")
      receive(request("never"), honest)
      receive(long(), honest)
      expect(typesSent(sent)).toContain("Failure")
    }))

  // broken by leaving out `senders.answered` in `onProof`
  it.effect("a forged proof proves nothing, and a true one only for where it came from", () =>
    Effect.gen(function*() {
      const { receive, sent } = yield* node({ limits: { replyBytesPerSecond: 1000 } })
      const peer = Injected.peerAt("10.0.0.2:2")
      for (let i = 0; i < 200; i++) receive(request("poke"), peer)
      const challenge = sent.find(({ datagram }) => Codec.typeOf(datagram) === "Challenge")
      expect(challenge?.to).toBe(peer)
      const token = Result.getOrThrow(Codec.decodeChallenge(challenge!.datagram))
      receive(Codec.encodeProof(new Uint8Array(20)), peer)
      receive(Codec.encodeProof(token), Injected.peerAt("10.0.0.3:2"))
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.UnknownId": 2 })
      sent.length = 0
      receive(request("poke"), peer)
      expect(typesSent(sent)).not.toContain("Response")
      receive(Codec.encodeProof(token), peer)
      receive(request("poke"), peer)
      expect(typesSent(sent).at(-1)).toBe("Response")
      expect(yield* metrics).toMatchObject({ "rpcudp_challenges.proven": 1 })
    }).pipe(withMetrics))

  // broken by leaving out `call.peer.equals(from)` in `onChallenge`, and by sending a datagram more there
  it.effect("a challenge is answered to who was called only, and only while the call waits", () =>
    Effect.gen(function*() {
      const { protocol, receive, sent } = yield* node()
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
      expect(sent.length).toBe(1)
      expect(yield* metrics).toMatchObject({
        "rpcudp_datagrams_dropped.UnknownId": 2,
        "rpcudp_datagrams_dropped.ForeignSender": 1,
        "rpcudp_datagrams_dropped.Truncated": 1
      })
    }).pipe(withMetrics))

  it.effect("a node that is made to answer itself is soon silent", () =>
    Effect.gen(function*() {
      const { receive, sent } = yield* node({ limits: { requestsPerSecond: 4 } })
      const own = Injected.peerAt("10.0.0.1:1")
      for (let i = 0; i < 100; i++) receive(request("poke", ["x".repeat(40)]), own)
      let rounds = 0
      while (sent.length > 0) {
        rounds++
        for (const { datagram } of sent.splice(0)) receive(datagram, own)
      }
      expect(rounds).toBe(1)
    }))

  // broken by leaving out `bytes` in `room` of src/internal/serving/suspended.ts
  it.effect("what waiting handlers hold is bounded in bytes: of one sender, and of all", () =>
    Effect.gen(function*() {
      const limits = { waitingBytes: 8_000_000, waitingBytesPerSender: 1_000_000, handlersPerSender: 10_000 }
      const { receive, sent } = yield* node({ limits })
      const bulky = () => request("never", ["x".repeat(8000)])
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

  // broken by leaving out `ofNetwork` in `roomFor` of src/internal/serving/suspended.ts
  it.effect("one network's senders leave handlers to others, however many they are and whatever they prove", () =>
    Effect.gen(function*() {
      const { receive, sent } = yield* node({ limits: { handlers: 64, handlersPerSender: 4 } })
      const proven: Array<Transport.Peer> = []
      const answerAll = () => {
        for (const { datagram, to } of sent.splice(0)) {
          if (Codec.typeOf(datagram) !== "Challenge") continue
          proven.push(to)
          receive(Codec.encodeProof(Result.getOrThrow(Codec.decodeChallenge(datagram))), to)
        }
      }
      for (let i = 0; i < 1000; i++) {
        receive(request("never"), Injected.peerAt(`[2001:db8:1:${(i % 17).toString(16)}::1]:2`))
        answerAll()
      }
      expect(yield* metrics).toMatchObject({ rpcudp_requests_in_flight: 16 })
      // Somebody else finds room, and one of that network is told that there is none, since it has proven where it is.
      receive(request("never"), Injected.peerAt("[2001:db8:2::1]:2"))
      expect(yield* metrics).toMatchObject({ rpcudp_requests_in_flight: 17 })
      sent.length = 0
      receive(request("never"), proven[0]!)
      expect(typesSent(sent)).toStrictEqual(["Failure"])
    }).pipe(withMetrics))

  // broken by leaving out `finally` in `#finish` of src/internal/serving/handling.ts
  it.effect("whatever a transport throws, no request stays in flight", () =>
    Effect.gen(function*() {
      const injected = Injected.make()
      yield* Layer.build(
        Protocol.serve(Service).pipe(
          Layer.provide(Service.toLayer({ poke: () => Effect.void, never: () => Effect.never })),
          Layer.provide(Protocol.layer({ gracePeriod: 0 })),
          Layer.provide(throwingTransport(injected))
        )
      )
      for (const args of [[], [1], ["x"], [{}]]) injected.receive(request("poke", args), Injected.peerAt("10.0.0.2:2"))
      const seen = yield* metrics
      expect(seen["rpcudp_requests_in_flight"]).toBe(undefined)
      expect(seen).toMatchObject({ "rpcudp_requests.invalid_arguments": 2, "rpcudp_requests.success": 2 })
    }).pipe(withMetrics, Effect.provide(Logger.layer([]))))

  // broken by leaving out `defects.hasRoom` in src/Protocol.ts
  it.effect("of what a transport throws, 100 lines a second are logged", () =>
    Effect.gen(function*() {
      let logged = 0
      const injected = Injected.make()
      yield* Effect.gen(function*() {
        yield* Layer.build(
          Protocol.serve(Service).pipe(
            Layer.provide(Service.toLayer({ poke: () => Effect.void, never: () => Effect.never })),
            Layer.provide(Protocol.layer({ gracePeriod: 0 })),
            Layer.provide(throwingTransport(injected))
          )
        )
        for (let i = 0; i < 500; i++) injected.receive(request("poke"), Injected.peerAt("10.0.0.2:2"))
        expect(logged).toBe(100)
        yield* TestClock.adjust(1000)
        injected.receive(request("poke"), Injected.peerAt("10.0.0.2:2"))
        expect(logged).toBe(101)
      }).pipe(Effect.provide(Logger.layer([Logger.make(() => void logged++)])))
    }))

  // broken by leaving out `- 1` in `end`, and by `>` for `>=` before `options.maxHandlersPerSender`
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
      injected.receive(request("fine"), Injected.peerAt("10.0.0.9:2"))
      latches.pop()
      for (const method of ["fine", "dies", "stops", "fine"]) {
        injected.receive(request(method), Injected.peerAt("10.0.0.2:2"))
        injected.receive(request("fine"), Injected.peerAt("10.0.0.2:3"))
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

describe("draining", () => {
  const two = Effect.fnUntraced(function*(gracePeriod: number) {
    const injected = Injected.make()
    const scope = yield* Scope.make()
    yield* Layer.buildWithScope(
      Protocol.serve(Service, Other).pipe(
        Layer.provide(Service.toLayer({ poke: () => Effect.void, never: () => Effect.never })),
        Layer.provide(Other.toLayer({ other: () => Effect.void, never2: () => Effect.never })),
        Layer.provide(Protocol.layer({ gracePeriod })),
        Layer.provide(injected.layer)
      ),
      scope
    )
    return { ...injected, scope }
  })

  it.effect("of several groups, none takes requests once the scope closes", () =>
    Effect.gen(function*() {
      const { receive, scope, sent } = yield* two(5000)
      for (const method of ["never", "never2"]) receive(request(method), Injected.peerAt("10.0.0.2:2"))
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      for (const method of ["poke", "other"]) receive(request(method), Injected.peerAt("10.0.0.2:2"))
      const answers = sent.splice(0)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(closing)
      expect(answers).toStrictEqual([])
    }))

  it.effect("several groups have one grace period together", () =>
    Effect.gen(function*() {
      const { receive, scope } = yield* two(5000)
      for (const method of ["never", "never2"]) receive(request(method), Injected.peerAt("10.0.0.2:2"))
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust(4999)
      const before = closing.pollUnsafe()
      yield* TestClock.adjust(1)
      const after = closing.pollUnsafe()
      yield* TestClock.adjust("1 minute")
      expect([before === undefined, after === undefined]).toStrictEqual([true, false])
    }))

  // broken by `own = 0` and by leaving out `filter` in src/internal/serving/server.ts
  for (const how of ["itself", "in a fiber of its own", "in a fiber that outlives it"]) {
    it.effect(`a handler closes the scope that serves it ${how}`, () =>
      Effect.gen(function*() {
        const injected = Injected.make()
        const scope = yield* Scope.make()
        const closed = yield* Deferred.make<void>()
        class Quitter extends Handlers.Service<Quitter>()("limits/Quitter", { quit: {} }) {}
        const close = Effect.ensuring(Scope.close(scope, Exit.void), Deferred.succeed(closed, undefined))
        const live = Quitter.toLayer({
          quit: () =>
            Effect.andThen(
              Effect.yieldNow,
              how === "itself"
                ? close
                : how === "in a fiber of its own"
                ? Effect.flatMap(Effect.forkChild(close), Fiber.join)
                : Effect.andThen(Effect.forkDetach(close), Effect.never)
            )
        })
        yield* Layer.buildWithScope(
          Protocol.serve(Quitter).pipe(
            Layer.provide(live),
            Layer.provide(Protocol.layer({ gracePeriod: 5000 })),
            Layer.provide(injected.layer)
          ),
          scope
        )
        injected.receive(request("quit"), Injected.peerAt("10.0.0.2:2"))
        // It waits for all handlers but itself.
        yield* TestClock.adjust(0)
        expect(yield* Deferred.isDone(closed)).toBe(true)
        expect((yield* metrics)["rpcudp_requests_in_flight"]).toBe(undefined)
      }).pipe(withMetrics))
  }

  it.effect("whoever closes the scope and is interrupted has closed it nevertheless, after the grace period", () =>
    Effect.gen(function*() {
      const { receive, scope } = yield* two(5000)
      receive(request("never"), Injected.peerAt("10.0.0.2:2"))
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      const interruption = yield* Effect.forkChild(Fiber.interrupt(closing), { startImmediately: true })
      yield* TestClock.adjust(5000)
      yield* Fiber.join(interruption)
      expect((yield* metrics)["rpcudp_requests_in_flight"]).toBe(undefined)
    }).pipe(withMetrics))
})
