import { expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { Heap } from "../simulation/Heap.ts"

/** When something is due, or "next" for taking what is due next. */
const Step = Schema.Union([Schema.Literal("next"), Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 }))])

it.prop(
  "what is due comes out by its time, and what is due at once in its order, whatever is taken meanwhile",
  [Schema.Array(Step)],
  ([steps]) => {
    const heap = new Heap<number>()
    const expected: Array<{ readonly at: number; readonly value: number }> = []
    for (const [value, at] of steps.entries()) {
      if (at === "next") expect(heap.pop()).toBe(expected.shift()?.value)
      else {
        heap.push(at, value)
        expected.push({ at, value })
        // The sort is stable.
        expected.sort((a, b) => a.at - b.at)
      }
      expect(heap.nextAt).toBe(expected[0]?.at ?? Infinity)
    }
    for (const { value } of expected) expect(heap.pop()).toBe(value)
    expect(heap.pop()).toBeUndefined()
  }
)
