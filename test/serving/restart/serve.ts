/**
 * Serves orders over a file of SQLite's: `node serve.ts PORT FILE known|unremembered never|beforeKey|beforeAnswer`. Prints its
 * port once it serves. The last word is when it stops: there it prints `holding`, and does nothing more.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { writeSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { layerDatabase } from "../../../examples/cluster/sqlite.ts"
import { Protocol, Transport } from "../../../src/index.ts"
import { Orders, orders, unremembered } from "./Orders.ts"

const [port = "0", file = "", handlers = "known", moment = "never"] = process.argv.slice(2)

const database = new DatabaseSync(file)

if (moment === "beforeKey") {
  database.function("hold", () => {
    writeSync(1, "holding\n")
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    return null
  })
  database.exec("CREATE TEMP TRIGGER hold BEFORE INSERT ON main.orders BEGIN SELECT hold(); END")
}

const holding = Console.log("holding").pipe(Effect.andThen(Effect.never))

/** What the handlers return may be held back. */
const Live = Orders.toLayer(Effect.map(handlers === "known" ? orders : unremembered, ({ order }) =>
  Orders.of({
    order: (...args) => moment === "beforeAnswer" ? Effect.andThen(order(...args), holding) : order(...args)
  })))

const Server = Protocol.serve(Orders).pipe(
  Layer.provide(Live),
  Layer.provide(layerDatabase(database)),
  Layer.provideMerge(Protocol.layer()),
  Layer.provide(Transport.layer({ address: "127.0.0.1", port: Number(port) }))
)

const program = Effect.gen(function*() {
  const { address } = yield* Protocol.Protocol
  yield* Console.log(address.port)
  return yield* Effect.never
})

program.pipe(Effect.provide(Server), NodeRuntime.runMain)
