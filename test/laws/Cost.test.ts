/**
 * No datagram costs more than it brings: what is done for it, and what it decodes to, is at most a constant times its
 * length. Work is counted, not timed.
 */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Redacted, Result } from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Codec } from "../../src/index.ts"
import { readRequest } from "../../src/internal/wire/requestBody.ts"
import * as Heap from "../../src/internal/wire/heap.ts"
import { unpack, work } from "../../src/internal/wire/unpack.ts"
import type { KeyRing } from "../../src/internal/sealing/keyRing.ts"
import * as Cipher from "../../src/internal/sealing/cipher.ts"
import * as Seal from "../../src/internal/sealing/seal.ts"
import { peerAt } from "../support/injected.ts"
import { arrayOf, type Bytes, frames, id, join, many, mapOf, repeat, text, uint, values } from "../support/shapes.ts"

/** Values read, and bytes and characters copied, for each byte of a datagram. */
const maxStepsPerByte = 8

/** Says what broke the law, or nothing. */
const judge = (datagram: Uint8Array): string | undefined => {
  unpack(Uint8Array.of(0xc0), 0)
  const decoded = Codec.decode(datagram)
  const { heapBytes, keyPairs, steps } = work()
  const said = `${datagram.length} bytes, ${Result.isSuccess(decoded) ? "read" : decoded.failure}: `
  if (steps > maxStepsPerByte * datagram.length) return `${said}${steps} steps`
  if (heapBytes > Heap.maxHeapPerByte * datagram.length) return `${said}${heapBytes} bytes of heap`
  if (keyPairs > Heap.maxKeyPairs) return `${said}${keyPairs} pairs of keys`
  return undefined
}

/** At the first that breaks it: what doubles from one to the next is stopped while it is small. */
const expectLaw = (datagrams: Iterable<readonly [string, Uint8Array]>): void => {
  let count = 0
  for (const [name, datagram] of datagrams) {
    const problem = judge(datagram)
    if (problem !== undefined) expect.fail(`${name}: ${problem}`)
    count++
  }
  expect(count).toBeGreaterThan(100)
}

/** Rooms for a body: small ones, then about each power of two, and the most that the wire takes. */
const rooms: ReadonlyArray<number> = [
  ...Array.from({ length: 30 }, (_, i) => i + 3),
  ...[64, 128, 256, 512, 1024, 2048, 4096, 8192].flatMap((room) => [room - 1, room, room + 1])
]

const depths = [1, 2, 15, 28, 29, 30, 31, 32, 33]

