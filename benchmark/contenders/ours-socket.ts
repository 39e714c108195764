/** effect-rpcudp over Transport.layerSocket() and Effect's own UDP socket. */
import { NodeDatagramSocket } from "@effect/platform-node"
import { Layer } from "effect"
import { Protocol, Transport } from "../../dist/index.js"
import { make } from "./ours.ts"

export const contender = make((options) =>
  Protocol.layer(options).pipe(
    Layer.provide(Transport.layerSocket()),
    Layer.provide(NodeDatagramSocket.layer({ bind: { address: "127.0.0.1", port: 0 } }))
  )
)
