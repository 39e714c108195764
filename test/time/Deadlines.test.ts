import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { Deadline, Deadlines } from "../../src/internal/time/deadlines.ts"

class Item extends Deadline<Item> {
  readonly name: number
  constructor(name: number) {
    super()
    this.name = name
  }
}

const Step = Schema.Union([
  Schema.Struct({ do: Schema.Literal("add"), length: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 12 })) }),
  Schema.Struct({
    do: Schema.Literal("remove"),
    which: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 99 }))
  }),
  Schema.Struct({
    do: Schema.Literal("again"),
    length: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 12 }))
  }),
  Schema.Struct({ do: Schema.Literal("wait"), time: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 6 })) })
])

describe("Deadlines", () => {
  it("of lengths that nobody waits for nothing is kept, however many there were", () => {
    const deadlines = new Deadlines<Item>()
    const waiting = new Item(0)
    deadlines.add(waiting, 1_000_000, 0)
    for (let length = 1; length <= 10_000; length++) {
      const item = new Item(length)
      deadlines.add(item, length, length)
      // One is the last length that was added, the other no longer is.
      if (length % 2 === 0) deadlines.add(new Item(length), 0, 0)
      if (length % 3 === 0) deadlines.remove(item)
      else expect(deadlines.expire(2 * length)).toContain(item)
      deadlines.expire(2 * length)
    }
    expect(deadlines.lengths).toBe(2)
    expect(deadlines.earliest).toBe(1_000_000)
  })

  it("of lengths that others choose few are looked up, and all are due in their order", () => {
    const deadlines = new Deadlines<Item>()
    const items = Array.from({ length: 1000 }, (_, i) => new Item((i * 617) % 1000))
    for (const item of items) {
      deadlines.add(item, item.name + 1, 0)
      deadlines.add(new Item(1000), item.name + 1, 2000)
    }
    expect(deadlines.lengths).toBeLessThanOrEqual(64)
    expect(deadlines.expire(1001).map(({ name }) => name)).toStrictEqual(Array.from(items, (_, i) => i))
    expect(deadlines.expire(5000)).toHaveLength(1000)
    expect(deadlines.earliest).toBe(undefined)
    expect(deadlines.lengths).toBeLessThanOrEqual(1)
  })

  it("of two lengths in turn cost as little to add and to remove as of one, however many wait", () => {
    let reads = 0
    class Counted extends Deadline<Counted> {
      constructor() {
        super()
        let due = this.due
        Object.defineProperty(this, "due", {
          get: () => {
            reads++
            return due
          },
          set: (value) => {
            due = value
          }
        })
      }
    }
    const readsOf = (lengths: number) => {
      reads = 0
      const deadlines = new Deadlines<Counted>()
      const items = Array.from({ length: 10_000 }, () => new Counted())
      items.forEach((item, i) => deadlines.add(item, 1000 + i % lengths, i))
      for (const item of items) deadlines.remove(item)
      return reads / items.length
    }
    expect(readsOf(1)).toBe(0)
    expect(readsOf(2)).toBeLessThan(5)
  })

  it.prop("are those of a list that is sorted each time, whatever comes and goes", [Schema.Array(Step)], ([steps]) => {
    const deadlines = new Deadlines<Item>()
    let model: Array<{ readonly item: Item; readonly due: number; readonly length: number }> = []
    const left: Array<Item> = []
    let now = 0
    let names = 0
    for (const step of steps) {
      switch (step.do) {
        case "again":
        case "add": {
          // What has left may come back.
          const item = (step.do === "again" ? left.pop() : undefined) ?? new Item(names++)
          deadlines.add(item, step.length, now)
          model.push({ item, due: now + step.length, length: step.length })
          break
        }
        case "remove": {
          const removed = model[step.which % Math.max(1, model.length)]
          if (removed === undefined) break
          deadlines.remove(removed.item)
          deadlines.remove(removed.item)
          model = model.filter((entry) => entry !== removed)
          left.push(removed.item)
          break
        }
        case "wait": {
          now += step.time
          const due = model.filter((entry) => entry.due <= now).map(({ item }) => item.name).sort((a, b) => a - b)
          const expired = deadlines.expire(now)
          expect(expired.map((item) => item.name).sort((a, b) => a - b)).toStrictEqual(due)
          expect(expired.map((item) => item.due)).toStrictEqual(expired.map((item) => item.due).sort((a, b) => a - b))
          model = model.filter((entry) => entry.due > now)
          left.push(...expired)
        }
      }
      expect(deadlines.earliest).toBe(model.length === 0 ? undefined : Math.min(...model.map(({ due }) => due)))
      // A queue each, and that of the length that was used last.
      const lengths = new Set(model.map(({ length }) => length))
      expect(deadlines.lengths).toBeGreaterThanOrEqual(lengths.size)
      expect(deadlines.lengths).toBeLessThanOrEqual(lengths.size + 1)
    }
  }, { arbitrary: { runs: 500, size: 200 } })
})
