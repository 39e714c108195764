import { describe, expect, it } from "@effect/vitest"
import * as Ids from "../../src/internal/wire/ids.ts"

describe("ids", () => {
  it("are the bytes of the random source, each once and in order, which is asked for 512 of them at a time", () => {
    const asked: Array<number> = []
    let next = 0
    const ids = Ids.make({
      getRandomValues: <A extends ArrayBufferView | null>(array: A): A => {
        if (array === null) throw new Error("null")
        const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
        asked.push(bytes.length)
        for (let i = 0; i < bytes.length; i++) bytes[i] = next++ % 251
        return array
      }
    })
    for (let id = 0; id < 1025; id++) {
      const datagram = new Uint8Array(23).fill(255)
      ids.write(datagram, 2)
      const expected = Array.from({ length: 20 }, (_, i) => (20 * id + i) % 251)
      expect([...datagram]).toStrictEqual([255, 255, ...expected, 255])
    }
    expect(asked).toStrictEqual([10_240, 10_240, 10_240])
  })

  it("are the same if all of their bytes are", () => {
    const id = Uint8Array.from({ length: 24 }, (_, i) => i)
    expect(Ids.sameIds(id, 2, id, 2)).toBe(true)
    for (let i = 0; i < 20; i++) {
      const other = id.slice(2, 22)
      other[i]! ^= 1
      expect(Ids.sameIds(id, 2, other, 0)).toBe(false)
    }
    const before = id.slice()
    before[1] = 99
    before[22] = 99
    expect(Ids.sameIds(id, 2, before, 2)).toBe(true)
  })
})
