/** Who may be pinged, however many want to be. */
import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { Contact } from "../src/Contact.ts"
import type { Item } from "../src/core/Slots.ts"
import { limits, Slots } from "../src/core/Slots.ts"
import { Id } from "../src/index.ts"
import { inet } from "./nodes.ts"

const at = (address: string): Item => ({ contact: new Contact(Id.ofKey(address), inet(address)) })

const Step = Schema.Struct({
  leaves: Schema.Literals([false, false, false, false, false, false, false, true]),
  network: Schema.Literals(["8.8.8", "8.8.9", "8.8.10", "8.9.1", "10.0.0", "10.0.1"]),
  host: Schema.Literals([1, 2, 3, 4]),
  port: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 60 }))
})

describe("slots", () => {
  it.prop("are bounded for all, an address and a public network, and none is free while one waits for it", [
    Schema.Array(Step).check(Schema.isMinLength(150), Schema.isMaxLength(400))
  ], ([steps]) => {
    const slots = new Slots<Item>()
    const busy: Array<Item> = []
    const waiting = new Set<Item>()
    for (const { host, leaves, network, port } of steps) {
      if (leaves && busy.length > 0) {
        const next = slots.leave(busy.shift()!)
        if (next !== undefined) {
          waiting.delete(next)
          busy.push(next)
        }
      } else {
        const item = at(`${network}.${host}:${port}`)
        const isThere = busy.some(({ contact }) => contact.name === item.contact.name)
        if (slots.enter(item)) {
          expect(isThere).toBe(false)
          busy.push(item)
        } else if (!isThere) waiting.add(item)
      }
      expect(busy.length).toBeLessThanOrEqual(limits.all)
      const count = (of: (contact: Contact) => string) => {
        const counts = new Map<string, number>()
        for (const { contact } of busy) counts.set(of(contact), (counts.get(of(contact)) ?? 0) + 1)
        return counts
      }
      expect(Math.max(0, ...count(({ sender }) => sender).values())).toBeLessThanOrEqual(limits.sender)
      const networks = count(({ network }) => network)
      networks.delete("")
      expect(Math.max(0, ...networks.values())).toBeLessThanOrEqual(limits.network)
    }
    // All that went come back; who waited goes then.
    while (busy.length > 0) {
      const next = slots.leave(busy.shift()!)
      if (next !== undefined) busy.push(next)
    }
    for (let i = 0; i < limits.all; i++) expect(slots.enter(at(`${20 + i}.1.1.1:1`))).toBe(true)
  })

  it("one that found none goes as soon as one is free, before those that come later", () => {
    const slots = new Slots<Item>()
    const first = Array.from({ length: limits.all }, (_, i) => at(`${20 + i}.1.1.1:1`))
    for (const item of first) expect(slots.enter(item)).toBe(true)
    const late = at("8.8.8.8:1")
    expect(slots.enter(late)).toBe(false)
    expect(slots.enter(at("8.8.9.8:1"))).toBe(false)
    expect(slots.leave(first[0]!)).toBe(late)
    expect(slots.enter(first[0]!)).toBe(false)
  })
})
