/** Lookups among our nodes, on good networks and on bad ones. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { SimulatedNetwork } from "effect-rpcudp/testing"
import { Id, Storage } from "../src/index.ts"
import type { Member } from "./nodes.ts"
import { addressOf, contactsOf, inet, inTime, network, start } from "./nodes.ts"

const closest = (members: ReadonlyArray<Member>, target: Id.Id, count: number) =>
  members.map(({ node }) => node.id).toSorted(Id.byDistance(target)).slice(0, count)

const on = (options: SimulatedNetwork.Options) => Effect.provide(SimulatedNetwork.layer({ tick: 5, ...options }))

describe("a lookup", () => {
  it.effect("finds the very k nodes of the network that are closest", () =>
    Effect.gen(function*() {
      const members = yield* network(50, { k: 8 })
      for (const key of ["a", "b", "c", "d"]) {
        const [first, ...others] = members
        const target = Id.ofKey(key)
        const { asked, closest: found } = yield* inTime(first!.node.lookup(target))
        expect(found.map(({ id }) => id)).toStrictEqual(closest(others, target, 8))
        expect(asked).toBeLessThan(20)
      }
    }).pipe(on({ delay: "20 millis", seed: 1 })))

  it.effect("tells each step to whoever watches", () =>
    Effect.gen(function*() {
      const [first] = yield* network(20, { k: 4 })
      yield* first!.events
      const target = Id.ofKey("a")
      const { asked, closest, hops } = yield* inTime(first!.node.lookup(target))
      const events = yield* first!.events
      const count = (tag: string) => events.filter(({ _tag }) => _tag === tag).length
      expect(events[0]).toMatchObject({ _tag: "LookupStarted", kind: "node", target })
      expect([count("Asked"), count("Answered"), count("CallLost")]).toStrictEqual([asked, asked, 0])
      expect(events.find(({ _tag }) => _tag === "LookupEnded")).toMatchObject({
        target,
        found: false,
        hops,
        asked,
        closest: closest.map(({ id }) => id)
      })
    }).pipe(on({ delay: "20 millis", seed: 2 })))

  it.effect("asks no more than alpha nodes at once until that no longer helps", () =>
    Effect.gen(function*() {
      const members = yield* network(40, { k: 8, alpha: 2 })
      const { node } = members[0]!
      yield* members[0]!.events
      yield* inTime(node.lookup(Id.ofKey("a")))
      let inFlight = 0
      let most = 0
      let answers = 0
      for (const { _tag } of yield* members[0]!.events) {
        if (_tag === "Asked") inFlight++
        if (_tag === "Answered") [inFlight, answers] = [inFlight - 1, answers + 1]
        if (answers < 2) expect(inFlight).toBeLessThanOrEqual(2)
        most = Math.max(most, inFlight)
      }
      expect(most).toBeLessThanOrEqual(8)
      expect(answers).toBeGreaterThan(7)
    }).pipe(on({ delay: "20 millis", seed: 3 })))
})

describe("a value that cannot be published", () => {
  it.effect("is refused, with the reason, before it is kept or sent", () =>
    Effect.gen(function*() {
      const [node, other] = yield* network(2)
      yield* node!.events
      const cases = [
        ["x".repeat(9_000), "TooLarge", "9055 bytes"],
        [new Uint8Array(8_138), "TooLarge", "8193 bytes"],
        [2n ** 64n, "Unencodable", "64 bits"],
        ["\ud800", "Unencodable", "surrogate"]
      ] as const
      for (const [value, reason, message] of cases) {
        const error = yield* inTime(Effect.flip(node!.node.set("key", value)))
        expect(error).toMatchObject({ _tag: "NotStored", reason })
        console.log(error.message)
        expect(error.message).toContain(message)
      }
      expect(yield* node!.events).toStrictEqual([])
      for (const { storage } of [node!, other!]) {
        expect(yield* storage.get(Id.ofKey("key"))).toStrictEqual(Option.none())
      }
      // One byte less than too large.
      expect(yield* inTime(node!.node.set("key", new Uint8Array(8_137)))).toBe(1)
    }).pipe(on({ delay: "20 millis", seed: 1 })))

  it.effect("for want of room, neither", () =>
    Effect.gen(function*() {
      const other = yield* start(addressOf(2))
      const { events, node } = yield* start(addressOf(1), {}, Storage.layerMemory({ maxKeys: 1 }))
      yield* inTime(node.bootstrap([inet(addressOf(2))]))
      expect(yield* inTime(node.set("first", 1))).toBe(1)
      yield* events
      expect(yield* inTime(Effect.flip(node.set("second", 2)))).toMatchObject({ _tag: "NotStored", reason: "NoRoom" })
      expect(yield* events).toStrictEqual([])
      expect(yield* other.storage.get(Id.ofKey("second"))).toStrictEqual(Option.none())
      // What is there may change.
      expect(yield* inTime(node.set("first", 3))).toBe(1)
    }).pipe(on({ delay: "20 millis", seed: 1 })))
})

describe("a value", () => {
  for (
    const [name, settings] of [["wifi", SimulatedNetwork.wifi], ["satellite", SimulatedNetwork.satellite]] as const
  ) {
    it.effect(`is found by every node, set by any, on ${name}`, () =>
      Effect.gen(function*() {
        const members = yield* network(25, { k: 6 })
        for (const [i, value] of ["text", 42, -1.5, true, false, 2n ** 60n].entries()) {
          expect(yield* inTime(members[i]!.node.set(`key ${i}`, value))).toBeGreaterThan(3)
          const found = yield* inTime(
            Effect.forEach(members, ({ node }) => node.get(`key ${i}`), { concurrency: "unbounded" })
          )
          expect(found).toStrictEqual(members.map(() => Option.some(value)))
        }
        yield* inTime(members[0]!.node.set("bytes", Uint8Array.of(0, 255)))
        const bytes = Option.getOrThrow(yield* inTime(members[20]!.node.get("bytes")))
        expect(Array.from(bytes as Uint8Array)).toStrictEqual([0, 255])
        expect(yield* inTime(members[3]!.node.get("missing"))).toStrictEqual(Option.none())
      }).pipe(on({ ...settings, seed: 4 })))
  }

  it.effect("is found after its setter and half of those that keep it have gone", () =>
    Effect.gen(function*() {
      const members = yield* network(40, { k: 8 })
      const setter = members[7]!
      expect(yield* inTime(setter.node.set("key", "value"))).toBe(8)
      yield* setter.close
      const keepers = closest(members, Id.ofKey("key"), 8)
      const [gone, ...others] = [
        members.filter(({ node }) => keepers.slice(0, 4).includes(node.id)),
        ...members.filter((member) => member !== setter && !keepers.includes(member.node.id))
      ] as const
      for (const { close } of gone) yield* close
      const found = yield* inTime(others.at(-1)!.node.get("key"))
      expect(found).toStrictEqual(Option.some("value"))
    }).pipe(on({ delay: "20 millis", seed: 5 })))

  it.effect("that was found is cached at the closest node that was asked and had it not", () =>
    Effect.gen(function*() {
      const members = yield* network(60, { k: 4 })
      yield* inTime(members[1]!.node.set("key", "value"))
      const has = (member: Member) => member.storage.get(Id.ofKey("key"))
      const keepers = Effect.map(Effect.filter(members, (member) => Effect.map(has(member), Option.isSome)), (found) =>
        found.map(({ node }) => node.id))
      const before = yield* keepers
      for (const member of members) {
        yield* member.events
        const { asked } = yield* inTime(member.node.find("key"))
        // Calls that were under way when the value was found end later, and count for nothing.
        const events = yield* member.events
        const steps = events.filter((event) =>
          event._tag === "Answered"
        )
        const without = steps.slice(0, steps.findIndex(({ found }) => found))
        if (asked === 0 || without.length === 0) continue
        yield* inTime(Effect.sleep("1 second"))
        const nearest = without.map(({ id }) => id).sort(Id.byDistance(Id.ofKey("key")))[0]!
        expect(yield* keepers).toContain(nearest)
      }
      expect((yield* keepers).length).toBeGreaterThan(before.length)
    }).pipe(on({ delay: "20 millis", seed: 6 })))

  it.effect("can be set and found by a node alone", () =>
    Effect.gen(function*() {
      const { node } = yield* start(addressOf(1))
      expect(yield* node.set("key", "value")).toBe(0)
      expect(yield* node.get("key")).toStrictEqual(Option.some("value"))
    }).pipe(on({})))
})

describe("a node", () => {
  it.effect("says how many of those that it is to join were there", () =>
    Effect.gen(function*() {
      const members = yield* network(3)
      const late = yield* start(addressOf(9))
      const gates = [addressOf(1), addressOf(2), addressOf(77)].map(inet)
      expect(yield* inTime(late.node.bootstrap(gates))).toBe(2)
      expect(yield* contactsOf(late)).toHaveLength(members.length)
    }).pipe(on({ delay: "20 millis" })))

  it.effect("that met nobody goes on trying", () =>
    Effect.gen(function*() {
      const early = yield* start(addressOf(9))
      expect(yield* inTime(early.node.bootstrap([inet(addressOf(1))]))).toBe(0)
      const late = yield* start(addressOf(1))
      yield* inTime(Effect.sleep("90 seconds"))
      expect(yield* contactsOf(early)).toMatchObject([{ id: late.node.id }])
    }).pipe(on({ delay: "20 millis" })))
})
