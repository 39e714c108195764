/** What handlers and transports that misbehave must not do to anybody else. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Context, Effect, Layer, Logger, Result, Schema, SchemaTransformation } from "effect"
import { TestClock } from "effect/testing"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Codec, Handlers, Protocol, Transport } from "../../src/index.ts"
import { counting, settled } from "../support/counting.ts"
import * as Injected from "../support/injected.ts"
import { oneHost } from "../support/MemoryNetwork.ts"
import { caller, metrics, node, withMetrics } from "../support/nodes.ts"
import { Poked, poked, throwingTransport, typesSent } from "../support/poked.ts"
import { numbered, requestFor } from "../support/requests.ts"

setFlagsFromString("--expose-gc")
const gc: () => void = runInNewContext("gc")

const quiet = Effect.provide(Logger.layer([]))

/** A transformation that throws, whichever way. */
const Throwing = Schema.String.pipe(
  Schema.decodeTo(
    Schema.String,
    SchemaTransformation.transform<string, string>({
      decode: () => {
        throw new Error("secret")
      },
      encode: () => {
        throw new Error("secret")
      }
    })
  )
)

class Odd extends Handlers.Service<Odd>()("robust/Odd", {
  getter: { success: Schema.Unknown },
  noEffect: {},
  throwsIn: { args: [Throwing] },
  throwsOut: { success: Throwing },
  throwsError: { error: Throwing },
  fine: { success: Schema.String },
  fails: { error: Schema.String },
  optional: { args: [Schema.Int, Schema.optionalKey(Schema.String)], success: Schema.Int }
}) {}

const oddHandlers = Odd.of({
  getter: () =>
    Effect.succeed({
      get x() {
        throw new Error("secret")
      }
    }),
  noEffect: (() => undefined) as unknown as () => Effect.Effect<void>,
  throwsIn: () => Effect.void,
  throwsOut: () => Effect.succeed("x"),
  throwsError: () => Effect.fail("x"),
  fine: () => Effect.succeed("fine"),
  fails: () => Effect.fail("as declared"),
  optional: (n, text) => Effect.succeed(n + (text?.length ?? 0))
})

const OddLive = Odd.toLayer(oddHandlers)

