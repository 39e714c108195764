/** Who gets a place, decided step by step: no network and no clock, only what is told and what is wanted. */
import { describe, expect, it } from "@effect/vitest"
import { Contact } from "../src/Contact.ts"
import type { Output, Ping } from "../src/core/Admission.ts"
import { Admission } from "../src/core/Admission.ts"
import { RoutingTable } from "../src/core/RoutingTable.ts"
import { Id } from "../src/index.ts"
import { inet } from "./nodes.ts"

const self = Id.ofKey("self")

const contact = (name: string, address: string) => new Contact(Id.ofKey(name), inet(address))

const make = () => {
  const table = new RoutingTable({ self, k: 2, bits: 1, staleAfter: 2 }, 0)
  const admission = new Admission({ self, table, address: "10.0.0.1:1", questionAfter: 1_000 })
  const outputs = () => {
    const all: Array<Output> = []
    for (let output = admission.poll(); output !== undefined; output = admission.poll()) all.push(output)
    return all
  }
  /** All pings that are wanted now. */
  const pings = (): ReadonlyArray<Ping> => outputs().flatMap((output) => output._tag === "Ping" ? [output.ping] : [])
  /** What became known since it was last asked. */
  const told = () =>
    outputs().flatMap((output) => {
      if (output._tag === "Ping") return [`ping ${output.ping.contact.name}`]
      return output._tag === "Event" ? [output.event._tag] : [`placed ${output.contact.name}`]
    })
  const place = (contact: Contact) => {
    admission.place(contact, 0)
    outputs()
  }
  return { admission, outputs, pings, place, table, told }
}

const [a, b] = [contact("a", "10.0.0.2:1"), contact("b", "10.0.0.3:1")] as const

describe("a contact that is not known", () => {
  it("has a place once it answers with its id, and not before", () => {
    const { admission, pings, table, told } = make()
    admission.heard(a, 1)
    const [ping] = pings()
    expect(table.contacts).toStrictEqual([])
    admission.answered(ping!, a.id, 2)
    expect(table.contacts).toStrictEqual([a])
    expect(told()).toStrictEqual(["ContactAdded", "placed 10.0.0.2:1"])
  })

  it("has none if it answers with another id; an address that answers as this node is not called again", () => {
    const { admission, pings, table } = make()
    for (const id of [b.id, self]) {
      expect(admission.isOther(a)).toBe(true)
      admission.named(a, 1)
      admission.answered(pings()[0]!, id, 1)
    }
    expect(table.contacts).toStrictEqual([])
    expect(admission.isOther(a)).toBe(false)
    expect(admission.isOther(contact("a", "10.0.0.1:1"))).toBe(false)
  })

  it("is pinged once more when it is silent, and not when the answer is none", () => {
    const { admission, pings, told } = make()
    admission.heard(a, 1)
    const [ping] = pings()
    admission.unanswered(ping!, { isSilent: true }, 2)
    expect(told()).toStrictEqual(["CallLost", "ping 10.0.0.2:1"])
    admission.unanswered(ping!, { isSilent: true }, 3)
    expect(told()).toStrictEqual(["CallLost"])
    // Its slot is free again.
    admission.heard(a, 4)
    admission.unanswered(pings()[0]!, { isSilent: false }, 5)
    expect(told()).toStrictEqual(["CallLost"])
    // It answers, and wants no place.
    for (const at of [6, 600_004]) {
      admission.heard(a, at)
      admission.named(a, at)
    }
    expect(pings()).toStrictEqual([])
    admission.heard(a, 600_005)
    expect(pings()).toHaveLength(1)
  })

  it("waits for a slot, and has it when a ping is over", () => {
    const { admission, pings } = make()
    for (let port = 1; port <= 20; port++) admission.heard(contact(`many ${port}`, `10.0.0.9:${port}`), 1)
    const first = pings()
    expect(first).toHaveLength(16)
    admission.unanswered(first[0]!, { isSilent: false }, 2)
    expect(pings().map(({ contact }) => contact.name)).toStrictEqual(["10.0.0.9:17"])
    admission.answered(first[1]!, b.id, 2)
    expect(pings().map(({ contact }) => contact.name)).toStrictEqual(["10.0.0.9:18"])
  })
})

