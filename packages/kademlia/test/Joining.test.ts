/** How nodes come into a network though datagrams are lost, and stay in it. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { SimulatedNetwork } from "effect-rpcudp/testing"
import { TestClock } from "effect/testing"
import { addressOf, contactsOf, inet, inTime, network, start } from "./nodes.ts"

const on = (seed: number) => Effect.provide(SimulatedNetwork.layer({ delay: "20 millis", tick: 5, seed }))

/** Loses the first so many requests for nodes that this address sends. */
const loseSearches = (from: string, count: number) =>
  Effect.gen(function*() {
    const net = yield* SimulatedNetwork.SimulatedNetwork
    let lost = 0
    yield* net.set({
      rule: (packet) => {
        const isSearch = packet.from === from && Buffer.from(packet.payload).includes("find_node")
        return isSearch && lost++ < count ? [] : ["20 millis"]
      }
    })
  })

describe("a node that joins", () => {
  it.effect("meets the network though its first search is lost", () =>
    Effect.gen(function*() {
      yield* network(6)
      yield* loseSearches(addressOf(9), 2)
      const late = yield* start(addressOf(9))
      expect(yield* inTime(late.node.bootstrap([inet(addressOf(1))]))).toBe(1)
      expect(yield* contactsOf(late)).toHaveLength(6)
    }).pipe(on(1)))

  it.effect("does not say that it has joined when all its searches are lost, and goes on trying", () =>
    Effect.gen(function*() {
      yield* network(6)
      yield* loseSearches(addressOf(9), 3)
      const late = yield* start(addressOf(9))
      expect(yield* inTime(late.node.bootstrap([inet(addressOf(1))]))).toBe(0)
      yield* TestClock.adjust("2 minutes")
      expect(yield* contactsOf(late)).toHaveLength(6)
    }).pipe(on(1)))
})

describe("a node with a live gate", () => {
  for (let seed = 1; seed <= 5; seed++) {
    it.effect(`has ten contacts that answer, or all there are, ten minutes after whatever happened, seed ${seed}`, () =>
      Effect.gen(function*() {
        const net = yield* SimulatedNetwork.SimulatedNetwork
        const members = yield* network(12)
        const late = yield* start(addressOf(20))
        yield* net.set({ loss: 0.7 })
        yield* inTime(late.node.bootstrap([inet(addressOf(1))]))
        yield* TestClock.adjust("3 minutes")
        yield* net.set({ loss: 0.02 })
        yield* TestClock.adjust("10 minutes")
        const live = Effect.map(
          late.node.buckets,
          (buckets) => buckets.flatMap(({ entries }) => entries).filter(({ failures }) => failures === 0).length
        )
        expect(yield* live).toBeGreaterThanOrEqual(10)
        // All leave but the gate; then others come by way of it.
        for (const { close } of members.slice(1)) yield* close
        yield* TestClock.adjust("2 hours")
        for (let i = 30; i < 34; i++) yield* inTime((yield* start(addressOf(i))).node.bootstrap([inet(addressOf(1))]))
        yield* TestClock.adjust("10 minutes")
        expect(yield* live).toBeGreaterThanOrEqual(5)
      }).pipe(on(seed)))
  }
})
