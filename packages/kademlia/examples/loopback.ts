/**
 * Ten nodes on loopback, each on a socket of its own: a value set at one is found by another, also when the one that set it
 * has left.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Context, Effect, Exit, Layer, Option, Scope } from "effect"
import { Protocol, Transport } from "effect-rpcudp"
import { Node, Storage } from "effect-kademlia"

/** A node that lives until it is closed. A layer that is used twice is built once, so each has a memo map of its own. */
const start = Effect.gen(function*() {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const live = Node.layer().pipe(
    Layer.provide(Storage.layerMemory()),
    Layer.provide(Protocol.layer({ timeout: "1 second" })),
    Layer.provide(Transport.layer({ address: "127.0.0.1" }))
  )
  const context = yield* Layer.buildWithMemoMap(live, Layer.makeMemoMapUnsafe(), scope)
  return { node: Context.get(context, Node.Node), close: Scope.close(scope, Exit.void) }
})

const program = Effect.gen(function*() {
  const first = yield* start
  const others = yield* Effect.forEach(Array.from({ length: 9 }), () => start)
  for (const { node } of others) yield* node.bootstrap([first.node.address])

  const [setter, getter] = [others[0]!, others[8]!]
  yield* Console.log(`${yield* setter.node.set("greeting", "Hello")} nodes took the value`)
  yield* setter.close
  const { hops, value } = yield* getter.node.find("greeting")
  yield* Console.log(`${Option.getOrElse(value, () => "nothing")}, after ${hops} ${hops === 1 ? "hop" : "hops"}`)
  yield* Console.log(Option.isNone(yield* getter.node.get("missing")) ? "no such key" : "found what nobody set")
})

program.pipe(Effect.scoped, NodeRuntime.runMain)
