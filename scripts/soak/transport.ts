/** The transport that is soaked: Node's, or with `native` that of packages/native, as it was built. */
import { Layer } from "effect"
import { NativeTransport } from "effect-rpcudp-native"
import { Transport } from "../../src/index.ts"

export const transport = (options: Transport.Options) =>
  process.argv.includes("native") ? NativeTransport.layer(options).pipe(Layer.orDie) : Transport.layer(options)
