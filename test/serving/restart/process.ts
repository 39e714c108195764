/** The server of `serve.ts` in a process of its own, and its database. Both go with the scope. */
import { Effect, FileSystem, Queue, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"

export type Handlers = "known" | "unremembered"

/** When a server says `holding`: never, before it writes a key, before it answers, or before it answers the key `held`. */
export type Moment = "never" | "beforeKey" | "beforeAnswer" | "untilStopped"

export const start = Effect.fnUntraced(function*(port: number, file: string, handlers: Handlers, moment: Moment) {
  const server = yield* ChildProcess.make(
    process.execPath,
    [fileURLToPath(new URL("serve.ts", import.meta.url)), String(port), file, handlers, moment],
    { stdin: "ignore", stderr: "inherit", detached: false, forceKillAfter: "10 seconds" }
  )
  const lines = yield* server.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.toQueue({ capacity: "unbounded" })
  )
  return { process: server, next: Queue.take(lines), port: Number(yield* Queue.take(lines)) }
})

/** A database with so many screws. */
export const stocked = Effect.fnUntraced(function*(screws: number) {
  const files = yield* FileSystem.FileSystem
  const file = `${yield* files.makeTempDirectoryScoped()}/orders.sqlite`
  const database = yield* Effect.acquireRelease(
    Effect.sync(() => new DatabaseSync(file)),
    (database) => Effect.sync(() => database.close())
  )
  database.exec(`
    PRAGMA journal_mode = WAL;
    CREATE TABLE items (name TEXT PRIMARY KEY, stock INTEGER NOT NULL);
    CREATE TABLE orders (order_key TEXT PRIMARY KEY, stock INTEGER NOT NULL);
    INSERT INTO items VALUES ('screw', ${screws})`)
  return { database, file }
})
