/** Programs in processes of their own. Each ends with its scope. */
import { Effect, Queue, Stream } from "effect"
import { ChildProcess } from "effect/process"

/** Starts a program. `next` is the next line that it prints, and a defect once it prints no more. */
export const start = Effect.fnUntraced(
  function*(program: string, args: ReadonlyArray<string>, options?: ChildProcess.CommandOptions) {
    const process = yield* ChildProcess.make(program, args, {
      stdin: "ignore",
      stderr: "inherit",
      detached: false,
      forceKillAfter: "10 seconds",
      ...options
    })
    const lines = yield* process.stdout.pipe(
      Stream.decodeText,
      Stream.splitLines,
      Stream.toQueue({ capacity: "unbounded" })
    )
    return { process, next: Effect.orDie(Queue.take(lines)) }
  }
)

/** Runs a program to its end. */
export const run = Effect.fnUntraced(
  function*(program: string, args: ReadonlyArray<string>, options?: ChildProcess.CommandOptions) {
    const process = yield* ChildProcess.make(program, args, { stdin: "ignore", detached: false, ...options })
    const [exitCode, stdout, stderr] = yield* Effect.all([
      process.exitCode,
      process.stdout.pipe(Stream.decodeText, Stream.mkString),
      process.stderr.pipe(Stream.decodeText, Stream.mkString)
    ], { concurrency: "unbounded" })
    return { exitCode, stdout, stderr }
  },
  Effect.scoped
)
