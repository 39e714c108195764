/** Ids, their distance, and the table of contacts: against the plainest model of each. */
import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { Contact } from "../src/Contact.ts"
import { Id, RoutingTable } from "../src/index.ts"
import { inet } from "./nodes.ts"

const Byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))

// The first byte from all, and few kinds of others: such ids share many bits, and fill deep buckets.
const AnyId = Schema.Tuple([Byte, Byte, Schema.Literals([0, 1, 128]), Schema.Literals([0, 7])])

const idOf = ([first, second, third, last]: typeof AnyId.Type): Id.Id =>
  Id.Hex.make(Buffer.from([first, second, third, ...Array.from({ length: 16 }, () => 0), last]).toString("hex"))

const number = (id: Id.Id) => BigInt(`0x${id}`)

const distance = (a: Id.Id, b: Id.Id) => number(a) ^ number(b)

const contact = (id: Id.Id) => new Contact(id, inet(`10.1.2.3:${1 + parseInt(id.slice(0, 4), 16) % 65_535}`))

describe("ids", () => {
  it.prop("are as far from each other as their exclusive or is great", [AnyId, AnyId, AnyId], (ids) => {
    const [target, a, b] = ids.map(idOf) as [Id.Id, Id.Id, Id.Id]
    const [to, than] = [distance(target, a), distance(target, b)]
    expect(Math.sign(Id.byDistance(target)(a, b))).toBe(to < than ? -1 : to > than ? 1 : 0)
    expect(Id.isCloser(target, a, b)).toBe(to < than)
  })

  it.prop("share the leading bits of their distance that are 0", [AnyId, AnyId], (ids) => {
    const [a, b] = ids.map(idOf) as [Id.Id, Id.Id]
    const differing = distance(a, b)
    expect(Id.sharedBits(a, b)).toBe(160 - (differing === 0n ? 0 : differing.toString(2).length))
  })

  it.prop(
    "take any prefix of another",
    [AnyId, AnyId, Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 160 }))],
    ([a, b, length]) => {
      const [prefix, rest] = [idOf(a), idOf(b)]
      const low = 2n ** BigInt(160 - length) - 1n
      const expected = (number(prefix) & ~low) | (number(rest) & low)
      expect(number(Id.withPrefix(prefix, length, rest))).toBe(expected)
    }
  )

  it.prop(
    "have bits that can be turned over",
    [AnyId, Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 159 }))],
    ([a, index]) => {
      const id = idOf(a)
      const turned = Id.flip(id, index)
      expect(Id.bit(turned, index)).toBe(1 - Id.bit(id, index))
      expect(distance(id, turned)).toBe(2n ** BigInt(159 - index))
    }
  )

  it("of keys are Python's", () => {
    // hashlib.sha1("Grüße 世界".encode()).hexdigest()
    expect(Id.ofKey("Grüße 世界")).toBe("f74c8694da55036458c3a839433bfa5174d63f31")
  })
})

const Seen = Schema.Struct({ do: Schema.Literal("seen"), id: AnyId })

/** One of those that were seen. */
const Gone = Schema.Struct({ do: Schema.Literals(["failed", "evict"]), which: Byte })

const Step = Schema.Union([Seen, Seen, Seen, Gone])

const k = 3

const play = (bits: number, steps: ReadonlyArray<typeof Step.Type>) => {
  const self = idOf([0b1010_0000, 1, 0, 0])
  const table = new RoutingTable.RoutingTable({ self, k, bits, staleAfter: 2 }, 0)
  const ever = new Set<Id.Id>()
  let now = 0
  for (const step of steps) {
    now++
    const id = step.do === "seen" ? idOf(step.id) : [...ever][step.which % ever.size]
    if (id === undefined) continue
    if (step.do === "seen") {
      ever.add(id)
      table.seen(contact(id), now)
    } else if (step.do === "failed") table.failed(contact(id))
    else table.evict(id)
  }
  return { self, table, ever }
}