describe("no datagram costs more than it brings", () => {
  it("however deep the key of a map nests", () => {
    expectLaw(function*() {
      for (let depth = 1; depth <= 33; depth++) {
        for (const [name, value] of Object.entries(values)) {
          const key = join([repeat(depth, 0x91), value(0)])
          const pairs = join([repeat(depth, 0x92), ...Array.from({ length: depth + 1 }, () => value(0))])
          // Two keys: a single one is compared with none.
          const keys = Array.from({ length: Math.floor(200 / key.length) }, () => [[0x82], key, [0x01], [0xc0]]).flat()
          for (const [type, frame] of Object.entries(frames)) {
            const where = `${name}, ${depth} deep, in a ${type}`
            yield [where, frame([0x82], key, [0x01], [0xc0], [0x02])] as const
            yield [where, frame([0x82], pairs, [0x01], [0xc0], [0x02])] as const
            yield [where, frame(...keys)] as const
          }
        }
      }
    }())
  })

  it("whatever it holds, at every length", () => {
    expectLaw(function*() {
      for (const [name, value] of Object.entries(values)) {
        const [items, entries, arrays, maps] = [
          many(value),
          many(value, [], [0xc0]),
          many(value, [0x91], [0xc0]),
          many(value, [0x81], [0xc0])
        ]
        for (const room of rooms) {
          const bodies = {
            "in an array": arrayOf(items, room),
            "as keys": mapOf(entries, room),
            "as keys in arrays": mapOf(arrays, room),
            "each the key of a map": arrayOf(maps, room)
          }
          for (const [how, body] of Object.entries(bodies)) {
            for (const [type, frame] of Object.entries(frames)) {
              yield [`${name} ${how}, in a ${type}`, frame(body)] as const
            }
          }
        }
      }
    }())
  })

  it("whatever it holds, at every depth", () => {
    expectLaw(function*() {
      for (const [name, value] of Object.entries(values)) {
        const [items, entries] = [many(value), many(value, [], [0xc0])]
        for (const depth of depths) {
          const [arrays, maps] = [repeat(depth, 0x91), repeat(depth, 0x81, 0xa0)]
          const [nested, keys] = [many(value, arrays), many(value, arrays, [0xc0])]
          for (const room of [64, 1024]) {
            const bodies = {
              "in arrays": join([arrays, arrayOf(items, room)]),
              "in maps": join([maps, mapOf(entries, room)]),
              "in arrays each": arrayOf(nested, room),
              "in arrays each, as keys": mapOf(keys, room)
            }
            for (const [how, body] of Object.entries(bodies)) {
              for (const [type, frame] of Object.entries(frames)) {
                yield [`${name} ${how}, ${depth} deep, in a ${type}`, frame(body)] as const
              }
            }
          }
        }
      }
    }())
  })

  it.effect("sealed, whatever it holds", () =>
    Effect.gen(function*() {
      const ring: KeyRing = [{ id: 1, secret: Redacted.make(new Uint8Array(32).fill(1)) }]
      const context = yield* Effect.context<never>()
      const make = () => Seal.make({ ring, cipher: Cipher.native, maxAge: Duration.seconds(30) }, context)
      const [ours, theirs] = [make(), make()]
      expectLaw(function*() {
        for (const [name, value] of Object.entries(values)) {
          const [items, entries] = [many(value), many(value, [], [0xc0])]
          for (const frame of Object.values(frames)) {
            for (const room of [64, 8180]) {
              for (const body of [arrayOf(items, room), mapOf(entries, room)]) {
                const opened = ours.open(theirs.seal(frame(body)), peerAt("10.0.0.2:2"))
                if (typeof opened === "string") expect.fail(`${name}: ${opened}`)
                yield [name, opened] as const
              }
            }
          }
        }
      }())
    }))
})

const response = (...body: ReadonlyArray<number>): Uint8Array => join([[1], id, body])

const read = (...body: ReadonlyArray<number>): Codec.Malformed | "read" =>
  Result.match(Codec.decodeResponse(response(...body)), { onFailure: (reason) => reason, onSuccess: () => "read" })

