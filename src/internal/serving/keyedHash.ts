/**
 * A hash whose collisions nobody can compute who does not know its tables: where strangers choose what is hashed, an open
 * one lets them put all they send in one place. Simple tabulation (Zobrist 1970): random words, combined by exclusive or.
 */
import { idBytes } from "../../Codec.ts"

// One for each place, or what stands in one could cancel what stands in another.
const rows = 48

export interface KeyedHash {
  /** 32 bits of the id that stands in `bytes` from `start` on: of all of its 20 bytes. */
  readonly ofId: (bytes: Uint8Array, start: number) => number
  /** 32 bits of the first 48 characters of a text, which are ASCII: an IPv6 address has 39. */
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
