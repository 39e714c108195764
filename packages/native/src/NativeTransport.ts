/**
 * A transport over a UDP socket that works in batches: an addon of this package's, in C.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import { Transport } from "effect-rpcudp"
import * as Addon from "./internal/addon.ts"
import * as NativeSocket from "./internal/NativeSocket.ts"

/**
 * The addon can't be loaded: there is none for this system, or it was not built. No socket was opened.
 *
 * @category errors
 * @since 0.1.0
 */
export class NativeUnavailable extends Schema.TaggedError<NativeUnavailable>()("NativeUnavailable", {
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `effect-rpcudp-native can't be loaded: ${this.cause instanceof Error ? this.cause.message : this.cause}`
  }
}

/**
 * As `Transport.layer` of effect-rpcudp: the same options, contract and errors.
 *
 * What is sent waits for the end of the turn of the event loop, in which it leaves with all else. So what is sent in the
 * turn of a `process.exit()` is lost, unless the layer closes before.
 *
 * ```ts
 * import { Layer } from "effect"
 * import { Protocol, Transport } from "effect-rpcudp"
 * import { NativeTransport } from "effect-rpcudp-native"
 *
 * const options = { port: 8468 }
 *
 * const Node = Protocol.layer().pipe(
 *   Layer.provide(
 *     NativeTransport.layer(options).pipe(Layer.catchTag("NativeUnavailable", () => Transport.layer(options)))
 *   )
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options?: Transport.Options
): Layer.Layer<Transport.Transport, DatagramSocket.DatagramSocketError | NativeUnavailable> =>
  Layer.effect(
    Transport.Transport,
    Effect.gen(function*() {
      const addon = yield* Effect.try({ try: Addon.load, catch: (cause) => new NativeUnavailable({ cause }) })
      return yield* Effect.acquireRelease(NativeSocket.open(addon, options ?? {}), (socket) => socket.close)
    })
  )