describe("the bound", () => {
  const array = (
    count: number,
    ...item: ReadonlyArray<number>
  ): ReadonlyArray<number> => [0xdc, ...uint(2, count), ...repeat(count, ...item)]

  // Of n items of b bytes each, that take h bytes of heap and 8 in the array: 48 + (h + 8) n <= 64 (24 + b n).
  const most = (bytes: number, heap: number): number => Math.floor((64 * 24 - 48) / (heap + 8 - 64 * bytes))

  it("is 64 bytes of heap for each byte", () => {
    for (
      const [item, heap] of [
        [[0xc4, 0], 216], // an empty bin
        [[0xc4, 1, 7], 217],
        [[0x81, 0xc0, 0x80], 184 + 56],
        [[0x81, 0xa0, 0x80], 184 + 56],
        [[0x81, 0xa1, 0x30, 0xc0], 328], // an index
        [[0x81, 0xa0, 0x81, 0xa0, 0xc0], 368],
        [[0x82, 0xa0, 0xc0, 0xc0, 0xc0], 368] // it is an object until its second key
      ] as const
    ) {
      const count = most(item.length, heap)
      expect(count).toBeGreaterThan(5)
      for (const less of [1, 2, count - 1, count]) expect(read(...array(less, ...item))).toBe("read")
      for (const more of [count + 1, count + 2, 2 * count]) expect(read(...array(more, ...item))).toBe("TooMany")
      // In front of which other bytes stand, there is room for more.
      expect(read(0x92, 0xc5, 1, 0, ...uint(256, 0), ...array(count + 1, ...item))).toBe("read")
    }
  })

  it("holds no datagram of text, numbers, dates, arrays, empty maps, or maps of some bytes", () => {
    for (
      const name of [
        "nil",
        "uint 32",
        "uint 64",
        "float 32",
        "float 64",
        "empty text",
        "text of 1",
        "text of 2",
        "text of one wide letter",
        "text of 2 in Latin",
        "str 16",
        "bin of 2",
        "bin of 64",
        "bin of 65",
        "bin 32",
        "timestamp 32",
        "empty array",
        "array of 1",
        "8 arrays inside each other",
        "empty map",
        "map of an empty text",
        "map of a nil",
        "map of 4 letters"
      ]
    ) {
      expect(`${name}: ${read(...arrayOf(many(values[name]!), Codec.maxBodyBytes))}`).toBe(`${name}: read`)
    }
  })

  const keys = (count: number): ReadonlyArray<number> => [
    0xde,
    ...uint(2, count),
    ...Array.from({ length: count }, (_, i) => [0xcd, ...uint(2, i), 0xc0]).flat()
  ]

  it("is 256 keys of a map that are not strings, or as many pairs in several", () => {
    expect(read(...keys(255))).toBe("read")
    expect(read(...keys(256))).toBe("read")
    expect(read(...keys(257))).toBe("TooMany")
    expect(read(0x92, ...keys(256), ...keys(1))).toBe("read")
    expect(read(0x92, ...keys(256), ...keys(2))).toBe("TooMany")
    // 32,640 = 4 * 8,128 + 128
    expect(read(0x95, ...keys(128), ...keys(128), ...keys(128), ...keys(128), ...keys(16))).toBe("read")
    expect(read(0x95, ...keys(128), ...keys(128), ...keys(128), ...keys(128), ...keys(17))).toBe("TooMany")
    // Strings are hashed with a seed.
    expect(read(...mapOf(many((i) => text([0xa3], 3, i), [], [0xc0]), Codec.maxBodyBytes))).toBe("read")
  })

  it("is met by what takes 64 times its length, to the byte", () => {
    // 48 and 376 for each: 2,304, which is 64 * 36.
    const body = [0x96, ...repeat(6, 0x81, 0xa0, 0x81, 0xa0, 0xc0)]
    expect(unpack(join([[0, 0, 0, 0, 0], body]), 5)).toMatchObject({ heapBytes: 64 * 36 })
    expect(unpack(join([[0, 0, 0, 0], body]), 4)).toBe("TooMany")
  })

  it("is not of one datagram and the next", () => {
    for (let i = 0; i < 3; i++) {
      expect(read(...keys(256))).toBe("read")
      expect(read(...arrayOf(many(values["array of 1"]!), Codec.maxBodyBytes))).toBe("read")
    }
  })

  it("stops at the first fault", () => {
    const [fault, nil] = [0xc1, 0xc0]
    for (
      const [steps, ...items] of [
        [2, 0xdc, 0, 99, fault],
        [3, 0xdc, 0, 99, nil, fault],
        [2, 0xde, 0, 40, fault],
        [3, 0xde, 0, 40, 0xa0, fault],
        [4, 0xde, 0, 40, 0xa0, nil, fault],
        [5 + 1, 0xde, 0, 40, 0xa0, nil, 0xa1, 0x61, fault],
        [3 + 1, 0xde, 0, 40, nil, fault],
        [4 + 1, 0xde, 0, 40, nil, nil, fault],
        [5 + 4, 0xde, 0, 40, nil, nil, 1, fault] // "z" and "n1;"
      ] as const
    ) {
      expect(read(...items, ...repeat(99, nil))).toBe("Reserved")
      expect(work().steps).toBe(steps)
    }
    // What is announced and can't be there is not looked for.
    for (const items of [[0x93, nil, nil], [0x82, 0xa0, nil, 0xa0], [0x82, nil, nil, 1]]) {
      expect(read(...items)).toBe("Truncated")
      expect(work()).toStrictEqual({ steps: 1, heapBytes: 0, keyPairs: 0 })
    }
    // 256 keys and values, the texts that tell the keys apart, and one key more.
    expect(read(...keys(300))).toBe("TooMany")
    expect(work()).toMatchObject({ steps: 1 + 2 * 256 + (10 * 3 + 90 * 4 + 156 * 5) + 1, keyPairs: 32_640 })
  })

  it("counts what tells keys apart, of which one is told from none", () => {
    expect(read(0x81, 0xc4, 3, 1, 2, 3, 0xc0)).toBe("read")
    expect(work()).toMatchObject({ steps: 3 + 3, keyPairs: 0 })
    expect(read(0x82, 0xc4, 3, 1, 2, 3, 0xc0, 0xc4, 3, 1, 2, 4, 0xc0)).toBe("read")
    expect(work()).toMatchObject({ steps: 5 + 6 + 12, keyPairs: 1 })
  })

  it("stops before what is too much is made", () => {
    // 30 arrays inside each other, each of which announces all that is left: 8 of 64 KB are within the bound.
    const datagram = response(...Array.from({ length: 30 }, (_, i) => [0xdc, ...uint(2, 8000 - 4 * i)]).flat())
    const whole = join([datagram, repeat(Codec.maxDatagramBytes - datagram.length, 0xc0)])
    expect(Codec.decodeResponse(whole)).toStrictEqual(Result.fail("TooMany"))
    expect(work().steps).toBe(9)
    expect(work().heapBytes).toBeLessThanOrEqual(64 * whole.length)
  })
})

