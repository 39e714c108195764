/** Opens a transport where the runtime does not allow it, and prints the error that a user sees. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { Transport } from "../../src/index.ts"

const opened = Effect.scoped(Layer.build(Transport.layer({ address: process.argv[2] })))

Effect.flip(opened).pipe(
  Effect.flatMap(({ message, reason }) => Console.log(`${"kind" in reason ? reason.kind : reason._tag}: ${message}`)),
  NodeRuntime.runMain
)
