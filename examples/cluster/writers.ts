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
import * as AnyOf from "./anyOf.ts"
import { items } from "./database.ts"
import { Inventory } from "./Inventory.ts"

const [seconds = "10", count = "8", method = "order", ...addresses] = process.argv.slice(2)
const fronts = addresses.map((address) => NetAddress.inetAddressFromStringUnsafe(address))

// A second for each front: whoever has not answered by then is asked again later, and knows the order by its key.
const Client = Protocol.layer({ timeout: "1 second", retransmit: Protocol.adaptive }).pipe(
  Layer.provide(Transport.layer({ address: "0.0.0.0" }))
)

const writer = Effect.fnUntraced(function*(name: number, end: number) {
  const inventory = yield* Protocol.client(Inventory)
  const anyOf = yield* AnyOf.make(fronts, name)
  for (let n = 0; (yield* Clock.currentTimeMillis) < end; n++) {
    const key = `${name}-${n}`
    const item = items[Math.floor((yield* Random.next) * items.length)]!
    const begun = yield* Clock.currentTimeMillis
    let failed = 0
    yield* anyOf((front) => {
      const peer = inventory(front)
      const order = method === "order" ? peer.order(key, item, 1) : peer.orderUnremembered(key, item, 1)
      // There is always enough, and each key is new.
      return Effect.catchTag(order, "Refused", Effect.die)
    }).pipe(
      Effect.tapError(() => Effect.sync(() => failed++)),
      Effect.retry(Schedule.spaced("100 millis"))
    )
    const at = yield* Clock.currentTimeMillis
    yield* Console.log(JSON.stringify({ key, at, took: at - begun, failed }))
  }
})

const program = Effect.gen(function*() {
  const end = (yield* Clock.currentTimeMillis) + Number(seconds) * 1000
  yield* Effect.forEach(Array.from({ length: Number(count) }, (_, i) => i), (name) => writer(name, end), {
    concurrency: "unbounded",
    discard: true
  })
})

program.pipe(Effect.provide(Client), NodeRuntime.runMain)
