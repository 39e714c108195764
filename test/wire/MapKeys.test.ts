import { describe, expect, it, vi } from "@effect/vitest"
import { objectHeap, textHeap } from "../../src/internal/wire/heap.ts"
import { isHashable, isIndex, keyIdentity, placesFor } from "../../src/internal/wire/mapKeys.ts"
import { unpack, work } from "../../src/internal/wire/unpack.ts"

describe("keys of maps", () => {
  /** A map of this one key. */
  const mapOf = (...key: ReadonlyArray<number>) => Uint8Array.from([0x81, ...key, 1])
  const keyOf = (text: string) => [0xa0 | text.length, ...Buffer.from(text, "latin1")]

  it("mean and cost the same when they are read again, whatever was read between", () => {
    // Texts of one length, in which all characters but one are equal, and what is no text of ASCII.
    const texts = [0, 1, 2, 3, 12, 13, 31].flatMap((length) =>
      Array.from({ length: 60 }, (_, i) => "x".repeat(i % length) + String.fromCharCode(65 + i) + "x".repeat(length))
        .map((text) => text.slice(0, length))
    )
    for (let round = 0; round < 3; round++) {
      for (const text of texts) {
        const bytes = mapOf(...keyOf(text))
        const unpacked = unpack(bytes, 0)
        expect([text, unpacked]).toStrictEqual([text, {
          value: Object.assign(Object.create(null), { [text]: 1 }),
          heapBytes: objectHeap(1) + (text.length > 1 ? textHeap(text.length, 1) : 0),
          indexHeapBytes: 0,
          end: bytes.length
        }])
        expect(work().steps).toBe(3 + text.length)
        expect(unpack(mapOf(...keyOf(text)).subarray(0, -1), 0)).toBe("Truncated")
        expect(unpack(mapOf(...keyOf(text)).subarray(0, -2), 0)).toBe("Truncated")
      }
      expect(unpack(mapOf(0xa2, 0xc3, 0xa9), 0)).toMatchObject({ value: { "\u00e9": 1 } })
      expect(unpack(mapOf(0xa2, 0xc3, 0xc3), 0)).toBe("InvalidUtf8")
      expect(unpack(Uint8Array.from([0x82, ...keyOf("twice"), 1, ...keyOf("twice"), 2]), 0)).toBe("DuplicateKey")
      expect(unpack(Uint8Array.from([0x82, ...keyOf("twice"), 0xc0, ...keyOf("twice"), 2]), 0)).toBe("DuplicateKey")
    }
  })

  let runs = 0
  it("are made once, where they are short", () => {
    const made = vi.spyOn(String, "fromCharCode")
    try {
      const read = (text: string) => {
        made.mockClear()
        unpack(mapOf(...keyOf(text)), 0)
        return made.mock.calls.length
      }
      // What an earlier run of this test has read is known already.
      runs++
      for (const length of [2, 3, 16]) {
        const places = Array.from({ length }, (_, place) => 1 + Math.floor(runs / 31 ** place) % 31)
        const text = Buffer.from(places).toString("latin1")
        expect([text, read(text), read(text)]).toStrictEqual([text, 1, 0])
      }
    } finally {
      made.mockRestore()
    }
  })

  it("of more than 31 bytes are read anew, also where all of them are as their length is", () => {
    const bytes = mapOf(0xd9, 121, ...new Uint8Array(121).fill(121))
    const first = unpack(bytes, 0)
    expect(first).toMatchObject({ value: { ["y".repeat(121)]: 1 }, end: bytes.length })
    expect(unpack(bytes, 0)).toStrictEqual(first)
  })

  it("are not taken for others that begin alike, nor is what is not UTF-8 for what was", () => {
    const letters = Array.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
    for (const pair of letters.flatMap((a) => letters.map((b) => a + b))) {
      for (const key of [pair, `${pair}xK`]) {
        expect(unpack(mapOf(...keyOf(key)), 0)).toMatchObject({ value: { [key]: 1 }, heapBytes: 184 + 24 })
      }
      expect(unpack(mapOf(0xa4, ...Buffer.from(`${pair}\u0080`)), 0)).toMatchObject({ value: { [`${pair}\u0080`]: 1 } })
      expect(unpack(mapOf(...keyOf(`${pair}\u0080`)), 0)).toBe("InvalidUtf8")
    }
  })

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
      [[1, null]],
      [[null, 1]],
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
