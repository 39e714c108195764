/**
 * A front node: serves the inventory over UDP, and runs its share of the items.
 *
 *     node examples/cluster/front.ts 127.0.0.1:8468 127.0.0.1:34431 inventory.sqlite [holding]
 *
 * A front that is `holding` keeps the acknowledgement of its first order to itself, and says so: `holding`. Whoever kills it then
 * does so when the order has been applied and its writer does not know.
 */
import { NodeClusterSocket, NodeRuntime } from "@effect/platform-node"
import { Cause, Console, Effect, Layer, Option } from "effect"
import { RunnerAddress } from "effect/cluster"
import { Protocol, Transport } from "effect-rpcudp"
import { NetAddress } from "effect/net"
import * as Database from "./database.ts"
import { Inventory, Unavailable } from "./Inventory.ts"
import { Item, ItemLive } from "./Item.ts"
import { intervals } from "./intervals.ts"

const [udp = "", runner = "", database = "", holding] = process.argv.slice(2)
const { address, port } = NetAddress.inetAddressFromStringUnsafe(udp)
const runnerAddress = NetAddress.inetAddressFromStringUnsafe(runner)

const InventoryLive = Inventory.toLayer(Effect.gen(function*() {
  const item = yield* Item.client
  return Inventory.of({
    order: (key, name, quantity) => acknowledge(item(name).Order({ key, quantity })),
    orderUnremembered: (key, name, quantity) => acknowledge(item(name).OrderUnremembered({ key, quantity }))
  })
}))

/** Whatever keeps the cluster from replying says so: only what has been committed is acknowledged. */
const acknowledge = <A>(reply: Effect.Effect<A, { readonly _tag: string }>) =>
  reply.pipe(
    Effect.catchCause((cause) => Effect.fail(new Unavailable({ reason: String(Cause.squash(cause)) }))),
    Effect.tap(() => holding !== undefined && ++applied === 1 ? hold : Effect.void)
  )

let applied = 0

const hold = Effect.andThen(Console.log("holding"), Effect.never)

const Cluster = NodeClusterSocket.layer({
  storage: "sql",
  shardingConfig: {
    ...intervals,
    runnerAddress: Option.some(
      RunnerAddress.RunnerAddress.make({ host: NetAddress.formatIp(runnerAddress.address), port: runnerAddress.port })
    )
  }
})

// Stopping goes from top to bottom: no more requests, then those that run are answered, then the items move elsewhere.
const Front = Protocol.serve(Inventory).pipe(
  Layer.provide(InventoryLive),
  Layer.provide(ItemLive),
  Layer.provide(Cluster),
  Layer.provide(Database.layer(database)),
  Layer.provideMerge(Protocol.layer()),
  Layer.provide(Transport.layer({ address, port }))
)

const program = Effect.gen(function*() {
  yield* Console.log("serving")
  return yield* Effect.never
})

program.pipe(Effect.provide(Front), NodeRuntime.runMain)
