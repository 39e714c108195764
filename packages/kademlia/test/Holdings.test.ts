/** Who makes room for whom, and what is renewed first: against the plainest model of each. */
import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import type { Holding } from "../src/core/Holdings.ts"
import { Holdings } from "../src/core/Holdings.ts"
import { Id } from "../src/index.ts"

const self = Id.ofKey("self")

const Pair = Schema.Struct({
  key: Schema.Literals(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"]),
  own: Schema.Literals([false, false, false, true]),
  network: Schema.Literals(["1", "2", "3"]),
  sender: Schema.Literals(["1", "1", "2", "3"])
})

const holdingOf = ({ key, network, own, sender }: typeof Pair.Type, at = 0): Holding => ({
  key: Id.ofKey(key),
  own,
  network: own ? "" : network,
  sender: own ? "" : `${network}.${sender}`,
  expiresAt: Infinity,
  republishAt: at
})

/** Takes pairs as a node with so many places does. Returns what is there, and each that had to stay out. */
const play = (pairs: ReadonlyArray<Holding>, places: number) => {
  const holdings = new Holdings(self)
  const there = new Map<Id.Id, Holding>()
  const refused: Array<readonly [Holding, ReadonlyArray<Holding>]> = []
  const removed: Array<readonly [victim: Holding, by: Holding, before: ReadonlyArray<Holding>]> = []
  for (const holding of pairs) {
    if (there.size === places && !there.has(holding.key)) {
      const before = [...there.values()]
      const victim = holdings.victimFor(holding)
      if (victim === undefined) {
        refused.push([holding, before])
        continue
      }
      removed.push([there.get(victim)!, holding, before])
      there.delete(victim)
      holdings.delete(victim)
    }
    there.set(holding.key, holding)
    holdings.add(holding)
  }
  return { holdings, there, refused, removed }
}

const counter = (holdings: ReadonlyArray<Holding>) => (name: keyof Holding, value: unknown) =>
  holdings.filter((holding) => !holding.own && holding[name] === value).length

const bits = ({ key }: Holding) => Id.sharedBits(key, self)

it("an IPv6 /64 of which a part is private is one sender of each network, and none is lost when the other goes", () => {
  const holdings = new Holdings(self)
  const of = (key: string, network: string): Holding => ({
    ...holdingOf({ key: "a", own: false, network: "1", sender: "1" }),
    key: Id.ofKey(key),
    network,
    sender: "64:ff9b:0:0"
  })
  for (const pair of [of("public", "64:ff9b:0"), of("private", "64:ff9b:0:0")]) holdings.add(pair)
  holdings.delete(Id.ofKey("private"))
  expect(holdings.victimFor({ ...of("own", ""), own: true })).toBe(Id.ofKey("public"))
  holdings.delete(Id.ofKey("public"))
  expect(holdings.size).toBe(0)
})

describe("where all places are taken", () => {
  it.prop(
    "shares are equal, near keys come first, and what the node published stays",
    [Schema.Array(Pair)],
    ([pairs]) => {
      const { holdings, refused, removed, there } = play(pairs.map((pair) => holdingOf(pair)), 5)
      expect(holdings.size).toBe(there.size)
      expect(new Set(holdings.keys())).toStrictEqual(new Set(there.keys()))
      for (const [victim, by, before] of removed) {
        const count = counter(before)
        expect(victim.own).toBe(false)
        if (by.own) continue
        // Of one's own, or of somebody who has more than that one will.
        const [theirs, its] = [count("network", victim.network), count("network", by.network)]
        const isOver = theirs > its + 1 ||
          (victim.network === by.network && count("sender", victim.sender) > count("sender", by.sender) + 1)
        if (!isOver) expect(bits(by)).toBeGreaterThan(bits(victim))
        // The furthest of its sender.
        for (const other of before) {
          if (other.sender === victim.sender) {
            expect(bits(other)).toBeGreaterThanOrEqual(bits(victim))
          }
        }
      }
      for (const [holding, before] of refused) {
        const others = before.filter(({ own }) => !own)
        const count = counter(before)
        if (holding.own) expect(others).toStrictEqual([])
        for (const { network, sender } of others) {
          expect(count("network", holding.network) + 1).toBeGreaterThanOrEqual(count("network", network))
          if (network !== holding.network) continue
          expect(count("sender", holding.sender) + 1).toBeGreaterThanOrEqual(count("sender", sender))
        }
      }
    }
  )

  it("a sender's near pairs come before its far ones", () => {
    const all = Array.from({ length: 200 }, (_, i) => Id.ofKey(`${i}`)).map((key): Holding => ({
      key,
      own: false,
      network: "1",
      sender: "1.1",
      expiresAt: Infinity,
      republishAt: 0
    }))
    const { there } = play(all, 20)
    const nearest = all.map(bits).toSorted((a, b) => b - a).slice(0, 20)
    expect([...there.values()].map(bits).toSorted((a, b) => b - a)).toStrictEqual(nearest)
  })
})

describe("of what is due", () => {
  const due = (holdings: ReadonlyArray<Holding>, now: number) => play(holdings, Infinity).holdings.due(now)

  it("the expired comes first, then the node's own, then each network's in turn", () => {
    const pair = (key: string, network: string, republishAt: number, expiresAt = Infinity): Holding => ({
      key: Id.ofKey(key),
      own: network === "",
      network,
      sender: network,
      republishAt,
      expiresAt
    })
    const pairs = [
      pair("not yet", "1", 101),
      ...[1, 2, 3].map((i) => pair(`many ${i}`, "many", i)),
      pair("few 1", "few", 50),
      pair("few 2", "few", 60),
      pair("own", "", 99),
      pair("gone", "few", 1_000, 100)
    ]
    expect(due(pairs, 100)).toStrictEqual(
      ["gone", "own", "many 1", "few 1", "many 2", "few 2", "many 3"].map((key) => Id.ofKey(key))
    )
  })
})
