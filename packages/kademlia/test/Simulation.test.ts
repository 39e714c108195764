/** The simulation in small: that it runs, that it is the same twice, and what holds of any of its networks. */
import { expect, it } from "@effect/vitest"
import { simulate } from "../simulation/simulate.ts"

const options = {
  nodes: 16,
  hours: 2,
  sessionHours: 1,
  loss: 0.02,
  lookupsPerHour: 2,
  k: 6,
  alpha: 3,
  bits: 1,
  staleAfter: 5,
  gates: 3
}

it("a seed decides what happens, and values outlive those that published them", () => {
  const progress: Array<number> = []
  const run = (seed: number) => {
    const { heapMiB, realSeconds, ...figures } = simulate({
      ...options,
      seed,
      progress: (done) => progress.push(done)
    })
    expect(heapMiB).toBeGreaterThan(0)
    expect(realSeconds).toBeGreaterThan(0)
    return figures
  }
  const [first, again, other] = [run(1), run(1), run(2)]
  expect(again).toStrictEqual(first)
  expect(other).not.toStrictEqual(first)
  expect(progress.at(-1)).toBeCloseTo(1)
  for (const { hops, left, lookups, table } of [first, other]) {
    expect(left).toBeGreaterThan(16)
    expect(lookups.made).toBeGreaterThan(10)
    expect(lookups.wrong).toBe(0)
    // Of ten seeds, from 54 to 100%: each node stays for an hour in the mean, and publishes once.
    expect(lookups.found / lookups.made).toBeGreaterThan(0.5)
    expect(hops.p99).toBeLessThanOrEqual(Math.log2(16) + 1)
    expect(table.max).toBeLessThan(16 + left)
  }
})
