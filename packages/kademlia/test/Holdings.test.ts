/** Who makes room for whom, and what is renewed first: against the plainest model of each. */
import { describe, expect, it, vi } from "@effect/vitest"
import { Schema } from "effect"
import { PriorityQueue } from "../src/core/PriorityQueue.ts"
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

it("an IPv6 /64 of which a part is private is one sender of each network: neither pays for the other, nor is lost with it", () => {
  const holdings = new Holdings(self)
  const of = (key: string, network: string, id = Id.ofKey(key)): Holding => ({
    ...holdingOf({ key: "a", own: false, network: "1", sender: "1" }),
    key: id,
    network,
    sender: "64:ff9b:0:0"
  })
  const near = [100, 101, 102].map((bit) => of("near", "64:ff9b:0:0", Id.flip(self, bit)))
  for (const pair of [of("public", "64:ff9b:0"), of("private", "64:ff9b:0:0"), ...near]) holdings.add(pair)
  holdings.delete(Id.ofKey("private"))
  expect(holdings.victimFor(of("another", "1"))).toBe(near[0]!.key)
  for (const { key } of near) holdings.delete(key)
  holdings.add(of("private", "64:ff9b:0:0"))
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
  const taken = (holdings: Holdings, now: number, again = Infinity) => {
    const keys: Array<Id.Id> = []
    for (let key = holdings.takeDue(now, again); key !== undefined; key = holdings.takeDue(now, again)) keys.push(key)
    return keys
  }

  const pair = (key: string, network: string, republishAt: number, expiresAt = Infinity): Holding => ({
    key: Id.ofKey(key),
    own: network === "",
    network,
    sender: network,
    republishAt,
    expiresAt
  })

  const holding = (pairs: ReadonlyArray<Holding>) => play(pairs, Infinity).holdings

  it("the expired comes first, then the node's own, then each network's in turn", () => {
    const pairs = [
      pair("not yet", "1", 101),
      ...[1, 2, 3].map((i) => pair(`many ${i}`, "many", i)),
      pair("few 1", "few", 50),
      pair("few 2", "few", 60),
      pair("own", "", 99),
      pair("gone", "few", 1_000, 100)
    ]
    expect(taken(holding(pairs), 100)).toStrictEqual(
      ["gone", "own", "many 1", "few 1", "many 2", "few 2", "many 3"].map((key) => Id.ofKey(key))
    )
  })

  it("each network's turn comes before the next of one that had its own before, however overdue that is", () => {
    const holdings = holding([
      ...[1, 2, 3].map((i) => pair(`many ${i}`, "many", i)),
      pair("few 1", "few", 60),
      pair("few 2", "few", 61)
    ])
    expect(holdings.takeDue(50, Infinity)).toBe(Id.ofKey("many 1"))
    expect(taken(holdings, 70)).toStrictEqual(["many 2", "few 1", "many 3", "few 2"].map((key) => Id.ofKey(key)))
  })

  it("what came to nothing is due again, and what is gone is not", () => {
    const pairs = [pair("own", "", 1), pair("a", "1", 2), pair("b", "1", 3), pair("gone", "2", 1_000, 4)]
    const holdings = holding(pairs)
    expect(taken(holdings, 10, 20)).toHaveLength(4)
    expect(taken(holdings, 19, 20)).toStrictEqual([])
    holdings.delete(Id.ofKey("a"))
    holdings.add(pair("own", "", 30))
    expect(taken(holdings, 20)).toStrictEqual(["gone", "b"].map((key) => Id.ofKey(key)))
    expect(taken(holdings, 30)).toStrictEqual([Id.ofKey("own")])
  })

  it("what is taken first is found without a look at all, though a stranger has filled the node", () => {
    const holdings = new Holdings(self)
    for (let i = 0; i < 65_536; i++) holdings.add(pair(`${i}`, `${i & 1023}`, i))
    const compared = vi.spyOn(PriorityQueue.prototype, "isBefore")
    for (let i = 0; i < 100; i++) expect(holdings.takeDue(1e9, Infinity)).toBeDefined()
    // Of two heaps, in each twice the height of one of 65,536.
    expect(compared.mock.calls.length).toBeLessThanOrEqual(100 * 2 * 2 * 17)
    compared.mockRestore()
  })
})
