/** A node decided step by step: no network, no clock and no storage, only what it is told and what it wants done. */
import { describe, expect, it, vi } from "@effect/vitest"
import { Contact } from "../src/Contact.ts"
import { readingLimits } from "../src/core/Serving.ts"
import type { Output } from "../src/core/Shared.ts"
import { writingLimits } from "../src/core/Values.ts"
import type { Messages, Storage } from "../src/index.ts"
import { Id } from "../src/index.ts"
import { coreOf, inet } from "./nodes.ts"

type Tagged<Tag extends Output["_tag"]> = Extract<Output, { readonly _tag: Tag }>

const self = Id.ofKey("self")

const hour = 3_600_000

const peer = (number: number) => new Contact(Id.ofKey(`peer ${number}`), inet(`10.0.1.${number}:1`))

const peers = Array.from({ length: 12 }, (_, i) => peer(i + 1))

/** A node that knows these, and what it wants done since it was last asked. */
const make = (known: ReadonlyArray<Contact> = [], address?: string) => {
  let ids = 0
  const core = coreOf(self, () => Id.ofKey(`random ${++ids}`), address)
  const outputs = (): ReadonlyArray<Output> => {
    const all: Array<Output> = []
    for (let output = core.poll(); output !== undefined; output = core.poll()) all.push(output)
    return all
  }
  const wanted = <Tag extends Output["_tag"]>(tag: Tag): ReadonlyArray<Tagged<Tag>> =>
    outputs().filter((output): output is Tagged<Tag> => output._tag === tag)
  for (const contact of known) {
    core.ping(contact, 0)
    for (const { told } of wanted("Ping")) told({ _tag: "Id", id: contact.id }, 0)
  }
  core.start(0)
  const [nap] = wanted("Sleep")
  return { core, outputs, wanted, nap: nap! }
}

const lost = { _tag: "Lost", isSilent: true, isUnsent: false } as const

const named = (...contacts: ReadonlyArray<Contact>) => ({ _tag: "Contacts", contacts } as const)

const addresses = (calls: ReadonlyArray<{ readonly address: Contact["address"] }>) =>
  calls.map(({ address }) => address)

const near = (target: Id.Id, contacts: ReadonlyArray<Contact>) =>
  contacts.toSorted((a, b) => Id.byDistance(target)(a.id, b.id))

const entryOf = (value: Messages.Value, changes: Partial<Storage.Entry> = {}): Storage.Entry => ({
  value,
  own: false,
  from: "",
  sender: "10.9.9.9",
  network: "10.9.9.9",
  expiresAt: 25 * hour,
  republishAt: hour,
  ...changes
})

describe("a lookup", () => {
  const target = Id.ofKey("target")
  const [first, second, third, ...further] = near(target, peers)

  it("asks alpha at once, the closest first, and whom those name; it ends when the k closest have answered", () => {
    const { core, wanted } = make([third!, further[0]!, further[1]!])
    const results: Array<ReadonlyArray<Contact>> = []
    core.lookup(target, ({ closest }) => results.push(closest), 1)
    const begin = wanted("Find")
    expect(addresses(begin)).toStrictEqual([third!.address, further[0]!.address])
    begin[0]!.told(named(first!), 2)
    const [next] = wanted("Find")
    expect(next).toMatchObject({ address: first!.address, kind: "node", target })
    next!.told(named(second!, third!), 3)
    begin[1]!.told(named(), 4)
    const rest = wanted("Find")
    for (const { told } of rest.slice(0, -1)) told(named(), 5)
    expect(results).toStrictEqual([])
    rest.at(-1)!.told(named(), 6)
    expect(results).toStrictEqual([[first, second, third, further[0]]])
  })

  it("ends with the value, which the closest that had it not is given; what is answered later is of its peer alone", () => {
    const { core, outputs, wanted } = make([second!, third!, further[0]!])
    const found: Array<unknown> = []
    core.find(target, (search) => found.push(search), 1)
    wanted("Read")[0]!.told(undefined, 1)
    const [closer, other] = wanted("Find")
    closer!.told(named(first!), 2)
    const [last] = wanted("Find")
    expect(last).toMatchObject({ address: first!.address, kind: "value" })
    last!.told({ _tag: "Value", value: "value" }, 3)
    expect(found).toStrictEqual([{ value: "value", hops: 2, asked: 3 }])
    const calls = outputs().filter(({ _tag }) => _tag === "Store" || _tag === "Find")
    expect(calls).toMatchObject([{ _tag: "Store", address: second!.address, key: target, value: "value" }])
    other!.told(named(...further), 4)
    expect(wanted("Find")).toStrictEqual([])
    expect(found).toHaveLength(1)
  })
})

