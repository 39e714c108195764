/** An item of the inventory: an entity, which lives in one front node at a time, and whose state is in SQL. */
import { Effect, Schedule, Schema } from "effect"
import { ClusterSchema, Entity } from "effect/cluster"
import { Rpc } from "effect/rpc"
import { SqlClient } from "effect/sql"

/** A reply says which order it is of. `left` is null if there was not so much of the item, and nothing was taken. */
export interface Taken extends Schema.Schema.Type<typeof Taken> {}
const Taken = Schema.Struct({
  key: Schema.String,
  item: Schema.String,
  quantity: Schema.Int,
  left: Schema.NullOr(Schema.Int)
})

const Order = Rpc.make("Order", {
  payload: { key: Schema.String, quantity: Schema.Int },
  success: Taken,
  primaryKey: ({ key }) => key
})
  // The message is written down before it is handled, once for each key.
  .annotate(ClusterSchema.Persisted, true)
  // What the handler writes and the reply that it returns are committed together, or neither is.
  .annotate(ClusterSchema.WithTransaction, true)
  // A front that stops must not interrupt what others wait for under the same key: the interruption would be its reply.
  .annotate(ClusterSchema.Uninterruptible, true)

/** The control: neither written down nor known again. */
const OrderUnremembered = Rpc.make("OrderUnremembered", {
  payload: { key: Schema.String, quantity: Schema.Int },
  success: Taken
})

export const Item = Entity.make("Item", [Order, OrderUnremembered])

const handlers = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const { entityId: item } = yield* Entity.CurrentAddress

  // Nothing here looks at the key. Were the message handled twice, its movement would stand there twice.
  const take = Effect.fnUntraced(function*({ key, quantity }: { readonly key: string; readonly quantity: number }) {
    const [row] = yield* sql<{ readonly stock: number }>`
      UPDATE items SET stock = stock - ${quantity} WHERE name = ${item} AND stock >= ${quantity} RETURNING stock`
    if (row === undefined) return { key, item, quantity, left: null }
    yield* sql`INSERT INTO movements ${sql.insert({ order_key: key, item, quantity })}`
    return { key, item, quantity, left: row.stock }
    // A defect is no reply: the message is handled again. Only what may pass, as a database that is away, may be one.
  }, Effect.orDie)

  return Item.of({
    Order: ({ payload }) => take(payload),
    OrderUnremembered: ({ payload }) => Effect.orDie(sql.withTransaction(take(payload)))
  })
})

export const ItemLive = Item.toLayer(handlers, {
  // Each pause also keeps back the orders of other items in this front, and Effect's own grow to 10 seconds, as long as the
  // front runs: each defect of its life counts.
  defectRetryPolicy: Schedule.spaced("100 millis")
})
