/** What docs/running.md shows of at most once over a restart: all but the control is there, word for word. */
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Handlers } from "../../../src/index.ts"

export class NoSuchItem extends Schema.TaggedError<NoSuchItem>()("NoSuchItem", { item: Schema.String }) {}

export class Orders extends Handlers.Service<Orders>()("example/Orders", {
  /** Takes a quantity of an item, and returns what is left of it. The caller makes the key, once for each order. */
  order: { args: [Schema.String, Schema.String, Schema.Int], success: Schema.Int, error: NoSuchItem }
}) {}

type Row = { readonly stock: number }

export const orders = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const order = Effect.fnUntraced(
    function*(key: string, item: string, quantity: number) {
      const [known] = yield* sql<Row>`SELECT stock FROM orders WHERE order_key = ${key}`
      if (known !== undefined) return known.stock
      const [left] = yield* sql<Row>`UPDATE items SET stock = stock - ${quantity} WHERE name = ${item} RETURNING stock`
      if (left === undefined) return yield* new NoSuchItem({ item })
      yield* sql`INSERT INTO orders ${sql.insert({ order_key: key, stock: left.stock })}`
      return left.stock
    },
    sql.withTransaction,
    Effect.catchTag("SqlError", Effect.die)
  )
  return Orders.of({ order })
})

/** The control: as above, but nobody looks for the key. */
export const unremembered = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const order = Effect.fnUntraced(
    function*(_key: string, item: string, quantity: number) {
      const [left] = yield* sql<Row>`UPDATE items SET stock = stock - ${quantity} WHERE name = ${item} RETURNING stock`
      if (left === undefined) return yield* new NoSuchItem({ item })
      return left.stock
    },
    sql.withTransaction,
    Effect.catchTag("SqlError", Effect.die)
  )
  return Orders.of({ order })
})
