/** Whoever asks and stores faster than the storage is does not keep others from what they want of a node. */
import { describe, expect, it } from "@effect/vitest"
import type { Options } from "./slowStorage.ts"
import { flood } from "./slowStorage.ts"

const addresses = (count: number, of: (i: number) => string) => Array.from({ length: count }, (_, i) => of(i))

describe("of a storage that takes 500 ms for each step, who asks for a pair a second gets it within two seconds", () => {
  const cases: ReadonlyArray<readonly [what: string, senders: ReadonlyArray<string>, changes?: Partial<Options>]> = [
    ["eight networks", addresses(8, (i) => `9.0.${i}.1:1`)],
    ["eight addresses of one network", addresses(8, (i) => `9.0.0.${i}:1`)],
    ["others that only ask, eight networks,", addresses(8, (i) => `9.0.${i}.1:1`), { stores: 0 }],
    ["others that only store, eight networks,", addresses(8, (i) => `9.0.${i}.1:1`), { stores: 200 }],
    ["32 IPv6 /64 of one /48", addresses(32, (i) => `[2600:1:1:${i}::1]:1`)],
    ["64 networks", addresses(64, (i) => `9.0.${i}.1:1`), { perSecond: 50, stores: 25 }]
  ]
  for (const [what, senders, changes] of cases) {
    it(`though ${what} send hundreds of requests a second`, () => {
      const { found, most, published } = flood({
        senders,
        perSecond: 200,
        stores: 100,
        seconds: 20,
        millis: 500,
        ...changes
      })
      expect(found).toBe(20)
      // Its own program does not wait for them either.
      expect(published).toBe(20)
      expect(most).toBeLessThanOrEqual(128 + 8)
    })
  }
})

it("of one that takes 20 ms, whoever stores a pair a second is not kept from that by eight networks that store 800", () => {
  const senders = addresses(8, (i) => `9.0.${i}.1:1`)
  const { taken } = flood({ senders, perSecond: 200, stores: 100, seconds: 20, millis: 20 })
  expect(taken).toBe(20)
})
