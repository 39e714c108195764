import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const src = fileURLToPath(new URL("src/", import.meta.url))

export default defineConfig({
  resolve: {
    // The sources, never a dist that may be stale.
    alias: [
      { find: /^effect-rpcudp$/, replacement: `${src}index.ts` },
      { find: /^effect-rpcudp\/testing$/, replacement: `${src}testing/index.ts` },
      { find: /^effect-rpcudp\/(.+)$/, replacement: `${src}$1.ts` }
    ]
  },
  test: {
    // All cores: by default one is left to an editor, and of two that is half.
    maxWorkers: "100%",
    // Nothing here waits for time to pass: these bound only what hangs, on a machine however busy.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // These bound what no time-out ends, since it never pauses, and what would take the machine's memory.
    setupFiles: [fileURLToPath(new URL("test/support/watchdog/setup.ts", import.meta.url))],
    provide: { limits: { milliseconds: 120_000, bytes: 4 * 1024 ** 3 } },
    include: ["test/**/*.test.ts", "examples/**/*.test.ts", "packages/*/test/**/*.test.ts"],
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      reporter: ["text", "json-summary"]
    }
  }
})
