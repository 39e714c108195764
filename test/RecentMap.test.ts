import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { RecentMap } from "../src/internal/recentMap.ts"

const least = 3
const Name = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 }))

describe("RecentMap", () => {
  it.prop(
    "holds what was set last, at least so many and at most twice as many, each once",
    [Schema.Array(Name)],
    ([names]) => {
      const map = new RecentMap<number>(least)
      const last = new Map<string, number>()
      for (const [at, number] of names.entries()) {
        const name = String(number)
        map.set(name, at)
        last.delete(name)
        last.set(name, at)
        expect(map.get(name)).toBe(at)
        for (const [name, at] of [...last].slice(-least)) expect(map.get(name)).toBe(at)
        const found = [...last].filter(([name]) => map.get(name) !== undefined)
        for (const [name, at] of found) expect(map.get(name)).toBe(at)
        expect(map.size).toBe(found.length)
        expect(map.size).toBeLessThanOrEqual(2 * least)
      }
      expect(map.get("none")).toBe(undefined)
    },
    { arbitrary: { runs: 200, size: 60 } }
  )

  const Member = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 19 }))

  it.prop("holds of a group a quarter of what is new, the newest", [Schema.Array(Member)], ([numbers]) => {
    const least = 8
    const map = new RecentMap<number>(least)
    const groupOf = (name: string) => Number(name) % 5
    let newer: ReadonlyArray<string> = []
    let older: ReadonlyArray<string> = []
    for (const number of numbers) {
      const name = String(number)
      map.set(name, number, groupOf(name))
      older = older.filter((other) => other !== name)
      if (!newer.includes(name)) {
        if (newer.length >= least) [older, newer] = [newer, []]
        const members = newer.filter((other) => groupOf(other) === groupOf(name))
        newer = [...newer.filter((other) => members.length < 2 || other !== members[0]), name]
      }
      const held = Array.from({ length: 20 }, (_, i) => String(i)).filter((name) => map.get(name) !== undefined)
      expect(new Set(held)).toStrictEqual(new Set([...older, ...newer]))
    }
  }, { arbitrary: { runs: 200, size: 60 } })
})
