/** What is kept, whoever writes it at the same time: publishers, peers, the clock and the node's own upkeep. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Random } from "effect"
import { SimulatedNetwork } from "effect-rpcudp/testing"
import { TestClock } from "effect/testing"
import { Id, Storage } from "../src/index.ts"
import { addressOf, caller, inTime, network, start } from "./nodes.ts"

const keys = ["a", "b", "c"]

const minutes = 60_000

/**
 * A storage in memory whose every step takes a while that the seed decides, as a disk's does. It notes what no order of
 * writers may do to what is there.
 */
const slow = Effect.fnUntraced(function*(below: (n: number) => number) {
  const memory = Context.get(yield* Layer.build(Storage.layerMemory()), Storage.Storage)
  const wrongs: Array<string> = []
  const pause = Effect.suspend(() => Effect.sleep(below(40)))
  const during = <A>(effect: Effect.Effect<A>) => Effect.tap(Effect.andThen(pause, effect), pause)
  const now = Effect.clockWith((clock) => Effect.sync(() => clock.currentTimeMillisUnsafe()))
  const there = (key: Id.Id) => Effect.map(memory.get(key), Option.getOrUndefined)
  const storage: Storage.Storage["Service"] = {
    all: memory.all,
    get: (key) => during(memory.get(key)),
    put: (key, entry) =>
      during(Effect.gen(function*() {
        if ((yield* there(key))?.own === true && !entry.own) wrongs.push("a peer's value over the publisher's own")
        return yield* memory.put(key, entry)
      })),
    remove: (key) =>
      during(Effect.gen(function*() {
        const entry = yield* there(key)
        if (entry !== undefined && entry.expiresAt > (yield* now)) wrongs.push("a pair dropped before its time")
        yield* memory.remove(key)
      }))
  }
  return { memory, wrongs, layer: Layer.succeed(Storage.Storage, storage) }
})

/** An hour of sets, stores, expiry and upkeep, in an order that the seed decides. */
const play = Effect.gen(function*() {
  const random = yield* Random.Random
  const below = (n: number) => Math.floor(random.nextDoubleUnsafe() * n)
  const { layer, memory, wrongs } = yield* slow(below)
  const others = yield* Effect.forEach([2, 3], (i) => start(addressOf(i), { every: "100 days" }))
  // Pairs live for two minutes, and what is due is looked at four times a second: all of it meets all the time.
  const options = {
    expireAfter: 2 * minutes,
    republishAfter: minutes / 2,
    publishAfter: minutes,
    every: "250 millis"
  } as const
  const { node } = yield* start(addressOf(1), options, layer)
  yield* inTime(node.bootstrap(others.map(({ node }) => node.address)))
  const callers = yield* Effect.forEach([1, 2], (i) => caller(`10.1.0.${i}:1`))
  const net = yield* SimulatedNetwork.SimulatedNetwork
  yield* net.set({ loss: 0.1, duplicate: 0.1, delay: { median: "20 millis", p99: "400 millis" } })

  const published = new Map<string, string>()
  // The last key is never published here, so it comes and goes with what peers store.
  const step = (i: number) =>
    Effect.suspend(() => {
      if (i < 2 || below(40) === 0) {
        const key = i < 2 ? keys[i]! : keys[below(2)]!
        published.set(key, `own ${i}`)
        return Effect.asVoid(node.set(key, `own ${i}`))
      }
      const key = keys[below(3)]!
      return Effect.ignore(callers[below(2)]!.store(Id.ofKey(`peer ${below(3)}`), Id.ofKey(key), `theirs ${below(3)}`))
    })
  for (let i = 0; i < 300; i++) {
    yield* Effect.forkChild(step(i), { startImmediately: true })
    // Mostly at once; now and then for so long that pairs come near their end.
    yield* TestClock.adjust(below(10) === 0 ? 2 * minutes + below(2_000) - 1_000 : below(200))
  }
  yield* net.set({ loss: 0, duplicate: 0, delay: "20 millis" })
  yield* TestClock.adjust("1 minute")
  const own = yield* Effect.forEach(published, ([key]) => memory.get(Id.ofKey(key)))
  yield* TestClock.adjust("5 minutes")
  const there = yield* Effect.forEach(
    others,
    ({ storage }) => Effect.forEach(published, ([key]) => storage.get(Id.ofKey(key)))
  )
  const left = yield* memory.get(Id.ofKey("c"))
  return { published, wrongs, own, there, left }
})

describe("whatever the order of sets, stores, expiry and upkeep", () => {
  for (let seed = 1; seed <= 8; seed++) {
    it.effect(`what was set last stays, and pairs go in their time and not before, seed ${seed}`, () =>
      Effect.gen(function*() {
        const { left, own, published, there, wrongs } = yield* play
        expect(wrongs).toStrictEqual([])
        expect(published.size).toBe(2)
        const values = [...published.values()]
        expect(own.map((entry) => Option.getOrThrow(entry).value)).toStrictEqual(values)
        // Peers were told again since.
        for (const entries of there) {
          expect(entries.map((entry) => Option.getOrThrow(entry).value)).toStrictEqual(values)
        }
        expect(left).toStrictEqual(Option.none())
      }).pipe(Effect.provide(SimulatedNetwork.layer({ delay: "20 millis", tick: 5, seed }))))
  }

  it.effect("a search that takes its time does not bring an older value to those that have a newer one", () =>
    Effect.gen(function*() {
      const [node, ...others] = yield* network(3)
      const net = yield* SimulatedNetwork.SimulatedNetwork
      let searches = 0
      yield* net.set({
        rule: ({ from, payload }) =>
          from === addressOf(1) && Buffer.from(payload).includes("find_node") && searches++ < 1 ? [] : ["20 millis"]
      })
      yield* inTime(Effect.all([node!.node.set("key", "older"), node!.node.set("key", "newer")], {
        concurrency: "unbounded"
      }))
      for (const { storage } of others) {
        expect(Option.getOrThrow(yield* storage.get(Id.ofKey("key"))).value).toBe("newer")
      }
    }).pipe(Effect.provide(SimulatedNetwork.layer({ delay: "20 millis", tick: 5, seed: 1 }))))
})