describe("the table", () => {
  for (const bits of [1, 5]) {
    it.prop(`keeps its laws, whatever is seen, fails and goes, ${bits} bits a hop`, [Schema.Array(Step)], ([steps]) => {
      const { ever, self, table } = play(bits, steps)
      const ids = table.contacts.map(({ id }) => id)
      expect(new Set(ids).size).toBe(ids.length)
      expect(table.size).toBe(ids.length)
      expect(ids).not.toContain(self)
      // Each address has one id.
      expect(new Set(table.contacts.map(({ name }) => name)).size).toBe(ids.length)
      for (const id of ids) expect(ever.has(id)).toBe(true)
      for (const but of [self, ...ids]) {
        const sharing = table.sharing(contact(but))
        const others = ids.filter((id) => id !== but)
        sharing.forEach((count, bits) =>
          expect(count).toBe(others.filter((id) => Id.sharedBits(self, id) === bits).length)
        )
        expect([...sharing.values()].reduce((sum, count) => sum + count, 0)).toBe(others.length)
      }
      expect(table.buckets.at(-1)).toBe(table.bucketOf(self))
      let end = 0n
      for (const bucket of table.buckets.toSorted((a, b) => a.prefix < b.prefix ? -1 : 1)) {
        const { cache, depth, entries, prefix } = bucket
        // Buckets lie side by side and cover all ids.
        const width = 2n ** BigInt(160 - depth)
        expect(number(prefix) / width * width).toBe(end)
        end += width
        expect(entries.length).toBeLessThanOrEqual(k)
        expect(cache.length).toBeLessThanOrEqual(k)
        for (const { contact } of [...entries, ...cache]) {
          expect(Id.sharedBits(contact.id, prefix)).toBeGreaterThanOrEqual(depth)
        }
      }
      expect(end).toBe(2n ** 160n)
    })

    it.prop(
      `answers the closest contacts, the closest first, ${bits} bits a hop`,
      [Schema.Array(Step), AnyId, AnyId],
      (given) => {
        const [target, other] = [idOf(given[1]), idOf(given[2])]
        const { table } = play(bits, given[0])
        const sorted = table.contacts.map(({ id }) => id)
          .sort((a, b) => distance(a, target) < distance(b, target) ? -1 : 1)
        expect(table.closest(target, 5).map(({ id }) => id)).toStrictEqual(sorted.slice(0, 5))
        const closer = sorted.filter((id) => distance(id, target) < distance(other, target))
        expect(table.countCloser(target, other)).toBe(closer.length)
      }
    )
  }

  it("answers the closest contacts, the closest first, where they differ in their last bits", () => {
    const target = idOf([128, 0, 0, 7])
    const table = new RoutingTable.RoutingTable({ self: idOf([0, 0, 0, 0]), k, bits: 1, staleAfter: 5 }, 0)
    for (const last of [0, 7] as const) {
      table.seen(new Contact(idOf([128, 0, 0, last]), inet(`10.1.2.3:${1 + last}`)), 0)
    }
    expect(table.closest(target, 2).map(({ id }) => id)).toStrictEqual([target, idOf([128, 0, 0, 0])])
    expect(table.closest(target, 1).map(({ id }) => id)).toStrictEqual([target])
  })

  it("answers the closest contacts where each stands in a bucket of its own", () => {
    const ids = [128, 64, 32, 16].map((first) => idOf([first, 0, 0, 0]))
    const table = new RoutingTable.RoutingTable({ self: idOf([0, 0, 0, 0]), k: 1, bits: 1, staleAfter: 5 }, 0)
    for (const id of ids) expect(table.seen(contact(id), 0)).toBe("added")
    for (const target of [idOf([0, 0, 0, 7]), ...ids]) {
      const sorted = ids.toSorted((a, b) => distance(a, target) < distance(b, target) ? -1 : 1)
      for (const count of [1, 2, 3]) {
        expect(table.closest(target, count).map(({ id }) => id)).toStrictEqual(sorted.slice(0, count))
      }
    }
  })

  it("counts who is closer than another, whatever branches part them", () => {
    const ids = Array.from({ length: 64 }, (_, i) => idOf([4 * i + 2, 0, 0, 0]))
    const table = new RoutingTable.RoutingTable({ self: idOf([0, 0, 0, 0]), k: 4, bits: 5, staleAfter: 5 }, 0)
    for (const id of ids) expect(table.seen(contact(id), 0)).toBe("added")
    for (const target of ids) {
      for (const other of ids) {
        const closer = ids.filter((id) => distance(id, target) < distance(other, target))
        expect(table.countCloser(target, other)).toBe(closer.length)
      }
    }
  })

  const self = idOf([0, 0, 0, 0])
  const far = (n: number) => contact(idOf([128 + n, 0, 0, 0]))
  const full = () => {
    const table = new RoutingTable.RoutingTable({ self, k, bits: 1, staleAfter: 2 }, 0)
    for (let n = 0; n < 5; n++) table.seen(far(n), n)
    return table
  }
  const ids = (table: RoutingTable.RoutingTable) => table.contacts.map(({ id }) => id)

  it("prefers those it has known for long: others wait", () => {
    const table = full()
    expect(ids(table)).toStrictEqual([0, 1, 2].map((n) => far(n).id))
    expect(table.seen(far(9), 9)).toBe("cached")
    expect(table.hasRoom(far(8).id)).toBe(false)
    // On the side of its own id there is room.
    expect(table.hasRoom(idOf([1, 0, 0, 0]))).toBe(true)
  })

  it("says who may have the place of a contact that fails too often, the one that was seen last first; until then it stays", () => {
    const table = full()
    expect(table.failed(far(1))).toBe(false)
    expect(table.replaceable(far(9).id)).toBe(undefined)
    expect(table.failed(far(1))).toBe(true)
    expect([4, 3, 9].map(() => table.takeWaiting(far(1).id)?.id)).toStrictEqual([far(4).id, far(3).id, undefined])
    expect(table.replaceable(far(9).id)?.id).toBe(far(1).id)
    // On the side of its own id there is room.
    expect(table.replaceable(idOf([1, 0, 0, 0]))).toBe(undefined)
    expect(ids(table)).toStrictEqual([0, 1, 2].map((n) => far(n).id))
  })

  it("does not charge a contact with the silence of another address that somebody has named for its id", () => {
    const table = full()
    for (const there of [far(1), far(4)]) {
      const elsewhere = new Contact(there.id, inet("10.9.9.9:9"))
      for (let n = 0; n < 10; n++) expect(table.failed(elsewhere)).toBe(false)
    }
    expect(table.takeWaiting(far(1).id)?.id).toBe(far(4).id)
  })

  it("forgets the failures of a contact that is heard from", () => {
    const table = full()
    table.failed(far(1))
    table.seen(far(1), 10)
    expect(table.failed(far(1))).toBe(false)
  })

  it("keeps contacts that fail while no other waits: its own network may be down", () => {
    const table = new RoutingTable.RoutingTable({ self, k, bits: 1, staleAfter: 2 }, 0)
    table.seen(far(0), 0)
    for (let n = 0; n < 10; n++) table.failed(far(0))
    expect(ids(table)).toStrictEqual([far(0).id])
    // They are the first to go.
    for (let n = 1; n <= 3; n++) table.seen(far(n), n)
    expect(ids(table)).toStrictEqual([1, 2, 3].map((n) => far(n).id))
  })

  it("questions who answered longest ago, once it was silent, and then nobody for as long; a call in its name changes nothing", () => {
    const table = full()
    table.seen(far(0), 50, "call")
    expect(table.questionable(far(9).id, 99, 100)).toBe(undefined)
    expect(table.questionable(far(9).id, 100, 100)?.id).toBe(far(0).id)
    expect(table.questionable(far(9).id, 101, 100)).toBe(undefined)
    table.failed(far(2))
    expect(table.questionable(far(9).id, 102, 100)?.id).toBe(far(2).id)
  })

  it("does not let an id move to another address by the word of who is there", () => {
    const table = full()
    expect(table.seen(new Contact(far(1).id, inet("10.9.9.9:9")), 10)).toBe("elsewhere")
    expect(table.find(far(1).id)?.contact.name).toBe(far(1).name)
  })

  it("has one id at an address, and another once the first has gone", () => {
    const table = new RoutingTable.RoutingTable({ self, k, bits: 1, staleAfter: 2 }, 0)
    const first = new Contact(far(0).id, inet("10.9.9.9:9"))
    const second = new Contact(far(1).id, inet("10.9.9.9:9"))
    expect(table.seen(first, 0)).toBe("added")
    expect(table.isBarred(second)).toBe(true)
    expect(table.seen(second, 1)).toBe("taken")
    table.evict(first.id)
    expect(table.seen(second, 2)).toBe("added")
  })

  it("has two contacts of a public network in a bucket of 20, and ten in all", () => {
    /** How many places those at `host` get in a table that has ten others in each of its twenty buckets. */
    const placesOf = (host: (n: number) => string) => {
      const table = new RoutingTable.RoutingTable({ self, k: 20, bits: 1, staleAfter: 2 }, 0)
      const see = (n: number, depth: number, address: string) => {
        const id = Id.Hex.make(Id.flip(self, depth).slice(0, 30) + n.toString(16).padStart(10, "0"))
        table.seen(new Contact(id, inet(address)), n)
      }
      for (let n = 0; n < 200; n++) see(n, n % 20, `9.${n}.1.1:1`)
      const before = table.size
      for (let n = 200; n < 400; n++) see(n, Math.floor(n / 10) % 20, `${host(n)}:${n}`)
      const isTheirs = ({ contact }: RoutingTable.Entry) => !contact.name.startsWith("9.")
      const inOne = Math.max(
        ...table.buckets.map(({ cache, entries }) => [...entries, ...cache].filter(isTheirs).length)
      )
      return [table.size - before, inOne]
    }
    expect(placesOf(() => "8.8.8.8")).toStrictEqual([10, 2])
    expect(placesOf((n) => `8.8.8.${n % 250}`)).toStrictEqual([10, 2])
    expect(placesOf((n) => `[2606:4700:0:${n}::1]`)).toStrictEqual([10, 2])
    expect(placesOf((n) => `8.${n >> 8}.${n & 255}.8`)[0]).toBeGreaterThan(100)
    // A private network may be all there is.
    expect(placesOf(() => "10.0.0.1")[0]).toBeGreaterThan(100)
  })

  it("has nobody take a place whose public network has as many as it may, though it waits", () => {
    const table = new RoutingTable.RoutingTable({ self, k: 10, bits: 1, staleAfter: 2 }, 0)
    const far = (n: number) => Id.Hex.make(Id.flip(self, 0).slice(0, 30) + n.toString(16).padStart(10, "0"))
    for (let n = 0; n < 10; n++) table.seen(new Contact(far(n), inet(`9.${n}.1.1:1`)), n)
    // Its bucket is full: the two wait, and so does a third of another network.
    const [first, second, other] = ["8.8.8.1:1", "8.8.8.2:1", "7.7.7.7:1"].map((name, i) =>
      new Contact(far(10 + i), inet(name))
    ) as [Contact, Contact, Contact]
    for (const waiting of [other, first, second]) expect(table.seen(waiting, 20)).toBe("cached")
    table.evict(far(0))
    expect(table.takeWaiting(far(0))).toBe(second)
    table.seen(second, 21)
    table.evict(far(1))
    expect(table.takeWaiting(far(1))).toBe(other)
    expect(table.takeWaiting(far(1))).toBe(undefined)
  })
})

