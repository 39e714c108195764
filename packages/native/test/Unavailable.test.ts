/** A system that has no addon. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { mkdtempSync, rmdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Transport } from "../../../src/index.ts"
import { NativeTransport } from "../src/index.ts"

describe("NativeTransport without its addon", () => {
  // Broken by: `Addon.load()` outside of the `Effect.try`.
  it.live("is a typed error, and the fallback serves", () =>
    Effect.gen(function*() {
      // Where node-gyp-build looks first: there is nothing. No test of this file has loaded the addon.
      const nowhere = mkdtempSync(join(tmpdir(), "effect-rpcudp-native-"))
      const before = { ...process.env }
      process.env["EFFECT_RPCUDP_NATIVE_PREBUILD"] = nowhere
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          if (before["EFFECT_RPCUDP_NATIVE_PREBUILD"] === undefined) delete process.env["EFFECT_RPCUDP_NATIVE_PREBUILD"]
          else process.env["EFFECT_RPCUDP_NATIVE_PREBUILD"] = before["EFFECT_RPCUDP_NATIVE_PREBUILD"]
          rmdirSync(nowhere)
        })
      )
      const options = { address: "127.0.0.1" }
      const native = NativeTransport.layer(options)
      const error = yield* Effect.flip(Layer.build(native))
      expect(error).toBeInstanceOf(NativeTransport.NativeUnavailable)
      expect(error).toMatchObject({ _tag: "NativeUnavailable" })
      expect(error.message).toMatch(/^effect-rpcudp-native can't be loaded: No native build was found for /)

      const context = yield* Layer.build(
        native.pipe(Layer.catchTag("NativeUnavailable", () => Transport.layer(options)))
      )
      const { address } = yield* Effect.provideContext(Transport.Transport, context)
      expect(address.port).toBeGreaterThan(0)
    }))
})