describe("handling", () => {
  for (
    const [name, transport] of [
      ["memory", oneHost()],
      ["loopback UDP", () => Transport.layer({ address: "127.0.0.1" })]
    ] as const
  ) {
    it.live(`what throws in a schema or in a result, and a handler that answers no Effect, are defects (${name})`, () =>
      Effect.gen(function*() {
        const served = yield* node(Protocol.serve(Odd).pipe(Layer.provide(OddLive)), transport())
        const context = yield* caller(transport())
        const { address } = Context.get(served, Protocol.Protocol)
        const odd = (yield* Effect.provideContext(Protocol.client(Odd), context))(address)
        for (const call of [odd.getter, odd.noEffect, odd.throwsOut, odd.throwsError]) {
          expect(yield* Effect.flip(call())).toMatchObject({ _tag: "Rejected", reason: "Defect" })
        }
        const untyped = Context.get(context, Protocol.Protocol).call(address, "throwsIn", ["x"])
        expect(yield* Effect.flip(untyped)).toMatchObject({ _tag: "Rejected", reason: "Defect" })
        expect(yield* odd.fine()).toBe("fine")
        expect((yield* metrics)["rpcudp_requests_in_flight"]).toBe(undefined)
      }).pipe(quiet, withMetrics))
  }

  it.live("a node that serves nothing is silent: its callers may try again once it does", () =>
    Effect.gen(function*() {
      const transport = oneHost()
      const context = yield* node(Layer.empty, transport())
      const { address, call } = Context.get(context, Protocol.Protocol)
      const asked = call(address, "fine", []).pipe(Protocol.withTimeout("20 millis"))
      expect(yield* Effect.flip(asked)).toMatchObject({ _tag: "NoResponse" })
      yield* Layer.build(Protocol.serve(Odd).pipe(Layer.provide(OddLive))).pipe(Effect.provideContext(context))
      expect(yield* call(address, "fine", [])).toBe("fine")
      expect(yield* Effect.flip(call(address, "nope", []))).toMatchObject({ reason: "UnknownMethod" })
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.unserved": 1 })
    }).pipe(withMetrics))

  it.effect("a node that serves nothing counts what asks it, drops what is for who serves, and answers neither", () =>
    Effect.gen(function*() {
      const injected = Injected.make()
      yield* node(Layer.empty, injected.layer)
      const request = requestFor("fine")
      const id = Codec.idOf(request)
      for (const datagram of [request, Codec.encodeProof(id), Codec.encodeCancel(id)]) {
        injected.receive(datagram, Injected.peerAt("10.0.0.2:2"))
      }
      injected.receive(Result.getOrThrow(Codec.encodeGather(id, "fine", [])), Injected.peerAt("10.0.0.2:2"), true)
      expect(injected.sent).toStrictEqual([])
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.unserved": 2, "rpcudp_datagrams_dropped.UnknownId": 2 })
    }).pipe(withMetrics))

  it.live("an optional argument may be handed on as undefined", () =>
    Effect.gen(function*() {
      const transport = oneHost()
      const context = yield* node(Protocol.serve(Odd).pipe(Layer.provide(OddLive)), transport())
      const odd = (yield* Effect.provideContext(Protocol.client(Odd), context))(
        Context.get(context, Protocol.Protocol).address
      )
      expect(yield* odd.optional(1, undefined)).toBe(1)
      expect(yield* odd.optional(1)).toBe(1)
      expect(yield* odd.optional(1, "abc")).toBe(4)
    }))

  it.effect("of handlers that die, 100 a second are logged, and all are counted", () =>
    Effect.gen(function*() {
      let logged = 0
      yield* Effect.gen(function*() {
        const { peer } = yield* counting()
        const stranger = yield* peer("10.0.0.2")
        yield* stranger.ask(...Array.from({ length: 150 }, (_, i) => numbered(i, "die")))
        expect(logged).toBe(100)
        yield* TestClock.adjust(1000)
        yield* stranger.ask(numbered(1000, "die"))
        expect(logged).toBe(101)
      }).pipe(Effect.provide(Logger.layer([Logger.make(() => void logged++)])))
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.defect": 151 })
    }).pipe(withMetrics))

  it.effect("whatever a transport throws, no request stays in flight", () =>
    Effect.gen(function*() {
      const injected = Injected.make()
      yield* Layer.build(
        Protocol.serve(Poked).pipe(
          Layer.provide(Poked.toLayer({ poke: () => Effect.void, never: () => Effect.never })),
          Layer.provide(Protocol.layer({ gracePeriod: 0 })),
          Layer.provide(throwingTransport(injected))
        )
      )
      for (const args of [[], [1], ["x"], [{}]]) {
        injected.receive(requestFor("poke", args), Injected.peerAt("10.0.0.2:2"))
      }
      const seen = yield* metrics
      expect(seen["rpcudp_requests_in_flight"]).toBe(undefined)
      expect(seen).toMatchObject({ "rpcudp_requests.invalid_arguments": 2, "rpcudp_requests.success": 2 })
    }).pipe(withMetrics, Effect.provide(Logger.layer([]))))

  it.effect("a request whose schema and handler both take their time ends once, and is answered again", () =>
    Effect.gen(function*() {
      const Slow = Schema.String.pipe(
        Schema.decodeTo(
          Schema.String,
          SchemaTransformation.transformEffect({
            decode: (text: string) => Effect.as(Effect.yieldNow, text),
            encode: (text: string) => Effect.succeed(text)
          })
        )
      )
      class Patient extends Handlers.Service<Patient>()("test/Patient", {
        echo: { args: [Slow], success: Schema.String },
        fails: { error: Schema.String }
      }) {}
      const injected = Injected.make()
      const live = Patient.toLayer({
        echo: (text) => Effect.as(Effect.yieldNow, text),
        fails: () => Effect.fail("declared")
      })
      yield* Layer.build(
        Protocol.serve(Patient).pipe(
          Layer.provide(live),
          Layer.provide(Protocol.layer({ gracePeriod: 0 })),
          Layer.provide(injected.layer)
        )
      )
      const from = Injected.peerAt("10.0.0.2:2")
      const request = requestFor("echo", ["x"])
      for (let times = 1; times <= 2; times++) {
        injected.receive(request, from)
        for (let i = 0; i < 10; i++) yield* Effect.yieldNow
        expect(injected.sent).toHaveLength(times)
      }
      expect(Buffer.compare(injected.sent[1]!.datagram, injected.sent[0]!.datagram)).toBe(0)
      injected.receive(requestFor("fails"), from)
      expect(yield* metrics).toStrictEqual(
        expect.objectContaining({
          "rpcudp_requests.success": 1,
          "rpcudp_requests.repeated": 1,
          "rpcudp_requests.error": 1
        })
      )
      expect((yield* metrics)["rpcudp_requests_in_flight"]).toBe(undefined)
    }).pipe(withMetrics))

  it.effect("of a request that has ended nothing is kept, though a fiber has run for it", () =>
    Effect.gen(function*() {
      const { receive, sent } = yield* poked({ memory: false }, Effect.yieldNow)
      const poke = (method: string) => {
        const from = Injected.peerAt("10.0.0.2:2")
        receive(requestFor(method), from)
        return new WeakRef(from)
      }
      const [ended, running] = [poke("poke"), poke("never")]
      yield* settled
      expect(sent.splice(0)).toHaveLength(1)
      // What a `WeakRef` has shown is kept until this turn of the event loop is over.
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      gc()
      expect(ended.deref()).toBe(undefined)
      expect(running.deref()).toBeDefined()
    }))

  it.effect("what waits keeps nothing of the buffer that its datagram was read into", () =>
    Effect.gen(function*() {
      class Patient extends Handlers.Service<Patient>()("test/Patient", {
        texts: { args: [Schema.Uint8Array], success: Schema.Array(Schema.String) },
        never: { args: [Schema.Uint8Array], success: Schema.Int }
      }) {}
      const injected = Injected.make()
      const texts = Array.from({ length: 12 }, () => "x".repeat(20))
      yield* Layer.build(
        Protocol.serve(Patient).pipe(
          Layer.provide(Patient.toLayer({ texts: () => Effect.succeed(texts), never: () => Effect.never })),
          Layer.provide(Protocol.layer({ gracePeriod: 0, limits: { replyBytesPerSecond: 100, requestsPerSecond: 2 } })),
          Layer.provide(injected.layer)
        )
      )
      const send = (method: string, host: string) => {
        const pool = new Uint8Array(65_536)
        const request = requestFor(method, [new Uint8Array(10)])
        pool.set(request, 1000)
        injected.receive(pool.subarray(1000, 1000 + request.length), Injected.peerAt(`${host}:2`))
        return new WeakRef(pool.buffer)
      }
      send("texts", "10.0.0.3")
      // An encoder writes several answers into one buffer, and this one is sent.
      const answers = new WeakRef(injected.sent.pop()!.datagram.buffer)
      const pools = [
        answers,
        send("texts", "10.0.0.3"), // its answer waits for a proof
        send("never", "10.0.0.2"), // its handler waits
        ...["never", "never", "texts"].map((method) => send(method, "10.0.0.4")) // the third waits for a proof
      ]
      // Two for what waits, and two as half of a budget is gone.
      expect(typesSent(injected.sent)).toStrictEqual(Array.from({ length: 4 }, () => "Challenge"))
      for (let i = 0; i < 50; i++) Codec.encodeResponse(new Uint8Array(Codec.idBytes), texts)
      yield* settled
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      gc()
      expect(pools.map((pool) => pool.deref() === undefined)).toStrictEqual(pools.map(() => true))
      for (const { datagram, to } of injected.sent.splice(0)) {
        injected.receive(Codec.encodeProof(Result.getOrThrow(Codec.decodeChallenge(datagram))), to)
      }
      expect(typesSent(injected.sent)).toStrictEqual(["Response", "Response"])
    }))

  it.effect("what does not fit its schema, and what throws in one, is logged as what it is", () => {
    const logged: Array<string> = []
    return Effect.gen(function*() {
      const injected = Injected.make()
      const handlers = Odd.toLayer({
        ...oddHandlers,
        fine: () => Effect.succeed(1 as never),
        fails: () => Effect.fail(1 as never)
      })
      yield* Layer.build(
        Protocol.serve(Odd).pipe(
          Layer.provide(handlers),
          Layer.provide(Protocol.layer({ gracePeriod: 0 })),
          Layer.provide(injected.layer)
        )
      )
      for (const method of ["fine", "fails", "throwsOut", "throwsError"]) {
        injected.receive(requestFor(method), Injected.peerAt("10.0.0.2:2"))
      }
      yield* settled
      expect(injected.sent).toHaveLength(4)
      expect(logged).toStrictEqual([
        "TypeError: the result of the handler does not fit its schema: Expected string",
        "TypeError: the error of the handler does not fit its schema: Expected string",
        "Error: secret",
        "Error: secret"
      ])
    }).pipe(
      Effect.provide(Logger.layer([Logger.make(({ cause }) => void logged.push(Cause.pretty(cause).split("\n")[0]!))]))
    )
  })

  it.effect("what is no function is a defect of the build, and what returns no effect one of the handler", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Layer.build(Odd.toLayer({ ...oddHandlers, fine: undefined as never })))
      expect(String(exit)).toContain("a handler must be a function that returns an Effect")
    }))
})