describe("contacts that the node's socket cannot reach", () => {
  const [ipv4, ipv6] = ["8.8.4.4:1", "[2600::4]:1"].map(inet)
  const cases = [
    ["8.8.8.8:1", "8.8.9.9:1", [ipv4]],
    ["0.0.0.0:1", "8.8.9.9:1", [ipv4]],
    ["[2600::1]:1", "[2600::9]:1", [ipv6]],
    ["[::]:1", "[2600::9]:1", [ipv4, ipv6]]
  ] as const
  for (const [own, namer, reached] of cases) {
    it(`are left out of a list, which counts for the rest: ${own}`, () => {
      const { core, wanted } = make([new Contact(Id.ofKey("namer"), inet(namer))], own)
      const results: Array<ReadonlyArray<Contact>> = []
      core.lookup(self, ({ closest }) => results.push(closest), 1)
      wanted("Find")[0]!.told(named(new Contact(Id.ofKey("a"), ipv4!), new Contact(Id.ofKey("b"), ipv6!)), 2)
      const finds = wanted("Find")
      expect(new Set(addresses(finds))).toStrictEqual(new Set(reached))
      for (const { told } of finds) told(named(), 3)
      expect(results[0]).toHaveLength(1 + reached.length)
    })
  }
})

describe("joining", () => {
  it("calls a gate three times, asks it three times for this node's own id, and says whether that led anywhere", () => {
    const [gate, silent] = [peers[0]!, peers[1]!]
    const { core, outputs, wanted } = make()
    const met: Array<number> = []
    core.bootstrap([gate.address, silent.address], (count) => met.push(count), 0)
    const [ping, vain] = wanted("Ping")
    ping!.told(lost, 1)
    wanted("Ping")[0]!.told({ _tag: "Id", id: gate.id }, 2)
    vain!.told(lost, 2)
    wanted("Ping")[0]!.told(lost, 3)
    const third = outputs()
    expect(third.map(({ _tag }) => _tag)).toStrictEqual(["Ping"])
    for (const output of third) if (output._tag === "Ping") output.told(lost, 4)
    for (const at of [5, 6]) {
      const [find] = wanted("Find")
      expect(find).toMatchObject({ address: gate.address, target: self })
      find!.told(lost, at)
    }
    expect(met).toStrictEqual([])
    wanted("Find")[0]!.told(named(), 7)
    expect(met).toStrictEqual([1])
    // Had it been silent once more, it would have led nowhere.
    core.bootstrap([gate.address], (count) => met.push(count), 8)
    wanted("Ping")[0]!.told({ _tag: "Id", id: gate.id }, 9)
    for (const at of [10, 11, 12]) wanted("Find")[0]!.told(lost, at)
    expect(met).toStrictEqual([1, 0])
  })
})

