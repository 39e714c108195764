/** Small values are written by hand, and as msgpackr writes them. */
import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { isUnpackable, pack } from "../../src/internal/wire/pack.ts"
import { packSmall, release } from "../../src/internal/wire/packSmall.ts"
import { unpack } from "../../src/internal/wire/unpack.ts"

const reserve = 21

const hex = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).subarray(reserve).toString("hex")

/** The bytes that msgpackr makes of a value: in one array with what is not ASCII, nothing is written by hand. */
const byMsgpackr = (value: unknown): string => {
  const packed = pack([value, "\u00e9"], reserve)
  if (isUnpackable(packed)) throw new Error(packed.problem)
  return hex(packed)!.slice("92".length, -"a2c3a9".length)
}

const Text = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 127 })))

const Integer = Schema.Int.check(Schema.isBetween({ minimum: -32, maximum: 0x1_0000 }))

const Small: Schema.Codec<unknown> = Schema.Union([
  Schema.Null,
  Schema.Undefined,
  Schema.Boolean,
  Integer,
  Schema.Struct({ text: Text }),
  Schema.Array(Schema.suspend((): Schema.Codec<unknown> => Small))
])

/** With texts where the schema has their characters. */
const valueOf = (small: unknown): unknown => {
  if (Array.isArray(small)) return small.map(valueOf)
  return Schema.is(Schema.Struct({ text: Text }))(small) ? String.fromCharCode(...small.text) : small
}

describe("a small value", () => {
  it.prop("is written as msgpackr writes it, and can be read", [Small], ([small]) => {
    const value = valueOf(small)
    const written = packSmall(value, reserve)
    if (written === undefined) return
    expect(hex(written)).toBe(byMsgpackr(value))
    expect(unpack(written, reserve)).toBeTypeOf("object")
  }, { arbitrary: { runs: 1000 } })

  it("is written as msgpackr writes it where a head changes", () => {
    const integers = [-32, -1, -0, 0, 127, 128, 255, 256, 0xffff]
    const texts = [0, 1, 31, 32, 64].map((length) => "~".repeat(length))
    const arrays = [0, 1, 15].map((length) => Array.from({ length }, () => null))
    for (const value of [...integers, ...texts, ...arrays, true, false, null, undefined]) {
      expect([value, hex(packSmall(value, reserve))]).toStrictEqual([value, byMsgpackr(value)])
    }
  })

  it("has holes for nil", () => {
    // oxlint-disable-next-line unicorn/no-new-array -- a hole is what this is about
    expect(hex(packSmall(new Array(2), reserve))).toBe("92c0c0")
  })

  it("is none of these", () => {
    const nested = (depth: number): unknown => depth === 0 ? 1 : [nested(depth - 1)]
    expect(packSmall(nested(4), reserve)).toBeDefined()
    const others = [
      -33,
      2 ** 16,
      2 ** 32,
      1.5,
      Number.NaN,
      1n,
      "x".repeat(65),
      "\u0080",
      "\ud800",
      Array.from({ length: 16 }, () => 1),
      Array.from({ length: 8 }, () => "x".repeat(64)),
      Array.from({ length: 15 }, () => Array.from({ length: 15 }, () => 0xffff)),
      nested(5),
      {},
      new Map(),
      new Date(0),
      new Uint8Array(1),
      Symbol("s"),
      () => {}
    ]
    for (const value of others) {
      expect([value, packSmall(value, reserve)]).toStrictEqual([value, undefined])
      expect([value, packSmall([value], reserve)]).toStrictEqual([value, undefined])
    }
  })

  it("takes 512 bytes at the most", () => {
    const texts = (last: number) => [...Array.from({ length: 7 }, () => "x".repeat(64)), "x".repeat(last)]
    expect(hex(packSmall(texts(47), reserve))).toBe(byMsgpackr(texts(47)))
    expect(packSmall(texts(47), reserve)).toHaveLength(reserve + 512)
    expect(packSmall(texts(48), reserve)).toBe(undefined)
  })

  it("takes as much heap as its reader allows, however it nests", () => {
    const deep = [[[[null]]], [[[]]], [[]], []]
    for (const value of [...deep, Array.from({ length: 15 }, () => [[]]), Array.from({ length: 15 }, () => "ab")]) {
      expect(unpack(packSmall(value, 0)!, 0)).toBeTypeOf("object")
    }
  })

  it("is written whole, though a getter of it writes another meanwhile", () => {
    // Now there is a pool.
    packSmall("before", reserve)
    let inner: Uint8Array | undefined
    const value = ["before", null, "after"]
    Object.defineProperty(value, 1, { get: () => (inner = packSmall("inner", reserve)) && "between" })
    expect(hex(packSmall(value, reserve))).toBe(byMsgpackr(["before", "between", "after"]))
    expect(hex(inner)).toBe(byMsgpackr("inner"))
  })

  it("is written over no other, and behind a getter that throws, too", () => {
    const throwing = [1]
    Object.defineProperty(throwing, 0, {
      get: () => {
        throw new Error("boom")
      }
    })
    const written = Array.from({ length: 1000 }, (_, i) => {
      expect(() => packSmall(throwing, reserve)).toThrow("boom")
      expect(packSmall([i, {}], reserve)).toBeUndefined()
      return packSmall(["text", i], reserve)
    })
    for (const [i, bytes] of written.entries()) expect(hex(bytes)).toBe(byMsgpackr(["text", i]))
  })

  it("that is released gives its room to the next one, if it was the last, and in its own pool", () => {
    const placeOf = (value: unknown) => {
      const packed = packSmall(value, reserve)!
      return { packed, place: [packed.buffer, packed.byteOffset] }
    }
    const first = placeOf("first")
    const second = placeOf("other")
    release(first.packed)
    const third = placeOf("third")
    expect(hex(first.packed)).toBe(byMsgpackr("first"))
    expect(hex(second.packed)).toBe(byMsgpackr("other"))
    release(third.packed)
    const fourth = placeOf("fourth")
    expect(fourth.place).toStrictEqual(third.place)
    release(fourth.packed)
    expect(hex(placeOf("longer than that").packed)).toBe(byMsgpackr("longer than that"))

    // One that is packed while another one is read, which then turns out not to be small.
    let inner: Uint8Array | undefined
    const items = Object.defineProperty([0, 0.5], 0, { get: () => (inner = packSmall("inner", reserve), 0) })
    const before = placeOf("before")
    expect(packSmall(items, reserve)).toBe(undefined)
    release(inner!)
    placeOf("after")
    expect(hex(before.packed)).toBe(byMsgpackr("before"))
  })
})
