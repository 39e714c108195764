/** The thread that watches the thread of the tests: it is told what runs, and kills the process if that takes too much. */
import { writeSync } from "node:fs"
import { parentPort, workerData } from "node:worker_threads"
import type { Watched } from "./setup.ts"

const watched: Watched = workerData
let { running } = watched
let since = performance.now()

const end = (why: string): void => {
  // Straight into the pipe: a stream of this thread is written by the thread that spins.
  writeSync(2, `\nEnded by the watchdog: ${running}: ${why}\n`)
  process.kill(process.pid, "SIGKILL")
}

parentPort?.on("message", (next: string) => {
  running = next
  since = performance.now()
})

setInterval(() => {
  if (performance.now() - since > watched.milliseconds) end(`it runs for more than ${watched.milliseconds} ms`)
  if (process.memoryUsage.rss() > watched.bytes) end(`its process holds more than ${watched.bytes} bytes`)
}, 50)
