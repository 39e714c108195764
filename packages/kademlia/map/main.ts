/** Starts a network on loopback and serves its map: the URL goes to stdout. */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, Layer, References, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { HttpServer } from "effect/http"
import * as Network from "./Network.ts"
import * as Server from "./server.ts"

const between = (minimum: number, maximum: number) =>
  Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

Command.make(
  "kademlia:map",
  {
    nodes: Flag.Int("nodes").pipe(
      Flag.withDescription("How many nodes there are in the beginning"),
      between(2, Network.maxNodes),
      Flag.withDefault(40)
    ),
    port: Flag.Int("port").pipe(
      Flag.withDescription("The TCP port of the page; 0 lets the system choose"),
      between(0, 65_535),
      Flag.withDefault(0)
    ),
    timeout: Flag.Int("timeout").pipe(
      Flag.withDescription("How many milliseconds a call waits for its answer"),
      between(1, 60_000),
      Flag.withDefault(500)
    ),
    quiet: Flag.Boolean("quiet").pipe(
      Flag.withDescription("Nodes look nothing up by themselves"),
      Flag.withDefault(false)
    )
  },
  ({ nodes, port, quiet, timeout }) =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      if (address._tag === "InetAddressV4") yield* Console.log(`http://127.0.0.1:${address.port}`)
      return yield* Effect.never
    }).pipe(
      Effect.provide(Server.layer(port).pipe(Layer.provide(Network.layer({ nodes, timeout, traffic: !quiet }))))
    )
).pipe(
  Command.withDescription("A network of Kademlia nodes on this machine, and a page that shows it live"),
  Command.run({ version: "0.1.0" }),
  Effect.provide(NodeServices.layer),
  Effect.provideService(References.LogToStderr, true),
  NodeRuntime.runMain
)
