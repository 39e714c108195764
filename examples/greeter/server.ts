/**
 * Serves the greeter until it is told to stop, and prints where.
 *
 *     node examples/greeter/server.ts [port]
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { Handlers, Protocol, Transport } from "effect-rpcudp"
import { NetAddress } from "effect/net"
import { Greeter, NotFound } from "./Greeter.ts"

const GreeterLive = Greeter.toLayer({
  sayhi: Effect.fn("sayhi")(function*(name) {
    const sender = yield* Handlers.Sender
    return `Hello ${name} you live at ${NetAddress.formatInet(sender)}`
  }),
  lookup: (key) => new NotFound({ key }),
  poke: () => Effect.void
})

// Port 0 lets the system choose.
const port = Number(process.argv[2] ?? 0)

const Server = Protocol.serve(Greeter).pipe(
  Layer.provide(GreeterLive),
  Layer.provideMerge(Protocol.layer()),
  Layer.provide(Transport.layer({ address: "127.0.0.1", port }))
)

const program = Effect.gen(function*() {
  const { address } = yield* Protocol.Protocol
  yield* Console.log(NetAddress.formatInet(address))
  return yield* Effect.never
})

program.pipe(Effect.provide(Server), NodeRuntime.runMain)
