/** What a lookup knows, among nodes that lie: no network, only who says what. */
import { expect, it } from "@effect/vitest"
import { Contact } from "../src/Contact.ts"
import { Lookup } from "../src/core/Lookup.ts"
import type { Candidate } from "../src/core/Shortlist.ts"
import { Shortlist } from "../src/core/Shortlist.ts"
import { Id } from "../src/index.ts"
import { inet } from "./nodes.ts"

const k = 8

const contact = (name: string, i: number, ip: number) =>
  new Contact(Id.ofKey(`${name} ${i}`), inet(`10.${ip}.${i >> 8}.${i & 255}:1`))

/** Asks until nobody is left. Liars name nodes close to the target that are not there. Returns who has answered. */
const search = (target: Id.Id, real: ReadonlyArray<Contact>, isLiar: (contact: Contact) => boolean) => {
  const shortlist = new Shortlist({ target, k, alpha: 3 })
  const there = new Set(real)
  const closest = real.toSorted((a, b) => Id.byDistance(target)(a.id, b.id)).slice(0, k)
  let invented = 0
  const invent = () => {
    invented++
    const id = Id.withPrefix(target, 60 + invented % 90, Id.ofKey(`invented ${invented}`))
    return new Contact(id, inet(`10.9.${invented >> 8}.${invented & 255}:1`))
  }
  shortlist.add(real.slice(0, k))
  const asked: Array<Candidate> = []
  while (true) {
    for (let next = shortlist.next(); next !== undefined; next = shortlist.next()) asked.push(next)
    const candidate = asked.shift()
    if (candidate === undefined) return { answers: shortlist.answers.map(({ contact }) => contact), closest }
    if (!there.has(candidate.contact)) shortlist.failed(candidate)
    else {
      shortlist.answered(candidate)
      shortlist.add(isLiar(candidate.contact) ? Array.from({ length: k }, invent) : closest, candidate)
    }
  }
}

it("who names nodes that do not answer is not believed, so the closest that are there are found", () => {
  for (let seed = 0; seed < 40; seed++) {
    const real = Array.from({ length: 100 }, (_, i) => contact(`real ${seed}`, i, 1))
    // Of those that it begins with a half.
    const liars = new Set(real.filter((_, i) => i % 2 === 0))
    const { answers, closest } = search(Id.ofKey(`target ${seed}`), real, (contact) => liars.has(contact))
    expect(answers.slice(0, k)).toStrictEqual(closest)
  }
})

it("a node is believed whose contacts could not be sent to, as is who names them again", () => {
  const from = [contact("namer", 0, 1), contact("namer", 1, 1)]
  const contacts = Array.from({ length: 8 }, (_, i) => contact("named", i, 2))
  const lookup = new Lookup({ target: Id.ofKey("target"), k, alpha: 2, from })
  const namers = [lookup.poll()!, lookup.poll()!]
  for (const namer of namers) {
    lookup.answered(namer, { _tag: "Contacts", contacts })
    for (let i = 0; i < 3; i++) lookup.answered(lookup.poll()!, { _tag: "Lost", isSilent: false, isUnsent: true })
  }
  expect(namers.map(({ named: { failed } }) => failed)).toStrictEqual([0, 0])
  expect(contacts).toContain(lookup.poll()?.contact)
})

it("a few that have gone do not make an honest node a liar", () => {
  for (let seed = 0; seed < 40; seed++) {
    const real = Array.from({ length: 100 }, (_, i) => contact(`real ${seed}`, i, 1))
    const target = Id.ofKey(`target ${seed}`)
    const all = real.toSorted((a, b) => Id.byDistance(target)(a.id, b.id))
    // All name the three closest, which have gone: the others that they name are asked nevertheless.
    const gone = new Set(all.slice(0, 3))
    const shortlist = new Shortlist({ target, k, alpha: 3 })
    shortlist.add(real.filter((contact) => !gone.has(contact)).slice(0, 3))
    const asked: Array<Candidate> = []
    while (true) {
      for (let next = shortlist.next(); next !== undefined; next = shortlist.next()) asked.push(next)
      const candidate = asked.shift()
      if (candidate === undefined) break
      if (gone.has(candidate.contact)) shortlist.failed(candidate)
      else {
        shortlist.answered(candidate)
        shortlist.add(all.slice(0, k), candidate)
      }
    }
    expect(shortlist.answers.slice(0, k - 3).map(({ contact }) => contact)).toStrictEqual(all.slice(3, k))
  }
})

it("whom an honest node names, too, is asked, though a liar named it first", () => {
  const target = Id.ofKey("target")
  const [liar, honest, found] = [1, 2, 3].map((i) => contact("real", i, 1)) as [Contact, Contact, Contact]
  const invented = Array.from(
    { length: k - 1 },
    (_, i) => new Contact(Id.withPrefix(target, 100, Id.ofKey(`invented ${i}`)), inet(`10.9.0.${i + 1}:1`))
  )
  for (const order of [[liar, honest], [honest, liar]]) {
    const shortlist = new Shortlist({ target, k, alpha: 3 })
    shortlist.add([liar, honest])
    const begun = [shortlist.next()!, shortlist.next()!]
    for (const one of order) {
      const candidate = begun.find(({ contact }) => contact === one)!
      shortlist.answered(candidate)
      shortlist.add(one === liar ? [...invented, found] : [found], candidate)
    }
    for (let next = shortlist.next(); next !== undefined; next = shortlist.next()) {
      if (next.contact === found) shortlist.answered(next)
      else shortlist.failed(next)
    }
    expect(shortlist.answers.map(({ contact }) => contact)).toContain(found)
  }
})

it("a node is believed until more than half of those that it named have failed", () => {
  for (const [named, failures, believed] of [[4, 2, true], [4, 3, false], [5, 2, true], [5, 3, false]] as const) {
    const shortlist = new Shortlist({ target: Id.ofKey("target"), k, alpha: 1 })
    shortlist.add([contact("namer", 0, 1)])
    const namer = shortlist.next()!
    shortlist.answered(namer)
    shortlist.add(Array.from({ length: named }, (_, i) => contact("named", i, 2)), namer)
    for (let i = 0; i < failures; i++) shortlist.failed(shortlist.next()!)
    expect([named, failures, shortlist.next() !== undefined]).toStrictEqual([named, failures, believed])
  }
})
