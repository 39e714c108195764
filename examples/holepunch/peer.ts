/**
 * A node that meets another: `node peer.ts NAME THIRD [OTHER]`. With OTHER it goes to meet it, and writes whether there is a way.
 * Without, it waits for whoever comes, and writes that there is one. Both stay until they are stopped.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Option, Predicate, Schedule } from "effect"
import { Transport } from "effect-rpcudp"
import { meet, node, register, Way } from "./Meeting.ts"

const [name = "", thirdAt = "", other] = process.argv.slice(2)

const program = Effect.gen(function*() {
  yield* register(name, thirdAt)
  const way = other === undefined
    ? Option.some(yield* Effect.flatMap(Way, ({ found }) => found))
    : yield* meet(other, thirdAt).pipe(
      Effect.retry({ while: Predicate.isTagged("Unknown"), schedule: Schedule.spaced("100 millis"), times: 100 })
    )
  yield* Console.log(Option.isSome(way) ? "a way" : "no way")
  return yield* Effect.never
})

program.pipe(
  Effect.provide(Layer.provide(node(name, thirdAt), Transport.layer({ address: "0.0.0.0" }))),
  NodeRuntime.runMain
)
