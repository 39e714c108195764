/** The processes of an example. They end with their scope, and with a signal to the process group of their parent. */
import { Effect, Option, Result, Schema, Stream } from "effect"
import { NetAddress } from "effect/net"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"

export class ProcessFailed extends Schema.TaggedError<ProcessFailed>()("ProcessFailed", { message: Schema.String }) {}

/** Starts a server that prints where it listens, and returns that address. The scope stops the server. */
export const startServer = Effect.fn("startServer")(function*(command: string, file: string) {
  const server = yield* make(command, [pathOf(file)], "pipe")
  const line = yield* server.stdout.pipe(Stream.decodeText(), Stream.splitLines, Stream.runHead)
  const said = Option.getOrElse(line, () => "nothing")
  if (Result.isFailure(NetAddress.inetAddressFromString(said))) {
    return yield* new ProcessFailed({ message: `${file} should have said where it listens, but it said: ${said}` })
  }
  return said
})

/** Runs a client that is told where a server listens, and waits for its end. What it prints is printed. */
export const runClient = Effect.fn("runClient")(function*(command: string, file: string, address: string) {
  const client = yield* make(command, [pathOf(file), address], "inherit")
  const exitCode = yield* client.exitCode
  if (exitCode !== 0) return yield* new ProcessFailed({ message: `${file} ended with ${exitCode}` })
}, Effect.scoped)

const make = (command: string, args: ReadonlyArray<string>, stdout: "pipe" | "inherit") =>
  ChildProcess.make(command, args, {
    stdin: "ignore",
    stdout,
    stderr: "inherit",
    detached: false,
    forceKillAfter: "2 seconds"
  })

const pathOf = (file: string) => fileURLToPath(new URL(file, import.meta.url))
