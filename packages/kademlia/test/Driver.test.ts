/** The core and what it wants done: it is told of each, once, whatever comes of it. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, FiberSet, Logger, Stream } from "effect"
import { Protocol, Transport } from "effect-rpcudp"
import { SimulatedNetwork } from "effect-rpcudp/testing"
import { Id, Storage } from "../src/index.ts"
import { Driver } from "../src/internal/driver.ts"
import type { Kademlia } from "../src/Messages.ts"
import { Events } from "../src/internal/events.ts"
import { addressOf, coreOf, inet, inTime, start } from "./nodes.ts"

const nobody = Effect.die("nobody foresaw this")

type Client = Protocol.Client<typeof Kademlia.procedures>

/** All calls end so. */
const ending = (end: Effect.Effect<never>): Client => ({
  ping: () => end,
  stun: () => end,
  store: () => end,
  find_node: () => end,
  find_value: () => end
})

/** A node that calls so, and stores in memory unless told otherwise. */
const driving = (client: Client, storing: Partial<Storage.Storage["Service"]> = {}, now = () => 0) =>
  Effect.gen(function*() {
    return new Driver({
      core: coreOf(Id.ofKey("self")),
      client: () => client,
      storage: { ...yield* Storage.Storage, ...storing },
      events: yield* Events.make,
      now,
      run: yield* FiberSet.makeRuntime()
    })
  }).pipe(Effect.provide(Storage.layerMemory()))

const quiet = Effect.provide(Logger.layer([]))

describe("a node that asks", () => {
  for (const [how, end] of [["dies", nobody], ["interrupts itself", Effect.interrupt]] as const) {
    it.effect(`goes on though what it asks ${how}`, () =>
      Effect.gen(function*() {
        const driver = yield* driving(ending(end), { get: () => end, put: () => end, remove: () => end })
        expect(yield* driver.ask((core, then, now) => core.bootstrap([inet("10.0.0.2:1")], then, now))).toBe(0)
        for (const value of ["a", "b"]) {
          expect(yield* driver.ask((core, then, now) => core.set(Id.ofKey("key"), value, then, now))).toBe(undefined)
        }
        const search = yield* driver.ask((core, then, now) => core.find(Id.ofKey("key"), then, now))
        expect(search).toMatchObject({ value: undefined, asked: 0 })
      }).pipe(quiet))
  }
})

it.effect("a storage that fails is logged once a minute, however often strangers have it asked", () => {
  const lines: Array<string> = []
  return Effect.gen(function*() {
    let now = 0
    const driver = yield* driving(ending(nobody), { get: () => nobody, put: () => nobody }, () => now)
    const counts: Array<number> = []
    for (now of [0, 1, 59_999, 60_000, 119_999]) {
      yield* driver.ask((core, then, now) => core.set(Id.ofKey("key"), "value", then, now))
      counts.push(lines.length)
    }
    expect(counts).toStrictEqual([1, 1, 1, 2, 2])
    expect(lines[0]).toContain("the storage has failed")
  }).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])))
})

describe("a contact", () => {
  const peer = Id.ofKey("peer")
  const address = inet("10.0.0.2:1")
  const cases: ReadonlyArray<readonly [what: string, error: Protocol.CallError, failures: number]> = [
    ["has not left the node", new Protocol.Oversize({ method: "store", of: "request", size: 8200, limit: 8192 }), 0],
    ["waits for room among calls", new Protocol.TooManyCalls({ peer: address, method: "store", limit: 1 }), 0],
    ["the socket refuses", Transport.closedError(), 0],
    ["is not answered", new Protocol.NoResponse({ peer: address, method: "store", elapsed: Duration.seconds(1) }), 1]
  ]
  for (const [what, error, failures] of cases) {
    it.effect(`is charged with ${failures} failures for a call that ${what}`, () =>
      Effect.gen(function*() {
        const driver = yield* driving({
          ...ending(nobody),
          ping: () => Effect.succeed(peer),
          find_node: () => Effect.succeed([]),
          find_value: () => Effect.succeed([]),
          store: () => Effect.fail(error)
        })
        expect(yield* driver.ask((core, then, now) => core.bootstrap([address], then, now))).toBe(1)
        expect(yield* driver.ask((core, then, now) => core.set(Id.ofKey("key"), "value", then, now))).toBe(0)
        expect(yield* driver.tell((core) => core.table.find(peer)?.failures)).toBe(failures)
      }))
  }
})

it.effect("whoever does not read events misses the oldest, and they do not fill the memory", () =>
  Effect.gen(function*() {
    const events = yield* Events.make
    const mayRead = yield* Deferred.make<void>()
    const keys = Array.from({ length: 20_000 }, (_, i) => Id.ofKey(`${i}`))
    const reading = yield* events.stream.pipe(
      Stream.tap(() => Deferred.await(mayRead)),
      Stream.takeUntil((event) => event._tag === "Expired" && event.key === keys.at(-1)),
      Stream.runCount,
      Effect.forkChild({ startImmediately: true })
    )
    for (const key of keys) events.emit({ _tag: "Expired", key })
    yield* Deferred.succeed(mayRead, undefined)
    // One is in hand.
    expect(yield* Fiber.join(reading)).toBe(1 + 16_384)
  }))

describe("whoever asks a node", () => {
  it.effect("that ends is interrupted, and so is who asks afterwards", () =>
    Effect.gen(function*() {
      const { close, node } = yield* start(addressOf(1))
      const asking = yield* Effect.forkChild(node.bootstrap([inet(addressOf(2))]), { startImmediately: true })
      yield* close
      const exits: ReadonlyArray<Exit.Exit<unknown>> = [
        yield* inTime(Fiber.await(asking)),
        yield* inTime(Effect.exit(node.get("key")))
      ]
      expect(exits.map((exit) => Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))).toStrictEqual([
        true,
        true
      ])
    }).pipe(Effect.provide(SimulatedNetwork.layer({ delay: "20 millis", tick: 5 }))))
})
