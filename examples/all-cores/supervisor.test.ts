/** The supervisor, over workers that misbehave. */
import { NodeServices } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Console, Effect, FileSystem, Queue } from "effect"
import { ChildProcess } from "effect/process"
import { supervise, type Worker } from "./supervisor.ts"

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
