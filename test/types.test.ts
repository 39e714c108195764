// Beside the errors of TypeScript, which are expected line by line, Effect's own would be reported.
// @effect-diagnostics missingEffectError:off missingEffectContext:off floatingEffect:off
/** What must not compile, does not. `npm run check` is the test; at run time there is nothing to do. */
import { describe, expect, it } from "@effect/vitest"
import type { Scope } from "effect"
import { Context, Effect, Layer, Schema, type Stream } from "effect"
import type { NetAddress } from "effect/net"
import type { DatagramSocket } from "effect/socket"
import { Handlers, Protocol, Transport } from "../src/index.ts"

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { key: Schema.String }) {}

class Greeter extends Handlers.Service<Greeter>()("types/Greeter", {
  sayhi: { args: [Schema.String], success: Schema.String },
  lookup: { args: [Schema.String, Schema.optionalKey(Schema.Int)], success: Schema.Uint8Array, error: NotFound },
  when: { args: [Schema.DateFromString], success: Schema.FiniteFromString },
  poke: {}
}) {}

class Other extends Handlers.Service<Other>()("types/Other", { other: {} }) {}

class Database extends Context.Service<Database, { readonly find: (key: string) => Effect.Effect<Uint8Array> }>()(
  "types/Database"
) {}

