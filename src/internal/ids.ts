/** The ids of calls: 160 unpredictable bits each, so that nobody off the path can forge an answer (RFC 5452, 4.3). */
import type { WebCrypto } from "effect/crypto/WebCrypto"
import { idBytes } from "../Codec.ts"

export interface Ids {
  /** An id of 20 bytes, which stays as it is. */
  readonly next: () => Uint8Array
}

// Asking the system for each id costs 3,064 ns, for a pool of them 43 ns an id.
const poolIds = 512

/** `random` fills the bytes that it is given. */
export const make = (random: Pick<typeof WebCrypto.Service, "getRandomValues">): Ids => {
  let pool = new Uint8Array(0)
  let offset = 0
  return {
    next: () => {
      if (offset === pool.length) {
        pool = random.getRandomValues(new Uint8Array(poolIds * idBytes))
        offset = 0
      }
      return pool.subarray(offset, offset += idBytes)
    }
  }
}

/** 32 bits of the id that stands in `bytes` from `start` on. Of one of ours, they are random. */
export const bitsOf = (bytes: Uint8Array, start: number): number =>
  (bytes[start]! << 24) | (bytes[start + 1]! << 16) | (bytes[start + 2]! << 8) | bytes[start + 3]!

/** Whether `bytes` hold those of the id from `start` on. */
export const sameBytesAt = (id: Uint8Array, bytes: Uint8Array, start: number): boolean => {
  for (let i = 0; i < id.length; i++) {
    if (id[i] !== bytes[start + i]) return false
  }
  return true
}
