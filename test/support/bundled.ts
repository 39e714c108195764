/** Nodes over a socket that is not Node's: what a bundle for a runtime without Node's modules is made of. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Codec from "../../src/Codec.ts"
import * as Handlers from "../../src/Handlers.ts"
import * as Protocol from "../../src/Protocol.ts"
import * as Transport from "../../src/Transport.ts"
import * as MemoryNetwork from "./MemoryNetwork.ts"

class Greeter extends Handlers.Service<Greeter>()("Greeter", {
  sayhi: { args: [Schema.String], success: Schema.String }
}) {}

const transport = (network: MemoryNetwork.MemoryNetwork, host: string, port?: number) =>
  Transport.layerSocket().pipe(Layer.provide(network.socket(host, port)))

/** Serves without `Protocol.serve`: answers each request with its first argument. */
const echo = Effect.gen(function*() {
  const { run, send } = yield* Transport.Transport
  return yield* run((datagram, from) => {
    const request = Result.getOrThrow(Codec.decodeRequest(datagram))
    send(Result.getOrThrow(Codec.encodeResponse(request.id, request.args[0])), from)
  })
})

const call = (name: string) =>
  Effect.gen(function*() {
    const network = MemoryNetwork.make()
    yield* echo.pipe(Effect.provide(transport(network, "127.0.0.1", 1)), Effect.forkChild({ startImmediately: true }))
    const client = Protocol.layer().pipe(Layer.provide(transport(network, "127.0.0.2")))
    return yield* Effect.gen(function*() {
      const greeter = yield* Protocol.client(Greeter)
      return yield* greeter("127.0.0.1:1").sayhi(name)
    }).pipe(Effect.provide(client))
  })

const node = (options: Protocol.Options) =>
  Protocol.layer(options).pipe(Layer.provide(transport(MemoryNetwork.make(), "127.0.0.1")))

const keys: Protocol.Options["keys"] = { ring: [{ id: 1, secret: Redacted.make(new Uint8Array(32).fill(7)) }] }

const serving = Protocol.serve(Greeter).pipe(
  Layer.provide(Greeter.toLayer({ sayhi: (name) => Effect.succeed(name) })),
  Layer.provide(node({}))
)

const build = <E>(layer: Layer.Layer<never, E>) => Effect.scoped(Layer.build(layer))

/** What it ends with, as text. */
export const outcomes = async (): Promise<{ readonly [name: string]: string }> => {
  const outcome = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.runPromise(effect).then((value) => `ended well: ${String(value)}`, (error: unknown) => String(error))
  return {
    call: await outcome(call("Ada")),
    serve: await outcome(build(serving)),
    keys: await outcome(build(Layer.effectDiscard(Protocol.Protocol).pipe(Layer.provide(node({ keys }))))),
    layer: await outcome(build(Layer.effectDiscard(Transport.Transport).pipe(Layer.provide(Transport.layer()))))
  }
}
