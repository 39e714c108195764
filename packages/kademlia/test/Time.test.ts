/** What days do to what is kept, and to the table. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Option } from "effect"
import { SimulatedNetwork } from "effect-rpcudp/testing"
import { TestClock } from "effect/testing"
import type { RoutingTable } from "../src/index.ts"
import { Id } from "../src/index.ts"
import type { Member } from "./nodes.ts"
import { stepping } from "../../../test/support/clocks.ts"
import { addressOf, inTime, join, network, start } from "./nodes.ts"

const on = Effect.provide(SimulatedNetwork.layer({ delay: "20 millis", tick: 5, seed: 1 }))

const key = Id.ofKey("key")

const keepers = (members: ReadonlyArray<Member>) =>
  Effect.filter(members, ({ storage }) => Effect.map(storage.get(key), Option.isSome))

const hours = (count: number) => TestClock.adjust(`${count} hours`)

describe("a value", () => {
  it.effect("stays a day after its publisher has left, and goes in the days that follow", () =>
    Effect.gen(function*() {
      const members = yield* network(14, { k: 5, every: "10 minutes" })
      const publisher = members[3]!
      yield* inTime(publisher.node.set("key", "value"))
      yield* publisher.close
      const others = members.filter((member) => member !== publisher)
      yield* hours(24)
      // Not by looking for it: whoever is asked and has it not would be given a copy, with a life of its own.
      expect((yield* keepers(others)).length).toBeGreaterThan(2)
      for (const member of others) yield* member.events
      // Whoever takes the publisher's place among the closest is told when that is noticed, and keeps it a day from then.
      yield* hours(48)
      expect(yield* keepers(others)).toStrictEqual([])
      const expired = (yield* Effect.forEach(others, ({ events }) => events)).flat()
        .filter(({ _tag }) => _tag === "Expired")
      expect(expired.length).toBeGreaterThan(4)
      expect(yield* inTime(others[5]!.node.get("key"))).toStrictEqual(Option.none())
    }).pipe(on))

  it.effect("stays as long as its publisher", () =>
    Effect.gen(function*() {
      const members = yield* network(14, { k: 5, every: "10 minutes" })
      yield* inTime(members[3]!.node.set("key", "value"))
      for (let day = 0; day < 3; day++) {
        yield* hours(24)
        for (const { node } of [members[0]!, members[9]!, members[13]!]) {
          expect(yield* inTime(node.get("key"))).toStrictEqual(Option.some("value"))
        }
      }
    }).pipe(on))

  it.effect("outlives those that keep it, one after the other", () =>
    Effect.gen(function*() {
      const members = yield* network(24, { k: 4, every: "10 minutes" })
      yield* inTime(members[23]!.node.set("key", "value"))
      const stays = [members[0]!]
      // The publisher, then each hour one that keeps it, until none is left of those that were told first.
      yield* members[23]!.close
      const first = (yield* keepers(members)).filter((member) => member !== members[0] && member !== members[23])
      for (const member of first) {
        yield* member.close
        yield* hours(2)
      }
      const rest = members.filter((member) => !first.includes(member) && member !== members[23])
      expect((yield* keepers(rest)).length).toBeGreaterThan(2)
      expect(yield* inTime(stays[0]!.node.get("key"))).toStrictEqual(Option.some("value"))
    }).pipe(on))

  it.effect("is stored again by one of those that keep it, not by all", () =>
    Effect.gen(function*() {
      const members = yield* network(14, { k: 5, every: "10 minutes" })
      yield* inTime(members[3]!.node.set("key", "value"))
      for (const member of members) yield* member.events
      yield* hours(8)
      const stored = (yield* Effect.forEach(members, ({ events }) => events)).flat().filter(({ _tag }) =>
        _tag === "Stored"
      )
      // Once an hour, or somewhat later, at up to five; two may begin at once.
      expect(stored.length).toBeGreaterThan(5 * 4)
      expect(stored.length).toBeLessThanOrEqual(8 * 2 * 5)
    }).pipe(on))

  it.effect("is handed to a node that comes and is among the closest", () =>
    Effect.gen(function*() {
      const members = yield* network(20, { k: 4 })
      yield* inTime(members[3]!.node.set("key", "value"))
      // Closer than any other.
      const late = yield* join(99, { k: 4, id: Id.flip(key, 159) })
      yield* inTime(Effect.sleep("5 seconds"))
      expect(yield* keepers([late])).toStrictEqual([late])
      // Further than all others.
      const far = yield* join(98, { k: 4, id: Id.Hex.make(Id.flip(key, 0).slice(0, 1) + key.slice(1)) })
      yield* inTime(Effect.sleep("5 seconds"))
      expect(yield* keepers([far])).toStrictEqual([])
    }).pipe(on))

  it.effect("goes the sooner the further from its key it is cached", () =>
    Effect.gen(function*() {
      const members = yield* network(30, { k: 3 })
      const sorted = members.toSorted((a, b) => Id.byDistance(key)(a.node.id, b.node.id))
      const [near, far] = [sorted[1]!, sorted[20]!]
      // Told by a node far from the key, as its publisher would.
      const teller = sorted[29]!
      yield* inTime(teller.node.set("key", "value"))
      yield* teller.close
      const lives = (member: Member) =>
        Effect.map(member.storage.get(key), (entry) =>
          Option.match(entry, { onNone: () => 0, onSome: ({ expiresAt }) => expiresAt }))
      expect(yield* lives(near)).toBeGreaterThan(24 * 3_600_000)
      yield* inTime(far.node.get("key"))
      yield* inTime(Effect.sleep("1 second"))
      const cached = (yield* keepers(members)).filter((member) =>
        sorted.indexOf(member) > 3 && member !== teller
      )
      for (const member of cached) expect(yield* lives(member)).toBeLessThan(24 * 3_600_000)
    }).pipe(on))
})

describe("the table", () => {
  it.effect("is refreshed after an hour without lookups: the own bucket by one, and three contacts of any other are asked", () =>
    Effect.gen(function*() {
      const members = yield* network(20, { k: 4 })
      const member = members[5]!
      yield* inTime(Effect.sleep("1 minute"))
      yield* member.events
      const before = yield* member.node.buckets
      yield* TestClock.adjust("50 minutes")
      const lookups = Effect.map(member.events, (events) => events.filter(({ _tag }) => _tag === "LookupStarted"))
      expect(yield* lookups).toStrictEqual([])
      yield* TestClock.adjust("20 minutes")
      expect(yield* lookups).toHaveLength(1)
      const after = yield* member.node.buckets
      expect(after.length).toBe(before.length)
      const far = after.filter(({ prefix }) => prefix !== member.node.id)
      expect(far.length).toBeGreaterThan(1)
      for (const { entries, lookedUp } of far) {
        expect(lookedUp).toBeGreaterThan(3_600_000)
        // The three that answered longest ago are those that answered last.
        expect(entries.filter(({ answeredAt }) => answeredAt >= lookedUp).length).toBeGreaterThanOrEqual(
          Math.min(3, entries.length)
        )
      }
    }).pipe(on))

  it.effect("loses those that have gone to those that are there", () =>
    Effect.gen(function*() {
      const members = yield* network(24, { k: 4, every: "10 minutes" })
      const gone = members.slice(10, 20)
      for (const { close } of gone) yield* close
      yield* hours(12)
      const ids = new Set(gone.map(({ node }) => node.id))
      const buckets = (yield* Effect.forEach(members.filter((member) => !gone.includes(member)), ({ node }) =>
        node.buckets))
        .flat()
      const isDead = ({ contact }: RoutingTable.Entry) =>
        ids.has(contact.id)
      // As the paper has it those stay whose place nobody else wants, and they are known as stale.
      for (const { cache, entries } of buckets.filter(({ entries }) => entries.some(isDead))) {
        expect(cache.filter((entry) => !isDead(entry))).toStrictEqual([])
        for (const { failures } of entries.filter(isDead)) expect(failures).toBeGreaterThan(0)
      }
      // There were so many of them.
      expect(buckets.flatMap(({ entries }) => entries).filter((entry) => !isDead(entry)).length).toBeGreaterThan(80)
    }).pipe(on))
})

describe("a wall clock that is set while the node is up", () => {
  for (const step of [-48, 48]) {
    it.effect(`by ${step} hours ends nothing before its time, and nothing stays for it`, () =>
      Effect.gen(function*() {
        const { clock, wall } = yield* stepping
        const [, other] = yield* network(2)
        const member = yield* start(addressOf(3), { expireAfter: "2 hours" }).pipe(
          Effect.provideService(Clock.Clock, clock)
        )
        yield* inTime(member.node.bootstrap([other!.node.address]))
        yield* inTime(other!.node.set("key", "value"))
        yield* other!.close
        wall.step = step * 3_600_000
        yield* hours(1)
        expect(yield* inTime(member.node.get("key"))).toStrictEqual(Option.some("value"))
        yield* hours(1.1)
        expect(yield* keepers([member])).toStrictEqual([])
      }).pipe(on))
  }
})
