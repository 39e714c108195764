/**
 * ChaCha20-Poly1305 (RFC 8439) by whoever has it: node:crypto, or Effect's own in JavaScript, since Bun's node:crypto has none.
 * They write the same bytes. No keys of a network, no clock.
 */
import * as Aead from "effect/crypto/Aead"
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

/** The cipher of this runtime. */
export const make = (): Cipher => isNative() ? native : portable

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

// It is undefined for the ciphers that only a platform has, and this is none of them.
const { implementation } = Aead.chacha20Poly1305

export const portable: Cipher = (key) => new PortableSealer(implementation!, key.slice())

class PortableSealer implements Sealer {
  readonly #cipher: Aead.Implementation
  readonly #key: Uint8Array

  constructor(cipher: Aead.Implementation, key: Uint8Array) {
    this.#cipher = cipher
    this.#key = key
  }

  encrypt(sealed: Uint8Array, nonce: Uint8Array, header: Uint8Array, datagram: Uint8Array): void {
    sealed.set(this.#cipher.encrypt(this.#key, nonce, datagram, header), header.length)
  }

  decrypt(nonce: Uint8Array, header: Uint8Array, body: Uint8Array): Uint8Array | undefined {
    return this.#cipher.decrypt(this.#key, nonce, body, header)
  }
}
