/** The order in which a node closes, under TestClock. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Context, Deferred, Effect, Exit, Fiber, Layer, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Codec, Handlers, Protocol, Transport } from "../../src/index.ts"
import * as Injected from "../support/injected.ts"
import * as MemoryNetwork from "../support/MemoryNetwork.ts"
import { caller, metrics, node, raw, withMetrics } from "../support/nodes.ts"
import { Poked } from "../support/poked.ts"
import { requestFor } from "../support/requests.ts"

class Slow extends Handlers.Service<Slow>()("test/Slow", {
  /** Takes so many milliseconds. */
  wait: { args: [Schema.Int], success: Schema.Int },
  /** Closes the node from within. */
  close: { success: Schema.String },
  never: {}
}) {}

class Other extends Handlers.Service<Other>()("test/Other", { ping: { success: Schema.String } }) {}

/** A node that serves, its scope, and a caller of it. */
const serving = Effect.fnUntraced(function*(options?: Protocol.Options) {
  const network = MemoryNetwork.make()
  const transport = (host: string) => Transport.layerSocket().pipe(Layer.provide(network.socket(host)))
  const scope = yield* Scope.make()
  const happened: Array<string> = []
  const note = (what: string) => Effect.map(Clock.currentTimeMillis, (now) => void happened.push(`${now} ${what}`))
  const handlers = Slow.toLayer({
    wait: (millis) => Effect.sleep(millis).pipe(Effect.as(millis), Effect.onInterrupt(() => note("interrupted"))),
    close: () => Effect.as(Scope.close(scope, Exit.void), "closed by itself"),
    never: () => Effect.never.pipe(Effect.onInterrupt(() => Effect.andThen(Effect.sleep(100), note("cleaned up"))))
  })
  const context = yield* node(
    Protocol.serve(Slow).pipe(Layer.provide(handlers)),
    transport("10.0.0.1"),
    { gracePeriod: "5 seconds", ...options }
  ).pipe(Scope.provide(scope))
  const protocol = Context.get(context, Protocol.Protocol)
  const calling = Context.get(yield* caller(transport("10.0.0.2")), Protocol.Protocol)
  const call = (method: string, ...args: ReadonlyArray<unknown>) =>
    calling.call(protocol.address, method, args).pipe(Protocol.withTimeout("1 minute"), Effect.exit)
  const close = Scope.close(scope, Exit.void).pipe(Effect.andThen(note("closed")))
  return { call, close, context, happened, network, note, protocol, transport }
})

