/** A node says what it serves: whoever asks needs no contract. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Schema } from "effect"
import { Handlers, Protocol, Transport } from "effect-rpcudp"

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { key: Schema.Uint8Array }) {}

class Store extends Handlers.Service<Store>()("example/Store", {
  get: {
    args: [Schema.Uint8Array.annotate({ description: "the key, of 20 bytes" })],
    success: Schema.Struct({ value: Schema.Uint8Array, stored: Schema.Date }),
    error: NotFound
  }
}) {}

const Server = Layer.merge(Protocol.serve(Store), Protocol.serveReflection()).pipe(
  Layer.provide(Store.toLayer({ get: (key) => new NotFound({ key }) })),
  Layer.provideMerge(Protocol.layer()),
  Layer.provide(Transport.layer({ address: "127.0.0.1" }))
)

const Client = Protocol.layer().pipe(Layer.provide(Transport.layer({ address: "127.0.0.1" })))

const program = Effect.gen(function*() {
  const { address } = yield* Protocol.Protocol
  const methods = yield* Protocol.describe(address).pipe(Effect.provide(Client))
  for (const { args, error, group, method, success } of methods) {
    if (group === "rpc.reflection") continue
    yield* Console.log(`${group} ${method}`)
    yield* Console.log(`  takes ${JSON.stringify(args)}`)
    yield* Console.log(`  gives ${JSON.stringify(success)}`)
    yield* Console.log(`  fails with ${JSON.stringify(error)}`)
  }
})

program.pipe(Effect.provide(Server), NodeRuntime.runMain)
