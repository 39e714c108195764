/** What the tests of the native transport share. */
import { Effect, Layer } from "effect"
import { Transport } from "../../../src/index.ts"
import type { TransportLayer } from "../../../test/support/nodes.ts"
import * as Addon from "../src/internal/addon.ts"
import type { NativeTransport } from "../src/index.ts"

export const available = (() => {
  try {
    Addon.load()
    return true
  } catch {
    return false
  }
})()

/** Where the addon is known to be there. */
export const orDie = (layer: ReturnType<typeof NativeTransport.layer>): TransportLayer =>
  layer.pipe(Layer.catchTag("NativeUnavailable", (error) => Layer.effect(Transport.Transport, Effect.die(error))))