describe("closing", () => {
  it.effect("handlers that run may end within the grace period, and are answered", () =>
    Effect.gen(function*() {
      const { call, close, happened } = yield* serving()
      const answered = yield* Effect.forkChild(call("wait", 3000))
      yield* TestClock.adjust(1000)
      yield* Effect.forkChild(close)
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.join(answered)).toStrictEqual(Exit.succeed(3000))
      // and it waits no longer than they do
      expect(happened).toStrictEqual(["3000 closed"])
    }))

  it.effect("the grace period lasts until the last handler has ended, not the first", () =>
    Effect.gen(function*() {
      const { call, close, happened } = yield* serving()
      const calls = yield* Effect.forEach([1000, 3000], (millis) => Effect.forkChild(call("wait", millis)))
      yield* Effect.yieldNow
      yield* TestClock.adjust(1)
      const closing = yield* Effect.forkChild(close)
      yield* TestClock.adjust(4000)
      expect(yield* Effect.forEach(calls, Fiber.join)).toStrictEqual([Exit.succeed(1000), Exit.succeed(3000)])
      yield* Fiber.join(closing)
      expect(happened).toStrictEqual(["3000 closed"])
    }))

  it.effect("those that still run are interrupted, and waited for", () =>
    Effect.gen(function*() {
      const { call, close, happened } = yield* serving()
      yield* Effect.forkChild(call("wait", 60_000))
      yield* Effect.forkChild(call("never"))
      yield* TestClock.adjust(1000)
      yield* Effect.forkChild(close)
      yield* TestClock.adjust("1 minute")
      expect(happened).toStrictEqual(["6000 interrupted", "6100 cleaned up", "6100 closed"])
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.interrupted": 2 })
    }).pipe(withMetrics))

  it.effect("a grace period of 0 interrupts at once", () =>
    Effect.gen(function*() {
      const { call, close, happened } = yield* serving({ gracePeriod: 0 })
      yield* Effect.forkChild(call("wait", 60_000))
      yield* TestClock.adjust(1000)
      yield* close
      expect(happened).toStrictEqual(["1000 interrupted", "1000 closed"])
    }))

  it.effect("a node that nobody asks anything closes at once", () =>
    Effect.gen(function*() {
      const { close, happened } = yield* serving()
      yield* close
      expect(happened).toStrictEqual(["0 closed"])
    }))

  it.effect("new requests meet silence, so that whoever takes over may answer them; repeated ones do, too", () =>
    Effect.gen(function*() {
      const { call, close, network, protocol, transport } = yield* serving()
      const peer = yield* raw(transport("10.0.0.3"))
      const answered = yield* Effect.forkChild(call("wait", 3000))
      yield* TestClock.adjust(1000)
      yield* Effect.forkChild(close)
      yield* TestClock.adjust(1000)
      const late = yield* Effect.forkChild(call("wait", 1))
      const repeated = network.sent.find(({ to }) => to.startsWith("10.0.0.1:"))
      peer.send(protocol.address, repeated!.payload)
      yield* TestClock.adjust("58 seconds")
      expect(yield* Fiber.join(answered)).toStrictEqual(Exit.succeed(3000))
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.join(late)).toMatchObject({ _tag: "Failure" })
      const answers = network.sent.filter(({ from }) => from.startsWith("10.0.0.1:"))
      expect(answers.map(({ payload }) => Codec.typeOf(payload))).toStrictEqual(["Response"])
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.success": 1, "rpcudp_requests.unserved": 2 })
    }).pipe(withMetrics))

  it.effect("calls of the node go on through the grace period, and end with its socket", () =>
    Effect.gen(function*() {
      const { call, close, note, happened, protocol } = yield* serving()
      yield* Effect.forkChild(call("wait", 60_000))
      const outcome = yield* Effect.forkChild(
        protocol.call("10.0.0.9:1", "who", []).pipe(
          Protocol.withTimeout("1 hour"),
          Effect.flip,
          Effect.tap(note("call ended"))
        )
      )
      yield* TestClock.adjust(1000)
      yield* Effect.forkChild(close)
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.join(outcome))
        .toMatchObject({ _tag: "DatagramSocketError", reason: { _tag: "DatagramSocketClosedError" } })
      expect(happened).toStrictEqual(["6000 interrupted", "6000 call ended", "6000 closed"])
    }))

  it.effect("a handler that closes its own node does not wait for itself", () =>
    Effect.gen(function*() {
      const { call, happened, note } = yield* serving()
      yield* Effect.forkChild(Effect.andThen(call("close"), note("answered")))
      yield* Effect.yieldNow
      yield* TestClock.adjust(4999)
      // The socket went before the answer could.
      expect(happened).toStrictEqual([])
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.interrupted": 1 })
    }).pipe(withMetrics))

  it.effect("a node whose last group has closed is silent, as one that serves nothing yet is", () =>
    Effect.gen(function*() {
      const injected = Injected.make()
      const scope = yield* Scope.make()
      const protocol = yield* Layer.build(Protocol.layer().pipe(Layer.provide(injected.layer)))
      yield* Layer.build(
        Protocol.serve(Other).pipe(Layer.provide(Other.toLayer({ ping: () => Effect.succeed("pong") })))
      ).pipe(Effect.provideContext(protocol), Scope.provide(scope))
      injected.receive(requestFor("ping"), Injected.peerAt("10.0.0.2:2"))
      expect(injected.sent.splice(0)).toHaveLength(1)
      yield* Scope.close(scope, Exit.void)
      injected.receive(requestFor("ping"), Injected.peerAt("10.0.0.2:2"))
      injected.receive(requestFor("nope"), Injected.peerAt("10.0.0.2:2"))
      expect(injected.sent).toStrictEqual([])
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.unserved": 2 })
    }).pipe(withMetrics))

  it.effect("one group may drain while another is served", () =>
    Effect.gen(function*() {
      const { call, context } = yield* serving()
      const scope = yield* Scope.make()
      const draining = yield* Deferred.make<void>()
      yield* Layer.build(
        Protocol.serve(Other).pipe(
          Layer.provide(Other.toLayer({ ping: () => Effect.as(Deferred.await(draining), "pong") }))
        )
      ).pipe(Effect.provideContext(context), Scope.provide(scope))
      const pinged = yield* Effect.forkChild(call("ping"))
      yield* Effect.yieldNow
      yield* TestClock.adjust(1)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* Effect.yieldNow
      const silent = yield* Effect.forkChild(call("ping"))
      const waited = yield* Effect.forkChild(call("wait", 10))
      yield* TestClock.adjust(10)
      expect(yield* Fiber.join(waited)).toStrictEqual(Exit.succeed(10))
      expect(silent.pollUnsafe()).toBe(undefined)
      expect(closing.pollUnsafe()).toBe(undefined)
      yield* Deferred.succeed(draining, undefined)
      expect(yield* Fiber.join(pinged)).toStrictEqual(Exit.succeed("pong"))
      yield* Fiber.join(closing)
      // It is over, and nobody has that method now.
      expect(yield* call("ping")).toMatchObject({ _tag: "Failure" })
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.unserved": 1, "rpcudp_requests.unknown_method": 1 })
    }).pipe(withMetrics))

  it.live("closing waits for handlers that clean up, before what they use is closed", () =>
    Effect.gen(function*() {
      class Slow extends Handlers.Service<Slow>()("robust/Slow", { slow: {} }) {}
      const events: Array<string> = []
      const running = yield* Deferred.make<void>()
      const live = Slow.toLayer(Effect.gen(function*() {
        yield* Effect.addFinalizer(() => Effect.sync(() => events.push("database closed")))
        return Slow.of({
          slow: () =>
            Effect.yieldNow.pipe(
              Effect.andThen(Deferred.succeed(running, undefined)),
              Effect.andThen(Effect.never),
              Effect.onInterrupt(() => Effect.yieldNow.pipe(Effect.map(() => void events.push("rolled back"))))
            )
        })
      }))
      const transport = MemoryNetwork.oneHost()
      const scope = yield* Scope.make()
      const context = yield* Scope.provide(node(Protocol.serve(Slow).pipe(Layer.provide(live)), transport()), scope)
      const peer = yield* raw(transport())
      peer.send(
        Context.get(context, Protocol.Protocol).address,
        requestFor("slow")
      )
      yield* Deferred.await(running)
      yield* Scope.close(scope, Exit.void)
      expect(events).toStrictEqual(["rolled back", "database closed"])
    }))

  it.live("a handler whose first steps close the scope that serves it is interrupted, too", () =>
    Effect.gen(function*() {
      class Hasty extends Handlers.Service<Hasty>()("robust/Hasty", { hasty: {} }) {}
      const scope = yield* Scope.make()
      const interrupted = yield* Deferred.make<void>()
      const live = Hasty.toLayer({
        hasty: () =>
          Scope.close(scope, Exit.void).pipe(
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
          )
      })
      const transport = MemoryNetwork.oneHost()
      const context = yield* caller(transport())
      yield* Layer.buildWithScope(Protocol.serve(Hasty).pipe(Layer.provide(live)), scope).pipe(
        Effect.provideContext(context)
      )
      const { address, call } = Context.get(context, Protocol.Protocol)
      yield* Effect.forkChild(Effect.exit(call(address, "hasty", []).pipe(Protocol.withTimeout("50 millis"))))
      yield* Deferred.await(interrupted)
    }))
})