describe("upkeep", () => {
  const far = peers.filter(({ id }) => Id.sharedBits(self, id) === 0).slice(0, 4)
  const close = peers.find(({ id }) => Id.sharedBits(self, id) > 0)

  it("asks the three oldest contacts of a far bucket once each, whoever calls in their names, and pings whom they name", () => {
    const { core, nap, wanted } = make([...far, close!])
    core.table.lookedUp(self, hour)
    core.ping(far[0]!, 1)
    nap.told(undefined, hour)
    const asked = wanted("Find")
    expect(addresses(asked)).toStrictEqual(addresses(far.slice(0, 3)))
    const other = peers.find(({ id }) => Id.sharedBits(self, id) > 0 && id !== close!.id)
    asked[0]!.told(named(other!), hour)
    expect(addresses(wanted("Ping"))).toStrictEqual([other!.address])
    asked[1]!.told(lost, hour)
    asked[2]!.told(named(), hour)
    // Nothing is sent again, and after a pause it looks anew what is due.
    expect(wanted("Sleep")).toMatchObject([{ millis: 60_000 }])
  })

  it("looks an id of its own bucket up after an hour, and not before", () => {
    const { core, nap, wanted } = make([...far, close!])
    core.table.lookedUp(far[0]!.id, hour)
    nap.told(undefined, hour - 1)
    const [again] = wanted("Sleep")
    again!.told(undefined, hour)
    const asked = wanted("Find")
    expect(asked).toHaveLength(2)
    expect(new Set(asked.map(({ target }) => target)).size).toBe(1)
    expect(core.table.bucketOf(asked[0]!.target)).toBe(core.table.bucketOf(self))
  })

  it("joins again by way of its gates when fewer than k contacts answer", () => {
    const { core, nap, wanted } = make([close!])
    core.bootstrap([far[0]!.address], () => {}, 0)
    wanted("Ping")[0]!.told({ ...lost, isSilent: false }, 0)
    nap.told(undefined, 60_000)
    expect(addresses(wanted("Ping"))).toStrictEqual([far[0]!.address])
  })
})

