/** effect-rpcudp over Transport.layer: metrics and defaults on, no tracer. */
import { Effect, Layer, Schema, Scope } from "effect"
import { Handlers, Protocol, Transport } from "../../dist/index.js"
import { effects } from "../harness/load.ts"
import type { Contender } from "../harness/worker.ts"
import { argument, replyTo } from "./workload.ts"

export class Forty extends Handlers.Service<Forty>()("benchmark/Forty", {
  forty: { args: [Schema.String], success: Schema.String }
}) {}

export const FortyLive = Forty.toLayer({ forty: (argument) => Effect.succeed(replyTo(argument)) })

/** `node` is the layer of a socket that calls and serves. */
export const make = (node: (options?: Protocol.Options) => Layer.Layer<Protocol.Protocol, unknown>): Contender => {
  const build = <A>(layer: Layer.Layer<A, unknown>) =>
    Effect.runPromise(Layer.buildWithScope(layer, Scope.makeUnsafe()))
  return {
    serve: async () => {
      const context = await build(
        Protocol.serve(Forty).pipe(Layer.provide(FortyLive), Layer.provideMerge(node()))
      )
      const { address } = await Effect.runPromiseWith(context)(Protocol.Protocol)
      return address.port
    },
    connect: async (port, patience) => {
      const context = await build(node(patience))
      const forty = await Effect.runPromiseWith(context)(Protocol.client(Forty))
      return effects(forty(`127.0.0.1:${port}`).forty(argument), Effect.runForkWith(context))
    }
  }
}

export const contender = make((options) =>
  Protocol.layer(options).pipe(Layer.provide(Transport.layer({ address: "127.0.0.1" })))
)
