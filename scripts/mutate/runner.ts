/**
 * Vitest's runner, for many mutants in one process. A test is run as it is, and then with one mutant after the other: the mutants
 * stand in the same code, and which one is switched on is asked each time. So a mutant costs what its test takes, and no process.
 *
 * An earlier mutant may have broken something that stays. So a test that fails is run without a mutant, too, and if that fails as
 * well, the process ends, and the mutant is the first of the next one. What it finds is written line by line: a process may end at
 * any time.
 */
import { appendFileSync, readFileSync } from "node:fs"
import { Worker } from "node:worker_threads"
import { inject, TestRunner } from "vitest"
import type { RunnerTestCase } from "vitest"

declare module "vitest" {
  interface ProvidedContext {
    /** A file that holds a `Plan`. Without, tests run as always. */
    readonly plan: string | undefined
  }
}

export interface Plan {
  /** The file that takes the notes. */
  readonly notes: string
  /** The mutants to be run with each test, by its id. */
  readonly tests: Readonly<Record<string, ReadonlyArray<string>>>
  /** How long a test may run with a mutant, in milliseconds: by its id. */
  readonly limits: Readonly<Record<string, number>>
  /** How much memory the process may hold, in bytes. */
  readonly bytes: number
}

/**
 * What was found: a mutant is run with a test, and then it passed, or failed, which is to say that it was caught or is to be run
 * `again` as the first, or it took too long. A test that fails without a mutant has none.
 */
export type Note = readonly [
  what: "begun" | "passed" | "failed" | "caught" | "late" | "again" | "fails",
  test: string,
  mutant: string
]

const file = inject("plan")
const plan: Plan | undefined = file === undefined ? undefined : JSON.parse(readFileSync(file, "utf8"))

const note = (...parts: Note): void => appendFileSync(plan!.notes, `${JSON.stringify(parts)}\n`)

let uncaught = false
let isFirst = true
const known = new Set<string>()

export default class extends TestRunner {
  async runTask(test: RunnerTestCase): Promise<void> {
    const run = TestRunner.getTestFn(test)
    if (plan === undefined) return run()
    const mutants = plan.tests[test.id]
    if (mutants === undefined) return
    const limit = plan.limits[test.id]!
    const fails = await failing(run, test.id, undefined, 120_000)
    if (fails) return note("fails", test.id, "")
    for (const mutant of mutants) {
      if (known.has(mutant)) continue
      note("begun", test.id, mutant)
      const fails = await failing(run, test.id, mutant, limit)
      note(fails ? isFirst ? "caught" : "failed" : "passed", test.id, mutant)
      if (fails) {
        const isBroken = await failing(run, test.id, undefined, limit)
        if (!isFirst) note(isBroken ? "again" : "caught", test.id, mutant)
        if (isBroken) process.kill(process.pid, "SIGKILL")
        known.add(mutant)
      }
      isFirst = false
    }
  }
}

/** Whether the test fails with this mutant, or something that it began throws. */
const failing = async (
  run: () => unknown,
  test: string,
  mutant: string | undefined,
  limit: number
): Promise<boolean> => {
  uncaught = false
  const watchdog = watch(limit)
  const late = setTimeout(() => {
    if (mutant !== undefined) note("late", test, mutant)
    process.kill(process.pid, "SIGKILL")
  }, limit)
  globalThis.__stryker__.activeMutant = mutant
  try {
    await run()
    await new Promise((resolve) => setImmediate(resolve))
    return uncaught
  } catch {
    return true
  } finally {
    globalThis.__stryker__.activeMutant = undefined
    clearTimeout(late)
    watchdog()
  }
}

// A thread sees what no timer does: code that spins.
const deadline = new Float64Array(new SharedArrayBuffer(8))

const watch = (limit: number): () => void => {
  deadline[0] = Date.now() + 2 * limit
  return () => {
    deadline[0] = Infinity
  }
}

if (plan !== undefined) {
  for (const event of ["uncaughtException", "unhandledRejection"]) {
    process.on(event, () => {
      uncaught = true
    })
  }
  deadline[0] = Infinity
  const source = `
    const { workerData: { deadline, bytes } } = require("node:worker_threads")
    setInterval(() => {
      if (Date.now() > deadline[0] || process.memoryUsage.rss() > bytes) process.kill(process.pid, "SIGKILL")
    }, 50)`
  new Worker(source, { eval: true, workerData: { deadline, bytes: plan.bytes } }).unref()
}