describe("what is kept", () => {
  const [from] = peers
  const key = Id.ofKey("key")

  it("is answered to whoever looks for it; otherwise it is told of contacts, itself not among them", () => {
    const { core, wanted } = make(peers.slice(0, 3))
    const answers: Array<unknown> = []
    for (const entry of [entryOf("value"), entryOf("old", { expiresAt: 5 }), undefined]) {
      core.findValue(from!, key, (found) => answers.push(found), 5)
      wanted("Read")[0]!.told(entry, 5)
    }
    const others = named(...near(key, peers.slice(1, 3)))
    expect(answers).toStrictEqual([{ _tag: "Value", value: "value" }, others, others])
    expect(core.findNode(from!, key, 6)).toStrictEqual(others.contacts)
  })

  it("of contacts a caller is told first of those that it can call, of its family, and then of others if there are fewer than k", () => {
    const contact = (i: number, address: string) => new Contact(Id.flip(self, i), inet(address))
    const nearest = [100, 99, 98, 97].map((i) => contact(i, `[2600:${i}::1]:1`))
    const ipv4 = [10, 9, 8].map((i) => contact(i, `8.${i}.8.8:1`))
    const inside = contact(110, "192.168.0.1:1")
    const { core } = make([...nearest, ...ipv4, inside], "[::]:1")
    const told = (address: string) => core.findNode(new Contact(key, inet(address)), self, 1)
    expect(told("9.9.9.9:1")).toStrictEqual([...ipv4, inside])
    expect(told("192.168.0.9:1")).toStrictEqual([inside, ...ipv4])
    expect(told("[2600:9::9]:1")).toStrictEqual(nearest)
    expect(core.findNode(ipv4[0]!, self, 1)).toStrictEqual([...ipv4.slice(1), inside, nearest[0]])
    // It is known at another address, too.
    expect(core.findNode(new Contact(inside.id, inet("9.9.9.9:1")), self, 1)).toStrictEqual([...ipv4, nearest[0]])
  })

  it("is written in one turn with what it depends on", () => {
    const { core, wanted } = make()
    const taken: Array<boolean> = []
    core.store(from!, key, "one", (isTaken) => taken.push(isTaken), 1)
    core.store(from!, key, "two", (isTaken) => taken.push(isTaken), 1)
    const [read, ...others] = wanted("Read")
    expect(others).toStrictEqual([])
    read!.told(undefined, 2)
    const [write] = wanted("Write")
    expect(write!.entry).toMatchObject({ value: "one", own: false, from: from!.id, republishAt: 2 + hour })
    expect(wanted("Read")).toStrictEqual([])
    write!.told("kept", 3)
    expect(wanted("Read")).toHaveLength(1)
    expect(taken).toStrictEqual([true])
  })

  it("is not written where nobody waits for that any more, and nothing of it waits", () => {
    const { core, wanted } = make()
    const taken: Array<string> = []
    const store = (value: string) => core.store(from!, key, value, () => taken.push(value), 1)
    const [giveUpFirst, giveUpSecond] = [store("one"), store("two"), store("three")]
    giveUpSecond!()
    // It has begun, and goes on.
    giveUpFirst!()
    for (const value of ["one", "three"]) {
      const [read] = wanted("Read")
      read!.told(undefined, 2)
      const [write] = wanted("Write")
      expect(write!.entry.value).toBe(value)
      write!.told("kept", 3)
    }
    expect(wanted("Read")).toStrictEqual([])
    expect(taken).toStrictEqual(["one", "three"])
  })

  it("is read and written for so many, and of so many others the one with most makes room; who asks waits for none that stores", () => {
    const { core, wanted } = make()
    const of = (host: number) => new Contact(Id.ofKey(`${host}`), inet(`10.0.2.${host}:1`))
    const told = { contacts: 0, notTaken: 0 }
    const find = (host: number, key: Id.Id) => core.findValue(of(host), key, () => told.contacts++, 1)
    const store = (host: number) => core.store(of(host), key, "value", (isTaken) => isTaken || told.notTaken++, 1)
    for (let i = 0; i <= writingLimits.waiting; i++) store(1)
    expect(told.notTaken).toBe(0)
    store(1)
    store(2)
    expect(told).toStrictEqual({ contacts: 0, notTaken: 2 })
    expect(wanted("Read")).toHaveLength(1)
    for (let i = 1; i < readingLimits.atOnce + readingLimits.waiting; i++) find(1, key)
    const giveUp = find(1, key)
    giveUp()
    find(1, key)
    const reads = wanted("Read")
    expect(reads).toHaveLength(readingLimits.atOnce)
    expect(told.contacts).toBe(0)
    find(1, key)
    find(2, self)
    expect(told.contacts).toBe(2)
    for (const { told } of reads.slice(0, 2)) told(undefined, 2)
    expect(wanted("Read").map(({ key }) => key)).toStrictEqual([key, self])
  })

  it("makes room for a nearer pair of its sender's where the storage is full, and not where it has failed", () => {
    const { core, outputs, wanted } = make()
    const taken: Array<boolean> = []
    const far = Id.flip(self, 0)
    core.learn(far, entryOf("far", { sender: from!.sender, network: from!.sender }))
    const store = () => {
      core.store(from!, Id.flip(self, 100), "near", (isTaken) => taken.push(isTaken), 1)
      wanted("Read")[0]!.told(undefined, 1)
      return wanted("Write")[0]!
    }
    store().told("failed", 1)
    expect(outputs()).toStrictEqual([])
    expect(taken).toStrictEqual([false])
    store().told("full", 2)
    const [removal] = wanted("Remove")
    expect(removal!.key).toBe(far)
    removal!.told(undefined, 3)
    wanted("Write")[0]!.told("kept", 4)
    expect(taken).toStrictEqual([false, true])
  })

  describe("keeps its place as long as the storage has it", () => {
    /** A node that has one pair, in a storage that is full; whether another pair takes the place of that. */
    const full = (changes: Partial<Storage.Entry> = {}) => {
      const node = make()
      const { core, outputs, wanted } = node
      const far = Id.flip(self, 0)
      core.learn(far, entryOf("far", { sender: from!.sender, network: from!.sender, ...changes }))
      const isReplaced = () => {
        core.store(from!, Id.flip(self, 100), "near", () => {}, hour)
        wanted("Read")[0]!.told(undefined, hour)
        wanted("Write")[0]!.told("full", hour)
        return outputs().some((output) => output._tag === "Remove" && output.key === far)
      }
      return { ...node, isReplaced }
    }

    it("though it could not be read when it was due", () => {
      const { isReplaced, nap, outputs, wanted } = full()
      nap.told(undefined, hour)
      wanted("Read")[0]!.told("failed", hour)
      expect(outputs().map(({ _tag }) => _tag)).toStrictEqual(["Sleep"])
      expect(isReplaced()).toBe(true)
    })

    it("and is looked at again ten minutes later", () => {
      const { nap, wanted } = full()
      nap.told(undefined, hour)
      wanted("Read")[0]!.told("failed", hour)
      const [early] = wanted("Sleep")
      early!.told(undefined, hour + 599_999)
      const [late, ...others] = wanted("Sleep")
      expect(others).toStrictEqual([])
      late!.told(undefined, hour + 600_000)
      expect(wanted("Read")).toHaveLength(1)
    })

    it("though it could not be removed when it had expired", () => {
      const { isReplaced, nap, wanted } = full({ expiresAt: hour })
      nap.told(undefined, hour)
      wanted("Remove")[0]!.told("failed", hour)
      expect(isReplaced()).toBe(true)
    })

    it("and what is damaged is removed, since nobody can read it", () => {
      const { isReplaced, nap, wanted } = full()
      nap.told(undefined, hour)
      wanted("Read")[0]!.told(undefined, hour)
      wanted("Remove")[0]!.told(undefined, hour)
      expect(isReplaced()).toBe(false)
    })

    it("and a peer's value does not take it, which may be this node's own, while it cannot be read", () => {
      const { core, outputs, wanted } = make()
      const taken: Array<boolean> = []
      core.store(from!, key, "theirs", (isTaken) => taken.push(isTaken), 1)
      wanted("Read")[0]!.told("failed", 1)
      expect(taken).toStrictEqual([false])
      expect(outputs()).toStrictEqual([])
    })
  })

  it("and has expired goes a part at a time: others have their turn after 256, and a minute takes 3,840", () => {
    const { core, nap, outputs, wanted } = make()
    for (let i = 0; i < 10_000; i++) core.learn(Id.ofKey(`${i}`), entryOf("value", { expiresAt: hour }))
    for (const bucket of core.table.buckets) bucket.lookedUp = hour
    nap.told(undefined, hour - 60_000)
    let [sleeps, gone] = [wanted("Sleep"), 0]
    for (let total = 0; gone === 0 || sleeps[0]?.millis !== 60_000; total += gone) {
      expect(total).toBeLessThanOrEqual(3_840 + 8)
      for (const { told } of sleeps) told(undefined, hour)
      gone = 0
      const next: Array<Tagged<"Sleep">> = []
      for (let all = outputs(); all.length > 0; all = outputs()) {
        for (const output of all) {
          if (output._tag === "Sleep") next.push(output)
          if (output._tag !== "Remove") continue
          gone++
          output.told(undefined, hour)
        }
      }
      sleeps = next
      expect(gone).toBeLessThanOrEqual(256)
    }
  })

  it("is handed to a newcomer that is to keep it, once all that is kept is known", () => {
    const { core, wanted } = make()
    const late = coreOf(self)
    for (const node of [core, late]) {
      node.ping(from!, 1)
      const ping = node.poll()
      if (ping?._tag !== "Ping") return expect.unreachable("it is not pinged")
      node.learn(key, entryOf("value"))
      ping.told({ _tag: "Id", id: from!.id }, 2)
    }
    expect(late.poll()).toBeUndefined()
    late.start(3)
    expect(late.poll()).toMatchObject({ _tag: "Read", key })
    wanted("Read")[0]!.told(entryOf("value"), 4)
    expect(wanted("Store")).toMatchObject([{ address: from!.address, key, value: "value" }])
  })

  it("is looked at with 255 others at once, and then others have their turn, where no newcomer is to keep any", () => {
    // Four others are closer to all of these than the newcomer is.
    const { core, wanted } = make(
      [20, 30, 40, 50].map((bit, i) => new Contact(Id.flip(self, bit), peer(i + 1).address))
    )
    const keys = Array.from({ length: 600 }, (_, i) => Id.withPrefix(self, 100, Id.ofKey(`${i}`)))
    for (const key of keys) core.learn(key, entryOf("value"))
    const newcomer = new Contact(Id.flip(self, 0), peer(9).address)
    core.ping(newcomer, 1)
    const [ping] = wanted("Ping")
    const looked = vi.spyOn(core.table, "closest")
    const counts: Array<number> = []
    ping!.told({ _tag: "Id", id: newcomer.id }, 1)
    for (let sleeps = wanted("Sleep"); sleeps.length > 0; sleeps = wanted("Sleep")) {
      counts.push(looked.mock.calls.length)
      expect(sleeps).toHaveLength(1)
      looked.mockClear()
      sleeps[0]!.told(undefined, 2)
    }
    expect([...counts, looked.mock.calls.length]).toStrictEqual([256, 256, 88])
  })

  it("is handed to another newcomer after a minute, though the first answers each time, just in time", () => {
    const { core, wanted } = make()
    for (let i = 0; i < 100; i++) core.learn(Id.withPrefix(self, 100, Id.ofKey(`${i}`)), entryOf("value"))
    const [slow, other] = peers
    for (const contact of [slow, other]) core.ping(contact!, 0)
    wanted("Ping").forEach(({ told }, i) => told({ _tag: "Id", id: peers[i]!.id }, 0))
    const handed: Array<Contact["address"]> = []
    let now = 0
    const step = () => {
      const [read] = wanted("Read")
      read!.told(entryOf("value"), now)
      const [store] = wanted("Store")
      handed.push(store!.address)
      now += 2_000
      store!.told({ _tag: "Taken", taken: true }, now)
    }
    for (let i = 0; i <= 30; i++) step()
    expect(handed).toStrictEqual([...Array.from({ length: 30 }, () => slow!.address), other!.address])
  })

  it("is handed to a newcomer that answers at once no faster than 20 pairs a second: an address may be a newcomer again and again", () => {
    const { core, wanted } = make()
    for (let i = 0; i < 3; i++) core.learn(Id.withPrefix(self, 100, Id.ofKey(`${i}`)), entryOf("value"))
    core.ping(from!, 0)
    wanted("Ping")[0]!.told({ _tag: "Id", id: from!.id }, 0)
    for (const now of [0, 50, 100]) {
      wanted("Read")[0]!.told(entryOf("value"), now)
      wanted("Store")[0]!.told({ _tag: "Taken", taken: true }, now + 10)
      const [sleep, ...others] = wanted("Sleep")
      expect(others).toStrictEqual([])
      expect(sleep!.millis).toBe(40)
      sleep!.told(undefined, now + 50)
    }
  })

  it("is stored again when it is due, at those from the table; they are looked up only if one is silent", () => {
    const keepers = near(key, peers.slice(0, 3))
    const { core, nap, wanted } = make(keepers)
    core.learn(key, entryOf("value"))
    for (const bucket of core.table.buckets) bucket.lookedUp = hour
    nap.told(undefined, hour - 1)
    const [sleep] = wanted("Sleep")
    sleep!.told(undefined, hour)
    const [read] = wanted("Read")
    read!.told(entryOf("value"), hour)
    const [write] = wanted("Write")
    expect(write!.entry.republishAt).toBe(2 * hour)
    write!.told("kept", hour)
    wanted("Read")[0]!.told(entryOf("value"), hour)
    const stores = wanted("Store")
    expect(addresses(stores)).toStrictEqual(addresses(keepers))
    stores[0]!.told({ _tag: "Taken", taken: true }, hour)
    stores[1]!.told(lost, hour)
    expect(wanted("Find")).toStrictEqual([])
    stores[2]!.told({ _tag: "Taken", taken: true }, hour)
    expect(wanted("Find").length).toBeGreaterThan(0)
  })

  it("is stored again, and goes, as if it were new where the clock was set back since it was written", () => {
    const year = 365 * 24 * hour
    for (const own of [true, false]) {
      const pair = entryOf("value", { own, expiresAt: own ? Infinity : 2 * year, republishAt: year })
      const { core, nap, wanted } = make(peers.slice(0, 3))
      core.learn(key, pair)
      for (const bucket of core.table.buckets) bucket.lookedUp = year
      const due = own ? 24 * hour : 1.25 * hour
      nap.told(undefined, due - 1)
      wanted("Sleep")[0]!.told(undefined, due)
      wanted("Read")[0]!.told(pair, due)
      const [write] = wanted("Write")
      expect(write!.entry.expiresAt).toBe(own ? Infinity : 25 * hour)
      expect(write!.entry.republishAt).toBe(due + (own ? 24 * hour : hour))
    }
  })

  it("is the same value though it is no number, and lives no longer for it", () => {
    const { core, wanted } = make(peers.slice(0, 3))
    core.store(peers[1]!, key, NaN, () => {}, 1)
    wanted("Read")[0]!.told(entryOf(NaN, { from: peers[0]!.id, expiresAt: 5 * hour }), 1)
    expect(wanted("Write")[0]!.entry.expiresAt).toBe(5 * hour)
  })
})

