/**
 * A node of a network that is closed by a key, on the runtime that runs it. It prints where it listens and serves until it is
 * told to stop. Given an address, it calls the node there, whose handler calls it back, and prints what came of it.
 *
 *     node test/runtimes/closed.ts [address]
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted } from "effect"
import { NetAddress } from "effect/net"
import { Protocol, Transport } from "../../src/index.ts"
import { Greeter, greeterLive } from "../support/Contract.ts"

const [peer] = process.argv.slice(2)

const secret = Redacted.make(new Uint8Array(32).fill(7))

const Node = Protocol.serve(Greeter).pipe(
  Layer.provide(greeterLive()),
  Layer.provideMerge(Protocol.layer({ keys: { ring: [{ id: 1, secret }] } })),
  Layer.provide(Transport.layer({ address: "127.0.0.1" }))
)

const program = Effect.gen(function*() {
  const { address } = yield* Protocol.Protocol
  if (peer === undefined) {
    yield* Console.log(NetAddress.formatInet(address))
    return yield* Effect.never
  }
  const greeter = (yield* Protocol.client(Greeter))(peer)
  yield* Console.log(yield* greeter.callBack())
  yield* Console.log((yield* greeter.bytes(8000)).length)
})

program.pipe(Effect.provide(Node), NodeRuntime.runMain)
