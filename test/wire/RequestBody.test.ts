import { assert, describe, expect, it } from "@effect/vitest"
import { Result } from "effect"
import { Codec } from "../../src/index.ts"
import { maxArgumentDepth, readRequest } from "../../src/internal/wire/requestBody.ts"

const body = (hex: string): Uint8Array =>
  Uint8Array.from([...new Uint8Array(Codec.headerBytes), ...Buffer.from(hex, "hex")])

describe("the body of a request", () => {
  it("is a method and its arguments, and nothing else", () => {
    expect(readRequest(body("92a16d9101"), 30)).toMatchObject({ method: "m", args: [1] })
    for (const hex of ["c0", "91a16d", "93a16d9001", "920190", "92c090", "92a16d01", "92a16d80"]) {
      expect([hex, readRequest(body(hex), 30)]).toStrictEqual([hex, "Shape"])
    }
  })

  it("is followed by nothing, or by a trailer to its last byte", () => {
    const trace = new Uint8Array(25).fill(7)
    const traced = Buffer.from(trace).toString("hex")
    const trailers = [
      ["8101 7f", { millisLeft: 0x7f }],
      ["8101 cc80", { millisLeft: 0x80 }],
      ["8101 cd0102", { millisLeft: 0x102 }],
      ["8101 ce01020304", { millisLeft: 0x1020304 }],
      [`8102 c419${traced}`, { traceparent: trace }],
      [`820101 02c419${traced}`, { millisLeft: 1, traceparent: trace }]
    ] as const
    const read = (hex: string) => readRequest(body(`92a16d9101${hex.replaceAll(" ", "")}`), 30)
    expect(read("")).toMatchObject({ trailer: undefined })
    for (const [hex, trailer] of trailers) expect(read(hex)).toMatchObject({ trailer })
    const others = [
      // Of other integers, of none, and of a map that says it has another length.
      "8101 80",
      "8101 c0",
      "8101 d001",
      "8101 d200000001",
      "8101 ca00000001",
      "8101 ff",
      "8201 7f",
      "8001 7f",
      "8103 7f",
      // Of a trace of another name, of another type, and of another length.
      `8103 c419${traced}`,
      `8102 d919${traced}`,
      `8102 c418${traced}`,
      `8202 c419${traced}`,
      `8102 c419${traced.slice(2)}`,
      `8102 c419${traced}00`
    ]
    for (const hex of others) expect([hex, read(hex)]).toStrictEqual([hex, "TrailingBytes"])
  })

  it("says of longer waits than 32 bits hold that they are as long as those", () => {
    for (const millisLeft of [2 ** 32 - 1, 2 ** 32, 2 ** 33, Infinity]) {
      const request = Result.getOrThrow(Codec.encodeRequest(new Uint8Array(20), "m", [], { millisLeft }))
      expect(readRequest(request, 30)).toMatchObject({ trailer: { millisLeft: 2 ** 32 - 1 } })
    }
  })

  it("nests as deep as other values, its array and that of its arguments counted in", () => {
    expect(maxArgumentDepth).toBe(30)
    const nested = (arrays: number) => body(`92a16d91${"91".repeat(arrays)}c0`)
    expect(readRequest(nested(maxArgumentDepth), maxArgumentDepth)).toMatchObject({ method: "m" })
    expect(readRequest(nested(maxArgumentDepth + 1), maxArgumentDepth)).toBe("TooDeep")
  })

  it("takes what its values take, and what a schema makes of the indices of its maps", () => {
    const read = (hex: string) => {
      const read = readRequest(body(`92a16d91${hex}`), 30)
      assert(typeof read !== "string")
      return read.heapBytes
    }
    // A map of "1023" and one of "abcd".
    const [index, name] = [read("81a431303233c0"), read("81a461626364c0")]
    expect(index - name).toBeGreaterThanOrEqual(8 * 1551)
  })

  it("is no longer than a datagram may be", () => {
    const bytes = (length: number) => {
      const datagram = new Uint8Array(length)
      // The method "m", and one argument: as many bytes as are left.
      datagram.set([0x92, 0xa1, 0x6d, 0x91, 0xc5], Codec.headerBytes)
      new DataView(datagram.buffer).setUint16(Codec.headerBytes + 5, length - Codec.headerBytes - 7)
      return datagram
    }
    expect(readRequest(bytes(8213), 30)).toMatchObject({ method: "m" })
    expect(readRequest(bytes(8214), 30)).toBe("TooLong")
  })
})
