/**
 * A hash whose collisions nobody can compute who does not know its tables: where strangers choose what is hashed, an open
 * one lets them put all they send in one place. Simple tabulation (Zobrist 1970): random words, combined by exclusive or.
 */

// One for each place, or what stands in one could cancel what stands in another.
const rows = 32

export interface KeyedHash {
  /** 32 bits of `length` bytes, at most 32, from `start` on. */
  readonly ofBytes: (bytes: Uint8Array, start: number, length: number) => number
  /** 32 bits of the first 32 characters of a text, which are ASCII. */
  readonly ofText: (text: string) => number
}

/** `random` fills the bytes that it is given. */
export const make = (random: { readonly getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => unknown }): KeyedHash => {
  const bytes = new Uint8Array(rows * 256 * 4)
  random.getRandomValues(bytes)
  const words = new Int32Array(bytes.buffer)
  return {
    ofBytes: (bytes, start, length) => {
      let hash = 0
      for (let i = 0; i < length; i++) hash ^= words[i << 8 | bytes[start + i]!]!
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
