/** effect-rpcudp over NativeTransport.layer: metrics and defaults on, no tracer. */
import { Layer } from "effect"
import { Protocol } from "../../dist/index.js"
import { NativeTransport } from "../../packages/native/dist/index.js"
import { make } from "./ours.ts"

export const contender = make((options) =>
  Protocol.layer(options).pipe(Layer.provide(NativeTransport.layer({ address: "127.0.0.1" })))
)
