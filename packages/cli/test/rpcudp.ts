/** The tool as a process: bundled once for each file of tests. */
import { Effect, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll } from "@effect/vitest"
import { bundle } from "../build.ts"

const folder = mkdtempSync(join(tmpdir(), "rpcudp-"))
afterAll(() => rmSync(folder, { recursive: true }))
await bundle(folder)

export const main = join(folder, "main.js")

/** A module beside the tests. */
export const module = (name: string): string => fileURLToPath(new URL(`modules/${name}`, import.meta.url))

export interface Ended {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface Settings {
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Runs a command to its end. */
export const rpcudp = Effect.fnUntraced(
  function*(args: ReadonlyArray<string>, settings: Settings = {}) {
    const child = yield* start(args, settings)
    const [exitCode, stdout, stderr] = yield* Effect.all([
      child.exitCode,
      child.stdout.pipe(Stream.decodeText, Stream.mkString),
      child.stderr.pipe(Stream.decodeText, Stream.mkString)
    ], { concurrency: "unbounded" })
    return { exitCode: Number(exitCode), stdout, stderr }
  },
  Effect.scoped
)

/** Starts a command that goes on until the scope closes. */
export const start = (args: ReadonlyArray<string>, { env = {}, stdin }: Settings = {}) =>
  ChildProcess.make(process.execPath, [main, ...args], {
    stdin: stdin === undefined ? "ignore" : Stream.encodeText(Stream.make(stdin)),
    env,
    extendEnv: true,
    detached: false,
    forceKillAfter: "5 seconds"
  })

/** Starts a server, and returns its address once it serves. */
export const serve = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  const child = yield* start(["serve", ...args])
  const [line = ""] = yield* child.stdout.pipe(Stream.decodeText, Stream.splitLines, Stream.take(1), Stream.runCollect)
  const address = /^serving .+ on (127\.0\.0\.1:\d+)$/.exec(line)?.[1]
  if (address === undefined) return yield* Effect.die(new Error(`the server said: ${line}`))
  return address
})
