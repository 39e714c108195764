/**
 * Writers that order without a pause, each until its order is acknowledged. Prints a line of JSON for each acknowledgement.
 * It ends after some seconds, once no order is under way.
 *
 *     node examples/cluster/writers.ts SECONDS WRITERS order|orderUnremembered 127.0.0.1:8468 127.0.0.1:8469
 */
import { NodeRuntime } from "@effect/platform-node"
import { Clock, Console, Effect, Layer, Random, Schedule } from "effect"
import { Protocol, Transport } from "effect-rpcudp"
import { NetAddress } from "effect/net"
import { items } from "./database.ts"
import { Inventory } from "./Inventory.ts"

const [seconds = "10", count = "8", method = "order", ...addresses] = process.argv.slice(2)
const fronts = addresses.map((address) => NetAddress.inetAddressFromStringUnsafe(address))

// As long as items take to move, and longer than a front takes to say that it is unavailable.
const Client = Protocol.layer({ timeout: "6 seconds", retransmit: Protocol.adaptive }).pipe(
  Layer.provide(Transport.layer({ address: "0.0.0.0" }))
)

type Orders = Protocol.Client<typeof Inventory.procedures>

const writer = Effect.fnUntraced(function*(orders: Orders, name: number, end: number) {
  for (let n = 0; (yield* Clock.currentTimeMillis) < end; n++) {
    const key = `${name}-${n}`
    const item = items[Math.floor((yield* Random.next) * items.length)]!
    const begun = yield* Clock.currentTimeMillis
    let failed = 0
    yield* (method === "order" ? orders.order(key, item, 1) : orders.orderUnremembered(key, item, 1)).pipe(
      // There is always enough, and each key is new.
      Effect.catchTag("Refused", Effect.die),
      Effect.tapError(() => Effect.sync(() => failed++)),
      Effect.retry(Schedule.spaced("100 millis"))
    )
    const at = yield* Clock.currentTimeMillis
    yield* Console.log(JSON.stringify({ key, at, took: at - begun, failed }))
  }
})

const program = Effect.gen(function*() {
  const end = (yield* Clock.currentTimeMillis) + Number(seconds) * 1000
  // Each knows an order by its key. Whoever has not answered within a second may answer yet.
  const anyFront = yield* Protocol.anyOf(fronts, { mayRunTwice: true, hedgeAfter: "1 second" })
  const orders = (yield* Protocol.client(Inventory))(anyFront)
  yield* Effect.forEach(Array.from({ length: Number(count) }, (_, i) => i), (name) => writer(orders, name, end), {
    concurrency: "unbounded",
    discard: true
  })
})

program.pipe(Effect.provide(Client), NodeRuntime.runMain)
