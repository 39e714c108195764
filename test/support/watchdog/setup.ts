/**
 * Ends what no time-out can end: a test that spins without a pause, or that eats memory. Its process is killed after a line that
 * names the test. So the run fails, and goes on with the other files.
 */
import { Worker } from "node:worker_threads"
import { afterAll, afterEach, beforeEach, expect, inject } from "vitest"

/** What one test may take, and what a file may take before its tests, between them and after them. */
export interface Limits {
  readonly milliseconds: number
  /** Of the whole process: what it holds of the machine's memory, which is more than its heap. */
  readonly bytes: number
}

declare module "vitest" {
  interface ProvidedContext {
    readonly limits: Limits
  }
}

/** What the thread is told: the limits, and what runs. */
export interface Watched extends Limits {
  readonly running: string
}

const { testPath } = expect.getState()
const watched: Watched = { ...inject("limits"), running: `${testPath}, before its first test` }
// A thread of its own: it runs whatever the thread of the tests does.
const thread = new Worker(new URL("thread.ts", import.meta.url), { workerData: watched })
thread.unref()

beforeEach(({ task }) => thread.postMessage(task.fullName, []))
afterEach(({ task }) => thread.postMessage(`${testPath}, after "${task.name}"`, []))
afterAll(async () => {
  await thread.terminate()
})
