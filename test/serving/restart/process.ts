/** The server of `serve.ts` in a process of its own, and its database. Both go with the scope. */
import { Effect, FileSystem } from "effect"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import * as Processes from "../../support/processes.ts"

export type Handlers = "known" | "unremembered"

/** When a server says `holding`: never, before it writes a key, before it answers, or before it answers the key `held`. */
export type Moment = "never" | "beforeKey" | "beforeAnswer" | "untilStopped"

export const start = Effect.fnUntraced(function*(port: number, file: string, handlers: Handlers, moment: Moment) {
  const serve = fileURLToPath(new URL("serve.ts", import.meta.url))
  const server = yield* Processes.start(process.execPath, [serve, String(port), file, handlers, moment])
  return { ...server, port: Number(yield* server.next) }
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
