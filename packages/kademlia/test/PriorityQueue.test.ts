/** What comes first: against a list that is sorted each time. */
import { expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { PriorityQueue } from "../src/core/PriorityQueue.ts"

const Step = Schema.Struct({
  item: Schema.Literals(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]),
  /** 0 takes it out. */
  at: Schema.Literals([0, 0, 1, 2, 3, 4, 5, 6])
})

it.prop("the first is the earliest, and of those the one that was put in first", [Schema.Array(Step)], ([steps]) => {
  const queue = new PriorityQueue<string>()
  let model: Array<{ readonly item: string; readonly at: number }> = []
  for (const { at, item } of steps) {
    model = model.filter((other) => other.item !== item)
    if (at === 0) queue.delete(item)
    else {
      queue.set(item, at)
      model.push({ item, at })
    }
    expect(queue.size).toBe(model.length)
    expect(queue.first?.item).toBe(model.toSorted((a, b) => a.at - b.at)[0]?.item)
  }
  for (const { item } of model.toSorted((a, b) => a.at - b.at)) {
    expect(queue.first?.item).toBe(item)
    queue.delete(item)
  }
})