class Second extends Handlers.Service<Second>()("test/Second", { other: {}, never2: {} }) {}

describe("draining", () => {
  const two = Effect.fnUntraced(function*(gracePeriod: number) {
    const injected = Injected.make()
    const scope = yield* Scope.make()
    yield* Layer.buildWithScope(
      Protocol.serve(Poked, Second).pipe(
        Layer.provide(Poked.toLayer({ poke: () => Effect.void, never: () => Effect.never })),
        Layer.provide(Second.toLayer({ other: () => Effect.void, never2: () => Effect.never })),
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
      for (const method of ["never", "never2"]) receive(requestFor(method), Injected.peerAt("10.0.0.2:2"))
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      for (const method of ["poke", "other"]) receive(requestFor(method), Injected.peerAt("10.0.0.2:2"))
      const answers = sent.splice(0)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(closing)
      expect(answers).toStrictEqual([])
    }))

  it.effect("several groups are waited for until none has a handler that runs", () =>
    Effect.gen(function*() {
      class Long extends Handlers.Service<Long>()("test/Long", { long: { success: Schema.String } }) {}
      class Short extends Handlers.Service<Short>()("test/Short", { short: { success: Schema.String } }) {}
      const injected = Injected.make()
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(
        Protocol.serve(Short, Long).pipe(
          Layer.provide(Short.toLayer({ short: () => Effect.delay(Effect.succeed("short"), 1000) })),
          Layer.provide(Long.toLayer({ long: () => Effect.delay(Effect.succeed("long"), 3000) })),
          Layer.provide(Protocol.layer({ gracePeriod: 5000 })),
          Layer.provide(injected.layer)
        ),
        scope
      )
      for (const method of ["short", "long"]) injected.receive(requestFor(method), Injected.peerAt("10.0.0.2:2"))
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(closing)
      expect(injected.sent.map(({ datagram }) => Codec.decode(datagram))).toMatchObject([
        { success: { value: "short" } },
        { success: { value: "long" } }
      ])
    }))

  it.effect("what was interrupted as its group closed runs when it comes again to one that is served", () =>
    Effect.gen(function*() {
      const injected = Injected.make()
      let runs = 0
      const live = Poked.toLayer({
        poke: () => Effect.void,
        never: () => Effect.andThen(Effect.sync(() => runs++), Effect.never)
      })
      const context = yield* Layer.build(Protocol.layer({ gracePeriod: 0 }).pipe(Layer.provide(injected.layer)))
      const serve = (scope: Scope.Scope) =>
        Layer.buildWithScope(Protocol.serve(Poked).pipe(Layer.provide(live)), scope).pipe(
          Effect.provideContext(context)
        )
      const request = requestFor("never")
      for (let times = 1; times <= 2; times++) {
        const scope = yield* Scope.make()
        yield* serve(scope)
        injected.receive(request, Injected.peerAt("10.0.0.2:2"))
        expect(runs).toBe(times)
        yield* Scope.close(scope, Exit.void)
      }
    }))

  it.effect("several groups have one grace period together", () =>
    Effect.gen(function*() {
      const { receive, scope } = yield* two(5000)
      for (const method of ["never", "never2"]) receive(requestFor(method), Injected.peerAt("10.0.0.2:2"))
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust(4999)
      const before = closing.pollUnsafe()
      yield* TestClock.adjust(1)
      const after = closing.pollUnsafe()
      yield* TestClock.adjust("1 minute")
      expect([before === undefined, after === undefined]).toStrictEqual([true, false])
    }))

  for (const how of ["itself", "in a fiber of its own", "in a fiber that outlives it"]) {
    it.effect(`a handler closes the scope that serves it ${how}`, () =>
      Effect.gen(function*() {
        const injected = Injected.make()
        const scope = yield* Scope.make()
        const closed = yield* Deferred.make<void>()
        class Quitter extends Handlers.Service<Quitter>()("limits/Quitter", { quit: {} }) {}
        let went = false
        const close = Effect.ensuring(Scope.close(scope, Exit.void), Deferred.succeed(closed, undefined))
        const live = Quitter.toLayer({
          quit: () =>
            Effect.andThen(
              Effect.yieldNow,
              how === "itself"
                ? Effect.andThen(close, Effect.sync(() => void (went = true)))
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
        injected.receive(requestFor("quit"), Injected.peerAt("10.0.0.2:2"))
        // It waits for all handlers but itself.
        yield* TestClock.adjust(0)
        expect(yield* Deferred.isDone(closed)).toBe(true)
        expect(went).toBe(how === "itself")
        expect((yield* metrics)["rpcudp_requests_in_flight"]).toBe(undefined)
      }).pipe(withMetrics))
  }

  it.effect("whoever closes the scope and is interrupted has closed it nevertheless, after the grace period", () =>
    Effect.gen(function*() {
      const { receive, scope } = yield* two(5000)
      receive(requestFor("never"), Injected.peerAt("10.0.0.2:2"))
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      const interruption = yield* Effect.forkChild(Fiber.interrupt(closing), { startImmediately: true })
      yield* TestClock.adjust(5000)
      yield* Fiber.join(interruption)
      expect((yield* metrics)["rpcudp_requests_in_flight"]).toBe(undefined)
    }).pipe(withMetrics))
})