describe("what a value takes is estimated", () => {
  // The figures are those of `node --expose-gc benchmark/cost.ts`.
  const cases: ReadonlyArray<readonly [string, number]> = [
    ["00", 0],
    ["ff", 0],
    ["c0", 0],
    ["ccff", 0],
    ["cdffff", 0],
    ["d0ff", 0],
    ["d1ffff", 0],
    ["ceffffffff", 16],
    ["d2ffffffff", 16],
    ["ca00000000", 16],
    ["cb0000000000000000", 16],
    ["cf0000000000000000", 24],
    ["d30000000000000000", 24],
    ["d6ff00000000", 96],
    ["d7ff0000000000000000", 96],
    ["c70cff000000000000000000000000", 96],
    ["a0", 0],
    ["a161", 0],
    ["a26162", 24],
    ["a86162636465666768", 24],
    ["a9616263646566676869", 32],
    ["ac" + "61".repeat(12), 32],
    ["b0" + "61".repeat(16), 32],
    ["b1" + "61".repeat(17), 40],
    ["a2c3a9", 24],
    ["a6e4b880e4b880", 24],
    ["ac" + "e4b880".repeat(4), 24],
    ["af" + "e4b880".repeat(5), 32],
    ["c400", 216],
    ["c40100", 217],
    ["c440" + "00".repeat(64), 280],
    ["c441" + "00".repeat(65), 465],
    ["90", 32],
    ["91c0", 56],
    ["92c0c0", 64],
    ["9190", 88],
    ["dc0012" + "c0".repeat(18), 192],
    ["dd00000001c0", 56],
    ["80", 56],
    ["df00000000", 56],
    ["81a0c0", 184],
    ["83a0c0a161c0a162c0", 184],
    ["84a0c0a161c0a162c0a163c0", 280],
    ["85a0c0a161c0a162c0a163c0a164c0", 280],
    ["86a0c0a161c0a162c0a163c0a164c0a165c0", 472],
    ["81a130c0", 184 + 144],
    ["82a130c0a131c0", 184 + 144],
    ["82a130c0a161c0", 184 + 144],
    ["81a139c0", 184 + 144],
    ["84a130c0a131c0a132c0a133c0", 280 + 240],
    ["81aa34323934393637323934c0", 184 + 32 + 144],
    ["81ab3432393439363732393430c0", 184 + 32],
    ["81a2612fc0", 184 + 24],
    ["81a23061c0", 184 + 24],
    ["81a26130c0", 184 + 24],
    ["81a12fc0", 184],
    ["81a13ac0", 184],
    ["82a161c0a130c0", 184 + 144 + 80],
    ["84a0c0a130c0a162c0a131c0", 280 + 240 + 80],
    ["81c0c0", 184],
    ["84c0c000c001c002c0", 184],
    ["85c0c000c002c003c004c0", 296],
    ["82a0c0c0c0", 184 + 184],
    ["85a0c0a161c0a162c0a163c0c0c0", 280 + 296]
  ]
  for (const [hex, heapBytes] of cases) {
    it(`${hex}: ${heapBytes} bytes`, () => {
      expect(unpack(response(...Buffer.from(hex, "hex")), Codec.headerBytes)).toMatchObject({ heapBytes })
    })
  }

  it("and handed on with a request", () => {
    const request = Result.getOrThrow(Codec.encodeRequest(Uint8Array.from(id), "method", [new Uint8Array(1), {}]))
    // The array of two, the method's name, the arguments.
    expect(readRequest(request, 30)).toStrictEqual({
      method: "method",
      args: [new Uint8Array(1), Object.create(null)],
      heapBytes: 64 + 24 + 64 + 217 + 56,
      trailer: undefined
    })
  })
})

