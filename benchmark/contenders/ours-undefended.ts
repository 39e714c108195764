/** effect-rpcudp without limits and without memory: against `ours.ts`, it tells what those cost. */
import { Layer } from "effect"
import { Protocol, Transport } from "../../dist/index.js"
import { make } from "./ours.ts"
import { unlimited } from "./unlimited.ts"

export const contender = make((options) =>
  Protocol.layer({ ...options, limits: unlimited, memory: false }).pipe(
    Layer.provide(Transport.layer({ address: "127.0.0.1" }))
  )
)
