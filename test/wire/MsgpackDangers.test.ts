/** Each way in which msgpackr 2.1.3 is not safe on bytes or values from elsewhere, with what triggers it. */
import { afterEach, describe, expect, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { addExtension, pack, Unpackr } from "msgpackr/pack"
import { Codec, Handlers } from "../../src/index.ts"
import { maxIndexHeap } from "../../src/internal/wire/heap.ts"
import { unpack, work } from "../../src/internal/wire/unpack.ts"

const id = new Uint8Array(Codec.idBytes)

const hex = (body: string): Uint8Array => Uint8Array.from([1, ...id, ...Buffer.from(body, "hex")])

const decode = (body: string) => Codec.decodeResponse(hex(body))

/** msgpackr as its documentation would have one configure it against records. */
const careful = new Unpackr({ useRecords: false })

const readsIt = (body: string): unknown => careful.unpack(Buffer.from(body, "hex"))

describe("msgpackr's dangers", () => {
  it("a record definition decodes although records are off, and compiles a reader: it is dropped", () => {
    // fixext 1, type "r", id 0x40; then the keys ["a"], then the value 1
    const record = "d47240" + "91a161" + "01"
    expect(readsIt(record)).toStrictEqual({ a: 1 })
    expect(decode(record)).toStrictEqual(Result.fail("Extension"))
    expect(decode("d5724000" + "91a161" + "01")).toStrictEqual(Result.fail("Extension"))
  })

  it("a record's key is never compiled: what looks like code is dropped", () => {
    const key = Buffer.from("a:globalThis.pwned=1,b").toString("hex")
    const record = `d4724091b6${key}01`
    for (let i = 0; i < 10; i++) expect(decode(record)).toStrictEqual(Result.fail("Extension"))
    expect(Reflect.has(globalThis, "pwned")).toBe(false)
  })

  const extensions: ReadonlyArray<readonly [string, string, (value: unknown) => boolean]> = [
    ["a Set", "d4730092" + "0102", (value) => value instanceof Set],
    ["a RegExp", "d47800" + "92a161a0", (value) => value instanceof RegExp],
    [
      "an Error",
      "d46500" + "93a5" + Buffer.from("Error").toString("hex") + "a178c0",
      (value) => value instanceof Error
    ],
    ["a typed array", "c7" + "03" + "74" + "01" + "0102", (value) => ArrayBuffer.isView(value)],
    ["a huge bigint", "c7" + "09" + "42" + "01".repeat(9), (value) => typeof value === "bigint"]
  ]
  for (const [name, body, is] of extensions) {
    it(`${name} decodes without being asked for: it is dropped`, () => {
      expect(is(readsIt(body))).toBe(true)
      expect(decode(body)).toStrictEqual(Result.fail("Extension"))
    })
  }

  it("bundled strings and pointers are dropped", () => {
    expect(decode("d662" + "00000000" + "c0")).toStrictEqual(Result.fail("Extension"))
    expect(decode("d670" + "00000001")).toStrictEqual(Result.fail("Extension"))
    expect(decode("d66900000001" + "80")).toStrictEqual(Result.fail("Extension"))
  })

  describe("extensions are global to the process", () => {
    afterEach(() => {
      // msgpackr has no way to take one back.
      addExtension({ type: 0x21, unpack: () => undefined })
    })

    it("one that somebody else has added is dropped all the same", () => {
      addExtension({ type: 0x21, unpack: () => "theirs" })
      expect(readsIt("d42100")).toBe("theirs")
      expect(decode("d42100")).toStrictEqual(Result.fail("Extension"))
    })

    it("one for a class of somebody else's does not reach the wire", () => {
      class Theirs {
        readonly secret = 1
      }
      addExtension({ Class: Theirs, type: 0x21, pack: () => Buffer.from("secret") })
      expect(pack(new Theirs()).includes("secret")).toBe(true)
      expect(Result.isFailure(Codec.encodeResponse(id, new Theirs()))).toBe(true)
    })
  })

  it("nesting has no limit: over 32 it is dropped before it is decoded", () => {
    expect(() => readsIt("91".repeat(100_000) + "c0")).toThrow()
    expect(decode("91".repeat(33) + "c0")).toStrictEqual(Result.fail("TooDeep"))
    expect(decode("81a161".repeat(33) + "c0")).toStrictEqual(Result.fail("TooDeep"))
    expect(decode("91".repeat(8000))).toStrictEqual(Result.fail("TooDeep"))
  })

  it("nesting ends at 32, whatever depth is asked for, and before where that is less", () => {
    const arrays = (depth: number) => hex("91".repeat(depth) + "c0")
    for (const depth of [32, 33, 10_000, Infinity, Number.NaN]) {
      expect(unpack(arrays(32), Codec.headerBytes, depth)).toMatchObject({ heapBytes: 32 * 56 })
      expect(unpack(arrays(33), Codec.headerBytes, depth)).toBe("TooDeep")
      expect(unpack(arrays(8000), Codec.headerBytes, depth)).toBe("TooDeep")
      expect(Codec.decodeRequest(Uint8Array.from([0, ...id, 0x92, 0xa1, 0x6d, ...arrays(32).subarray(21)]), depth))
        .toStrictEqual(Result.fail("TooDeep"))
    }
    for (const [depth, allowed] of [[-1, 0], [0, 0], [0.5, 1], [1, 1], [1.5, 2], [31, 31]] as const) {
      expect(typeof unpack(arrays(allowed), Codec.headerBytes, depth)).toBe("object")
      expect(unpack(arrays(allowed + 1), Codec.headerBytes, depth)).toBe("TooDeep")
    }
  })

  it("nesting is counted wherever a value may stand", () => {
    const empty = "90"
    for (
      const around of [
        (item: string) => `91${item}`,
        (item: string) => `92c0${item}`,
        (item: string) => `81a0${item}`,
        (item: string) => `82a0c0a161${item}`,
        (item: string) => `82a0c0${item}c0`,
        (item: string) => `81${item}c0`,
        (item: string) => `81c0${item}`,
        (item: string) => `82c0c0${item}c0`,
        (item: string) => `82c0c001${item}`
      ]
    ) {
      expect(decode("91".repeat(30) + around(empty))._tag, around(empty)).toBe("Success")
      expect(decode("91".repeat(31) + around("c2"))._tag, around("c2")).toBe("Success")
      expect(decode("91".repeat(31) + around(empty)), around(empty)).toStrictEqual(Result.fail("TooDeep"))
    }
  })

  it("the encoder of a typed array other than Uint8Array leaks what was in its buffer: it is refused", () => {
    for (
      const array of [new Float64Array(2), new Uint16Array(2), new DataView(new ArrayBuffer(4)), new ArrayBuffer(4)]
    ) {
      expect(Result.isFailure(Codec.encodeResponse(id, [array]))).toBe(true)
    }
  })

  it("a length that is not there is never allocated", () => {
    for (
      const body of [
        "ddffffffff", // array of 2^32 - 1
        "dfffffffff", // map
        "dbffffffff", // string
        "c6ffffffff", // bin
        "c9ffffffffff", // ext
        "dcffff",
        "deffff",
        "daffff",
        "c5ffff",
        "9f",
        "8f",
        "bf",
        "dd",
        "ddff",
        "c7",
        "c70c",
        "d6ff",
        "cf00",
        "cb",
        "d9",
        "92a161",
        "93c0cc01",
        "82a161a161"
      ]
    ) expect(decode(body), body).toStrictEqual(Result.fail("Truncated"))
  })

  it("text that is not UTF-8 decodes to something else: it is dropped", () => {
    for (const text of ["ff", "c080", "eda080", "f4908080", "e28c", "80"]) {
      const head = (0xa0 + text.length / 2).toString(16)
      expect(decode(head + text), text).toStrictEqual(Result.fail("InvalidUtf8"))
      // as the key of a map, and behind a prefix that is text
      expect(decode(`81${head}${text}c0`)).toStrictEqual(Result.fail("InvalidUtf8"))
      expect(decode(`92a161${head}${text}`)).toStrictEqual(Result.fail("InvalidUtf8"))
    }
    // a byte order mark is text
    expect(decode("a4efbbbf61")).toStrictEqual(Result.succeed("\ufeffa"))
  })

  it("the byte 0xc1 decodes to an object of msgpackr's own: it is dropped", () => {
    expect(typeof readsIt("c1")).toBe("object")
    expect(decode("c1")).toStrictEqual(Result.fail("Reserved"))
  })

  it("bytes after the value are dropped with it", () => {
    expect(decode("c0c0")).toStrictEqual(Result.fail("TrailingBytes"))
    expect(decode("90c0")).toStrictEqual(Result.fail("TrailingBytes"))
    expect(decode("9101ff")).toStrictEqual(Result.fail("TrailingBytes"))
  })

  it("a prototype's name is a key like any other", () => {
    const key = (name: string) => (0xa0 + name.length).toString(16) + Buffer.from(name).toString("hex")
    const body = `83${key("__proto__")}81${key("polluted")}c3${key("constructor")}01${key("toString")}02`
    expect(Object.keys(readsIt(body) as object)).toStrictEqual(["__proto_", "constructor", "toString"])
    const value = Result.getOrThrow(decode(body)) as Record<string, unknown>
    expect(Object.getPrototypeOf(value)).toBe(null)
    expect(Object.keys(value)).toStrictEqual(["__proto__", "constructor", "toString"])
    expect(Reflect.has({}, "polluted")).toBe(false)
    // and goes back out as it came
    const again = Result.getOrThrow(Codec.encodeResponse(id, value))
    expect(Buffer.from(again.subarray(21)).toString("hex")).toBe(body)
  })

  it("a key that comes twice is dropped, as Python does", () => {
    expect(decode("82a16101a16102")).toStrictEqual(Result.fail("DuplicateKey"))
    expect(decode("8201a16101a162")).toStrictEqual(Result.fail("DuplicateKey"))
    // 1 as a fixint and 1 as an int 64
    expect(decode("8201a161cf0000000000000001a162")).toStrictEqual(Result.fail("DuplicateKey"))
    expect(decode("9182a16101a16102")).toStrictEqual(Result.fail("DuplicateKey"))
  })

  it("keys that are an array's indices are keys like any other, up to the greatest", () => {
    const key = (name: string) => (0xa0 + name.length).toString(16) + Buffer.from(name).toString("hex")
    for (
      const names of [["4294967294"], ["a", "4294967294"], ["1023", "4294967295"], ["b", "7", "a"], ["00", "0", "-1"]]
    ) {
      const body = names.map((name, i) => `${key(name)}0${i}`).join("")
      const value = Result.getOrThrow(decode(`8${names.length}${body}`))
      expect(value).toStrictEqual(
        Object.assign(Object.create(null), Object.fromEntries(names.map((name, i) => [name, i])))
      )
      expect(decode(`8${names.length + 1}${body}${key(names[0]!)}c0`)).toStrictEqual(Result.fail("DuplicateKey"))
    }
  })

  it("of places for indices, V8 is given as many as are allowed, and not one more", () => {
    const maps = (...keys: ReadonlyArray<string>) =>
      unpack(
        Buffer.from(
          `9${keys.length.toString(16)}${keys.map((key) => `81a4${Buffer.from(key).toString("hex")}c0`).join("")}`,
          "hex"
        ),
        0
      )
    const most = Array.from({ length: 10 }, () => "4095")
    expect(maps(...most, "2612")).toMatchObject({ indexHeapBytes: maxIndexHeap })
    expect(maps(...most, "2613")).toBe("TooMany")
  })

  describe("the key of a map", () => {
    it("may nest as deep as other values", () => {
      for (let depth = 1; depth <= 31; depth++) {
        const key = "91".repeat(depth)
        // Of one key there is nothing to compare.
        expect(Result.isSuccess(decode(`81${key}c0c0`)), `${depth} deep`).toBe(true)
        expect(Result.isSuccess(decode(`82${key}c0c001c0`)), `${depth} deep, of two`).toBe(true)
        // What doubles with each level is stopped while it is small.
        expect(work().steps).toBeLessThan(8 * (depth + 24))
        expect(decode(`82${key}c0c0${key}c001`)).toStrictEqual(Result.fail("DuplicateKey"))
        expect(decode(`81${key}80c0`)).toStrictEqual(Result.fail(depth === 31 ? "TooDeep" : "UnhashableKey"))
      }
      expect(decode(`81${"91".repeat(32)}c0c0`)).toStrictEqual(Result.fail("TooDeep"))
    })

    // Each pair as a Python dict has it.
    const equal: ReadonlyArray<readonly [string, string]> = [
      ["01", "c3"], // 1 and True
      ["00", "c2"],
      ["01", "cb3ff0000000000000"], // 1 and 1.0
      ["00", "cb8000000000000000"], // 0 and -0.0
      ["cf1000000000000000", "cb43b0000000000000"], // 2^60, and the float
      ["cfffffffffffffffff", "cfffffffffffffffff"],
      ["d38000000000000000", "cbc3e0000000000000"], // -2^63, and the float
      ["a161", "d90161"],
      ["c40161", "c5000161"],
      ["d6ff00000001", "d7ff0000000000000001"],
      ["9101", "dc0001c3"],
      ["92a1619101", "92d9016191c3"],
      ["c0", "c0"],
      ["a161", "a161"]
    ]
    for (const [one, other] of equal) {
      it(`${one} and ${other} are one key`, () => {
        expect(decode(`82${one}c0${other}c0`)).toStrictEqual(Result.fail("DuplicateKey"))
        // and if a key of another kind comes before, between or after
        for (const keys of [["c4017f", one, other], [one, "c4017f", other], [one, other, "c4017f"]]) {
          expect(decode(`83${keys.map((key) => `${key}c0`).join("")}`)).toStrictEqual(Result.fail("DuplicateKey"))
        }
      })
    }

    const different: ReadonlyArray<readonly [string, string]> = [
      ["a161", "c40161"],
      ["a0", "c0"],
      ["a131", "01"],
      ["00", "c0"],
      ["90", "a0"],
      ["9101", "920101"],
      ["929001", "919101"],
      ["91920102", "92910102"],
      ["92a161a162", "91a56173313a62"],
      ["92c401abc401cd", "91c402abcd"],
      ["c401ff", "c402ffff"],
      ["c40cffffffffffffffffffffffff", "c40cfffffffffffffffffffffffe"],
      ["d6ff00000001", "d6ff00000002"],
      ["c40180", "c40181"],
      ["cf1000000000000001", "cb43b0000000000000"],
      ["cb7fefffffffffffff", "cb7feffffffffffffe"],
      ["cb7ff0000000000000", "cbfff0000000000000"], // infinite: no integer
      ["d6ff00000001", "cd03e8"], // one second after 1970, and a thousand
      ["ff", "01"],
      ["920c03", "92010c"],
      ["920102", "92a10102"]
    ]
    for (const [one, other] of different) {
      it(`${one} and ${other} are two`, () => {
        const map = Result.getOrThrow(decode(`82${one}c0${other}c0`))
        expect((map as ReadonlyMap<unknown, unknown>).size).toBe(2)
      })
    }
  })

  it("a timestamp is a Date, and what is no timestamp is dropped", () => {
    expect(decode("d6ff" + "65e078d7")).toStrictEqual(Result.succeed(new Date("2024-02-29T12:30:15Z")))
    expect(decode("d7ff" + "0000000400000001")).toStrictEqual(Result.succeed(new Date(1000)))
    expect(decode("c70cff" + "00000000" + "ffffffffffffffff")).toStrictEqual(Result.succeed(new Date(-1000)))
    expect(decode("c8000cff" + "00000000" + "ffffffffffffffff")).toStrictEqual(Result.succeed(new Date(-1000)))
    expect(decode("c900000004ff" + "65e078d7")).toStrictEqual(Result.succeed(new Date("2024-02-29T12:30:15Z")))
    expect(decode("c70cff" + "1dcd6500" + "0000000000000001")).toStrictEqual(Result.succeed(new Date(1500)))
    expect(decode("d7ff" + "0000000100000000")).toStrictEqual(Result.succeed(new Date(2 ** 32 * 1000)))
    expect(decode("d7ff" + "ee6b27fc00000000")).toStrictEqual(Result.succeed(new Date(999)))
    // the first and the last that a Date holds
    const seconds = (n: bigint) => BigInt.asUintN(64, n).toString(16).padStart(16, "0")
    const most = 8_640_000_000_000n
    for (const n of [most, -most, most - 1n]) {
      expect(decode("c70cff" + "00000000" + seconds(n))).toStrictEqual(Result.succeed(new Date(Number(n) * 1000)))
    }
    expect(decode("c70cff" + "00000001" + seconds(most - 1n))._tag).toBe("Success")
    for (const [nanos, n] of [["00000001", most], ["00000000", most + 1n], ["00000000", -most - 1n]] as const) {
      expect(decode("c70cff" + nanos + seconds(n))).toStrictEqual(Result.fail("Extension"))
    }
    for (
      const body of [
        "d4ff00", // a length that no timestamp has
        "d5ff0000",
        "d8ff" + "00".repeat(16),
        "c700ff",
        "d7ff" + "ffffffff00000000", // 1,073,741,823 nanoseconds
        "c70cff" + "3b9aca00" + "0000000000000000", // 1,000,000,000 nanoseconds
        "c70cff" + "00000000" + "7fffffffffffffff", // beyond any Date
        "c70cff" + "00000000" + "8000000000000000"
      ]
    ) expect(decode(body), body).toStrictEqual(Result.fail("Extension"))
  })

  it("dates and bytes that have a toJSON of their own are written as what they are", () => {
    class Day extends Date {
      override toJSON() {
        return "forged"
      }
    }
    class Key extends Uint8Array {
      toJSON() {
        return "forged"
      }
    }
    for (const [value, same] of [[new Day(5), new Date(5)], [Key.of(1, 2), Uint8Array.of(1, 2)]]) {
      expect(Codec.encodeResponse(id, value)).toStrictEqual(Codec.encodeResponse(id, same))
    }
  })

  it("an object's own toJSON, constructor or hasOwnProperty mean nothing", () => {
    const value = { toJSON: "x", constructor: 1, hasOwnProperty: "y", valueOf: null }
    const sent = Result.getOrThrow(Codec.encodeResponse(id, value))
    expect(Result.getOrThrow(Codec.decodeResponse(sent))).toStrictEqual(Object.assign(Object.create(null), value))
    expect(Result.isFailure(Codec.encodeResponse(id, { toJSON: () => "forged" }))).toBe(true)
  })

  it("an array of a class of its own is an array, whatever msgpackr has been taught of that class", () => {
    class Odd extends Array<unknown> {}
    addExtension({ Class: Odd, type: 0x71, pack: () => Buffer.of(1) })
    // Of these, msgpackr would write the last.
    for (const text of ["a", "\u00e9"]) {
      for (const value of [Odd.from([1, text]), [Odd.from([1, text])]]) {
        const sent = Result.getOrThrow(Codec.encodeResponse(id, value))
        expect(Result.getOrThrow(Codec.decodeResponse(sent))).toStrictEqual(
          value.length === 2 ? [1, text] : [[1, text]]
        )
      }
    }
  })

  it("bytes arrive as a copy, and the datagram stays as it was", () => {
    const datagram = Buffer.from(hex("c4020102"))
    const value = Result.getOrThrow(Codec.decodeResponse(datagram))
    datagram.fill(0xff)
    expect(value).toStrictEqual(Uint8Array.from([1, 2]))
    expect(Object.keys(datagram)).toHaveLength(datagram.length)
  })
})

describe("what msgpackr would change", () => {
  const arrives = (value: unknown) =>
    Result.getOrThrow(Codec.decodeResponse(Result.getOrThrow(Codec.encodeResponse(id, value))))

  it("a byte order mark stays at the beginning of a text, however long", () => {
    for (const length of [0, 10, 61, 62, 63, 100, 250, 251, 252, 253, 254, 1000, 8000]) {
      const text = `\ufeff${"a".repeat(length)}`
      expect(arrives(text)).toBe(text)
      expect(arrives(`${text.slice(1)}\ufeff`)).toBe(`${text.slice(1)}\ufeff`)
    }
    const marked = "\ufeff".repeat(30)
    const value = [
      marked,
      { [marked]: 1, [marked.slice(1)]: [new Uint8Array(300), new Date(5), 2 ** 40, -1.5, marked] },
      -70_000,
      300,
      [null, true, "x", 2n ** 60n, 70_000, -3, -200]
    ]
    expect(arrives(value)).toEqual(value)
  })

  it("keys that Python would not take are dropped", () => {
    const decode = (hex: string) => Codec.decodeResponse(Uint8Array.from([1, ...id, ...Buffer.from(hex, "hex")]))
    expect(decode("818001")).toStrictEqual(Result.fail("UnhashableKey"))
    expect(decode("81918001")).toStrictEqual(Result.fail("UnhashableKey"))
    expect(decode("820101c302")).toStrictEqual(Result.fail("DuplicateKey"))
    expect(decode("82c4010101c4010102")).toStrictEqual(Result.fail("DuplicateKey"))
    expect(decode("81920102" + "01")).toStrictEqual(Result.succeed(new Map([[[1, 2], 1]])))
    // the last millisecond of any Date, and a nanosecond after it
    expect(decode("c70cff" + "00000000" + "000007dba8218000")).toStrictEqual(Result.succeed(new Date(8.64e15)))
    expect(decode("c70cff" + "00000001" + "000007dba8218000")).toStrictEqual(Result.fail("Extension"))
  })

  it("2^53 is a bigint where the schema says so, as is its negative", () => {
    class Group extends Handlers.Service<Group>()("robust/BigInt", { it: { success: Schema.BigInt } }) {}
    const { success } = Group.contract.get("it")!
    for (const n of [2n ** 53n, -(2n ** 53n), 2n ** 53n + 1n, 2n ** 53n - 1n]) {
      expect(Effect.runSync(success.decode(arrives(Effect.runSync(success.encode(n)))))).toBe(n)
    }
  })
})
