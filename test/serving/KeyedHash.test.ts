import { describe, expect, it } from "@effect/vitest"
import * as KeyedHash from "../../src/internal/serving/keyedHash.ts"
import { stream } from "../support/stream.ts"

/** How many times the mean the fullest of 4,096 places holds, where the places are these 12 bits. */
const fullest = (hashes: ReadonlyArray<number>, shift: number): number => {
  const places = new Int32Array(4096)
  for (const hash of hashes) places[hash >>> shift & 4095]!++
  return Math.max(...places) * 4096 / hashes.length
}

describe("the keyed hash", () => {
  const hash = KeyedHash.make({ getRandomValues: stream(1).bytes })
  const numbers = Array.from({ length: 65_536 }, (_, i) => i)
  const octets = Array.from({ length: 156 }, (_, i) => i + 100)

  // With 16 for each place on average, the fullest of 4,096 has about 33 by chance.
  const byChance = 3

  for (
    const [name, texts] of [
      ["the addresses of one network", numbers.map((n) => `10.0.${n >> 8}.${n & 255}`)],
      ["addresses whose halves are alike", octets.flatMap((a) => octets.map((b) => `${a}.${b}.${a}.${b}`))],
      ["networks of IPv6", numbers.map((n) => `2001:db8:${n.toString(16)}:0`)],
      ["those of one subscriber", numbers.map((n) => `2001:db8:1234:${n.toString(16)}`)]
    ] as const
  ) {
    it(`spreads ${name} over both rows of buckets`, () => {
      const hashes = texts.map(hash.ofText)
      for (const shift of [0, 16]) expect(fullest(hashes, shift)).toBeLessThan(byChance * 65_536 / texts.length)
    })
  }

  it("spreads ids that differ in two bytes, wherever those are, as Answers hashes them", () => {
    for (let at = 0; at < 19; at++) {
      const bytes = new Uint8Array(24).fill(1)
      const hashes = numbers.map((n) => {
        bytes[2 + at] = n & 255
        bytes[3 + at] = n >> 8
        return hash.ofId(bytes, 2)
      })
      expect(fullest(hashes, 0)).toBeLessThan(byChance)
    }
  })

  it("is of an id alone, whatever stands around it", () => {
    const bytes = new Uint8Array(24).fill(1)
    const alone = hash.ofId(bytes, 2)
    for (const i of [0, 1, 22, 23]) {
      bytes[i] = 99
      expect(hash.ofId(bytes, 2)).toBe(alone)
    }
  })

  it("is another one under other tables", () => {
    const other = KeyedHash.make({ getRandomValues: stream(2).bytes })
    const same = numbers.filter((n) => (hash.ofText(String(n)) & 4095) === (other.ofText(String(n)) & 4095))
    expect(same.length / numbers.length).toBeLessThan(0.01)
  })
})
