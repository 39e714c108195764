import { describe, expect, it } from "@effect/vitest"
import { Codec } from "../../src/index.ts"
import { readRequest } from "../../src/internal/wire/requestBody.ts"

const body = (hex: string): Uint8Array =>
  Uint8Array.from([...new Uint8Array(Codec.headerBytes), ...Buffer.from(hex, "hex")])

describe("the body of a request", () => {
  it("is a method and its arguments, and nothing else", () => {
    expect(readRequest(body("92a16d9101"), 30)).toMatchObject({ method: "m", args: [1] })
    for (const hex of ["c0", "91a16d", "93a16d9001", "920190", "92c090", "92a16d01", "92a16d80"]) {
      expect([hex, readRequest(body(hex), 30)]).toStrictEqual([hex, "Shape"])
    }
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
