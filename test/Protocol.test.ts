/** How a protocol is built, and what it does not let through. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, Logger, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Codec, Handlers, Protocol, Transport } from "./../src/index.ts"
import { counting } from "./support/counting.ts"
import * as Injected from "./support/injected.ts"
import { caller, metrics, withMetrics } from "./support/nodes.ts"
import { Poked, throwingTransport } from "./support/poked.ts"
import { requestFor } from "./support/requests.ts"

describe("a protocol", () => {
  it.effect("a setting that makes no sense is a defect of the build", () =>
    Effect.gen(function*() {
      for (
        const [options, what] of [
          [{ limits: { handlers: -1 } }, "handlers"],
          [{ limits: { requestsPerSecond: Number.NaN } }, "requestsPerSecond"],
          [{ memory: { requests: 0 } }, "requests"],
          [{ memory: { bytes: 2 ** 40 } }, "bytes"],
          [{ timeout: -1 }, "the duration of timeout is not negative"],
          [{ gracePeriod: -1 }, "the duration of gracePeriod is not negative"],
          [{ leisure: -1 }, "the duration of leisure is not negative"]
        ] as const
      ) {
        const exit = yield* Effect.exit(counting(options))
        expect(Exit.isFailure(exit) && Exit.hasDies(exit)).toBe(true)
        expect(String(exit)).toContain(what)
      }
    }))

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

  it.effect("of what a transport throws, 100 lines a second are logged", () =>
    Effect.gen(function*() {
      let logged = 0
      const injected = Injected.make()
      yield* Effect.gen(function*() {
        yield* Layer.build(
          Protocol.serve(Poked).pipe(
            Layer.provide(Poked.toLayer({ poke: () => Effect.void, never: () => Effect.never })),
            Layer.provide(Protocol.layer({ gracePeriod: 0 })),
            Layer.provide(throwingTransport(injected))
          )
        )
        for (let i = 0; i < 500; i++) injected.receive(requestFor("poke"), Injected.peerAt("10.0.0.2:2"))
        expect(logged).toBe(100)
        yield* TestClock.adjust(1000)
        injected.receive(requestFor("poke"), Injected.peerAt("10.0.0.2:2"))
        expect(logged).toBe(101)
      }).pipe(Effect.provide(Logger.layer([Logger.make(() => void logged++)])))
    }))

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
})
