/**
 * Vitest's process for the tests, kept from one run to the next: to start one and to load Effect takes longer than most tests. The
 * library and the tests are loaded again for each file, so a mutant leaves nothing behind but what it put into Effect or into Node.
 * That is why a process ends after some runs, and after each run that did not end well.
 */
import { ForksPoolWorker, type PoolOptions, type PoolRunnerInitializer, type PoolWorker } from "vitest/node"

/** How many files a process runs before a new one takes its place. */
const mostFiles = 40

type Callback = Parameters<PoolWorker["on"]>[1]

export class Workers implements PoolRunnerInitializer {
  readonly name = "lasting"
  #forks: ForksPoolWorker | undefined
  #files = 0

  createPoolWorker(options: PoolOptions): PoolWorker {
    // Not as one stops: the next file may be under way by then.
    if (this.#files >= mostFiles) void this.renew()
    const forks = this.#forks ??= new ForksPoolWorker(options)
    const isNew = this.#files++ === 0
    const listeners = new Set<readonly [event: string, callback: Callback]>()
    const { name } = this
    const off = (event: string, callback: Callback): void => {
      for (const listener of listeners) {
        if (listener[0] !== event || listener[1] !== callback) continue
        listeners.delete(listener)
        forks.off(event, callback)
      }
    }
    return {
      name,
      cacheFs: forks.cacheFs,
      on: (event, callback) => {
        listeners.add([event, callback])
        forks.on(event, callback)
      },
      off,
      deserialize: (data) => forks.deserialize(data),
      start: async () => {
        if (!isNew) return
        await forks.start()
        // Ended by a test, or by the watchdog.
        forks.on("exit", () => {
          if (this.#forks === forks) this.#forget()
        })
      },
      send: (message) => {
        if (message.type !== "stop") return forks.send(message)
        // The process is not told: only Vitest is to believe that it has stopped.
        for (const [event, callback] of listeners) {
          if (event === "message") callback({ __vitest_worker_response__: true, type: "stopped" })
        }
      },
      stop: async () => {
        for (const [event, callback] of listeners) off(event, callback)
      }
    }
  }

  /** Ends the process: the next run has a new one. */
  async renew(): Promise<void> {
    const forks = this.#forks
    this.#forget()
    await forks?.stop().catch(() => {})
  }

  #forget(): void {
    this.#forks = undefined
    this.#files = 0
  }
}
