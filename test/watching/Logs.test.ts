/** What defects, errors and logs say to who has to find out. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Context, Effect, Fiber, Layer, Logger, Redacted, References, Result, Schema } from "effect"
import { NetAddress } from "effect/net"
import { DatagramSocket } from "effect/socket"
import { Codec, Handlers, Protocol, Transport } from "../../src/index.ts"
import * as Injected from "../support/injected.ts"
import { Poked, throwingTransport } from "../support/poked.ts"
import { caller, raw, respond } from "../support/nodes.ts"
import { network, pair } from "../support/pair.ts"
import { requestFor } from "../support/requests.ts"
import { vectors } from "../vectors/index.ts"

const logging = () => {
  const lines: Array<string> = []
  const about: Array<Readonly<Record<string, unknown>>> = []
  const logger = Logger.make(({ cause, fiber, message }) => {
    lines.push(`${String(message)} ${Cause.pretty(cause)}`)
    about.push(fiber.getRef(References.CurrentLogAnnotations))
  })
  return { about, lines, on: Effect.provide(Logger.layer([logger])) }
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
    const { about, lines, on } = logging()
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
      const sender = "10.0.0.2:2"
      expect(about).toStrictEqual([{ sender }, {}, { method: "nothing", sender }])
    }).pipe(on)
  })
})

describe("logs", () => {
  it.effect("a drop is logged at debug with its sender and its reason, and not at all above debug", () =>
    Effect.gen(function*() {
      const logged: Array<unknown> = []
      const logger = Logger.make(({ fiber, logLevel, message }) => {
        logged.push([logLevel, message, fiber.getRef(References.CurrentLogAnnotations)])
      })
      const drop = Effect.gen(function*() {
        const { transport } = network()
        const { address } = Context.get(yield* caller(transport("10.0.0.1")), Protocol.Protocol)
        const peer = yield* raw(transport("10.0.0.2"))
        for (const { hex } of vectors.ignored_by_python) peer.send(address, hex)
        peer.send(address, respond(new Uint8Array(21), 1))
        // answered once everything before it has been dealt with
        peer.send(address, vectors.requests[0]!.hex)
        for (let i = 0; i < 4; i++) yield* peer.receive
        return NetAddress.formatInet(peer.address)
      }).pipe(Effect.provide(Logger.layer([logger])))

      yield* drop
      expect(logged).toStrictEqual([])
      const sender = yield* Effect.provideService(drop, References.MinimumLogLevel, "Debug")
      expect(logged).toStrictEqual(
        [
          "TooShort",
          "TooShort",
          "TooShort",
          "UnknownId",
          "Shape",
          "Shape",
          "Shape",
          "Truncated",
          "TrailingBytes",
          "Shape",
          "InvalidUtf8",
          "UnknownId"
        ].map((reason) => ["Debug", ["rpcudp: dropped a datagram"], { reason, sender }])
      )
    }))

  it.effect("a handler's defect is logged at error, with its cause, its method and its sender", () =>
    Effect.gen(function*() {
      const logged: Array<{ readonly level: string; readonly text: string }> = []
      const logger = Logger.make((options) => {
        logged.push({ level: options.logLevel, text: JSON.stringify(Logger.formatStructured.log(options)) })
      })
      yield* Effect.gen(function*() {
        const { greeter } = yield* pair
        for (const call of [greeter.dies, greeter.throws, greeter.lies, greeter.undeclared]) yield* Effect.flip(call())
      }).pipe(Effect.provide(Logger.layer([logger])))
      expect(logged.map(({ level }) => level)).toStrictEqual(["Error", "Error", "Error", "Error"])
      expect(logged[0]!.text).toContain("secret")
      expect(logged[0]!.text).toContain("\"method\":\"dies\"")
      expect(logged[0]!.text).toContain("\"sender\":\"10.0.0.2:")
      expect(logged[1]!.text).toContain("secret")
      expect(logged[2]!.text).toContain("the result of the handler does not fit its schema")
      expect(logged[3]!.text).toContain("NotFound")
    }))
})
