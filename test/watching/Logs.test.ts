/** What defects, errors and logs say to who has to find out. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Context, Effect, Fiber, Layer, Logger, Redacted, Result, Schema } from "effect"
import { DatagramSocket } from "effect/socket"
import { Codec, Handlers, Protocol, Transport } from "../../src/index.ts"
import * as Injected from "../support/injected.ts"
import { Poked, throwingTransport } from "../support/poked.ts"
import { requestFor } from "../support/requests.ts"

const logging = () => {
  const lines: Array<string> = []
  const logger = Logger.make(({ cause, message }) => void lines.push(`${String(message)} ${Cause.pretty(cause)}`))
  return { lines, on: Effect.provide(Logger.layer([logger])) }
}

const protocolOn = (layer: Layer.Layer<Transport.Transport>, options?: Protocol.Options) =>
  Effect.map(
    Layer.build(Protocol.layer({ gracePeriod: 0, ...options }).pipe(Layer.provide(layer))),
    (context) => Context.get(context, Protocol.Protocol)
  )

class Odd extends Handlers.Service<Odd>()("test/Odd", {
  number: { args: [Schema.Int], success: Schema.Int },
  nothing: { success: Schema.Int }
}) {}

describe("what is said", () => {
  it.effect("of a call that can't be made", () =>
    Effect.gen(function*() {
      const injected = Injected.make()
      const protocol = yield* protocolOn(injected.layer)
      const negative = yield* Effect.exit(protocol.call("10.0.0.2:2", "m", []).pipe(Protocol.withTimeout(-1)))
      expect(String(negative)).toContain("the time-out of a call is not negative")
      const odd = (yield* Protocol.client(Odd).pipe(Effect.provideService(Protocol.Protocol, protocol)))("10.0.0.2:2")
      const misfit = yield* Effect.exit(odd.number(1.5))
      expect(String(misfit)).toContain("the arguments of \"number\" do not fit: Expected an integer")
      expect(injected.sent).toStrictEqual([])
    }))

  it.effect("of an error that no contract declares", () =>
    Effect.gen(function*() {
      const injected = Injected.make()
      const protocol = yield* protocolOn(injected.layer)
      const odd = (yield* Protocol.client(Odd).pipe(Effect.provideService(Protocol.Protocol, protocol)))("10.0.0.2:2")
      const call = yield* Effect.forkChild(Effect.flip(odd.nothing()), { startImmediately: true })
      const { datagram } = injected.sent[0]!
      const failure = { kind: "Error", detail: 1 } as const
      const answer = Result.getOrThrow(Codec.encodeFailure(Codec.idOf(datagram), failure, datagram.length))
      injected.receive(answer, Injected.peerAt("10.0.0.2:2"))
      expect(yield* Fiber.join(call)).toMatchObject({
        _tag: "InvalidResponse",
        issue: "it failed with an error, and the contract declares none"
      })
    }))

  it.effect("of keys whose age makes no sense", () =>
    Effect.gen(function*() {
      const secret = Redacted.make(new Uint8Array(32))
      const keys = { ring: [{ id: 1, secret }], maxAge: -1 } as const
      const exit = yield* Effect.exit(protocolOn(Injected.make().layer, { keys }))
      expect(String(exit)).toContain("the duration of maxAge is not negative")
    }))

  it.effect("of a transport that throws, of a socket that has failed, and of a handler that returns no effect", () => {
    const { lines, on } = logging()
    return Effect.gen(function*() {
      const injected = Injected.make()
      const poked = Protocol.serve(Poked).pipe(
        Layer.provide(Poked.toLayer({ poke: () => Effect.void, never: () => Effect.never })),
        Layer.provide(Protocol.layer({ gracePeriod: 0 }))
      )
      yield* Layer.build(poked.pipe(Layer.provide(throwingTransport(injected))))
      injected.receive(requestFor("poke"), Injected.peerAt("10.0.0.2:2"))
      yield* Effect.yieldNow
      expect(lines.splice(0)).toStrictEqual([
        expect.stringContaining("rpcudp: a datagram could not be dealt with Error: as the test says")
      ])

      const failing = Layer.effect(
        Transport.Transport,
        Effect.map(Transport.Transport, (transport) => ({
          ...transport,
          run: () => Effect.andThen(Effect.yieldNow, Effect.fail(Transport.closedError()))
        }))
      ).pipe(Layer.provide(Injected.make().layer))
      const protocol = yield* protocolOn(failing)
      for (let i = 0; i < 5; i++) yield* Effect.yieldNow
      expect(lines.splice(0)).toStrictEqual([expect.stringContaining("rpcudp: the socket has failed")])
      const closed = yield* Effect.flip(protocol.call("10.0.0.2:2", "m", []))
      expect(closed).toBeInstanceOf(DatagramSocket.DatagramSocketError)

      const odd = Injected.make()
      const live = Odd.toLayer({ number: () => Effect.succeed(1), nothing: (() => 1) as never })
      yield* Layer.build(
        Protocol.serve(Odd).pipe(
          Layer.provide(live),
          Layer.provide(Protocol.layer({ gracePeriod: 0 })),
          Layer.provide(odd.layer)
        )
      )
      odd.receive(requestFor("nothing"), Injected.peerAt("10.0.0.2:2"))
      yield* Effect.yieldNow
      expect(lines.splice(0)).toStrictEqual([
        expect.stringContaining("rpcudp: a handler died TypeError: a handler must return an Effect")
      ])
      expect(Codec.typeOf(odd.sent[0]!.datagram)).toBe("Failure")
    }).pipe(on)
  })
})