describe("keys that are indices", () => {
  setFlagsFromString("--expose-gc")
  const gc: () => void = runInNewContext("gc")

  const heldBy = (count: number, ...body: ReadonlyArray<number>): number => {
    const datagram = response(...body)
    const held: Array<unknown> = []
    gc()
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < count; i++) held.push(unpack(datagram, Codec.headerBytes))
    gc()
    const bytes = process.memoryUsage().heapUsed - before
    return bytes / held.length
  }

  const index = (n: number): Bytes => [0xa0 + String(n).length, ...Buffer.from(String(n))]

  it("take no room for those below them", () => {
    // A kilobyte is far from both: some 500 bytes, and 12,000.
    expect(heldBy(2000, 0x81, ...index(1023), 0xc0)).toBeLessThan(1024)
    expect(heldBy(2000, 0x82, 0xa1, 0x61, 0xc0, ...index(1023), 0xc0)).toBeLessThan(1024)
    expect(heldBy(2000, 0x82, ...index(5), 0xc0, ...index(1023), 0xc0)).toBeLessThan(1024)
    expect(heldBy(2000, 0x82, ...index(10_000), 0xc0, ...index(999), 0xc0)).toBeLessThan(1024)
  })
})

describe("what is sent is read", () => {
  const sent = (value: unknown): string => {
    const encoded = Codec.encodeResponse(Uint8Array.from(id), value)
    if (Result.isFailure(encoded)) return encoded.failure._tag
    return Result.isSuccess(Codec.decodeResponse(encoded.success)) ? "read" : "not read"
  }

  const numbers = (count: number) => new Map(Array.from({ length: count }, (_, i) => [i, null]))

  it("up to the bound, and refused beyond it", () => {
    const edges: ReadonlyArray<readonly [string, (count: number) => unknown, number]> = [
      ["empty bytes", (count) => Array.from({ length: count }, () => new Uint8Array(0)), 14],
      ["maps in maps", (count) => Array.from({ length: count }, () => ({ "": { "": null } })), 26],
      ["maps of an index", (count) => Array.from({ length: count }, () => ({ 7: null })), 18],
      ["maps of a nil", (count) => Array.from({ length: count }, () => new Map([[null, {}]])), 26],
      [
        "maps of a text and a nil",
        (count) => Array.from({ length: count }, () => new Map<unknown, unknown>([["", null], [null, null]])),
        26
      ],
      [
        "maps of an index behind a text",
        (count) => Array.from({ length: count }, () => new Map([["", null], ["7", null]])),
        46
      ],
      ["bytes in arrays of one", (count) => Array.from({ length: count }, () => [[new Uint8Array(0)]]), 18],
      ["keys", numbers, 256]
    ]
    for (const [name, make, most] of edges) {
      for (const count of [0, 1, most - 1, most]) expect(`${name}: ${sent(make(count))}`).toBe(`${name}: read`)
      for (const count of [most + 1, 2 * most]) {
        expect(`${name}: ${sent(make(count))}`).toBe(`${name}: Unencodable`)
      }
    }
    expect(sent([numbers(256), numbers(1)])).toBe("read")
    expect(sent([numbers(256), numbers(2)])).toBe("Unencodable")
    expect(sent(new Map(Array.from({ length: 1000 }, (_, i) => [`${i}`, null])))).toBe("read")
  })

  it("maps with indices for keys only as far as what V8 makes of their copies is bounded", () => {
    // A schema copies a record into an ordinary object, where one key is an array of 1,552 places.
    const each = 8 * 1552
    const most = Math.floor(Heap.maxIndexHeap / each)
    for (const [count, fits] of [[most, true], [most + 1, false], [1160, false]] as const) {
      const maps = Array.from({ length: count }, () => [0x81, 0xa4, 0x31, 0x30, 0x32, 0x33, 0xc0]).flat()
      const read = readRequest(
        Uint8Array.from([0, ...id, 0x92, 0xa1, 0x6d, 0xdc, count >> 8, count & 255, ...maps]),
        30
      )
      if (fits) expect(read).toMatchObject({ method: "m" })
      else expect(read).toBe("TooMany")
      if (typeof read !== "string") expect(read.heapBytes).toBeGreaterThan(count * each)
      // Few bytes each, and so many that nothing else of them is much.
      const values = [null, ...count < 50 ? ["x".repeat(150)] : []].map((item) =>
        Array.from({ length: count }, () => ({ "1023": item }))
      )
      for (const value of values.flatMap((value) => [value, value.map((value) => new Map(Object.entries(value)))])) {
        expect(Result.isSuccess(Codec.encodeRequest(Uint8Array.from(id), "m", value))).toBe(fits)
      }
    }
    // Of one map only its greatest index counts, and what is far beyond an array is no place of one.
    const dense = Object.fromEntries(Array.from({ length: 900 }, (_, i) => [i, i]))
    expect(Result.isSuccess(Codec.encodeRequest(Uint8Array.from(id), "m", [dense]))).toBe(true)
    const far = Array.from({ length: 500 }, () => ({ "100000": null }))
    expect(Result.isSuccess(Codec.encodeRequest(Uint8Array.from(id), "m", far))).toBe(true)
  })

  it("ordinary values without being read again", () => {
    unpack(Uint8Array.of(0x91, 0xc0), 0)
    const before = work()
    for (
      const value of [
        null,
        ["text", 1.5, new Date(0), new Uint8Array(20)],
        [{ name: "n", at: 1 }, { name: "m", at: 2 }],
        [[1, 2], [3, 4], []],
        new Map([[1, "a"], [2, "b"]]),
        numbers(250),
        new Map(Array.from({ length: 260 }, (_, i) => [`a key of some length: ${i}`, i])),
        {}
      ]
    ) {
      expect(Result.isSuccess(Codec.encodeResponse(Uint8Array.from(id), value))).toBe(true)
      expect(work()).toStrictEqual(before)
    }
  })

  it("the reason says what is too much", () => {
    const refused = Codec.encodeRequest(Uint8Array.from(id), "m", [numbers(257)])
    expect(Result.getOrThrow(Result.flip(refused))).toMatchObject({
      _tag: "Unencodable",
      path: [],
      problem: "nobody would read it: it takes over 64 bytes of memory for each of its own, " +
        "or a map has over 256 keys that are not strings, or too many have keys like \"1023\""
    })
  })

  it("and where it stands is not said: it is the whole", () => {
    const refused = Codec.encodeResponse(Uint8Array.from(id), [numbers(257)])
    expect(Result.getOrThrow(Result.flip(refused))).toMatchObject({ _tag: "Unencodable", path: [] })
  })

  it("what is over the longest body is too large, whatever it takes", () => {
    // 3 bytes for the map, 2 for each key up to 127, 3 up to 255, and 4 for the last; the array, and the head of the text
    const room = 8192 - (3 + 2 * 128 + 3 * 128 + 4) - 1 - 3
    expect(sent([numbers(257), "x".repeat(room)])).toBe("Unencodable")
    expect(sent([numbers(257), "x".repeat(room + 1)])).toBe("TooLarge")
  })
})
