/** What looking after the pairs costs, and that it never undoes what has happened meanwhile. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Deferred, Effect, Layer, Option, Stream } from "effect"
import { SimulatedNetwork } from "effect-rpcudp/testing"
import { TestClock } from "effect/testing"
import { Id, Storage } from "../src/index.ts"
import { addressOf, inet, inTime, start } from "./nodes.ts"

const on = Effect.provide(SimulatedNetwork.layer({ delay: "20 millis", tick: 5, seed: 1 }))

/** A storage in memory that counts who reads all of it at once, and runs an effect before each pair is read. */
const watched = Effect.fnUntraced(function*(
  before: (key: Id.Id, memory: Storage.Storage["Service"]) => Effect.Effect<void>
) {
  const context = yield* Layer.build(Storage.layerMemory())
  const memory = Context.get(context, Storage.Storage)
  const count = { readers: 0, most: 0, reads: 0 }
  const reader = Effect.acquireRelease(
    Effect.sync(() => {
      count.readers++
      count.reads++
      count.most = Math.max(count.most, count.readers)
    }),
    () => Effect.sync(() => count.readers--)
  )
  const all = Stream.unwrap(Effect.as(reader, Stream.tap(memory.all, ([key]) => before(key, memory))))
  return { count, memory, layer: Layer.succeed(Storage.Storage, { ...memory, all }) }
})

const fill = (memory: Storage.Storage["Service"], count: number) =>
  Effect.forEach(
    Array.from({ length: count }, (_, i) => Id.ofKey(`key ${i}`)),
    (key) => memory.put(key, { value: key, own: false, from: key, expiresAt: Infinity, republishAt: Infinity })
  )

describe("newcomers", () => {
  it.effect("have what is kept read once at a time, however many they are", () =>
    Effect.gen(function*() {
      // Reading takes a second for each pair, so all of them come while it lasts.
      const { count, layer, memory } = yield* watched(() => Effect.sleep("1 second"))
      yield* fill(memory, 20)
      yield* start(addressOf(1), { k: 4, every: "1 day" }, layer)
      for (let i = 2; i < 30; i++) {
        const { node } = yield* start(addressOf(i), { k: 4 })
        yield* inTime(node.bootstrap([inet(addressOf(1))]))
      }
      yield* TestClock.adjust("20 minutes")
      expect(count.reads).toBeGreaterThan(2)
      expect(count.most).toBe(1)
    }).pipe(on))

  it.effect("that do not answer are given up", () =>
    Effect.gen(function*() {
      const { layer, memory } = yield* watched(() => Effect.void)
      yield* fill(memory, 100)
      yield* start(addressOf(1), { every: "1 day" }, layer)
      const net = yield* SimulatedNetwork.SimulatedNetwork
      let stores = 0
      yield* net.set({
        rule: ({ payload }) => {
          const isStore = Buffer.from(payload).includes("store")
          if (isStore) stores++
          return isStore ? [] : ["20 millis"]
        }
      })
      const { node } = yield* start(addressOf(2))
      yield* inTime(node.bootstrap([inet(addressOf(1))]))
      yield* TestClock.adjust("10 minutes")
      expect(stores).toBe(3)
    }).pipe(on))

  it.effect("are handed a thousand pairs each, and no more", () =>
    Effect.gen(function*() {
      const { layer, memory } = yield* watched(() => Effect.void)
      yield* fill(memory, 1_001)
      yield* start(addressOf(1), { every: "1 day" }, layer)
      const { node, storage } = yield* start(addressOf(2), { every: "1 day" })
      yield* inTime(node.bootstrap([inet(addressOf(1))]))
      yield* TestClock.adjust("10 minutes")
      expect(yield* Stream.runCount(storage.all)).toBe(1_000)
    }).pipe(on))

  it.effect("are 32 at once that are handed anything", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const { count, layer, memory } = yield* watched(() => Deferred.await(gate))
      yield* fill(memory, 1)
      const { node: keeper } = yield* start(addressOf(1), { k: 64, every: "1 day" }, layer)
      for (let i = 2; i < 36; i++) {
        const { node } = yield* start(addressOf(i), { k: 64, every: "1 day" })
        yield* inTime(node.bootstrap([inet(addressOf(1))]))
      }
      yield* TestClock.adjust("1 minute")
      const buckets = yield* keeper.buckets
      expect(buckets.reduce((sum, { entries }) => sum + entries.length, 0)).toBe(34)
      yield* Deferred.succeed(gate, undefined)
      yield* inTime(Effect.sleep("5 minutes"))
      expect(count.reads).toBe(32)
    }).pipe(on))
})

describe("a value that is due", () => {
  it.effect("is not written over one that came since it was listed, nor written again once it was removed", () =>
    Effect.gen(function*() {
      const [changed, removed] = [Id.ofKey("changed"), Id.ofKey("removed")]
      const entry = { own: true, from: changed, expiresAt: Infinity, republishAt: 0 }
      const { layer, memory } = yield* watched((key, memory) =>
        key === changed ? Effect.asVoid(memory.put(key, { ...entry, value: "new" })) : memory.remove(key)
      )
      yield* memory.put(changed, { ...entry, value: "old" })
      yield* memory.put(removed, { ...entry, value: "old" })
      const other = yield* start(addressOf(2))
      const { node } = yield* start(addressOf(1), {}, layer)
      yield* inTime(node.bootstrap([inet(addressOf(2))]))
      yield* TestClock.adjust("2 minutes")
      expect(Option.getOrThrow(yield* memory.get(changed)).value).toBe("new")
      expect(Option.getOrThrow(yield* other.storage.get(changed)).value).toBe("new")
      expect(yield* memory.get(removed)).toStrictEqual(Option.none())
      expect(yield* other.storage.get(removed)).toStrictEqual(Option.none())
    }).pipe(on))
})
