/**
 * A front node as a process.
 *
 *     node examples/cluster/front.ts 127.0.0.1:8468 127.0.0.1:34431 inventory.sqlite [holding]
 *
 * A front that is `holding` keeps the acknowledgement of its first order to itself, and says so: `holding`. Whoever kills it then
 * does so when the order has been applied and its writer does not know.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { NetAddress } from "effect/net"
import * as Database from "./database.ts"
import * as FrontNode from "./frontNode.ts"

const [udp = "", runner = "", database = "", holding] = process.argv.slice(2)

let applied = 0

const hold = Effect.suspend(() => ++applied === 1 ? Effect.andThen(Console.log("holding"), Effect.never) : Effect.void)

const Front = FrontNode.layer({
  udp: NetAddress.inetAddressFromStringUnsafe(udp),
  runner: NetAddress.inetAddressFromStringUnsafe(runner),
  database: Database.layer(database),
  ...(holding === undefined ? {} : { beforeAnswer: hold })
})

const program = Effect.gen(function*() {
  yield* Console.log("serving")
  return yield* Effect.never
})

program.pipe(Effect.provide(Front), NodeRuntime.runMain)