/** Fails to compile unless both types are the same. */
const same = <A, B>(_is: (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false) => {}

const fine = {
  sayhi: (name: string) => Effect.succeed(name),
  lookup: () => Effect.succeed(new Uint8Array()),
  when: () => Effect.succeed(1),
  poke: () => Effect.void
}

const types = () => {
  // the compiler's message names what is missing, in its first line
  same<Parameters<typeof Greeter.toLayer<Omit<typeof fine, "when">>>[0] extends "Missing handler: when" ? 1 : 0, 1>(
    true
  )
  // @ts-expect-error a group without its `Self`
  void class extends Handlers.Service()("types/Nobody", {}) {}

  // one policy of retries for procedures that fail with different errors
  const policy = { times: 3, while: Protocol.isNoResponse }
  const retried = Effect.flatMap(Protocol.client(Greeter), (greeter) => {
    const peer = greeter("127.0.0.1:1")
    return Effect.all([Effect.retry(peer.sayhi("Ada"), policy), Effect.retry(peer.lookup("k"), policy)])
  })
  same<Effect.Error<typeof retried>, NotFound | Protocol.CallError>(true)

  // the handlers' parameters need no annotation, and their services are the layer's
  const layer = Greeter.toLayer({
    sayhi: Effect.fn("sayhi")(function*(name) {
      same<typeof name, string>(true)
      const sender = yield* Handlers.Sender
      same<typeof sender, NetAddress.InetAddress>(true)
      return name
    }),
    lookup: (key, count) => {
      same<typeof key, string>(true)
      same<typeof count, number | undefined>(true)
      return Effect.flatMap(Database, (database) => database.find(key))
    },
    when: (date) => {
      same<typeof date, Date>(true)
      return Effect.succeed(date.getTime())
    },
    poke: () => Effect.void
  })
  same<typeof layer, Layer.Layer<Greeter, never, Database>>(true)

  // built by an Effect: its errors and services are the layer's, its Scope is not
  const built = Greeter.toLayer(Effect.gen(function*() {
    const database = yield* Database
    yield* Effect.addFinalizer(() => Effect.void)
    if (database === undefined) return yield* new NotFound({ key: "" })
    return Greeter.of({ ...fine, lookup: (key) => database.find(key) })
  }))
  same<typeof built, Layer.Layer<Greeter, NotFound, Database>>(true)
  const builtWithServices = Greeter.toLayer(Effect.succeed({
    ...fine,
    lookup: (key: string) => Effect.flatMap(Database, (database) => database.find(key))
  }))
  same<typeof builtWithServices, Layer.Layer<Greeter, never, Database>>(true)

  // @ts-expect-error a handler is missing
  Greeter.toLayer({ sayhi: fine.sayhi, lookup: fine.lookup, when: fine.when })
  // @ts-expect-error a handler is missing from what an Effect builds
  Greeter.toLayer(Effect.succeed({ sayhi: fine.sayhi, lookup: fine.lookup, when: fine.when }))
  // @ts-expect-error a handler gives what is not declared
  Greeter.toLayer({ ...fine, sayhi: () => Effect.succeed(1) })
  // @ts-expect-error a handler takes what is not declared
  Greeter.toLayer({ ...fine, sayhi: (name: number) => Effect.succeed(String(name)) })
  // @ts-expect-error a handler takes more than is declared
  Greeter.toLayer({ ...fine, poke: (extra: string) => Effect.sync(() => void extra) })
  // @ts-expect-error a handler fails with what is not declared
  Greeter.toLayer({ ...fine, poke: () => Effect.fail(new NotFound({ key: "" })) })
  // @ts-expect-error a handler is not an Effect
  Greeter.toLayer({ ...fine, poke: () => Promise.resolve() })
  // @ts-expect-error nobody declared this one
  Greeter.toLayer({ ...fine, typo: () => Effect.void })
  // @ts-expect-error nor in `of`
  Greeter.of({ ...fine, typo: () => Effect.void })
  // @ts-expect-error a schema that needs a service to decode
  class _Needy extends Handlers.Service<_Needy>()("types/Needy", { needy: { args: [needy] } }) {}

  // a group that nobody provides stays a requirement
  const serving = Protocol.serve(Greeter, Other)
  same<typeof serving, Layer.Layer<never, Protocol.DuplicateMethod, Protocol.Protocol | Greeter | Other>>(true)
  const complete = serving.pipe(
    Layer.provide([Greeter.toLayer(fine), Other.toLayer({ other: () => Effect.void })]),
    Layer.provide(Protocol.layer()),
    Layer.provide(Transport.layer())
  )
  Effect.runFork(Layer.launch(complete))
  const incomplete = serving.pipe(
    Layer.provide(Greeter.toLayer(fine)),
    Layer.provide(Protocol.layer()),
    Layer.provide(Transport.layer())
  )
  // @ts-expect-error nobody provides Other
  Effect.runFork(Layer.launch(incomplete))
  // @ts-expect-error serving nothing
  Protocol.serve()
  // @ts-expect-error a tag is not a group
  Protocol.serve(Database)
  const overSocket = Transport.layerSocket()
  same<
    typeof overSocket,
    Layer.Layer<Transport.Transport, DatagramSocket.DatagramSocketError, DatagramSocket.DatagramSocket>
  >(true)

  // what a group answers has the contract's types, and its sender
  const gathered = Protocol.gather(Greeter)("239.1.2.3:9999").lookup("k")
  same<
    typeof gathered,
    Stream.Stream<Protocol.Gathered<Uint8Array>, Protocol.GatherError, Protocol.Protocol>
  >(true)

  // a client's calls have the contract's types
  return Effect.gen(function*() {
    const greeter = yield* Protocol.client(Greeter)
    const peer = greeter("127.0.0.1:1234")
    const sayhi = peer.sayhi("Ada")
    same<typeof sayhi, Effect.Effect<string, Protocol.CallError>>(true)
    const lookup = peer.lookup("k")
    same<typeof lookup, Effect.Effect<Uint8Array, NotFound | Protocol.CallError>>(true)
    peer.lookup("k", 1)
    const when = peer.when(new Date())
    same<typeof when, Effect.Effect<number, Protocol.CallError>>(true)
    const poke = peer.poke()
    same<typeof poke, Effect.Effect<void, Protocol.CallError>>(true)
    const timed = sayhi.pipe(Protocol.withTimeout("300 millis"))
    same<typeof timed, Effect.Effect<string, Protocol.CallError>>(true)
    same<typeof timed, ReturnType<typeof Protocol.withTimeout<string, Protocol.CallError, never>>>(true)
    // @ts-expect-error an argument is missing
    peer.sayhi()
    // @ts-expect-error an argument is mistyped
    peer.sayhi(1)
    // @ts-expect-error there is one argument too many
    peer.poke("x")
    // @ts-expect-error nobody declared this method
    peer.typo()
    const protocol = yield* Protocol.Protocol
    const call = protocol.call("127.0.0.1:8468", "stun", [])
    same<typeof call, Effect.Effect<unknown, Protocol.CallError>>(true)
  })
}

class Clock extends Context.Service<Clock, { readonly now: number }>()("types/Clock") {}

declare const needy: Schema.Codec<string, string, Clock, never>

describe("types", () => {
  it("are checked by npm run check", () => {
    expect(types).toBeTypeOf("function")
    expect<Scope.Scope | undefined>(undefined).toBe(undefined)
  })
})