describe("whom others are told of", () => {
  const self = idOf([0, 0, 0, 0])
  const near = Array.from({ length: 6 }, (_, n) => idOf([0b1000_0000, n, 0, 0]))

  it("are contacts that can be reached; where these are too few, all that answered their last call", () => {
    const table = new RoutingTable.RoutingTable({ self, k: 6, bits: 1, staleAfter: 2 }, 0)
    const named = (count: number, unless?: Id.Id) =>
      table.callable(near[0]!, count, ({ id }) => id === unless).map(({ id }) => near.indexOf(id))
    near.forEach((id, n) => table.seen(contact(id), n, n % 2 === 0 ? "answer" : "proof"))
    expect(named(3)).toStrictEqual([1, 3, 5])
    expect(named(4)).toStrictEqual([0, 1, 2, 3])
    table.failed(contact(near[3]!))
    expect(named(3)).toStrictEqual([0, 1, 2])
    expect(named(2)).toStrictEqual([1, 5])
    expect(named(2, near[1])).toStrictEqual([0, 2])
    // A call shows nothing.
    table.seen(contact(near[3]!), 10, "call")
    expect(named(3)).toStrictEqual([0, 1, 2])
    table.seen(contact(near[3]!), 11)
    expect(named(3)).toStrictEqual([1, 3, 5])
  })
})
