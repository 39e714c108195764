/** Networks of our nodes in memory. */
import { expect, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Option, Scope } from "effect"
import { Protocol, Transport } from "effect-rpcudp"
import { SimulatedNetwork } from "effect-rpcudp/testing"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import { Node, Storage } from "../../examples/kademlia/index.ts"

const start = (i: number) =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const child = yield* Scope.fork(scope)
    const address = `10.0.${i >> 8}.${i & 255}:1000`
    const ctx = yield* Layer.buildWithMemoMap(
      Node.layer().pipe(
        Layer.provide(Storage.layerMemory()),
        Layer.provide(Protocol.layer({ timeout: "2 seconds" })),
        Layer.provide(Transport.layerSocket()),
        Layer.provide(SimulatedNetwork.socket(address))
      ),
      Layer.makeMemoMapUnsafe(),
      child
    )
    return { node: Context.get(ctx, Node.Node), close: Scope.close(child, Exit.void) }
  })

it.effect("set and get", () =>
  Effect.gen(function*() {
    const nodes = []
    for (let i = 1; i <= 60; i++) {
      const n = yield* start(i)
      if (i > 1) {
        const f = yield* Effect.forkChild(n.node.bootstrap([NetAddress.inetAddressFromStringUnsafe("10.0.0.1:1000")]))
        yield* TestClock.adjust("10 seconds")
        expect(yield* Fiber.join(f)).toBe(1)
      }
      nodes.push(n)
    }
    const f = yield* Effect.forkChild(nodes[5]!.node.set("hello", "world"))
    yield* TestClock.adjust("10 seconds")
    expect(yield* Fiber.join(f)).toBe(20)
    const g = yield* Effect.forkChild(nodes[50]!.node.get("hello"))
    yield* TestClock.adjust("10 seconds")
    expect(yield* Fiber.join(g)).toStrictEqual(Option.some("world"))
  }).pipe(Effect.provide(SimulatedNetwork.layer({ delay: "50 millis", seed: 1 })), Effect.scoped))
