/**
 * Calls the greeter at an address, and prints what it says.
 *
 *     node examples/greeter/client.ts 127.0.0.1:1234 [name]
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { Protocol, Transport } from "effect-rpcudp"
import { Greeter } from "./Greeter.ts"

const [address = "127.0.0.1:1234", name = "Snake Plissken"] = process.argv.slice(2)

const Client = Protocol.layer({ timeout: "2 seconds" }).pipe(
  Layer.provide(Transport.layer({ address: "127.0.0.1" }))
)

const program = Effect.gen(function*() {
  const greeter = yield* Protocol.client(Greeter)
  const peer = greeter(address)
  yield* Console.log(yield* peer.sayhi(name))
})

program.pipe(Effect.provide(Client), NodeRuntime.runMain)
