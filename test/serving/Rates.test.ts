import { describe, expect, it } from "@effect/vitest"
import { Buckets, PerSecond } from "../../src/internal/serving/rates.ts"

const second = 1_000_000_000

describe("rates", () => {
  it("are counted anew in each second", () => {
    const perSecond = new PerSecond(2)
    const take = (now: number) => {
      const hasRoom = perSecond.hasRoom(now)
      if (hasRoom) perSecond.count()
      return hasRoom
    }
    expect([0, 1, 2, second - 1].map(take)).toStrictEqual([true, true, false, false])
    expect([second, second + 1, 2 * second - 1].map(take)).toStrictEqual([true, true, false])
  })

  it("are of two rows of buckets that have no place in common", () => {
    const buckets = new Buckets(2, 1, 1)
    // The low half of a hash has its place in the first row, the high half that in the second.
    for (const hash of [1, 0]) buckets.take(hash, 1, 0)
    expect(buckets.has(1 << 16, 1, 0)).toBe(true)
    buckets.take(1 << 16, 1, 0)
    expect(buckets.has(1 << 16, 1, 0)).toBe(false)
  })
})
