/**
 * Serves orders over a file of SQLite's: `node serve.ts PORT FILE HANDLERS MOMENT`, as process.ts has them. Prints its port
 * once it serves. At its moment it prints `holding`, and does nothing more; or, until it is told to stop, goes on then.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { writeSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { layerDatabase } from "../../../examples/cluster/sqlite.ts"
import { Protocol, Transport } from "../../../src/index.ts"
import { Orders, orders, unremembered } from "./Orders.ts"

const [port = "0", file = "", handlers = "known", moment = "never"] = process.argv.slice(2)

const database = new DatabaseSync(file, { timeout: 5000 })

if (moment === "beforeKey") {
  database.function("hold", () => {
    writeSync(1, "holding\n")
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    return null
  })
  database.exec("CREATE TEMP TRIGGER hold BEFORE INSERT ON main.orders BEGIN SELECT hold(); END")
}

const stopped = Effect.callback<void>((resume) => void process.once("SIGTERM", () => resume(Effect.void)))

const holds = Effect.andThen(Console.log("holding"), moment === "untilStopped" ? stopped : Effect.never)

/** What the handlers return may be held back. */
const Live = Orders.toLayer(Effect.map(handlers === "known" ? orders : unremembered, ({ order }) =>
  Orders.of({
    order: (key, ...args) =>
      Effect.tap(
        order(key, ...args),
        () => moment === "beforeAnswer" || (moment === "untilStopped" && key.startsWith("held")) ? holds : Effect.void
      )
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
