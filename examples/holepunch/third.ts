/** The third, at an address: `node third.ts ADDRESS PORT`. It writes a line once it serves. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { Transport } from "effect-rpcudp"
import { third } from "./Meeting.ts"

const [address = "", port = ""] = process.argv.slice(2)

const program = Effect.gen(function*() {
  yield* Layer.build(Layer.provide(third, Transport.layer({ address, port: Number(port) })))
  yield* Console.log("serving")
  return yield* Effect.never
})

program.pipe(Effect.scoped, NodeRuntime.runMain)
