/** Effect's SqlClient over `node:sqlite`. Statements run on the thread of the program: each is short, or waits for a lock. */
import { Effect, Layer, Semaphore, Stream } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlConnection, SqlError, Statement } from "effect/sql"
import type { SQLInputValue } from "node:sqlite"
import { DatabaseSync } from "node:sqlite"

/** One connection to a file. Several processes may have one each. */
export const layer = (file: string): Layer.Layer<SqlClient.SqlClient> =>
  Layer.unwrap(Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new DatabaseSync(file, { timeout: lockMilliseconds })),
      (database) => Effect.sync(() => database.close())
    ),
    layerDatabase
  ))

// How long a statement waits for another process's transaction. Nothing else runs meanwhile: it is less than a lock lasts.
const lockMilliseconds = 3000

/** The same over a connection of the caller's own. */
export const layerDatabase = (database: DatabaseSync): Layer.Layer<SqlClient.SqlClient> =>
  Layer.effect(SqlClient.SqlClient, make(database)).pipe(Layer.provide(Reactivity.layer))

const make = Effect.fnUntraced(function*(database: DatabaseSync) {
  database.exec("PRAGMA journal_mode = WAL")
  const semaphore = yield* Semaphore.make(1)
  const acquirers = SqlClient.makeSqliteAcquirers({
    connection: Effect.succeed(connectionOf(database)),
    semaphore,
    isTransaction: () => database.isTransaction
  })
  return yield* SqlClient.make({
    ...acquirers,
    compiler: Statement.makeCompilerSqlite(),
    driver: "node:sqlite",
    // A transaction that begins by reading could not go on to write once another process has written.
    beginTransaction: "BEGIN IMMEDIATE",
    spanAttributes: []
  })
})

const connectionOf = (database: DatabaseSync): SqlConnection.Connection => {
  const all = (sql: string, params: ReadonlyArray<unknown>, arrays: boolean) =>
    Effect.withFiber<ReadonlyArray<unknown>, SqlError.SqlError>((fiber) =>
      Effect.try({
        try: () => {
          const statement = database.prepare(sql)
          statement.setReadBigInts(fiber.getRef(SqlClient.SafeIntegers))
          statement.setReturnArrays(arrays)
          return statement.all(...params.map(valueOf))
        },
        catch: (cause) => new SqlError.SqlError({ reason: SqlError.classifySqliteError(withErrno(cause)) })
      })
    )
  const rows: SqlConnection.Connection["execute"] = (sql, params, transform) =>
    Effect.map(all(sql, params, false), (rows) => transform === undefined ? rows : transform(rows.filter(isObject)))
  const values: SqlConnection.Connection["executeValues"] = (sql, params) =>
    Effect.map(all(sql, params, true), (rows) => rows.filter((row) => Array.isArray(row)))
  return {
    execute: rows,
    executeUnprepared: rows,
    executeRaw: (sql, params) => rows(sql, params, undefined),
    executeStream: (sql, params, transform) =>
      Stream.unwrap(Effect.map(rows(sql, params, transform), (rows) => Stream.fromIterable(rows))),
    executeValues: values,
    executeValuesUnprepared: values
  }
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null

const valueOf = (value: unknown): SQLInputValue => {
  if (value === null || typeof value === "number" || typeof value === "bigint" || typeof value === "string") {
    return value
  }
  if (value instanceof Uint8Array) return value
  throw new TypeError(`SQLite has no value for ${String(value)}`)
}

// Effect tells errors of SQLite apart by the number that other drivers call `errno`.
const withErrno = (cause: unknown): unknown =>
  cause instanceof Error && "errcode" in cause ? Object.assign(cause, { errno: cause.errcode }) : cause
