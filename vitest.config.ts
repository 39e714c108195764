import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import type { TestSpecification } from "vitest/node"
import { BaseSequencer } from "vitest/node"

const src = fileURLToPath(new URL("src/", import.meta.url))

/** What takes longest begins first: else one core would be left with it at the end. */
const longest = [
  "laws/Laws.test.ts",
  "laws/Hostile.test.ts",
  "kademlia/test/Python.test.ts",
  "kademlia/test/Commands.test.ts",
  "fuzz/Fuzzing.test.ts",
  "kademlia/test/Map.test.ts",
  "cli/test/Call.test.ts",
  "support/Watchdog.test.ts",
  "laws/RealLoss.test.ts",
  "cli/test/Ping.test.ts",
  "cluster/frontNode.test.ts",
  "serving/Restart.test.ts",
  "watching/Prometheus.test.ts"
]

const placeOf = ({ moduleId }: TestSpecification): number => {
  const place = longest.findIndex((file) => moduleId.endsWith(file))
  return place === -1 ? longest.length : place
}

class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    return (await super.sort(files)).toSorted((a, b) => placeOf(a) - placeOf(b))
  }
}

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
    // More than there are cores: many tests wait for processes that they have started.
    maxWorkers: Math.ceil(1.5 * availableParallelism()),
    sequence: { sequencer: LongestFirst },
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
