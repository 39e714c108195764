/** An item of the inventory: an entity, which lives in one front node at a time, and whose state is in SQL. */
import { Effect, Schema } from "effect"
import { ClusterSchema, Entity } from "effect/cluster"
import { Rpc } from "effect/rpc"
import { SqlClient } from "effect/sql"

const Order = Rpc.make("Order", {
  payload: { key: Schema.String, quantity: Schema.Int },
  success: Schema.Int,
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
  success: Schema.Int
})

export const Item = Entity.make("Item", [Order, OrderUnremembered])

export const ItemLive = Item.toLayer(Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const { entityId: name } = yield* Entity.CurrentAddress

  // Nothing here looks at the key. Were the message handled twice, its movement would stand there twice.
  const move = Effect.fnUntraced(function*({ key, quantity }: { readonly key: string; readonly quantity: number }) {
    yield* sql`INSERT INTO movements ${sql.insert({ order_key: key, item: name, quantity })}`
    const rows = yield* sql<{ readonly stock: number }>`
      UPDATE items SET stock = stock - ${quantity} WHERE name = ${name} RETURNING stock`
    return rows[0]?.stock ?? 0
  }, Effect.orDie)

  return Item.of({
    Order: ({ payload }) => move(payload),
    OrderUnremembered: ({ payload }) => Effect.orDie(sql.withTransaction(move(payload)))
  })
}))
