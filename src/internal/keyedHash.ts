/**
 * A hash whose collisions nobody can compute who does not know its tables: where strangers choose what is hashed, an open
 * one lets them put all they send in one place. Simple tabulation (Zobrist 1970): random words, combined by exclusive or.
 */

const rows = 8

export interface KeyedHash {
  /** 32 bits of the first 8 bytes. */
  readonly ofBytes: (bytes: Uint8Array) => number
  /** 32 bits of a text of ASCII characters. */
  readonly ofText: (text: string) => number
}

/** `random` fills the bytes that it is given. */
export const make = (random: { readonly getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => unknown }): KeyedHash => {
  const bytes = new Uint8Array(rows * 256 * 4)
  random.getRandomValues(bytes)
  const words = new Int32Array(bytes.buffer)
  return {
    ofBytes: (bytes) => {
      let hash = 0
      for (let i = 0; i < rows; i++) hash ^= words[i << 8 | bytes[i]!]!
      return hash
    },
    ofText: (text) => {
      let hash = 0
      for (let i = 0; i < text.length; i++) {
        // What follows the eighth character must not cancel what came before.
        if (i > 0 && i % rows === 0) hash = Math.imul(hash, 0x9e3779b1)
        hash ^= words[(i % rows) << 8 | text.charCodeAt(i) & 0xff]!
      }
      return hash
    }
  }
}
