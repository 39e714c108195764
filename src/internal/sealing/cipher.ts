/**
 * ChaCha20-Poly1305 (RFC 8439) by whoever has it: node:crypto, or @noble/ciphers, since Bun's node:crypto has none. They
 * write the same bytes. No keys of a network, no clock.
 */
import type { chacha20poly1305 } from "@noble/ciphers/chacha.js"
import * as Effect from "effect/Effect"
import type * as Crypto from "node:crypto"
import * as Builtin from "../builtin.ts"

/** Seals and opens under one key of 32 bytes. What is logged of it does not show the key. */
export interface Sealer {
  /** Writes ciphertext and tag behind the header, which is in place. */
  readonly encrypt: (sealed: Uint8Array, nonce: Uint8Array, header: Uint8Array, datagram: Uint8Array) => void
  /** `body` is ciphertext and tag. Returns undefined if the tag is not that of this header and ciphertext. */
  readonly decrypt: (nonce: Uint8Array, header: Uint8Array, body: Uint8Array) => Uint8Array | undefined
}

/** The key may change its bytes afterwards. */
export type Cipher = (key: Uint8Array) => Sealer

export const tagBytes = 16

const algorithm = "chacha20-poly1305"

/** Loads @noble/ciphers only where it is needed. */
export const load: Effect.Effect<Cipher> = Effect.suspend(() => isNative() ? Effect.succeed(native) : noble)

const isNative = (): boolean => {
  const crypto = Builtin.crypto()
  try {
    crypto.createCipheriv(algorithm, new Uint8Array(32), new Uint8Array(12), { authTagLength: tagBytes })
    return true
  } catch {
    return false
  }
}

/** Given bytes, each cipher would make a `KeyObject` anew, which is most of its cost. */
export const native: Cipher = (key) => new NativeSealer(Builtin.crypto().createSecretKey(key))

class NativeSealer implements Sealer {
  readonly #key: Crypto.KeyObject

  constructor(key: Crypto.KeyObject) {
    this.#key = key
  }

  encrypt(sealed: Uint8Array, nonce: Uint8Array, header: Uint8Array, datagram: Uint8Array): void {
    const cipher = Builtin.crypto().createCipheriv(algorithm, this.#key, nonce, { authTagLength: tagBytes })
    cipher.setAAD(header, { plaintextLength: datagram.length })
    sealed.set(cipher.update(datagram), header.length)
    cipher.final()
    sealed.set(cipher.getAuthTag(), header.length + datagram.length)
  }

  decrypt(nonce: Uint8Array, header: Uint8Array, body: Uint8Array): Uint8Array | undefined {
    const length = body.length - tagBytes
    const decipher = Builtin.crypto().createDecipheriv(algorithm, this.#key, nonce, { authTagLength: tagBytes })
    decipher.setAAD(header, { plaintextLength: length })
    decipher.setAuthTag(body.subarray(length))
    const opened = decipher.update(body.subarray(0, length))
    try {
      decipher.final()
      return opened
    } catch {
      return undefined
    }
  }
}

export const noble: Effect.Effect<Cipher> = Effect.map(
  Effect.promise(() => import("@noble/ciphers/chacha.js")),
  ({ chacha20poly1305 }) => (key) => new NobleSealer(chacha20poly1305, key.slice())
)

class NobleSealer implements Sealer {
  readonly #cipher: typeof chacha20poly1305
  readonly #key: Uint8Array

  constructor(cipher: typeof chacha20poly1305, key: Uint8Array) {
    this.#cipher = cipher
    this.#key = key
  }

  encrypt(sealed: Uint8Array, nonce: Uint8Array, header: Uint8Array, datagram: Uint8Array): void {
    this.#cipher(this.#key, nonce, header).encrypt(datagram, sealed.subarray(header.length))
  }

  decrypt(nonce: Uint8Array, header: Uint8Array, body: Uint8Array): Uint8Array | undefined {
    try {
      return this.#cipher(this.#key, nonce, header).decrypt(body)
    } catch {
      // It throws for nothing else: nonce, key and body have the lengths that it takes.
      return undefined
    }
  }
}
