/** What needs nothing of Node, bundled as for a worker and run where there is nothing of Node. */
import { describe, expect, it } from "@effect/vitest"
import { build } from "esbuild"
import { fileURLToPath } from "node:url"
import { createContext, runInContext } from "node:vm"

const bundle = await build({
  entryPoints: [fileURLToPath(new URL("../support/bundled.ts", import.meta.url))],
  bundle: true,
  write: false,
  metafile: true,
  format: "iife",
  globalName: "bundled",
  platform: "neutral",
  mainFields: ["module", "main"],
  conditions: ["browser", "import"],
  target: "es2024"
})

/** What every runtime of the web has: neither `process` nor `Buffer`. */
const web = (more: object = {}) =>
  createContext({
    ...more,
    AbortController,
    AbortSignal,
    TextDecoder,
    TextEncoder,
    URL,
    clearTimeout,
    console,
    crypto,
    performance,
    queueMicrotask,
    setTimeout
  })

describe("a bundle for a runtime without Node's modules", () => {
  it("imports none of them", () => {
    const imports = Object.values(bundle.metafile.outputs).flatMap((output) => output.imports.map(({ path }) => path))
    expect(imports).toEqual([])
  })

  it("calls over a socket of another kind, and says of the rest what it lacks before anything is lost", async () => {
    // Bundlers bring a `process` along that has little but `env`.
    for (const context of [web(), web({ process: { env: {} } })]) {
      runInContext(bundle.outputFiles[0]!.text, context)
      const outcomes: unknown = await runInContext("bundled.outcomes()", context)
      expect(outcomes).toEqual({
        call: "ended well: Ada",
        serve: expect.stringContaining("this runtime has no node:crypto"),
        keys: expect.stringContaining("this runtime has no node:crypto"),
        layer: expect.stringContaining("this runtime has no node:dgram")
      })
    }
  })
})
