/** Nodes behind NATs, on a simulated network: who finds out that nobody can call it, and whom the others name. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { SimulatedNetwork } from "effect-rpcudp/testing"
import { TestClock } from "effect/testing"
import type { Node } from "../src/index.ts"
import { addressOf, caller, contactsOf, inet, inTime, join, network, start } from "./nodes.ts"

const on = (seed: number) => Effect.provide(SimulatedNetwork.layer({ delay: "20 millis", tick: 5, loss: 0.01, seed }))

const outside = "10.1.0.1:8468"

/** A node behind a NAT of that kind, which has joined by way of the first. */
const behind = Effect.fnUntraced(function*(
  kind: Pick<SimulatedNetwork.Nat, "mapping" | "filtering">,
  options?: Node.Options
) {
  const net = yield* SimulatedNetwork.SimulatedNetwork
  yield* Effect.asVoid(
    net.nat({ ...kind, outside: "10.1.0.1", inside: ["192.168.0.2"], preservePorts: true })
  )
  const member = yield* start("192.168.0.2:8468", options)
  yield* inTime(member.node.bootstrap([inet(addressOf(1))]))
  return member
})

const open = { mapping: "endpoint-independent", filtering: "endpoint-independent" } as const

const closed = [
  { mapping: "endpoint-independent", filtering: "address-dependent" },
  { mapping: "endpoint-independent", filtering: "address-and-port-dependent" },
  { mapping: "address-and-port-dependent", filtering: "address-and-port-dependent" }
] as const

describe("a node behind a NAT", () => {
  for (const kind of closed) {
    const name = `${kind.mapping} in mapping, ${kind.filtering} in filtering`
    it.effect(`that lets no stranger in (${name}) knows it, is named to nobody, and sets and gets`, () =>
      Effect.gen(function*() {
        const members = yield* network(12)
        const hidden = yield* behind(kind)
        yield* TestClock.adjust("1 hour")
        expect(yield* hidden.node.isReachable).toStrictEqual(Option.some(false))
        for (const { node } of members) expect(yield* node.isReachable).not.toStrictEqual(Option.some(false))
        const late = yield* join(20)
        const known = yield* contactsOf(late)
        expect(known).toHaveLength(12)
        expect(known.map(({ id }) => id)).not.toContain(hidden.node.id)
        expect(yield* inTime(hidden.node.set("its", "value"))).toBeGreaterThanOrEqual(12)
        expect(yield* inTime(late.node.get("its"))).toStrictEqual(Option.some("value"))
        yield* inTime(late.node.set("another's", "other"))
        expect(yield* inTime(hidden.node.get("another's"))).toStrictEqual(Option.some("other"))
      }).pipe(on(1)))
  }

  it.effect("that lets strangers in is a node as any other, and keeps its mapping alive though nothing happens", () =>
    Effect.gen(function*() {
      yield* network(12)
      const member = yield* behind(open, { keepAlive: "20 seconds", every: "1 day" })
      yield* TestClock.adjust("50 minutes")
      // Strangers that the node has never heard of.
      for (const address of ["10.7.0.1:1", "10.8.0.1:1"]) {
        const stranger = yield* caller(address, outside)
        expect(yield* inTime(stranger.ping(member.node.id))).toBe(member.node.id)
      }
      const late = yield* join(20)
      expect((yield* contactsOf(late)).map(({ id }) => id)).toContain(member.node.id)
    }).pipe(on(2)))

  it.effect("may be a gate of others: they join by way of the other gates", () =>
    Effect.gen(function*() {
      yield* network(12)
      const hidden = yield* behind(closed[1])
      yield* TestClock.adjust("1 hour")
      const late = yield* start(addressOf(20))
      expect(yield* inTime(late.node.bootstrap([inet(outside), inet(addressOf(3))]))).toBe(1)
      const known = yield* contactsOf(late)
      expect(known).toHaveLength(12)
      expect(known.map(({ id }) => id)).not.toContain(hidden.node.id)
    }).pipe(on(3)))
})

describe("a node that can be called", () => {
  for (const count of [2, 3, 6, 12]) {
    it.effect(`never takes itself for one that cannot, for ten hours among ${count} that do nothing`, () =>
      Effect.gen(function*() {
        const members = yield* network(count)
        for (let i = 0; i < 20; i++) {
          yield* TestClock.adjust("30 minutes")
          for (const { node } of members) expect(yield* node.isReachable).not.toStrictEqual(Option.some(false))
        }
      }).pipe(on(4)))
  }
})
