/** What looking after the pairs costs, and that it never undoes what has happened meanwhile. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Logger, Option, Stream } from "effect"
import { Protocol, Transport } from "effect-rpcudp"
import { SimulatedNetwork } from "effect-rpcudp/testing"
import { TestClock } from "effect/testing"
import * as Hostile from "../simulation/hostile.ts"
import { Id, Storage } from "../src/index.ts"
import { addressOf, caller, inet, inTime, start } from "./nodes.ts"

const on = Effect.provide(SimulatedNetwork.layer({ delay: "20 millis", tick: 5, seed: 1 }))

/** A storage in memory that counts who reads a pair at once, and runs an effect before each is listed, or read. */
const watched = Effect.fnUntraced(function*({ listed = () => Effect.void, read = Effect.void }: {
  readonly listed?: (key: Id.Id, memory: Storage.Storage["Service"]) => Effect.Effect<void>
  readonly read?: Effect.Effect<void>
}) {
  const context = yield* Layer.build(Storage.layerMemory())
  const memory = Context.get(context, Storage.Storage)
  const count = { readers: 0, most: 0, reads: 0 }
  const reading = Effect.acquireRelease(
    Effect.sync(() => {
      count.readers++
      count.reads++
      count.most = Math.max(count.most, count.readers)
    }),
    () => Effect.sync(() => count.readers--)
  )
  const get = (key: Id.Id) => Effect.scoped(Effect.andThen(reading, Effect.andThen(read, memory.get(key))))
  const all = Stream.tap(memory.all, ([key]) => listed(key, memory))
  return { count, memory, layer: Layer.succeed(Storage.Storage, { ...memory, all, get }) }
})

/** A neighbour that does harm, and where it is. */
const hostile = Effect.fnUntraced(function*(address: string, kind: Hostile.Kind) {
  const live = Hostile.serve({ kind, id: Id.ofKey(address), k: 20, others: new Map(), random: () => 0.5 }).pipe(
    Layer.provide(Protocol.layer({ timeout: "1 second", gracePeriod: 0 })),
    Layer.provide(Transport.layerSocket()),
    Layer.provide(SimulatedNetwork.socket(address))
  )
  yield* Layer.buildWithMemoMap(live, Layer.makeMemoMapUnsafe(), yield* Effect.scope)
  return inet(address)
})

const put = (memory: Storage.Storage["Service"], key: Id.Id) =>
  memory.put(key, {
    value: key,
    own: false,
    from: key,
    sender: "",
    network: "",
    expiresAt: Infinity,
    republishAt: Infinity
  })

const fill = (memory: Storage.Storage["Service"], count: number) =>
  Effect.forEach(Array.from({ length: count }, (_, i) => Id.ofKey(`key ${i}`)), (key) => put(memory, key))

