/** The tool as a process: bundled once for each file of tests. */
import { Effect, Stream } from "effect"
import type { ChildProcess } from "effect/process"
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll } from "@effect/vitest"
import * as Processes from "../../../test/support/processes.ts"
import { bundle } from "../build.ts"

const folder = mkdtempSync(join(tmpdir(), "rpcudp-"))
afterAll(() => rmSync(folder, { recursive: true }))
await bundle(folder)

export const main = join(folder, "main.js")

/** A module beside the tests. */
export const module = (name: string): string => fileURLToPath(new URL(`modules/${name}`, import.meta.url))

export interface Settings {
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
}

const optionsOf = ({ env = {}, stdin }: Settings): ChildProcess.CommandOptions => ({
  stdin: stdin === undefined ? "ignore" : Stream.encodeText(Stream.make(stdin)),
  env,
  extendEnv: true
})

/** Runs a command to its end. */
export const rpcudp = (args: ReadonlyArray<string>, settings: Settings = {}) =>
  Processes.run(process.execPath, [main, ...args], optionsOf(settings))

/** Starts a command that goes on. A server logs the defects of handlers that are meant to die. */
export const start = (args: ReadonlyArray<string>) =>
  Processes.start(process.execPath, [main, ...args], { stderr: "ignore" })

/** What `script` is called by, which gives a command a terminal: util-linux's alone takes these arguments. */
export const hasTerminal =
  spawnSync("script", ["--version"], { encoding: "utf8" }).stdout?.includes("util-linux") === true

/** Runs a command in a terminal, to its end. What it says to stderr is in stdout, too. */
export const onTerminal = (args: ReadonlyArray<string>, settings: Settings = {}) => {
  const command = [process.execPath, main, ...args].map((arg) => `'${arg}'`).join(" ")
  return Processes.run("script", ["--quiet", "--return", "--command", command, "/dev/null"], optionsOf(settings))
}

/** Starts a command, and closes its stdout as soon as it says something. Returns its exit code and its stderr. */
export const cutShort = (args: ReadonlyArray<string>) =>
  Effect.callback<{ readonly exitCode: number | null; readonly stderr: string }>((resume) => {
    const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"] })
    let stderr = ""
    child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text)
    child.stdout.once("data", () => child.stdout.destroy())
    child.on("close", (exitCode) => resume(Effect.succeed({ exitCode, stderr })))
    return Effect.sync(() => child.kill())
  })

/** Starts a server, and returns its address once it serves. */
export const serve = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  const line = yield* (yield* start(["serve", ...args])).next
  const address = /^serving .+ on (127\.0\.0\.1:\d+)$/.exec(line)?.[1]
  if (address === undefined) return yield* Effect.die(new Error(`the server said: ${line}`))
  return address
})