describe("a node that nobody can call", () => {
  /** Peers that gave it a place have not asked for it again. */
  const hidden = () => {
    const node = make()
    const { core, nap, wanted } = node
    const known = peers.slice(0, 5)
    core.bootstrap(known.map(({ address }) => address), () => {}, 0)
    wanted("Ping").forEach(({ told }, i) => told({ _tag: "Id", id: known[i]!.id }, 0))
    for (let finds = wanted("Find"); finds.length > 0; finds = wanted("Find")) {
      for (const { told } of finds) told(named(), 1)
    }
    for (const contact of known) core.ping(contact, 2)
    expect(core.isReachable).toBeUndefined()
    nap.told(undefined, hour / 2)
    expect(core.isReachable).toBe(false)
    return node
  }

  it("wants no place and keeps nothing for others", () => {
    const { core } = hidden()
    const taken: Array<boolean> = []
    const [caller] = peers
    expect(core.ping(caller!, hour / 2)).toBeUndefined()
    core.store(caller!, Id.ofKey("key"), "value", (isTaken) => taken.push(isTaken), hour / 2)
    expect(taken).toStrictEqual([false])
  })

  it("hands over what it has kept when that is due, and drops it; what it has published it keeps", () => {
    const key = Id.flip(self, 100)
    for (const own of [false, true]) {
      const { core, outputs } = hidden()
      core.learn(key, entryOf("value", { own }))
      const steps: Array<string> = []
      // What it wants done is done, until it has twice looked what is due.
      for (let naps = 0; naps < 2;) {
        for (const output of outputs()) {
          steps.push(output._tag)
          switch (output._tag) {
            case "Ping":
              output.told(lost, hour)
              break
            case "Find":
              output.told(named(), hour)
              break
            case "Store":
              output.told({ _tag: "Taken", taken: true }, hour)
              break
            case "Read":
              output.told(entryOf("value", { own }), hour)
              break
            case "Write":
              output.told("kept", hour)
              break
            case "Remove":
              output.told(undefined, hour)
              break
            case "Sleep":
              naps++
              output.told(undefined, hour)
          }
        }
      }
      expect(steps.filter((step) => step === "Store").length).toBeGreaterThanOrEqual(4)
      expect(steps.includes("Remove")).toBe(!own)
    }
  })

  it("does not drop what it publishes itself while it hands that over", () => {
    const key = Id.flip(self, 100)
    const { core, outputs } = hidden()
    core.learn(key, entryOf("theirs"))
    const removed: Array<unknown> = []
    let isPublished = false
    for (let naps = 0; naps < 2;) {
      for (const output of outputs()) {
        switch (output._tag) {
          case "Find":
            output.told(named(), hour)
            break
          case "Store":
            if (!isPublished) core.set(key, "own", () => {}, hour)
            isPublished = true
            output.told({ _tag: "Taken", taken: true }, hour)
            break
          case "Read":
            output.told(entryOf(isPublished ? "own" : "theirs", { own: isPublished }), hour)
            break
          case "Write":
            output.told("kept", hour)
            break
          case "Remove":
            removed.push(output.key)
            output.told(undefined, hour)
            break
          case "Sleep":
            naps++
            output.told(undefined, hour)
        }
      }
    }
    expect(isPublished).toBe(true)
    expect(removed).toStrictEqual([])
  })
})

it("events come only while somebody watches", () => {
  const { core, wanted } = make(peers.slice(0, 2))
  for (const isWatched of [false, true]) {
    core.watch(isWatched)
    core.lookup(self, () => {}, 1)
    expect(wanted("Event").length > 0).toBe(isWatched)
  }
})
