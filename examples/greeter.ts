/**
 * The greeter as two processes that talk over UDP: starts the server, then a client that is told where the server
 * listens. Both have ended when this ends.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Effect } from "effect"
import { runClient, startServer } from "./processes.ts"

const program = Effect.gen(function*() {
  const address = yield* startServer(process.execPath, "greeter/server.ts")
  yield* runClient(process.execPath, "greeter/client.ts", address)
})

program.pipe(Effect.scoped, Effect.provide(NodeServices.layer), NodeRuntime.runMain)
