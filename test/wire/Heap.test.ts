/** What values take once they are read, and that what takes too much is neither read nor written. */
import { assert, describe, expect, it } from "@effect/vitest"
import { isUnpackable, pack } from "../../src/internal/wire/pack.ts"
import { unpack } from "../../src/internal/wire/unpack.ts"

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** What a value takes, among 63 that take nothing: alone it might be too much for its few bytes. */
const taken = (hex: string) => {
  const unpacked = unpack(Uint8Array.from(Buffer.from(`dc0040${hex.replaceAll(" ", "")}${"00".repeat(63)}`, "hex")), 0)
  assert(typeof unpacked !== "string")
  return [unpacked.heapBytes - 48 - 8 * 64, unpacked.indexHeapBytes]
}

describe("a value", () => {
  it("takes what V8 takes for its kind and size, as benchmark/cost.ts has measured it", () => {
    const values = [
      // Small integers, nil, booleans, and texts of up to one character.
      ["00", 0],
      ["e0", 0],
      ["c0", 0],
      ["a0", 0],
      ["a161", 0],
      // Numbers on the heap.
      ["ca00000000", 16],
      ["cb0000000000000000", 16],
      ["cfffffffffffffffff", 24],
      ["d6ff00000000", 96],
      // Texts, of a byte or of two a character, in steps of eight bytes.
      ["a26161", 16 + 8],
      ["a86161616161616161", 16 + 8],
      ["a9616161616161616161", 16 + 16],
      ["a6e282ace282ac", 16 + 8],
      ["afe282ace282ace282ace282ace282ac", 16 + 16],
      // Bytes, within the heap and with a buffer of their own.
      ["c400", 216],
      [`c440${"00".repeat(64)}`, 216 + 64],
      [`c441${"00".repeat(65)}`, 400 + 65],
      ["90", 32],
      ["91c0", 48 + 8],
      ["93c0c0c0", 48 + 24],
      ["80", 56],
      // Objects have room for a half more keys than they have, and at least four.
      ["81a161c0", 88 + 24 * 4],
      ["82a161c0a162c0", 88 + 24 * 4],
      ["83a161c0a162c0a163c0", 88 + 24 * 4],
      ["84a161c0a162c0a163c0a164c0", 88 + 24 * 8],
      // Maps have room for as many as they have.
      ["8101c0", 72 + 28 * 4],
      ["8401c002c003c004c0", 72 + 28 * 4],
      ["8501c002c003c004c005c0", 72 + 28 * 8],
      // Indices have a table of their own, and a hidden class if they come after names.
      ["81a135c0", 88 + 24 * 4 + 48 + 24 * 4, 8 * 25],
      ["84a130c0a131c0a132c0a133c0", 88 + 24 * 8 + 48 + 24 * 8, 8 * 22],
      ["82a161c0a135c0", 88 + 24 * 4 + 48 + 24 * 4 + 80, 8 * 25],
      ["81a431303233c0", 88 + 24 * 4 + 48 + 24 * 4 + 24, 8 * 1552]
    ] as const
    for (const [hex, heap, indices = 0] of values) expect([hex, ...taken(hex)]).toStrictEqual([hex, heap, indices])
  })

  const many = <A>(count: number, value: A): ReadonlyArray<A> => Array.from({ length: count }, () => value)
  const numbered = (count: number) => new Map(Array.from({ length: count }, (_, i) => [i, null]))
  const nothing = new Uint8Array(0)

  it("is written exactly if it will be read", () => {
    const readable = [
      many(1000, {}),
      many(1000, [[]]),
      many(1000, { a: null }),
      many(1000, new Map([[1, null]])),
      many(42, { 1023: null }),
      many(42, new Map([["1023", null]])),
      numbered(256),
      [nothing, ...many(16, "abcdefgh")],
      [{ 5: null }, ...many(16, "abcdefgh")]
    ]
    for (const value of readable) {
      const packed = pack(value, 0)
      assert(!isUnpackable(packed))
      expect(unpack(packed, 0)).toMatchObject({ end: packed.length })
    }
    const unreadable = [
      many(1000, nothing),
      many(4105, nothing),
      many(1000, { 5: null }),
      many(1000, { a: { 5: null } }),
      many(1000, new Map([["5", null]])),
      many(1000, new Map<unknown, null>([["", null], [1, null]])),
      many(43, { 1023: null }),
      many(43, new Map([["1023", null]])),
      numbered(257)
    ]
    const problem =
      "nobody would read it: it takes over 64 bytes of memory for each of its own, or a map has over 256 " +
      "keys that are not strings, or too many have keys like \"1023\""
    for (const value of unreadable) expect(pack(value, 0)).toStrictEqual({ path: [], problem })
  })

  it("that is longer than a datagram is written as it is: its length is refused, and not what it takes", () => {
    const packed = pack(many(4106, nothing), 0)
    assert(!isUnpackable(packed))
    expect(packed.length).toBe(8215)
    expect(hexOf(packed.subarray(0, 5))).toBe("dc100ac400")
  })
})