describe("a contact whose id somebody else has", () => {
  const other = new Contact(a.id, inet("10.0.0.4:1"))

  it("is asked itself, once in five minutes, and keeps its place if it answers", () => {
    const { admission, pings, place, table } = make()
    place(a)
    admission.heard(other, 1_000_000)
    const [ping] = pings()
    expect(ping).toMatchObject({ contact: a, purpose: "question" })
    admission.answered(ping!, a.id, 1_000_001)
    admission.heard(other, 1_299_999)
    expect(pings()).toStrictEqual([])
    admission.heard(other, 1_300_000)
    expect(pings()).toHaveLength(1)
    expect(table.contacts).toStrictEqual([a])
  })

  it("loses its place if another id answers at its address", () => {
    const { admission, pings, place, table, told } = make()
    place(a)
    admission.heard(other, 1_000_000)
    admission.answered(pings()[0]!, b.id, 1_000_001)
    expect(table.contacts).toStrictEqual([])
    expect(told()).toStrictEqual(["ContactRemoved"])
  })

  it("loses it to the other if it has gone silent and the other answers", () => {
    const { admission, pings, place, table, told } = make()
    place(a)
    for (let i = 0; i < 2; i++) admission.lost(a, "store", 1)
    expect(told()).toStrictEqual(["CallLost", "CallLost"])
    admission.heard(other, 2)
    const [ping] = pings()
    expect(ping).toMatchObject({ contact: other, purpose: "place", replaces: a })
    admission.answered(ping!, a.id, 3)
    expect(table.contacts).toStrictEqual([other])
    expect(told()).toStrictEqual(["ContactRemoved", "ContactAdded", "placed 10.0.0.4:1"])
  })

  it("keeps it if it was heard from before the other answered", () => {
    const { admission, pings, place, table } = make()
    place(a)
    for (let i = 0; i < 2; i++) admission.lost(a, "store", 1)
    admission.heard(other, 2)
    const [ping] = pings()
    admission.responded(a, 3)
    admission.answered(ping!, a.id, 4)
    expect(table.contacts).toStrictEqual([a])
  })
})

it("the silence of a contact that is asked counts for each ping, and one that waits has its place once it answers itself", () => {
  const { admission, outputs, pings, place, table, told } = make()
  // A far bucket of two, in which a third waits.
  const far = Array.from({ length: 40 }, (_, i) => contact(`far ${i}`, `10.0.1.${i + 1}:1`))
    .filter(({ id }) => Id.sharedBits(self, id) === 0)
  const [first, second, third] = far as [Contact, Contact, Contact]
  // So the bucket of all splits.
  const near = new Contact(Id.withPrefix(self, 1, Id.ofKey("near")), inet("10.0.2.1:1"))
  for (const one of [first, second, near]) place(one)
  admission.heard(third, 2_000_000)
  const [ping] = pings()
  expect(ping).toMatchObject({ contact: first, purpose: "question" })
  admission.unanswered(ping!, { isSilent: true }, 2_000_001)
  expect(table.contacts).toContain(first)
  expect(told()).toStrictEqual(["CallLost", `ping ${first.name}`])
  admission.unanswered(ping!, { isSilent: true }, 2_000_002)
  const [, asked] = outputs()
  expect(asked).toMatchObject({ _tag: "Ping", ping: { contact: third, purpose: "place", replaces: first } })
  // Whoever called may have called under any name.
  expect(table.contacts).toContain(first)
  expect(table.contacts).not.toContain(third)
  if (asked?._tag === "Ping") admission.answered(asked.ping, third.id, 2_000_003)
  expect(table.contacts).not.toContain(first)
  expect(table.contacts).toContain(third)
  expect(told()).toStrictEqual(["ContactRemoved", "ContactAdded", `placed ${third.name}`])
  // A newcomer is asked at once where somebody is silent, and the table tells whom it replaces.
  for (let i = 0; i < 2; i++) admission.lost(second, "store", 2_000_004)
  told()
  const fourth = far[3]!
  admission.heard(fourth, 2_000_005)
  admission.answered(pings()[0]!, fourth.id, 2_000_006)
  expect(told()).toStrictEqual(["ContactRemoved", "ContactAdded", `placed ${fourth.name}`])
})

it("one that waited has the place of a contact at whose address another id answers, once it answers itself", () => {
  const { admission, pings, place, table } = make()
  const far = Array.from({ length: 40 }, (_, i) => contact(`far ${i}`, `10.0.1.${i + 1}:1`))
    .filter(({ id }) => Id.sharedBits(self, id) === 0)
  const [first, second, third] = far as [Contact, Contact, Contact]
  const near = new Contact(Id.withPrefix(self, 1, Id.ofKey("near")), inet("10.0.2.1:1"))
  for (const one of [first, second, near]) place(one)
  admission.heard(third, 2_000_000)
  admission.answered(pings()[0]!, a.id, 2_000_001)
  expect(table.contacts).not.toContain(first)
  const [ping] = pings()
  expect(ping).toMatchObject({ contact: third, purpose: "place" })
  admission.answered(ping!, third.id, 2_000_002)
  expect(table.contacts).toContain(third)
})

