/** A PostgreSQL of the example's own: an empty one in a folder, from the programs that Debian's package installs. */
import { PgClient } from "@effect/sql-pg"
import { Effect, FileSystem, Option, Redacted, Schedule } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { SqlClient } from "effect/sql"
import { globSync } from "node:fs"
import { Failed, type Network } from "./network.ts"

const versionOf = (folder: string): number => Number(/(\d+)\/bin$/.exec(folder)?.[1])

/** Where the newest of its programs are, if there are any. */
export const programs: Option.Option<string> = Option.fromNullishOr(
  globSync("/usr/lib/postgresql/*/bin").sort((a, b) => versionOf(a) - versionOf(b)).at(-1)
)

interface Files {
  readonly folder: string
  /** For the fronts. */
  readonly url: string
  /** By a socket in the folder. */
  readonly local: string
}

/** Starts one on its host, which the scope ends. */
export const start = Effect.fnUntraced(function*(bin: string, host: Network["database"]) {
  const files = yield* initialize(bin, host)
  yield* serve(bin, host, files)
  return files
})

/** An empty one, that does not run yet. */
export const initialize = Effect.fnUntraced(function*(bin: string, host: Network["database"]) {
  const files = yield* FileSystem.FileSystem
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const folder = yield* files.makeTempDirectoryScoped({ prefix: "inventory-postgres-" })
  yield* files.chmod(folder, 0o777)
  const data = `${folder}/data`
  const [init = "", ...initArgs] = [...asUser, `${bin}/initdb`]
  const code = yield* spawner.exitCode(
    ChildProcess.make(init, [...initArgs, "-D", data, "-U", "inventory", "-A", "trust", "-E", "UTF8", "--no-sync"], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "inherit",
      cwd: folder
    })
  )
  if (code !== 0) return yield* new Failed({ message: `initdb ended with ${code}` })
  // Hosts of namespaces are the example's own.
  if (host.address !== "127.0.0.1") {
    yield* files.writeFileString(`${data}/pg_hba.conf`, "host all all 10.0.2.0/24 trust\n", { flag: "a" })
  }
  const initialized: Files = {
    folder,
    url: `postgres://inventory@${host.address}:${host.port}/postgres`,
    local: `postgres://inventory@${encodeURIComponent(folder)}:${host.port}/postgres`
  }
  return initialized
})

/** Runs it, and returns its process once it answers. */
export const serve = Effect.fnUntraced(function*(bin: string, host: Network["database"], { folder, local }: Files) {
  const [program = "", ...args] = [
    ...asUser,
    `${bin}/postgres`,
    "-D",
    `${folder}/data`,
    "-k",
    folder,
    "-h",
    host.address,
    "-p",
    String(host.port),
    "-c",
    "log_min_messages=panic"
  ]
  const server = yield* host.command(program, ...args)
  // A polite end would wait for its clients, of which one may be cut off.
  yield* Effect.addFinalizer(() => Effect.ignore(server.kill({ killSignal: "SIGINT" })))
  yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1`).pipe(
    Effect.provide(PgClient.layer({ url: Redacted.make(local) })),
    Effect.retry(Schedule.spaced("100 millis")),
    Effect.timeout("20 seconds")
  )
  return server
})

// PostgreSQL refuses to run as root.
const asUser = process.getuid?.() === 0
  ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
  : []
