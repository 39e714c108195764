/**
 * A hash for what strangers choose. Its tables are random and secret, so strangers can't find two inputs that collide, and
 * can't put all that they send into one slot of a table. It is simple tabulation (Zobrist 1970): each byte, at its position,
 * selects a random word, and the words are combined by exclusive or.
 */
import { idBytes } from "../../Codec.ts"

// One row for each position: with a row for two, equal bytes at both would cancel each other.
const rows = 48

export interface KeyedHash {
  /** 32 bits, of all 20 bytes of the id that stands in `bytes` from `start` on. */
  readonly ofId: (bytes: Uint8Array, start: number) => number
  /** 32 bits, of the first 48 characters of a text in ASCII. An IPv6 address has at most 39. */
  readonly ofText: (text: string) => number
}

/** `random` fills the bytes that it is given. */
export const make = (random: { readonly getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => unknown }): KeyedHash => {
  const bytes = new Uint8Array(rows * 256 * 4)
  random.getRandomValues(bytes)
  const words = new Int32Array(bytes.buffer)
  return {
    ofId: (bytes, start) => {
      let hash = 0
      for (let i = 0; i < idBytes; i++) hash ^= words[i << 8 | bytes[start + i]!]!
      return hash
    },
    ofText: (text) => {
      const length = Math.min(text.length, rows)
      let hash = 0
      for (let i = 0; i < length; i++) hash ^= words[i << 8 | text.charCodeAt(i) & 0xff]!
      return hash
    }
  }
}
