/** Where all state is: a file of SQLite's for one machine, PostgreSQL for several. */
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Redacted } from "effect"
import { SqlMessageStorage, SqlRunnerStorage } from "effect/cluster"
import { SqlClient, type SqlError } from "effect/sql"
import * as Sqlite from "./sqlite.ts"

/** A database by the URL of a PostgreSQL, or the path of a file. */
export const layer = (database: string): Layer.Layer<SqlClient.SqlClient, SqlError.SqlError> =>
  database.startsWith("postgres:")
    ? PgClient.layer({
      url: Redacted.make(database),
      connectTimeout: "2 seconds",
      // The transactions of a front that was cut off hold their rows until PostgreSQL ends them.
      startupParameters: { idle_in_transaction_session_timeout: "2000" }
    })
    : Sqlite.layer(database)

export const items = Array.from({ length: 24 }, (_, i) => `item ${i}`)

/** Of each item, at first. */
export const stock = 1_000_000_000

/** Makes the tables: the inventory's, and those of the cluster. */
export const migrate = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE items (name TEXT PRIMARY KEY, stock INTEGER NOT NULL)`
  // No key is unique here, so that what is applied twice shows.
  yield* sql`CREATE TABLE movements (order_key TEXT NOT NULL, item TEXT NOT NULL, quantity INTEGER NOT NULL)`
  for (const name of items) yield* sql`INSERT INTO items ${sql.insert({ name, stock })}`
  yield* Layer.build(Layer.merge(SqlMessageStorage.layerMigrations({}), SqlRunnerStorage.layerMigrations({})))
})

/** How often each order was applied. */
export const applied = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly order_key: string; readonly times: number }>`
    SELECT order_key, CAST(COUNT(*) AS INTEGER) AS times FROM movements GROUP BY order_key`
  return new Map(rows.map((row) => [row.order_key, row.times]))
})
