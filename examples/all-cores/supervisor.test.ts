/** The supervisor, over workers that misbehave. */
import { NodeServices } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Console, type Duration, Effect, FileSystem, Queue } from "effect"
import { ChildProcess } from "effect/process"
import { TestClock } from "effect/testing"
import { restarting, supervise, type Worker } from "./supervisor.ts"

/** Supervises one worker of this source, which is given the path of a file that is not there yet. */
const supervised = Effect.fnUntraced(function*(source: string) {
  const files = yield* FileSystem.FileSystem
  const note = `${yield* files.makeTempDirectoryScoped()}/note`
  const serving = yield* Queue.unbounded<Worker>()
  yield* supervise(
    ChildProcess.make(process.execPath, ["--input-type=module", "--eval", source, note], {
      stdin: "ignore",
      stderr: "inherit",
      detached: false
    }),
    1,
    serving
  )
  return { note, serving }
})

const silent: Console.Console = Object.assign(Object.create(console), { log: () => {} })

describe("a supervisor", () => {
  /** When a worker is started that lives so long each time, in milliseconds. It ends by an error, a defect, or well. */
  const startsOf = Effect.fnUntraced(function*(lives: ReadonlyArray<Duration.Input>) {
    const starts: Array<number> = []
    const endings = [Effect.fail("no port"), Effect.die("a defect"), Effect.void]
    const worker = Effect.gen(function*() {
      const n = starts.push(yield* Clock.currentTimeMillis) - 1
      if (n === lives.length) return yield* Effect.never
      yield* Effect.sleep(lives[n]!)
      return yield* endings[n % endings.length]!
    })
    yield* Effect.forkScoped(restarting(worker))
    yield* TestClock.adjust("1 hour")
    return starts
  })

  it.effect("waits longer each time that a worker ends soon, whether it had served or not, and no longer than 5 seconds", () =>
    Effect.gen(function*() {
      const starts = yield* startsOf(Array.from({ length: 8 }, () => "1 second"))
      const pauses = starts.slice(1).map((start, i) => start - starts[i]! - 1000)
      expect(pauses).toStrictEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000])
    }))

  it.effect("starts a worker at once that has lived for 10 seconds, and forgets what had failed before", () =>
    Effect.gen(function*() {
      expect(yield* startsOf([0, 0, "10 seconds", 0, "9 seconds"])).toStrictEqual([0, 100, 300, 10_300, 10_400, 19_600])
    }))

  it.live("starts a worker again that has said why it can't serve", () =>
    Effect.gen(function*() {
      const { serving } = yield* supervised(`
        import { existsSync, writeFileSync } from "node:fs"
        const note = process.argv[1]
        if (!existsSync(note)) {
          writeFileSync(note, "")
          console.log("ERROR: the port is in use")
          process.exit(1)
        }
        console.log("a line of its log")
        console.log("127.0.0.1:4000")
        setInterval(() => {}, 1000)
      `)
      expect((yield* Queue.take(serving)).own.port).toBe(4000)
    }).pipe(Effect.provideService(Console.Console, silent), Effect.provide(NodeServices.layer)))

  it.live("lets a worker log as much as it likes, and starts it again when it ends", () => {
    const printed: Array<string> = []
    return Effect.gen(function*() {
      const { note, serving } = yield* supervised(`
        import { existsSync, writeFileSync } from "node:fs"
        const note = process.argv[1]
        console.log("127.0.0.1:4000")
        if (existsSync(note)) {
          setInterval(() => {}, 1000)
        } else {
          // More than a pipe holds, a while after the first line.
          setTimeout(() => {
            for (let i = 0; i < 1000; i++) console.log("a line of its log, " + "and long ".repeat(100))
            writeFileSync(note, "")
          }, 100)
        }
      `)
      const first = yield* Queue.take(serving)
      const second = yield* Queue.take(serving)
      expect(second.process.pid).not.toBe(first.process.pid)
      const files = yield* FileSystem.FileSystem
      expect(yield* files.exists(note), "it got to the end of its logs").toBe(true)
      expect(printed).toHaveLength(1000)
    }).pipe(
      Effect.provideService(
        Console.Console,
        Object.assign(Object.create(console), { log: (line: string) => printed.push(line) })
      ),
      Effect.provide(NodeServices.layer)
    )
  })
})
