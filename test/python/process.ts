/** A Python program that reads commands and writes answers, a line of JSON each, in a process of its own. */
import type { Cause } from "effect"
import { Effect, Queue, Stream } from "effect"
import { fileURLToPath } from "node:url"
import * as Processes from "../support/processes.ts"

/** Starts a program: the name of one of this folder, or the URL of another. */
export const start = Effect.fnUntraced(function*(executable: string, program: string) {
  const commands = yield* Queue.unbounded<string, Cause.Done>()
  const path = fileURLToPath(new URL(program, import.meta.url))
  const python = yield* Processes.start(executable, [path], { stdin: Stream.encodeText(Stream.fromQueue(commands)) })
  // It ends by itself when it has nothing more to read, and says so.
  yield* Effect.addFinalizer(() =>
    Queue.end(commands).pipe(
      Effect.andThen(python.process.exitCode),
      Effect.filterOrFail((code) => code === 0, (code) => new Error(`Python ended with ${code}`)),
      Effect.orDie
    )
  )
  const next = Effect.map(python.next, (line): unknown => JSON.parse(line))
  return {
    next,
    /** Has it do something, and returns what came of it. One command at a time. */
    tell: (command: Readonly<Record<string, unknown>>): Effect.Effect<unknown> =>
      Effect.andThen(Queue.offer(commands, `${JSON.stringify(command)}\n`), next)
  }
})
