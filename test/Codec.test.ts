import { describe, expect, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { Codec } from "../src/index.ts"
import { isUnpackable, pack } from "../src/internal/wire/pack.ts"
import { unpack } from "../src/internal/wire/unpack.ts"
import { fromNotation, hasIntegralFloat, vectors } from "./vectors/index.ts"

const id = Uint8Array.from({ length: Codec.idBytes }, (_, i) => i + 1)

const succeed = <A, E>(result: Result.Result<A, E>): A => Result.getOrThrow(result)

const fail = <A, E>(result: Result.Result<A, E>): E => Result.getOrThrow(Result.flip(result))

/** A request body whose MessagePack takes exactly this many bytes. */
const requestOfBody = (bytes: number) => {
  // [method "m", ["x" x n]]: array 1, "m" 2, array 1, string head 3
  const text = "x".repeat(bytes - 7)
  return Codec.encodeRequest(id, "m", [text])
}

describe("Codec", () => {
  describe("what Python sent", () => {
    for (const { args, hex, method } of vectors.requests) {
      it(`is understood, and would be sent the same: the request ${method} of ${hex.length} bytes`, () => {
        const request = succeed(Codec.decode(hex))
        expect(request).toStrictEqual({
          _tag: "Request",
          id: new Uint8Array(hex.subarray(1, 21)),
          method,
          args: fromNotation(args)
        })
        const again = succeed(Codec.encodeRequest(request.id, method, args.map(fromNotation)))
        if (hasIntegralFloat(args)) expect(Codec.decode(new Uint8Array(again))).toStrictEqual(Codec.decode(hex))
        else expect(new Uint8Array(again)).toStrictEqual(hex)
      })
    }

    for (const { hex, name, value } of vectors.responses) {
      it(`is understood, and would be sent the same: the response "${name}"`, () => {
        expect(succeed(Codec.decode(hex)))
          .toStrictEqual({ _tag: "Response", id: new Uint8Array(hex.subarray(1, 21)), value: fromNotation(value) })
        const again = succeed(Codec.encodeResponse(hex.subarray(1, 21), fromNotation(value)))
        if (hasIntegralFloat(value)) expect(again.length).toBeLessThan(hex.length)
        else expect(new Uint8Array(again)).toStrictEqual(hex)
      })
    }

    const wellFormed = new Set(["no such method", "private method", "too many args"])
    for (const { hex, name } of vectors.ignored_by_python) {
      if (wellFormed.has(name)) {
        it(`is a request, whatever its handler says: ${name}`, () => {
          expect(succeed(Codec.decode(hex))._tag).toBe("Request")
        })
      } else {
        it(`is malformed: ${name}`, () => {
          expect(fail(Codec.decode(hex))).toBe(
            {
              empty: "TooShort",
              "one byte": "TooShort",
              "21 bytes": "TooShort",
              // 0x02 is a failure frame of ours, but this one holds a request.
              "unknown type": "Shape",
              "not a list": "Shape",
              "a list of one": "Shape",
              "a list of three": "Shape",
              "truncated msgpack": "Truncated",
              // The one that Python answers: its decoder stops after the first value.
              "trailing bytes": "TrailingBytes",
              "args not a list": "Shape",
              "invalid utf-8 name": "InvalidUtf8"
            }[name]
          )
        })
      }
    }

    it("and what is too long for it is too long for us", () => {
      for (const { arg_length, method } of vectors.too_long_for_python) {
        expect(fail(Codec.encodeRequest(id, method, ["a".repeat(arg_length)]))).toBeInstanceOf(Codec.TooLarge)
        expect(Result.isSuccess(Codec.encodeRequest(id, method, ["a".repeat(arg_length - 1)]))).toBe(true)
      }
    })
  })

  describe("framing", () => {
    it("a request round-trips at every length up to 8,192 bytes of body", () => {
      for (let bytes = 300; bytes <= Codec.maxBodyBytes; bytes++) {
        const datagram = succeed(requestOfBody(bytes))
        expect(datagram.length).toBe(Codec.headerBytes + bytes)
        const decoded = succeed(Codec.decodeRequest(datagram))
        expect(decoded.method).toBe("m")
        expect(decoded.args).toStrictEqual(["x".repeat(bytes - 7)])
        expect(new Uint8Array(decoded.id)).toStrictEqual(id)
      }
    })

    it("a response round-trips at every length up to 8,192 bytes of body", () => {
      for (let bytes = 1; bytes <= Codec.maxBodyBytes; bytes++) {
        const head = bytes <= 32 ? 1 : bytes <= 257 ? 2 : 3
        const value = bytes === 33 ? new Uint8Array(31) : "x".repeat(Math.max(0, bytes - head))
        const datagram = succeed(Codec.encodeResponse(id, value))
        expect(succeed(Codec.decodeResponse(datagram))).toStrictEqual(value)
        expect(new Uint8Array(Codec.idOf(datagram))).toStrictEqual(id)
      }
    })

    it("errors say how long it is, and what is wrong", () => {
      expect(fail(requestOfBody(8193)).message).toBe("A body of 8193 bytes is over the limit of 8192")
      expect(fail(Codec.encodeResponse(id, Symbol("s"))).message).toBe("a symbol has no MessagePack form")
      expect(fail(Codec.decode(Uint8Array.from([7, ...id, 0xc0])))).toBe("UnknownType")
    })

    it("8,191 and 8,192 bytes of body are sent, 8,193 are not", () => {
      expect(succeed(requestOfBody(8191)).length).toBe(8212)
      expect(succeed(requestOfBody(8192)).length).toBe(8213)
      expect(fail(requestOfBody(8193))).toStrictEqual(new Codec.TooLarge({ size: 8193 }))
      expect(succeed(Codec.encodeResponse(id, "x".repeat(8189))).length).toBe(8213)
      expect(fail(Codec.encodeResponse(id, "x".repeat(8190)))).toStrictEqual(new Codec.TooLarge({ size: 8193 }))
    })

    it("a datagram over 8,213 bytes is too long, but still has a type and an id", () => {
      const datagram = new Uint8Array(8214)
      datagram.set(succeed(Codec.encodeResponse(id, "x".repeat(8189))))
      expect(Codec.typeOf(datagram)).toBe("Response")
      expect(new Uint8Array(Codec.idOf(datagram))).toStrictEqual(id)
      expect(fail(Codec.decodeResponse(datagram))).toBe("TooLong")
    })

    it("the next message does not overwrite the last one", () => {
      const first = succeed(Codec.encodeRequest(id, "first", [1]))
      const copy = first.slice()
      for (let i = 0; i < 1000; i++) succeed(Codec.encodeRequest(new Uint8Array(20).fill(i), "other", ["x".repeat(i)]))
      expect(new Uint8Array(first)).toStrictEqual(new Uint8Array(copy))
    })
  })

  describe("failures", () => {
    const failures: ReadonlyArray<Codec.FailureReason> = [
      { kind: "UnknownMethod" },
      { kind: "Overloaded" },
      { kind: "Defect" },
      { kind: "InvalidArguments", detail: "Expected string\n  at [0]" },
      { kind: "Oversize", detail: 8193 },
      { kind: "Error", detail: Object.assign(Object.create(null), { _tag: "NotFound", key: "k" }) }
    ]

    for (const failure of failures) {
      it(`${failure.kind} round-trips`, () => {
        const datagram = succeed(Codec.encodeFailure(id, failure, 60))
        expect(succeed(Codec.decode(datagram))).toStrictEqual({
          _tag: "Failure",
          id,
          failure
        })
      })
    }

    const Length = Schema.Int.check(Schema.isBetween({ minimum: 22, maximum: 8213 }))

    it.prop("none is over 64 bytes longer than the request, unless it carries a declared error", [
      Length,
      Schema.String
    ], ([length, text]) => {
      for (const failure of failures) {
        if (failure.kind === "Error") continue
        const detailed = failure.kind === "InvalidArguments" ? { ...failure, detail: text.repeat(20) } : failure
        const datagram = succeed(Codec.encodeFailure(id, detailed, length))
        expect(datagram.length).toBeLessThanOrEqual(length + Codec.maxFailureGrowth)
        expect(succeed(Codec.decodeFailure(datagram)).kind).toBe(failure.kind)
      }
    })

    it("one of another kind, or with another detail, is malformed", () => {
      for (
        const body of [
          ["Strange", null],
          ["Defect", "with a text"],
          ["InvalidArguments", 1],
          ["Oversize", 12],
          ["Oversize", 8192],
          ["Oversize", 8193.5],
          ["Oversize", "9000"],
          ["Oversize", -9000],
          ["Defect"],
          ["Defect", null, null],
          "Defect"
        ]
      ) {
        const datagram = succeed(Codec.encodeResponse(id, body))
        datagram[0] = 2
        expect(fail(Codec.decode(datagram))).toBe("Shape")
      }
    })

    it("one that was cut off is told from one that means nothing", () => {
      const datagram = succeed(Codec.encodeFailure(id, { kind: "UnknownMethod" }, 28))
      for (let length = Codec.headerBytes + 1; length < datagram.length; length++) {
        expect(fail(Codec.decode(datagram.subarray(0, length)))).toBe("Truncated")
      }
    })
  })

  describe("challenges, proofs and cancels", () => {
    const token = Uint8Array.from({ length: Codec.idBytes }, (_, i) => 255 - i)

    it("round-trip, and are what Python's decoder takes: bytes, and None", () => {
      const challenge = Codec.encodeChallenge(id, token)
      // Of a type that its rpcudp does not know, it unpacks the body and logs a line at debug.
      expect(challenge).toStrictEqual(Uint8Array.from([3, ...id, 0xc4, 20, ...token]))
      expect(succeed(Codec.decode(challenge))).toStrictEqual({ _tag: "Challenge", id, token })
      const proof = Codec.encodeProof(token)
      expect(proof).toStrictEqual(Uint8Array.from([4, ...token, 0xc0]))
      expect(succeed(Codec.decode(proof))).toStrictEqual({ _tag: "Proof", id: token })
      const cancel = Codec.encodeCancel(id)
      expect(cancel).toStrictEqual(Uint8Array.from([5, ...id, 0xc0]))
      expect(succeed(Codec.decode(cancel))).toStrictEqual({ _tag: "Cancel", id })
      const gather = succeed(Codec.encodeGather(id, "who", [1], { millisLeft: 5 }))
      const request = succeed(Codec.encodeRequest(id, "who", [1], { millisLeft: 5 }))
      expect(gather).toStrictEqual(Uint8Array.from([6, ...request.subarray(1)]))
      expect(succeed(Codec.decode(gather))).toStrictEqual({
        ...succeed(Codec.decodeRequest(request)),
        _tag: "Gather"
      })
      expect(fail(Codec.decodeGather(gather, -1))).toBe("TooDeep")
    })

    it("with another body are malformed", () => {
      for (const body of [null, "x".repeat(20), token.subarray(1), new Uint8Array(21), [token], 0]) {
        const datagram = succeed(Codec.encodeResponse(id, body))
        datagram[0] = 3
        expect(fail(Codec.decode(datagram))).toBe("Shape")
        for (const type of [4, 5]) {
          datagram[0] = type
          expect(Result.isSuccess(Codec.decode(datagram))).toBe(body === null)
        }
      }
      for (let length = 0; length < 43; length++) {
        expect(Result.isFailure(Codec.decode(Codec.encodeChallenge(id, token).subarray(0, length)))).toBe(true)
      }
      for (const datagram of [Codec.encodeChallenge(id, token), Codec.encodeProof(token), Codec.encodeCancel(id)]) {
        expect(fail(Codec.decode(Uint8Array.from([...datagram, 0])))).toBe("TrailingBytes")
        // No challenge is longer than twice the shortest request, and no proof longer than a challenge.
        expect(datagram.length).toBeLessThanOrEqual(2 * (Codec.headerBytes + 1))
      }
    })
  })

  it("a value that throws when it is read is refused, from within another's reading, too", () => {
    const detached = new Uint8Array(8)
    structuredClone(detached, { transfer: [detached.buffer] })
    const throwing = {
      get x(): never {
        throw new Error("no")
      }
    }
    expect(Result.isFailure(Codec.encodeResponse(id, throwing))).toBe(true)
    const nested = {
      get inner() {
        return Result.isFailure(Codec.encodeResponse(id, Symbol("s"))) ? 2 ** 40 : 0
      },
      after: "text"
    }
    const sent = Result.getOrThrow(Codec.encodeResponse(id, nested))
    expect(Result.getOrThrow(Codec.decodeResponse(sent))).toEqual({ inner: 2 ** 40, after: "text" })
  })

  describe("trailers", () => {
    const traceparent = Uint8Array.from({ length: 25 }, (_, i) => i + 1)
    const trailers: ReadonlyArray<readonly [Codec.Trailer, string]> = [
      [{ millisLeft: 1500 }, "8101ce000005dc"],
      [{ traceparent }, `8102c419${Buffer.from(traceparent).toString("hex")}`],
      [{ millisLeft: 0, traceparent }, `8201ce0000000002c419${Buffer.from(traceparent).toString("hex")}`],
      [{ millisLeft: 2 ** 32 - 1 }, "8101ceffffffff"]
    ]

    it("follow the request, and are read again", () => {
      const bare = succeed(Codec.encodeRequest(id, "m", [1]))
      for (const [trailer, hex] of trailers) {
        const request = succeed(Codec.encodeRequest(id, "m", [1], trailer))
        expect(Buffer.from(request).toString("hex")).toBe(Buffer.from(bare).toString("hex") + hex)
        expect(succeed(Codec.decodeRequest(request))).toStrictEqual({
          _tag: "Request",
          id,
          method: "m",
          args: [1],
          trailer
        })
      }
      expect(succeed(Codec.encodeRequest(id, "m", [1], {}))).toStrictEqual(bare)
      expect(succeed(Codec.decodeRequest(bare))).not.toHaveProperty("trailer")
    })

    it("may have their integer in any form, and say no more than 2^32 milliseconds, rounded down", () => {
      const bare = succeed(Codec.encodeRequest(id, "m", []))
      for (const [bytes, millisLeft] of [[[7], 7], [[0xcc, 200], 200], [[0xcd, 1, 0], 256]] as const) {
        const request = Uint8Array.from([...bare, 0x81, 1, ...bytes])
        expect(succeed(Codec.decodeRequest(request)).trailer).toStrictEqual({ millisLeft })
      }
      for (const [told, read] of [[1.99, 1], [1e15, 2 ** 32 - 1], [-1, 0]] as const) {
        const request = succeed(Codec.encodeRequest(id, "m", [], { millisLeft: told }))
        expect(succeed(Codec.decodeRequest(request)).trailer).toStrictEqual({ millisLeft: read })
      }
    })

    it("that are cut, longer, or anything else are trailing bytes", () => {
      const bare = succeed(Codec.encodeRequest(id, "m", []))
      for (const [, hex] of trailers) {
        const bytes = Buffer.from(hex, "hex")
        for (let length = 1; length < bytes.length; length++) {
          expect(fail(Codec.decodeRequest(Uint8Array.from([...bare, ...bytes.subarray(0, length)])))).toBe(
            "TrailingBytes"
          )
        }
        expect(fail(Codec.decodeRequest(Uint8Array.from([...bare, ...bytes, 0])))).toBe("TrailingBytes")
      }
      for (
        const hex of [
          "80",
          "90",
          "c0",
          "8103",
          "820101",
          "8101c0",
          "8101ff",
          "82010101 01",
          "8102c41800",
          "8301ce00000000"
        ]
      ) {
        const bytes = Buffer.from(hex.replace(" ", ""), "hex")
        expect(fail(Codec.decodeRequest(Uint8Array.from([...bare, ...bytes]))), hex).toBe("TrailingBytes")
      }
    })

    it("follow requests alone", () => {
      for (const datagram of [succeed(Codec.encodeResponse(id, 1)), Codec.encodeProof(id), Codec.encodeCancel(id)]) {
        expect(fail(Codec.decode(Uint8Array.from([...datagram, 0x81, 1, 7])))).toBe("TrailingBytes")
      }
    })
  })

  describe("any bytes at all", () => {
    const Bytes = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })))

    it.prop("are a message or a reason, never an exception", [Bytes], ([bytes]) => {
      for (const type of [0, 1, 2, 3, 4, 5, 6]) {
        const result = Codec.decode(Uint8Array.from([type, ...id, ...bytes]))
        expect(Result.isResult(result)).toBe(true)
      }
    }, { arbitrary: { runs: 500 } })

    const Cut = Schema.Struct({
      which: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: vectors.requests.length - 1 })),
      at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 300 })),
      byte: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
    })

    it.prop("a real datagram with one byte changed or cut off, too", [Cut], ([{ at, byte, which }]) => {
      const original = vectors.requests[which]!.hex
      const changed = original.slice()
      changed[at % changed.length] = byte
      for (const bytes of [changed, original.subarray(0, at % original.length)]) {
        const result = Codec.decode(bytes)
        // What is accepted can be said again, and means the same.
        if (Result.isSuccess(result) && result.success._tag === "Request") {
          const { args, id, method } = result.success
          const again = Codec.encodeRequest(id, method, args)
          if (Result.isSuccess(again)) {
            expect(normal(succeed(Codec.decodeRequest(again.success)).args)).toStrictEqual(normal(args))
          }
        }
      }
    }, { arbitrary: { runs: 500 } })

    it("a request cut short anywhere is not a request", () => {
      for (const { hex } of vectors.requests) {
        if (hex.length > 1000) continue
        for (let length = 0; length < hex.length; length++) {
          expect(Result.isFailure(Codec.decode(hex.subarray(0, length)))).toBe(true)
        }
      }
    })
  })

  it("what has no MessagePack form is refused, and the reason says where it stands", () => {
    const cases: ReadonlyArray<readonly [unknown, string]> = [
      [Symbol("s"), "a symbol has no MessagePack form"],
      [() => 1, "a function has no MessagePack form"],
      [2n ** 64n, "an integer over 64 bits has no MessagePack form"],
      [-(2n ** 63n) - 1n, "an integer over 64 bits has no MessagePack form"],
      ["\ud800", "a string with a lone surrogate is not UTF-8"],
      [{ "\ud800": 1 }, "a key with a lone surrogate is not UTF-8"],
      [new Date(Number.NaN), "an invalid date has no MessagePack form"],
      [new Set([1]), "an instance of Set has no MessagePack form: give it one with a schema"],
      [/x/u, "an instance of RegExp has no MessagePack form: give it one with a schema"],
      [new Error("x"), "an instance of Error has no MessagePack form: give it one with a schema"],
      [
        new (class {
          readonly field = 1
        })(),
        "a class instance has no MessagePack form: give it one with a schema"
      ],
      [new Map([[[1, [{}]], 1]]), "a map can't be a key: Python could not hash it"],
      [
        Object.create({ constructor: undefined }),
        "a class instance has no MessagePack form: give it one with a schema"
      ],
      [new Map([[{}, 1]]), "a map can't be a key: Python could not hash it"],
      [new Map<unknown, unknown>([[1, "a"], [true, "b"]]), "two keys of a map are equal in Python"]
    ]
    for (const [value, problem] of cases) {
      const refused = fail(Codec.encodeRequest(id, "m", ["first", { key: [value] }]))
      expect(refused).toMatchObject({ _tag: "Unencodable", problem, path: [1, "key", 0] })
      expect(refused.message).toBe(`${problem} (at [1]["key"][0])`)
    }
  })

  it("so is a key of a map, which then says so itself", () => {
    for (
      const [key, name] of [[Symbol("s"), "Symbol(s)"], ["\ud800", "\ud800"], [2n ** 64n, `${2n ** 64n}`]] as const
    ) {
      expect(fail(Codec.encodeResponse(id, [new Map([[key, 1]])]))).toMatchObject({ path: [0, name] })
    }
  })

  it("a value that can't be read is refused, with the reason that it gave", () => {
    const throwing = (cause: unknown) => ({
      get key(): unknown {
        throw cause
      }
    })
    for (const [cause, said] of [[new Error("boom"), "boom"], ["boom", "it threw"]] as const) {
      expect(fail(Codec.encodeResponse(id, [throwing(cause)])))
        .toStrictEqual(new Codec.Unencodable({ path: [], problem: `the value could not be read: ${said}` }))
    }
  })

  it("a value whose getter encodes another is encoded none the less", () => {
    const value = (other: unknown) => [2 ** 40, {
      get key(): unknown {
        Codec.encodeResponse(id, other)
        return 2 ** 41
      }
    }]
    for (const other of [1, 2 ** 42, Symbol("none"), new Map([[{}, 1]])]) {
      const datagram = succeed(Codec.encodeResponse(id, value(other)))
      expect(Buffer.from(datagram.subarray(21)).toString("hex"))
        .toBe("92cf0000010000000000" + "81a36b6579cf0000020000000000")
    }
  })

  it("a value inside itself is refused", () => {
    const loop: Array<unknown> = []
    loop.push(loop)
    expect(fail(Codec.encodeResponse(id, loop))).toMatchObject({ problem: "values nest deeper than 32" })
  })

  it("32 containers inside each other are sent and read, 33 are not", () => {
    const nested = (depth: number): unknown =>
      depth === 0 ? 1 : depth % 2 === 0 ? [nested(depth - 1)] : { a: nested(depth - 1) }
    const datagram = succeed(Codec.encodeResponse(id, nested(32)))
    expect(JSON.stringify(succeed(Codec.decodeResponse(datagram)))).toBe(JSON.stringify(nested(32)))
    expect(fail(Codec.encodeResponse(id, nested(33)))).toMatchObject({ problem: "values nest deeper than 32" })
    const bytes = Uint8Array.from([1, ...id, ...Array.from({ length: 33 }, () => 0x91), 1])
    expect(fail(Codec.decodeResponse(bytes))).toBe("TooDeep")
    expect(Result.isSuccess(Codec.decodeResponse(Uint8Array.from([1, ...id, ...bytes.subarray(22)])))).toBe(true)
  })

  /** Any value that travels without a schema. */
  const Value: Schema.Codec<unknown> = Schema.Union([
    Schema.Null,
    Schema.Boolean,
    Schema.String,
    Schema.Number,
    Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: -(2n ** 63n), maximum: 2n ** 64n - 1n })),
    Schema.Uint8Array,
    Schema.Array(Schema.suspend((): Schema.Codec<unknown> => Value)),
    Schema.Record(Schema.String, Schema.suspend((): Schema.Codec<unknown> => Value))
  ])

  it.prop(
    "any value arrives as it was sent, its integers as numbers up to 2^53 and as bigints beyond",
    [Value],
    ([value]) => {
      const sent = Codec.encodeResponse(id, value)
      if (Result.isFailure(sent)) {
        return expect(
          sent.failure._tag === "TooLarge" || /surrogate|deeper/u.test(sent.failure.message)
        ).toBe(true)
      }
      expect(succeed(Codec.decodeResponse(sent.success))).toStrictEqual(normal(value))
    },
    { arbitrary: { runs: 500 } }
  )

  const normal = (value: unknown): unknown => {
    if (Object.is(value, -0)) return 0
    if (typeof value === "bigint") return value >= -(2n ** 53n) && value <= 2n ** 53n ? Number(value) : value
    if (Array.isArray(value)) return value.map(normal)
    if (value instanceof Uint8Array || value instanceof Date || typeof value !== "object" || value === null) {
      return value
    }
    const object: Record<string, unknown> = Object.create(null)
    for (const [key, item] of Object.entries(value)) object[key] = normal(item)
    return object
  }

  it("a text arrives as it was sent, and none that is not UTF-8, at every length and wherever it is no ASCII", () => {
    for (let length = 1; length <= 70; length++) {
      for (let at = 0; at < length; at++) {
        const text = `${"x".repeat(at)}\u0080${"y".repeat(length - at - 1)}`
        expect(succeed(Codec.decodeResponse(succeed(Codec.encodeResponse(id, text))))).toBe(text)
        const ascii = succeed(Codec.encodeResponse(id, "x".repeat(length)))
        expect(succeed(Codec.decodeResponse(ascii))).toBe("x".repeat(length))
        const broken = Uint8Array.from(ascii)
        broken[broken.length - length + at] = 0x80
        expect(fail(Codec.decodeResponse(broken))).toBe("InvalidUtf8")
      }
    }
  })

  it("integers take the shortest form that Python would give them", () => {
    const forms: ReadonlyArray<readonly [number | bigint, string]> = [
      [0, "00"],
      [127, "7f"],
      [128, "cc80"],
      [255n, "ccff"],
      [256, "cd0100"],
      [65536, "ce00010000"],
      [2 ** 32, "cf0000000100000000"],
      [2n ** 53n + 1n, "cf0020000000000001"],
      [2n ** 64n - 1n, "cfffffffffffffffff"],
      [-1, "ff"],
      [-33, "d0df"],
      [-129, "d1ff7f"],
      [-32769, "d2ffff7fff"],
      [-(2 ** 31) - 1, "d3ffffffff7fffffff"],
      [-(2n ** 63n), "d38000000000000000"],
      [1.5, "cb3ff8000000000000"]
    ]
    for (const [value, hex] of forms) {
      const datagram = succeed(Codec.encodeResponse(id, [value]))
      expect(Buffer.from(datagram.subarray(22)).toString("hex")).toBe(hex)
    }
  })

  it("a bigint of 32 bits is as short as the number", () => {
    for (const [value, hex] of [[-0x8000_0000n, "d280000000"], [0xffff_ffffn, "ceffffffff"]] as const) {
      expect(Buffer.from(succeed(Codec.encodeResponse(id, value)).subarray(21)).toString("hex")).toBe(hex)
    }
    expect(succeed(Codec.encodeResponse(id, -0x8000_0001n))).toHaveLength(21 + 9)
    expect(succeed(Codec.encodeResponse(id, 0x1_0000_0000n))).toHaveLength(21 + 9)
  })

  it("what can't be written is told with its place, in a map, too", () => {
    const symbol = Symbol("s")
    const f = () => {}
    for (
      const [value, path] of [
        [[1, [symbol]], [1, 0]],
        [{ a: { b: symbol } }, ["a", "b"]],
        [new Map<unknown, unknown>([[1, 2], ["k", [symbol]]]), ["k", 0]],
        [new Map<unknown, unknown>([[[f], 1]]), [String(f), 0]]
      ] as const
    ) expect(fail(Codec.encodeResponse(id, value))).toMatchObject({ _tag: "Unencodable", path })
  })

  describe("an integer over 32 bits is unsigned if it is positive, behind", () => {
    const float = (hex: string) => Buffer.from(hex, "hex").readDoubleBE()
    const bytes = (length: number) => new Uint8Array(length).fill(0xd3)
    const numbers = (length: number) => Array.from({ length }, (_, i) => i % 2 === 0 ? 0 : 0xd3)
    const names = (length: number) => Object.fromEntries(Array.from({ length }, (_, i) => [`k${i}`, 0]))
    const values: Readonly<Record<string, unknown>> = {
      "nil": null,
      "true": true,
      "a fixint": -1,
      "uint 8": 0xd3,
      "uint 16": 0x1d3,
      "uint 32": 0x100d3,
      "uint 64": 2 ** 40 + 0xd3,
      "int 8": 0xd3 - 0x100,
      "int 16": 0xd3 - 0x200,
      "int 32": 0xd3 - 0x20000,
      "int 64": 0xd3 - 2 ** 40,
      "float 64": float("3ff00000000000d3"),
      "a timestamp of 32 bits": new Date(0xd3 * 1000),
      "a timestamp of 64 bits": new Date(0xd3 * 1000 + 500),
      "a timestamp of 96 bits": new Date((0xd3 - 0x100) * 1000),
      "fixstr": "\u04ff",
      "str 8": "\u04ff".repeat(20),
      "str 16": "\u04ff".repeat(200),
      "str 32": "\u04ff".repeat(40_000),
      "bin 8": bytes(0xd3),
      "bin 16": bytes(0x1d3),
      "bin 32": bytes(0x100d3),
      "a bin over 16 MiB": bytes(2 ** 24 + 0xd3),
      "a fixarray": numbers(3),
      "array 16": numbers(0x1d3),
      "array 32": numbers(0x100d3),
      "a fixmap": names(3),
      "map 16": names(0x1d3),
      "map 32": names(0x1c600)
    }
    for (const [name, value] of Object.entries(values)) {
      it(name, () => {
        for (const values of [[value, 2 ** 40], [value, 0, 2 ** 40]]) {
          const packed = pack(values, 0)
          if (isUnpackable(packed)) return expect.fail(packed.problem)
          expect(packed.at(-9)).toBe(0xcf)
          const unpacked = unpack(packed, 0)
          if (typeof unpacked === "string") return expect.fail(unpacked)
          // Of 16 MiB, each byte by itself takes seconds.
          if (!(value instanceof Uint8Array)) expect(unpacked.value).toStrictEqual(values.map(normal))
          else expect(Buffer.compare(Object(unpacked.value)[0], value)).toBe(0)
        }
      })
    }
  })

  it("integers up to 2^53 arrive as numbers, and beyond as bigints, whatever they were sent as", () => {
    for (
      const [body, value] of [
        ["cf0020000000000000", 2 ** 53],
        ["cf0020000000000001", 2n ** 53n + 1n],
        ["d30020000000000000", 2 ** 53],
        ["d3ffe0000000000000", -(2 ** 53)],
        ["d3ffdfffffffffffff", -(2n ** 53n) - 1n],
        ["d3ffffffffffffffff", -1]
      ] as const
    ) {
      expect(unpack(Buffer.from(body, "hex"), 0)).toMatchObject({ value })
    }
  })

  it("undefined and holes are nil", () => {
    // oxlint-disable-next-line no-sparse-arrays
    expect(succeed(Codec.decodeResponse(succeed(Codec.encodeResponse(id, [undefined, , { a: undefined }])))))
      .toStrictEqual([null, null, Object.assign(Object.create(null), { a: null })])
  })
})
