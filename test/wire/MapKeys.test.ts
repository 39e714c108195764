import { describe, expect, it } from "@effect/vitest"
import { isHashable, isIndex, keyIdentity, placesFor } from "../../src/internal/wire/mapKeys.ts"

describe("keys of maps", () => {
  it("that V8 may take for indices begin and end with a digit, and have ten characters at most", () => {
    for (const key of ["0", "9", "12", "4294967294", "1x1"]) expect([key, isIndex(key)]).toStrictEqual([key, true])
    for (const key of ["", "x", "/", ":", "1x", "x1", "-1", "42949672940"]) {
      expect([key, isIndex(key)]).toStrictEqual([key, false])
    }
  })

  it("take one and a half places for each index up to theirs, and 16, and from 4,096 on none", () => {
    for (
      const [key, places] of [["0", 18], ["1", 19], ["2", 21], ["1023", 1552], ["4095", 6160], ["4096", 0]] as const
    ) {
      expect([key, placesFor(key)]).toStrictEqual([key, places])
    }
    expect(placesFor("1x1")).toBe(0)
  })

  it("are hashable in Python unless they are maps, or hold one", () => {
    for (const key of [null, undefined, "a", 1, 1n, true, new Uint8Array(1), new Date(0), [], [[1], "a"]]) {
      expect(isHashable(key)).toBe(true)
    }
    for (const key of [{}, new Map(), [{}], [[1, [new Map()]]]]) expect(isHashable(key)).toBe(false)
  })

  it("are one key exactly if a Python dict takes them for one", () => {
    const groups: ReadonlyArray<ReadonlyArray<unknown>> = [
      [1, true, 1n],
      [0, false, -0, 0n],
      [2 ** 60, 2n ** 60n],
      [2n ** 60n + 1n],
      [-(2 ** 60), -(2n ** 60n)],
      [2 ** 53, 2n ** 53n],
      [1.5],
      [2 ** 64],
      [2 ** 70],
      [Number.NaN],
      [Infinity],
      [null, undefined],
      ["1"],
      [""],
      [new Uint8Array([0x31])],
      [new Uint8Array(0)],
      [new Uint8Array(20).fill(0xe9)],
      ["\u00e9".repeat(20)],
      [new Date(1)],
      [[]],
      [[1], [true], [1n]],
      [["1"]],
      [[1, 2]],
      [[[1], 2]],
      [[[1, 2]]],
      [["a", "b"]],
      [["a1:b"]],
      [["as1:b"]]
    ]
    const of = new Map<string, number>()
    for (const [group, keys] of groups.entries()) {
      for (const key of keys) {
        const identity = keyIdentity(key)
        expect([key, of.get(identity) ?? group]).toStrictEqual([key, group])
        of.set(identity, group)
      }
      expect(new Set(keys.map(keyIdentity)).size).toBe(1)
    }
  })
})
