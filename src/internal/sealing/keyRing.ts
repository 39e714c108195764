/** The keys of a closed network, as they are given and as they are held. No datagrams, no clock. */
import * as Redacted from "effect/Redacted"
import type * as Crypto from "node:crypto"
import * as Builtin from "../builtin.ts"
import type { Cipher, Sealer } from "./cipher.ts"

/**
 * A key that the nodes of a closed network share.
 *
 * @category models
 * @since 0.1.0
 */
export interface Key {
  /** Names the key on the wire: 0 to 255. Another secret takes another id, as long as nodes may hold both. */
  readonly id: number
  /** 32 random bytes. Not a password, which could be guessed from a single datagram. */
  readonly secret: Redacted.Redacted<Uint8Array>
}

/**
 * The keys of a closed network. The first one seals; whatever any of them has sealed is read.
 *
 * @category models
 * @since 0.1.0
 */
export type KeyRing = readonly [Key, ...ReadonlyArray<Key>]

export interface HeldKey {
  readonly id: number
  /** With the key of this session. */
  readonly sealerOf: (session: Uint8Array) => Sealer
  /** Differs for every secret, whatever ids the secrets have or had. */
  readonly name: string
}

export interface HeldKeys {
  readonly first: HeldKey
  readonly byId: ReadonlyMap<number, HeldKey>
}

/** Throws a `TypeError` if the ring is not as its type and the docs of `Key` say. */
export const hold = (ring: KeyRing, cipher: Cipher): HeldKeys => {
  const held = ring.map((key) => holdKey(key, cipher))
  const byId = new Map(held.map((key) => [key.id, key]))
  const [first] = held
  if (first === undefined) throw new TypeError("a ring has at least one key")
  if (byId.size < held.length) throw new TypeError("two keys of a ring have the same id")
  return { first, byId }
}

/** The name of a session in tables: two that were sealed under different keys have different names. */
export const nameOf = (key: HeldKey, session: Buffer): string => key.name + session.toString("latin1")

const secretBytes = 32

const holdKey = ({ id, secret }: Key, cipher: Cipher): HeldKey => {
  const bytes = Redacted.value(secret)
  if (!Number.isInteger(id) || id < 0 || id > 255) throw new TypeError("the id of a key is an integer from 0 to 255")
  // A text would become a secret of zeros.
  if (!(bytes instanceof Uint8Array) || bytes.length !== secretBytes) {
    throw new TypeError(`the secret of a key is a Uint8Array of ${secretBytes} bytes`)
  }
  const held = Builtin.crypto().createSecretKey(bytes)
  const name = hmac(held, "effect-rpcudp name 1").digest().toString("latin1", 0, 16)
  return { id, sealerOf: (session) => cipher(subkeyOf(held, session)), name }
}

/** The key that a session seals with: the first block of HKDF-Expand (RFC 5869, 2.3). */
const subkeyOf = (secret: Secret, session: Uint8Array): Uint8Array =>
  hmac(secret, "effect-rpcudp sealed 1").update(session).update(Uint8Array.of(1)).digest()

/** Given bytes, each HMAC would make such an object anew. And one that is logged does not show its bytes. */
type Secret = Crypto.KeyObject

/** Begins with what it is for, so that no two purposes can have the same result. */
const hmac = (secret: Secret, purpose: string): Crypto.Hmac =>
  Builtin.crypto().createHmac("sha256", secret).update(purpose)
