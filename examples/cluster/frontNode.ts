/** What a front node consists of: the inventory over UDP, and its share of the items. */
import { NodeClusterSocket } from "@effect/platform-node"
import { Cause, Effect, Layer, Option } from "effect"
import { RunnerAddress } from "effect/cluster"
import { Protocol, Transport } from "effect-rpcudp"
import { NetAddress } from "effect/net"
import type { SqlClient } from "effect/sql"
import { intervals } from "./intervals.ts"
import { Inventory, Refused, Unavailable } from "./Inventory.ts"
import { Item, ItemLive, type Taken } from "./Item.ts"

/** `beforeAnswer` runs once an order was taken, and before its writer is told. */
export const layer = <E, R>(options: {
  readonly udp: NetAddress.InetAddress
  /** Where the other fronts reach it. */
  readonly runner: NetAddress.InetAddress
  readonly database: Layer.Layer<SqlClient.SqlClient, E, R>
  readonly beforeAnswer?: Effect.Effect<void>
}) => {
  const cluster = NodeClusterSocket.layer({
    storage: "sql",
    shardingConfig: {
      ...intervals,
      runnerAddress: Option.some(
        RunnerAddress.RunnerAddress.make({
          host: NetAddress.formatIp(options.runner.address),
          port: options.runner.port
        })
      )
    }
  })
  // Stopping goes from top to bottom: no more requests, then those that run are answered, then the items move elsewhere.
  return Protocol.serve(Inventory).pipe(
    Layer.provide(inventory(options.beforeAnswer ?? Effect.void)),
    Layer.provide(ItemLive),
    Layer.provide(cluster),
    Layer.provide(options.database),
    Layer.provideMerge(Protocol.layer()),
    Layer.provide(Transport.layer(options.udp))
  )
}

const inventory = (beforeAnswer: Effect.Effect<void>) =>
  Inventory.toLayer(Effect.gen(function*() {
    const itemOf = yield* Item.client
    return Inventory.of({
      order: (key, item, quantity) =>
        itemOf(item).Order({ key, quantity }).pipe(acknowledge(key, item, quantity), Effect.tap(beforeAnswer)),
      orderUnremembered: (key, item, quantity) =>
        itemOf(item).OrderUnremembered({ key, quantity }).pipe(
          acknowledge(key, item, quantity),
          Effect.tap(beforeAnswer)
        )
    })
  }))

/** Only what has been committed is acknowledged. Whatever keeps the cluster from replying says so. */
const acknowledge = (key: string, item: string, quantity: number) =>
  Effect.fnUntraced(function*<E>(reply: Effect.Effect<Taken, E>) {
    const taken = yield* reply.pipe(
      // Its writer gave up long ago. It is answered within the grace period of a front that stops.
      Effect.timeout("4 seconds"),
      Effect.catchCause((cause) => new Unavailable({ reason: String(Cause.squash(cause)) }))
    )
    // A clock that was set back gives new messages the ids of old ones. SQLite's storage then drops the new one in silence,
    // and the reply is the old one's.
    if (taken.key !== key || taken.item !== item) return yield* new Unavailable({ reason: "the reply was another's" })
    if (taken.quantity !== quantity) {
      return yield* new Refused({ reason: `the key is of an order of ${taken.quantity}` })
    }
    if (taken.left === null) return yield* new Refused({ reason: "there is not so much of it" })
    return taken.left
  })
