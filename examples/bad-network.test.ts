/** A program of one's own under a bad network: what happens to it is drawn from a seed, and days pass in milliseconds. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule, Schema } from "effect"
import { Handlers, Protocol, Transport } from "effect-rpcudp"
import { SimulatedNetwork, whileTimePasses } from "effect-rpcudp/testing"
import { TestClock } from "effect/testing"

class Counter extends Handlers.Service<Counter>()("example/Counter", {
  add: { args: [Schema.Int], success: Schema.Int }
}) {}

const CounterLive = Counter.toLayer(Effect.sync(() => {
  let total = 0
  return Counter.of({ add: (n) => Effect.sync(() => total += n) })
}))

/** A node at an address of the network. */
const node = (address: string) =>
  Protocol.layer({ timeout: "500 millis" }).pipe(
    Layer.provide(Transport.layerSocket()),
    Layer.provide(SimulatedNetwork.socket(address))
  )

/** The program under test: it adds 1 at the server, and calls again until it is told. */
const addOne = Effect.gen(function*() {
  const counter = yield* Protocol.client(Counter)
  return yield* counter("10.0.0.1:1000").add(1).pipe(
    Effect.retry({ schedule: Schedule.exponential("100 millis").pipe(Schedule.jittered), times: 9 })
  )
})

const server = Layer.build(
  Protocol.serve(Counter).pipe(Layer.provide(CounterLive), Layer.provide(node("10.0.0.1:1000")))
)

describe("under a bad network", () => {
  it.effect("a call that is retried comes through, though the server may count it twice", () =>
    Effect.gen(function*() {
      yield* server
      const context = yield* Layer.build(node("10.0.0.2:1000"))
      const totals = yield* whileTimePasses(
        Effect.all(Array.from({ length: 100 }, () => addOne), { concurrency: "unbounded" }).pipe(
          Effect.provideContext(context)
        )
      )
      // All 100 were told. An answer that was lost made its caller add once more: at-least-once.
      expect(totals).toHaveLength(100)
      expect(Math.max(...totals)).toBeGreaterThan(100)
      const { lost } = yield* Effect.flatMap(SimulatedNetwork.SimulatedNetwork, (network) => network.stats)
      expect(lost).toBeGreaterThan(0)
    }).pipe(Effect.provide(SimulatedNetwork.layer({ ...SimulatedNetwork.mobile, loss: 0.2, seed: 42 }))))

  it.effect("a partition that heals is only a delay", () =>
    Effect.gen(function*() {
      yield* server
      const context = yield* Layer.build(node("10.0.0.2:1000"))
      const network = yield* SimulatedNetwork.SimulatedNetwork
      const heal = yield* network.partition(["10.0.0.1"], ["10.0.0.2"])
      const adding = yield* Effect.forkChild(Effect.provideContext(addOne, context))
      yield* TestClock.adjust("3 seconds")
      expect(adding.pollUnsafe()).toBe(undefined)
      yield* heal
      expect(yield* whileTimePasses(Fiber.join(adding))).toBe(1)
    }).pipe(Effect.provide(SimulatedNetwork.layer(SimulatedNetwork.lan))))
})