describe("newcomers", () => {
  it.effect("have what is kept read once at a time, however many they are", () =>
    Effect.gen(function*() {
      // Reading takes its time, so that many come while it lasts.
      const { count, layer, memory } = yield* watched({ read: Effect.sleep("10 seconds") })
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
      const { layer, memory } = yield* watched({})
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
      const { layer, memory } = yield* watched({})
      yield* fill(memory, 1_001)
      yield* start(addressOf(1), { every: "1 day" }, layer)
      const { node, storage } = yield* start(addressOf(2), { every: "1 day" })
      yield* inTime(node.bootstrap([inet(addressOf(1))]))
      yield* inTime(Effect.sleep("5 minutes"))
      expect(yield* Stream.runCount(storage.all)).toBe(1_000)
    }).pipe(on))

  it.effect("are 32 at once that are handed anything", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const { count, layer, memory } = yield* watched({ read: Deferred.await(gate) })
      // Nobody is closer to it than its keeper, who therefore hands it to everybody.
      const id = Id.ofKey("keeper")
      yield* put(memory, id)
      const { node: keeper } = yield* start(addressOf(1), { id, k: 64, every: "1 day" }, layer)
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

it.effect("a storage that fails keeps nothing, and the node goes on", () =>
  Effect.gen(function*() {
    const broken = Effect.die(new Error("the disk is gone"))
    const { memory } = yield* watched({})
    const layer = Layer.succeed(Storage.Storage, { ...memory, get: () => broken, put: () => broken })
    const { node } = yield* start(addressOf(1), {}, layer)
    const call = yield* caller("10.1.0.1:1")
    const [id, key] = [Id.ofKey("caller"), Id.ofKey("key")]
    expect(yield* inTime(call.store(id, key, "value"))).toBe(false)
    expect(yield* inTime(call.store(id, key, "value"))).toBe(false)
    expect(yield* inTime(call.find_value(id, key))).toStrictEqual([])
    expect(yield* inTime(Effect.flip(node.set("key", "value")))).toMatchObject({ reason: "NoRoom" })
  }).pipe(on, Effect.provide(Logger.layer([]))))

it.effect("a slow storage is not kept busy by those that no longer wait for it", () =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    const { count, layer, memory } = yield* watched({ read: Deferred.await(gate) })
    const { node } = yield* start(addressOf(1), { every: "1 day" }, layer)
    const call = yield* caller("10.1.0.1:1")
    const stores = (name: string, number: number) =>
      Effect.forEach(
        Array.from({ length: number }, (_, i) => Id.ofKey(`${name} ${i}`)),
        (key) => Effect.forkChild(call.store(key, key, "value"), { startImmediately: true })
      )
    const waiting = yield* stores("waiting", 2)
    yield* inTime(Effect.sleep("100 millis"))
    // More than may wait at once: each makes room for the next.
    for (let round = 0; round < 12; round++) {
      const given = yield* stores(`given up ${round}`, 100)
      yield* TestClock.adjust("100 millis")
      yield* Fiber.interruptAll(given)
      yield* TestClock.adjust("100 millis")
    }
    const last = yield* stores("last", 1)
    yield* TestClock.adjust("100 millis")
    // Its own program does not wait either.
    const setting = yield* Effect.forkChild(node.set("own", "value"), { startImmediately: true })
    yield* Fiber.interrupt(setting)
    yield* Deferred.succeed(gate, undefined)
    yield* inTime(Effect.forEach([...waiting, ...last], Fiber.await))
    expect((yield* Stream.runCollect(memory.all)).map(([key]) => key)).toStrictEqual(
      ["waiting 0", "waiting 1", "last 0"].map(Id.ofKey)
    )
    expect(count.reads).toBe(3)
  }).pipe(on))

describe("a value that is due", () => {
  it.effect("is not written over one that came since it was listed, nor written again once it was removed", () =>
    Effect.gen(function*() {
      const [changed, removed] = [Id.ofKey("changed"), Id.ofKey("removed")]
      const entry = { own: true, from: changed, sender: "", network: "", expiresAt: Infinity, republishAt: 0 }
      const { layer, memory } = yield* watched({
        listed: (key, memory) =>
          key === changed ? Effect.asVoid(memory.put(key, { ...entry, value: "new" })) : memory.remove(key)
      })
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

describe("renewing", () => {
  /** Pairs for others, all due after ten minutes: by then those who came have been handed what they are to keep. */
  const dueAll = (memory: Storage.Storage["Service"], name: string, count: number) =>
    Effect.forEach(Array.from({ length: count }, (_, i) => Id.ofKey(`${name} ${i}`)), (key) =>
      memory.put(key, {
        value: name,
        own: false,
        from: key,
        sender: name,
        network: name,
        expiresAt: 90_000_000,
        republishAt: 600_000
      }))

  /** Waits until they are due. Returns how many pairs the first node sends from then on. */
  const countingStores = Effect.gen(function*() {
    yield* inTime(Effect.sleep("599 seconds"))
    const net = yield* SimulatedNetwork.SimulatedNetwork
    const sent = { stores: 0 }
    yield* net.set({
      rule: ({ from, payload }) => {
        if (from === addressOf(1) && Buffer.from(payload).includes("store")) sent.stores++
        return ["20 millis"]
      }
    })
    return sent
  })

  it.effect("costs 16 calls a second, whoever sent the most does not put others off, and all are renewed", () =>
    Effect.gen(function*() {
      const { layer, memory } = yield* watched({})
      yield* dueAll(memory, "many", 4_000)
      yield* dueAll(memory, "few", 100)
      const others = yield* Effect.forEach([2, 3, 4], (i) => start(addressOf(i), { every: "1 day" }))
      const { events, node } = yield* start(addressOf(1), { refreshAfter: "1 day" }, layer)
      yield* inTime(node.bootstrap(others.map(({ node }) => node.address)))
      const sent = yield* countingStores
      yield* events
      const isFew = new Set(Array.from({ length: 100 }, (_, i) => Id.ofKey(`few ${i}`)))
      let few = 0
      let minutes = 0
      while (sent.stores < 3 * 4_100 && minutes < 60) {
        yield* TestClock.adjust("1 minute")
        minutes++
        // That of the minute before, too; and what is under way when it is used up ends, at 3 nodes each.
        expect(sent.stores).toBeLessThanOrEqual(16 * 60 * (minutes + 1) + 8 * 3)
        for (const event of yield* events) if (event._tag === "Stored" && isFew.has(event.key)) few++
        if (minutes === 1) expect(few).toBe(3 * 100)
      }
      expect(minutes).toBeLessThanOrEqual(Math.ceil(3 * 4_100 / 16 / 60) + 1)
      for (const { storage } of others) {
        expect((yield* Stream.runCollect(storage.all)).length).toBe(4_100)
      }
    }).pipe(on))

  it.effect("looks nobody up while all that are near answer, so a neighbour that lies has no say", () =>
    Effect.gen(function*() {
      const { layer, memory } = yield* watched({})
      yield* dueAll(memory, "near", 500)
      const other = yield* start(addressOf(2), { every: "1 day" })
      const liar = yield* hostile("10.1.0.1:1", "lying")
      const { events, node } = yield* start(addressOf(1), { every: "1 minute", refreshAfter: "1 day" }, layer)
      yield* inTime(node.bootstrap([other.node.address, liar]))
      const sent = yield* countingStores
      yield* events
      yield* TestClock.adjust("1 hour")
      const keys = new Set((yield* Stream.runCollect(memory.all)).map(([key]) => key))
      const searches = (yield* events).filter((event) => event._tag === "LookupStarted" && keys.has(event.target))
      expect(searches).toStrictEqual([])
      expect(sent.stores).toBe(2 * 500)
      expect((yield* Stream.runCollect(other.storage.all)).length).toBe(500)
    }).pipe(on))

  it.effect("looks for others once one that is near does not answer", () =>
    Effect.gen(function*() {
      const key = Id.ofKey("key")
      // Another is closer to the key than the node, which so hands nothing over.
      const near = (i: number, bit: number) => start(addressOf(i), { id: Id.flip(key, bit), k: 3, every: "1 day" })
      const [there, gone, unknown] = [yield* near(2, 159), yield* near(3, 158), yield* near(4, 157)]
      const far = yield* near(5, 1)
      const { node } = yield* start(addressOf(1), { id: Id.flip(key, 100), k: 3, refreshAfter: "1 day" })
      const net = yield* SimulatedNetwork.SimulatedNetwork
      const apart = new Set([addressOf(1), addressOf(4)])
      let isRenewed = false
      yield* net.set({
        rule: ({ from, payload, to }) => {
          if (from === addressOf(1) && Buffer.from(payload).includes("store")) isRenewed = true
          return isRenewed || !(apart.has(from) && apart.has(to)) ? ["20 millis"] : []
        }
      })
      yield* inTime(node.bootstrap([there, gone, far].map(({ node }) => node.address)))
      yield* inTime(unknown.node.bootstrap([there.node.address]))
      yield* inTime((yield* caller("10.1.0.1:1")).store(key, key, "value"))
      yield* TestClock.adjust("59 minutes")
      yield* gone.close
      expect(yield* unknown.storage.get(key)).toStrictEqual(Option.none())
      yield* TestClock.adjust("20 minutes")
      expect(Option.isSome(yield* unknown.storage.get(key))).toBe(true)
    }).pipe(on))
})
