/** A Python program that reads commands and writes answers, a line of JSON each, in a process of its own. */
import type { Cause } from "effect"
import { Effect, Queue, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"

/** Starts a program: the name of one of this folder, or the URL of another. */
export const start = Effect.fnUntraced(function*(executable: string, program: string) {
  const commands = yield* Queue.unbounded<string, Cause.Done>()
  const child = yield* ChildProcess.make(executable, [fileURLToPath(new URL(program, import.meta.url))], {
    stdin: Stream.encodeText(Stream.fromQueue(commands)),
    stderr: "inherit",
    detached: false
  })
  const lines = yield* child.stdout.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.toQueue({ capacity: "unbounded" })
  )
  // It ends by itself when it has nothing more to read, and says so.
  yield* Effect.addFinalizer(() =>
    Queue.end(commands).pipe(
      Effect.andThen(child.exitCode),
      Effect.filterOrFail((code) => code === 0, (code) => new Error(`Python ended with ${code}`)),
      Effect.orDie
    )
  )
  const next = Effect.map(Effect.orDie(Queue.take(lines)), (line): unknown => JSON.parse(line))
  return {
    next,
    /** Has it do something, and answers what came of it. One command at a time. */
    tell: (command: Readonly<Record<string, unknown>>): Effect.Effect<unknown> =>
      Effect.andThen(Queue.offer(commands, `${JSON.stringify(command)}\n`), next)
  }
})
