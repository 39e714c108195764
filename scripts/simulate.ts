/**
 * Runs the laws of `test/laws` over many seeds, or over one with its trace:
 *
 *   npm run simulate -- --seeds 10000 [--from N]
 *   npm run simulate -- --seed N
 */
import { Cause, Effect } from "effect"
import { availableParallelism } from "node:os"
import { parseArgs } from "node:util"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import { SimulatedNetwork } from "../src/testing/index.ts"
import { broken } from "../test/laws/laws.ts"
import type { Outcome } from "../test/laws/scenario.ts"
import { scenario } from "../test/laws/scenario.ts"
import { collectedHeap } from "./heap.ts"

/** What a seed adds to the figures. */
interface Figures {
  readonly seed: number
  readonly virtualMillis: number
  readonly calls: number
  readonly counts: Readonly<Record<string, number>>
  readonly broken: ReadonlyArray<string>
  /** Bytes that the worker's heap holds after a collection. Measured now and then. */
  readonly heap: number | undefined
}

/** What a worker is told. */
interface Share {
  readonly from: number
  readonly seeds: number
  readonly workers: number
  readonly index: number
}

const figuresOf = (outcome: Outcome): Figures => ({
  seed: outcome.seed,
  virtualMillis: outcome.virtualMillis,
  calls: outcome.calls.length,
  counts: {
    ...outcome.stats,
    ...outcome.faults,
    ...countsOf(outcome.attackers.map((name) => name.slice(0, name.indexOf(" ")))),
    forged: outcome.attacked.forged
  },
  broken: broken(outcome),
  heap: undefined
})

const countsOf = (names: ReadonlyArray<string>): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

// What is kept once, by the first seeds, is not growth.
const heapEvery = 200

const heapOf = (index: number): number | undefined => {
  if (index === 0 || index % heapEvery > 1 || globalThis.gc === undefined) return undefined
  return collectedHeap()
}

const run = (seed: number): Promise<Figures> =>
  scenario(seed).pipe(
    Effect.map(figuresOf),
    Effect.catchCause((cause) =>
      Effect.succeed<Figures>({
        seed,
        virtualMillis: 0,
        calls: 0,
        counts: {},
        broken: [`it did not end: ${Cause.pretty(cause)}`],
        heap: undefined
      })
    ),
    Effect.runPromise
  )

const one = async (seed: number): Promise<number> => {
  const outcome = await Effect.runPromise(scenario(seed, { trace: true }))
  for (const entry of outcome.trace) console.log(SimulatedNetwork.formatTrace(entry))
  console.log(`seed ${seed}: ${outcome.description}`)
  console.log(outcome.metrics)
  for (const problem of broken(outcome)) console.log(`BROKEN ${problem}`)
  return broken(outcome).length
}

const many = async (from: number, seeds: number): Promise<number> => {
  const workers = Math.min(availableParallelism(), seeds)
  const started = performance.now()
  const counts = new Map<string, number>()
  let done = 0
  let calls = 0
  let virtualMillis = 0
  let failures = 0
  let shown = 0
  /** How many seeds break each law. */
  const brokenLaws = new Map<string, number>()
  const heaps: Array<number> = []
  const take = (figures: Figures) => {
    done++
    calls += figures.calls
    virtualMillis += figures.virtualMillis
    for (const [name, count] of Object.entries(figures.counts)) counts.set(name, (counts.get(name) ?? 0) + count)
    if (figures.heap !== undefined) heaps.push(figures.heap / 1_048_576)
    for (const law of new Set(figures.broken.map((problem) => problem.slice(0, problem.indexOf(":"))))) {
      brokenLaws.set(law, (brokenLaws.get(law) ?? 0) + 1)
    }
    if (figures.broken.length > 0) {
      failures++
      console.log(`\nseed ${figures.seed}:\n  ${figures.broken.join("\n  ")}`)
    }
    const percent = Math.floor((100 * done) / seeds)
    if (percent === shown || (percent % 10 !== 0 && !process.stderr.isTTY)) return
    shown = percent
    const bar = "#".repeat(percent / 2.5).padEnd(40, ".")
    const seconds = (performance.now() - started) / 1000
    const left = Math.round((seconds / done) * (seeds - done))
    process.stderr.write(
      `${
        process.stderr.isTTY ? "\r" : "\n"
      }${bar} ${percent}%  ${done} of ${seeds} seeds, ${failures} failures, ${left} s left   `
    )
  }
  await Promise.all(
    Array.from({ length: workers }, (_, index) =>
      new Promise<void>((resolve, reject) => {
        const worker = new Worker(new URL(import.meta.url), {
          workerData: { from, seeds, workers, index } satisfies Share
        })
        worker.on("message", take)
        worker.on("error", reject)
        worker.on("exit", () => resolve())
      }))
  )
  process.stderr.write("\n")
  const faults = [...counts].filter(([name]) => name !== "sent" && name !== "delivered")
    .map(([name, count]) => `${name} ${count}`).join(", ")
  const seconds = Math.round((performance.now() - started) / 1000)
  console.log(
    `${done} seeds from ${from}, ${
      (virtualMillis / 3_600_000).toFixed(1)
    } virtual hours in ${seconds} s, ${calls} calls, ` +
      `${counts.get("sent") ?? 0} datagrams sent, ${
        counts.get("delivered") ?? 0
      } delivered; ${faults}; ${failures} failures`
  )
  for (const [law, count] of brokenLaws) console.log(`broken by ${count} seeds: ${law}`)
  if (heaps.length > 1) {
    console.log(
      `heap of a worker after a collection, MiB, every ${heapEvery} seeds: ${
        heaps.map((mib) => mib.toFixed(0)).join(" ")
      }`
    )
    // Both workers' first against both workers' last.
    if (Math.max(...heaps.slice(-workers)) > Math.max(...heaps.slice(0, workers)) + 16) failures++
  }
  return failures
}

if (isMainThread) {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "1000" },
      from: { type: "string", default: "1" },
      seed: { type: "string" }
    }
  })
  const failures = values.seed === undefined
    ? await many(Number(values.from), Number(values.seeds))
    : await one(Number(values.seed))
  process.exitCode = failures === 0 ? 0 : 1
} else {
  const share: Share = workerData
  // Every so manieth seed each, so that none is left with all the long ones.
  for (let i = share.index; i < share.seeds; i += share.workers) {
    const figures = { ...(await run(share.from + i)), heap: heapOf(i) }
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is a window's
    parentPort?.postMessage(figures)
  }
}