describe("whoever calls under names of others", () => {
  it("fills no places, though contacts leave: those are had by newcomers that are there", () => {
    const { admission, outputs, place, table } = make()
    const near = new Contact(Id.withPrefix(self, 1, Id.ofKey("near")), inet("10.0.2.1:1"))
    const far = (name: string, address: string) =>
      new Contact(Id.withPrefix(Id.flip(self, 0), 1, Id.ofKey(name)), inet(address))
    const there = new Set<string>()
    let now = 0
    /** Until nothing is wanted any more: whoever is there answers. */
    const settle = () => {
      for (let all = outputs(); all.length > 0; all = outputs()) {
        for (const output of all) {
          if (output._tag !== "Ping") continue
          const { contact } = output.ping
          if (there.has(contact.name)) admission.answered(output.ping, contact.id, now)
          else admission.unanswered(output.ping, { isSilent: true }, now)
        }
      }
    }
    for (const contact of [far("a", "10.0.1.1:1"), far("b", "10.0.1.2:1"), near]) {
      there.add(contact.name)
      place(contact)
    }
    for (let i = 0; i < 50; i++) {
      now += 3_600_000
      const gone = table.contacts.find(({ name }) => name !== near.name)
      there.delete(gone!.name)
      for (let j = 0; j < 20; j++) {
        now += 60_000
        admission.heard(far(`ghost ${i} ${j}`, `10.2.${i}.${j}:1`), now)
        settle()
      }
      const newcomer = far(`newcomer ${i}`, `10.1.${i}.1:1`)
      there.add(newcomer.name)
      admission.heard(newcomer, now)
      settle()
      for (const { name } of table.contacts) expect(name).not.toMatch(/^10\.2\./)
    }
    expect(table.contacts.filter(({ name }) => there.has(name)).length).toBeGreaterThanOrEqual(2)
  })
})

describe("whether a contact can be reached", () => {
  const isReachable = (table: RoutingTable) => table.find(a.id)?.isReachable

  it("is not shown by an answer within ten minutes of its call: a NAT lets that in", () => {
    const { admission, pings, table } = make()
    admission.heard(a, 0)
    admission.answered(pings()[0]!, a.id, 1)
    expect(isReachable(table)).toBe(false)
    admission.responded(a, 600_000)
    expect(isReachable(table)).toBe(false)
    admission.responded(a, 1_199_999)
    expect(isReachable(table)).toBe(false)
    admission.responded(a, 1_799_999)
    expect(isReachable(table)).toBe(true)
  })

  it("is shown by its answer to a call that nothing of it came before", () => {
    for (const meet of ["named", "asked", "gate"] as const) {
      const { admission, pings, table } = make()
      if (meet === "gate") admission.place(a, 1)
      else {
        if (meet === "named") admission.named(a, 1)
        else admission.responded(a, 1)
        admission.answered(pings()[0]!, a.id, 2)
      }
      expect(isReachable(table)).toBe(true)
    }
  })

  it("is asked once it was silent for ten minutes, and not again when it has answered", () => {
    const { admission, pings, table } = make()
    admission.heard(a, 0)
    admission.answered(pings()[0]!, a.id, 1)
    admission.verify(600_000)
    expect(pings()).toStrictEqual([])
    admission.verify(600_001)
    const [ping] = pings()
    admission.answered(ping!, a.id, 600_002)
    expect(isReachable(table)).toBe(true)
    admission.verify(2_000_000)
    expect(pings()).toStrictEqual([])
  })

  it("is no longer known when it has become stale, and it is asked when it calls, as its call shows nothing", () => {
    const { admission, pings, table } = make()
    admission.place(a, 0)
    pings()
    admission.lost(a, "find_node", 1)
    expect(isReachable(table)).toBe(true)
    admission.lost(a, "find_node", 2)
    expect(isReachable(table)).toBe(false)
    admission.verify(600_002)
    expect(pings()).toStrictEqual([])
    admission.heard(a, 600_003)
    expect(table.find(a.id)?.failures).toBe(2)
    const [ping] = pings()
    admission.answered(ping!, a.id, 600_004)
    expect(table.find(a.id)).toMatchObject({ failures: 0, isReachable: false })
  })
})
