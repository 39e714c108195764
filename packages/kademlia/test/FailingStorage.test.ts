/** A storage that fails now and then, in every step: nothing of what it has is forgotten, and what it has taken is gone in time. */
import { describe, expect, it } from "@effect/vitest"
import { Contact } from "../src/Contact.ts"
import type { Output } from "../src/core/Shared.ts"
import type { Storage } from "../src/index.ts"
import { Id } from "../src/index.ts"
import { coreOf, inet } from "./nodes.ts"

const hour = 3_600_000

const maxKeys = 20

/** Numbers from 0 to 1 that the seed decides. */
const randomOf = (seed: number) => () => {
  seed = Math.imul(seed ^ (seed >>> 15), 0x2c1b3c6d) + 0x6d2b79f5 | 0
  return ((seed ^ (seed >>> 13)) >>> 0) / 2 ** 32
}

/** Two days of stores, sets and renewals over a storage of which a third of the steps fail, and two days over one that is well. */
const play = (seed: number) => {
  const random = randomOf(seed)
  const below = (n: number) => Math.floor(random() * n)
  const core = coreOf(Id.ofKey("self"))
  const pairs = new Map<Id.Id, Storage.Entry>()
  const published = new Map<Id.Id, string>()
  const wrongs: Array<string> = []
  let naps: Array<readonly [at: number, output: Extract<Output, { readonly _tag: "Sleep" }>]> = []
  let now = 0
  let isWell = false
  const fails = () => !isWell && below(3) === 0
  const act = (output: Output): void => {
    switch (output._tag) {
      case "Read":
        return output.told(fails() ? "failed" : pairs.get(output.key), now)
      case "Write": {
        const { entry, key, told } = output
        if (fails()) return told("failed", now)
        if (pairs.size >= maxKeys && !pairs.has(key)) return told("full", now)
        if (pairs.get(key)?.own === true && !entry.own) wrongs.push("a peer's value over the publisher's own")
        pairs.set(key, entry)
        return told("kept", now)
      }
      case "Remove":
        if (fails()) return output.told("failed", now)
        if (pairs.get(output.key)?.own === true) wrongs.push("what was published is removed")
        pairs.delete(output.key)
        return output.told(undefined, now)
      case "Ping":
      case "Find":
      case "Store":
        return output.told({ _tag: "Lost", isSilent: true, isUnsent: false }, now)
      case "Sleep":
        naps.push([now + output.millis, output])
        return
      case "Event":
    }
  }
  const drain = () => {
    for (let output = core.poll(); output !== undefined; output = core.poll()) act(output)
  }
  const pass = (until: number) => {
    for (; now < until; now += 60_000) {
      const due = naps.filter(([at]) => at <= now)
      naps = naps.filter(([at]) => at > now)
      for (const [, { told }] of due) told(undefined, now)
      drain()
    }
  }
  core.start(0)
  for (let i = 0; i < 300; i++) {
    const key = Id.ofKey(`${below(40)}`)
    if (below(20) === 0) {
      core.set(key, `own ${i}`, (taken) => taken === undefined || published.set(key, `own ${i}`), now)
    } else core.store(new Contact(Id.ofKey(`${i}`), inet(`9.0.${below(5)}.${below(3)}:1`)), key, `${i}`, () => {}, now)
    drain()
    pass(now + below(20) * 60_000)
  }
  isWell = true
  pass(now + 60 * hour)
  return { pairs, published, wrongs }
}

describe("of a storage that fails now and then", () => {
  for (let seed = 1; seed <= 20; seed++) {
    it(`what others stored is gone in time, what was published stays, and neither is forgotten, seed ${seed}`, () => {
      const { pairs, published, wrongs } = play(seed)
      expect(wrongs).toStrictEqual([])
      expect(new Map([...pairs].map(([key, { value }]) => [key, value]))).toStrictEqual(published)
    })
  }
})
