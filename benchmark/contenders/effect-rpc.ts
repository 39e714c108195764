/** effect/rpc over TCP, in its own binary form. */
import { NodeSocket, NodeSocketServer } from "@effect/platform-node"
import { Context, Effect, Layer, Schema, Scope } from "effect"
import { Rpc, RpcClient, RpcGroup, RpcSerialization, RpcServer } from "effect/rpc"
import { SocketServer } from "effect/socket"
import { effects } from "../harness/load.ts"
import type { Contender } from "../harness/worker.ts"
import { argument, replyTo } from "./workload.ts"

const Forty = RpcGroup.make(Rpc.make("forty", { payload: { argument: Schema.String }, success: Schema.String }))

const FortyLive = Forty.toLayer({ forty: ({ argument }) => Effect.succeed(replyTo(argument)) })

export const contender: Contender = {
  serve: async () => {
    const server = RpcServer.layer(Forty).pipe(
      Layer.provide(FortyLive),
      Layer.provide(RpcServer.layerProtocolSocketServer),
      Layer.provide(RpcSerialization.layerSchemaBinary()),
      Layer.provideMerge(NodeSocketServer.layer({ host: "127.0.0.1", port: 0 }))
    )
    const context = await Effect.runPromise(Layer.buildWithScope(server, Scope.makeUnsafe()))
    const { address } = Context.get(context, SocketServer.SocketServer)
    if (!("port" in address)) throw new Error("not a TCP socket")
    return address.port
  },
  connect: async (port) => {
    const protocol = RpcClient.layerProtocolSocket().pipe(
      Layer.provide(NodeSocket.layerNet({ host: "127.0.0.1", port })),
      Layer.provide(RpcSerialization.layerSchemaBinary())
    )
    const scope = Scope.makeUnsafe()
    const context = await Effect.runPromise(Layer.buildWithScope(protocol, scope))
    const client = await Effect.runPromise(
      RpcClient.make(Forty).pipe(Effect.provideContext(context), Effect.provideService(Scope.Scope, scope))
    )
    return effects(client.forty({ argument }), Effect.runFork)
  }
}
