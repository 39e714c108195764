/** What handlers, callers and sockets that misbehave must not do to anybody else. */
import { describe, expect, it } from "@effect/vitest"
import {
  Cause,
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Result,
  Schema,
  SchemaTransformation,
  Scope
} from "effect"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import { Codec, Handlers, Protocol, Transport } from "../src/index.ts"
import * as MemoryNetwork from "./support/MemoryNetwork.ts"
import { caller, metrics, node, raw, stuck, withMetrics } from "./support/nodes.ts"

const id = new Uint8Array(Codec.idBytes)

const quiet = Effect.provide(Logger.layer([]))

const memory = () => {
  const network = MemoryNetwork.make()
  return () => Transport.layerSocket().pipe(Layer.provide(network.socket("10.0.0.1")))
}

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
  optional: { args: [Schema.Int, Schema.optionalKey(Schema.String)], success: Schema.Int }
}) {}

const OddLive = Odd.toLayer({
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
  optional: (n, text) => Effect.succeed(n + (text?.length ?? 0))
})

describe("robustness", () => {
  for (
    const [name, transport] of [
      ["memory", memory()],
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

  it("a value that throws when it is read is refused, from within another's reading, too", () => {
    const detached = new Uint8Array(8)
    structuredClone(detached, { transfer: [detached.buffer] })
    const throwing = {
      get x(): never {
        throw new Error("no")
      }
    }
    expect(Result.isFailure(Codec.encodeResponse(id, throwing))).toBe(true)
    const nested = {
      get inner() {
        return Result.isFailure(Codec.encodeResponse(id, Symbol("s"))) ? 2 ** 40 : 0
      },
      after: "text"
    }
    const sent = Result.getOrThrow(Codec.encodeResponse(id, nested))
    expect(Result.getOrThrow(Codec.decodeResponse(sent))).toEqual({ inner: 2 ** 40, after: "text" })
  })

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
      const transport = memory()
      const scope = yield* Scope.make()
      const context = yield* Scope.provide(node(Protocol.serve(Slow).pipe(Layer.provide(live)), transport()), scope)
      const peer = yield* raw(transport())
      peer.send(
        Context.get(context, Protocol.Protocol).address,
        Result.getOrThrow(Codec.encodeRequest(id, "slow", []))
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
      const transport = memory()
      const context = yield* caller(transport())
      yield* Layer.buildWithScope(Protocol.serve(Hasty).pipe(Layer.provide(live)), scope).pipe(
        Effect.provideContext(context)
      )
      const { address, call } = Context.get(context, Protocol.Protocol)
      yield* Effect.forkChild(Effect.exit(call(address, "hasty", []).pipe(Protocol.withTimeout("50 millis"))))
      yield* Deferred.await(interrupted)
    }))

  it.live("a handler may close the scope that serves it", () =>
    Effect.gen(function*() {
      class Quitter extends Handlers.Service<Quitter>()("robust/Quitter", { quit: {} }) {}
      const scope = yield* Scope.make()
      const quit = yield* Deferred.make<void>()
      const live = Quitter.toLayer({
        quit: () =>
          Effect.andThen(
            Effect.yieldNow,
            Effect.andThen(Scope.close(scope, Exit.void), Deferred.succeed(quit, undefined))
          )
      })
      const transport = memory()
      const context = yield* caller(transport())
      const serving = Protocol.serve(Quitter).pipe(Layer.provide(live))
      yield* Layer.buildWithScope(serving, scope).pipe(Effect.provideContext(context))
      const { address, call } = Context.get(context, Protocol.Protocol)
      yield* Effect.forkChild(Effect.exit(call(address, "quit", []).pipe(Protocol.withTimeout("50 millis"))))
      yield* Deferred.await(quit)
    }))

  it.effect("an observer of one caller that throws keeps no other call from its end", () =>
    Effect.gen(function*() {
      const transport = memory()
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

  it.live("a node that serves nothing is silent: its callers may try again once it does", () =>
    Effect.gen(function*() {
      const transport = memory()
      const context = yield* node(Layer.empty, transport())
      const { address, call } = Context.get(context, Protocol.Protocol)
      const asked = call(address, "fine", []).pipe(Protocol.withTimeout("20 millis"))
      expect(yield* Effect.flip(asked)).toMatchObject({ _tag: "NoResponse" })
      yield* Layer.build(Protocol.serve(Odd).pipe(Layer.provide(OddLive))).pipe(Effect.provideContext(context))
      expect(yield* call(address, "fine", [])).toBe("fine")
      expect(yield* Effect.flip(call(address, "nope", []))).toMatchObject({ reason: "UnknownMethod" })
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.unserved": 1 })
    }).pipe(withMetrics))

  it.live("a node bound to every address is reached at the address that it says", () =>
    Effect.gen(function*() {
      for (const address of ["0.0.0.0", "::"]) {
        const { address: bound } = Context.get(yield* caller(Transport.layer({ address })), Protocol.Protocol)
        const { call } = Context.get(yield* caller(Transport.layer({ address })), Protocol.Protocol)
        expect(yield* Effect.flip(call(bound, "nope", []))).toMatchObject({ reason: "UnknownMethod" })
      }
    }))

  it.live("a second protocol on one transport is refused when it is built", () =>
    Effect.gen(function*() {
      const transport = yield* Layer.build(Transport.layer({ address: "127.0.0.1" }))
      yield* Layer.build(Protocol.layer()).pipe(Effect.provideContext(transport))
      const exit = yield* Layer.build(Layer.fresh(Protocol.layer())).pipe(Effect.provideContext(transport), Effect.exit)
      expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("the transport has a receiver already")
    }))

  it.live("writes that a socket never ends are bounded", () =>
    Effect.gen(function*() {
      const socket = Context.get(yield* Layer.build(stuck), Transport.Transport)
      const peer = socket.peer(NetAddress.inetAddressFromStringUnsafe("10.0.0.2:2"))
      const errors: Array<string> = []
      for (let i = 0; i < 16_385; i++) socket.send(id, peer, (error) => errors.push(error.message))
      expect(errors).toStrictEqual(["The socket refused to send to 10.0.0.2:2: too many writes wait (Unknown)"])
    }))

  it.live("an optional argument may be handed on as undefined", () =>
    Effect.gen(function*() {
      const transport = memory()
      const context = yield* node(Protocol.serve(Odd).pipe(Layer.provide(OddLive)), transport())
      const odd = (yield* Effect.provideContext(Protocol.client(Odd), context))(
        Context.get(context, Protocol.Protocol).address
      )
      expect(yield* odd.optional(1, undefined)).toBe(1)
      expect(yield* odd.optional(1)).toBe(1)
      expect(yield* odd.optional(1, "abc")).toBe(4)
    }))

  it.effect("a deadline is exact at any date", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 10, 22))
      const { call } = Context.get(yield* caller(memory()()), Protocol.Protocol)
      for (const millis of [1, 10, 333]) {
        const waiting = yield* Effect.forkChild(
          Effect.flip(call("10.9.9.9:9", "who", []).pipe(Protocol.withTimeout(millis)))
        )
        yield* TestClock.adjust(millis)
        expect((yield* Fiber.join(waiting)).message).toBe(`10.9.9.9:9 did not answer "who" within ${millis}ms`)
      }
    }))

  describe("what msgpackr would change", () => {
    const arrives = (value: unknown) =>
      Result.getOrThrow(Codec.decodeResponse(Result.getOrThrow(Codec.encodeResponse(id, value))))

    it("a byte order mark stays at the beginning of a text, however long", () => {
      for (const length of [0, 10, 61, 62, 63, 100, 250, 251, 252, 253, 254, 1000, 8000]) {
        const text = `\ufeff${"a".repeat(length)}`
        expect(arrives(text)).toBe(text)
        expect(arrives(`${text.slice(1)}\ufeff`)).toBe(`${text.slice(1)}\ufeff`)
      }
      const marked = "\ufeff".repeat(30)
      const value = [
        marked,
        { [marked]: 1, [marked.slice(1)]: [new Uint8Array(300), new Date(5), 2 ** 40, -1.5, marked] },
        -70_000,
        300,
        [null, true, "x", 2n ** 60n, 70_000, -3, -200]
      ]
      expect(arrives(value)).toEqual(value)
    })

    it("keys that Python would not take are dropped", () => {
      const decode = (hex: string) => Codec.decodeResponse(Uint8Array.from([1, ...id, ...Buffer.from(hex, "hex")]))
      expect(decode("818001")).toStrictEqual(Result.fail("UnhashableKey"))
      expect(decode("81918001")).toStrictEqual(Result.fail("UnhashableKey"))
      expect(decode("820101c302")).toStrictEqual(Result.fail("DuplicateKey"))
      expect(decode("82c4010101c4010102")).toStrictEqual(Result.fail("DuplicateKey"))
      expect(decode("81920102" + "01")).toStrictEqual(Result.succeed(new Map([[[1, 2], 1]])))
      // the last millisecond of any Date, and a nanosecond after it
      expect(decode("c70cff" + "00000000" + "000007dba8218000")).toStrictEqual(Result.succeed(new Date(8.64e15)))
      expect(decode("c70cff" + "00000001" + "000007dba8218000")).toStrictEqual(Result.fail("Extension"))
    })

    it("2^53 is a bigint where the schema says so, as is its negative", () => {
      class Group extends Handlers.Service<Group>()("robust/BigInt", { it: { success: Schema.BigInt } }) {}
      const { success } = Group.contract.get("it")!
      for (const n of [2n ** 53n, -(2n ** 53n), 2n ** 53n + 1n, 2n ** 53n - 1n]) {
        expect(Effect.runSync(success.decode(arrives(Effect.runSync(success.encode(n)))))).toBe(n)
      }
    })
  })
})
