/**
 * Datagrams that only holders of a key can make and read. The only module that imports `node:crypto`.
 *
 * ```text
 * sealed   0x10  key[1]  session[12]  counter[6]  time[6]  AEAD(datagram)  tag[16]
 * ```
 *
 * ChaCha20-Poly1305 (RFC 8439) under a key of the session's own, expanded from the shared one (RFC 5869, 2.3), with the
 * counter as the nonce and all before the ciphertext as associated data. A session is a socket since it opened or changed
 * its keys: 96 random bits. Numbers are big-endian; the time is that of the sender, in milliseconds since 1970.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import { WebCrypto } from "effect/crypto/WebCrypto"
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import { maxDatagramBytes } from "../Codec.ts"

/**
 * A key that the nodes of a closed network share.
 *
 * @category models
 * @since 0.1.0
 */
export interface Key {
  /** Names the key on the wire: 0 to 255. */
  readonly id: number
  /** 32 random bytes. */
  readonly secret: Redacted.Redacted<Uint8Array>
}

/**
 * The keys of a closed network. The first one seals; whatever any of them has sealed is read.
 *
 * @category models
 * @since 0.1.0
 */
export type KeyRing = readonly [Key, ...ReadonlyArray<Key>]

/** Why a datagram was not read. */
export type Unsealed =
  /** It is no sealed datagram. */
  | "NotSealed"
  | "UnknownKey"
  /** It was sealed too long ago, or before this socket opened, or it comes from the future. */
  | "Stale"
  /** It came before, or so many others of its session came since that nobody knows. */
  | "Replayed"
  /** It was not made with the key that it names, or it has been changed. */
  | "Forged"
  /** As many sessions as there is room for are active. */
  | "TooManySessions"
  /** So many forgeries have met this key that the next one might succeed. */
  | "WornOut"

export interface Options {
  readonly ring: KeyRing
  /** How far the clocks of two nodes may differ, the way of a datagram included. */
  readonly maxAge: Duration.Duration
}

export interface Seal {
  readonly seal: (datagram: Uint8Array) => Uint8Array
  readonly open: (datagram: Uint8Array) => Uint8Array | Unsealed
  readonly rekey: (ring: KeyRing) => void
}

const version = 0x10
const sessionBytes = 12
const headerBytes = 2 + sessionBytes + 6 + 6
const tagBytes = 16
const secretBytes = 32

/** What sealing adds to a datagram, in bytes. */
export const overheadBytes = headerBytes + tagBytes

/** Datagrams of a session; then another one begins. The nonce has room for 2^48. */
export const maxSessionDatagrams = 2 ** 32

// RFC 9001, 6.6 and B.2 state it for this cipher: beyond, a forgery is likelier than 2^-57.
const maxForgeries = 2 ** 36

const maxSessions = 4096

interface HeldKey {
  readonly id: number
  readonly secret: Uint8Array
  forgeries: number
}

export const make = (options: Options, context: Context.Context<never>): Seal => {
  const clock = Context.get(context, Clock.Clock)
  const random = Context.get(context, WebCrypto)
  const maxAge = Duration.toMillis(options.maxAge)
  const openedAt = clock.currentTimeMillisUnsafe()
  let keys = new Map<number, HeldKey>()
  let own: OwnSession | undefined
  // By key and session, in the order in which they were last heard.
  const sessions = new Map<string, Session>()

  const rekey = (ring: KeyRing) => {
    const next = new Map(ring.map((key) => [key.id, held(key, keys)]))
    if (next.size < ring.length) throw new TypeError("two keys of a ring have the same id")
    keys = next
    own = undefined
    for (const [name, session] of sessions) {
      if (keys.get(session.key.id) !== session.key) sessions.delete(name)
    }
  }
  rekey(options.ring)

  const ownSession = (): OwnSession => {
    const [key] = keys.values()
    if (key === undefined) throw new TypeError("a ring without keys")
    const session = random.getRandomValues(new Uint8Array(sessionBytes))
    return { key: key.id, session, subkey: subkeyOf(key.secret, session), counter: 0 }
  }

  const makeRoom = (now: number): boolean => {
    for (const [name, session] of sessions) {
      if (sessions.size < maxSessions) return true
      // What it has sent is stale by now, so its counters need not be known any more.
      if (session.heardAt + 2 * maxAge >= now) return false
      sessions.delete(name)
    }
    return true
  }

  return {
    rekey,

    seal: (datagram) => {
      if (own === undefined || own.counter === maxSessionDatagrams) own = ownSession()
      const sealed = Buffer.allocUnsafe(datagram.length + overheadBytes)
      sealed[0] = version
      sealed[1] = own.key
      sealed.set(own.session, 2)
      sealed.writeUIntBE(own.counter++, 2 + sessionBytes, 6)
      sealed.writeUIntBE(clock.currentTimeMillisUnsafe(), 8 + sessionBytes, 6)
      const header = sealed.subarray(0, headerBytes)
      const cipher = Crypto.createCipheriv(algorithm, own.subkey, nonceOf(header), { authTagLength: tagBytes })
      cipher.setAAD(header, { plaintextLength: datagram.length })
      sealed.set(cipher.update(datagram), headerBytes)
      cipher.final()
      sealed.set(cipher.getAuthTag(), headerBytes + datagram.length)
      return sealed
    },

    open: (datagram) => {
      const length = datagram.length - overheadBytes
      if (length < 1 || length > maxDatagramBytes || datagram[0] !== version) return "NotSealed"
      const header = Buffer.from(datagram.buffer, datagram.byteOffset, headerBytes)
      const key = keys.get(header[1]!)
      if (key === undefined) return "UnknownKey"
      if (key.forgeries >= maxForgeries) return "WornOut"
      const now = clock.currentTimeMillisUnsafe()
      const sentAt = header.readUIntBE(8 + sessionBytes, 6)
      if (Math.abs(now - sentAt) > maxAge || sentAt < openedAt) return "Stale"
      const name = header.toString("latin1", 1, 2 + sessionBytes)
      const counter = header.readUIntBE(2 + sessionBytes, 6)
      const known = sessions.get(name)
      if (known !== undefined && known.isReplay(counter)) return "Replayed"
      const session = known ?? new Session(key, subkeyOf(key.secret, header.subarray(2, 2 + sessionBytes)))
      const opened = decrypt(session.subkey, header, datagram, length)
      if (opened === undefined) {
        key.forgeries++
        return "Forged"
      }
      if (known === undefined && !makeRoom(now)) return "TooManySessions"
      // Only what has been authenticated may leave a trace.
      session.note(counter, now)
      sessions.delete(name)
      sessions.set(name, session)
      return opened
    }
  }
}

interface OwnSession {
  readonly key: number
  readonly session: Uint8Array
  readonly subkey: Uint8Array
  counter: number
}

const algorithm = "chacha20-poly1305"

const decrypt = (
  subkey: Uint8Array,
  header: Buffer,
  datagram: Uint8Array,
  length: number
): Uint8Array | undefined => {
  const decipher = Crypto.createDecipheriv(algorithm, subkey, nonceOf(header), { authTagLength: tagBytes })
  decipher.setAAD(header, { plaintextLength: length })
  decipher.setAuthTag(datagram.subarray(headerBytes + length))
  const opened = decipher.update(datagram.subarray(headerBytes, headerBytes + length))
  try {
    decipher.final()
    return opened
  } catch {
    return undefined
  }
}

/** 96 bits: the counter, behind zeros. */
const nonceOf = (header: Buffer): Uint8Array => {
  const nonce = new Uint8Array(12)
  nonce.set(header.subarray(2 + sessionBytes, 8 + sessionBytes), 6)
  return nonce
}

/** The first block of HKDF-Expand. */
const subkeyOf = (secret: Uint8Array, session: Uint8Array): Uint8Array =>
  Crypto.createHmac("sha256", secret).update("effect-rpcudp sealed 1").update(session).update(Uint8Array.of(1)).digest()

const held = ({ id, secret }: Key, known: ReadonlyMap<number, HeldKey>): HeldKey => {
  const bytes = Redacted.value(secret)
  if (!Number.isInteger(id) || id < 0 || id > 255) throw new TypeError("the id of a key is an integer from 0 to 255")
  if (bytes.length !== secretBytes) throw new TypeError(`the secret of a key is ${secretBytes} bytes long`)
  const same = known.get(id)
  // A key that stays keeps its sessions, and the count of its forgeries.
  if (same !== undefined && Crypto.timingSafeEqual(same.secret, bytes)) return same
  return { id, secret: Uint8Array.from(bytes), forgeries: 0 }
}

/** How many of the last counters of a session are known one by one: datagrams overtake each other by less. */
const windowBits = 8192

/** What is known of a session that somebody else seals in. Its window is that of RFC 6479. */
class Session {
  readonly key: HeldKey
  readonly subkey: Uint8Array
  heardAt = 0
  #highest = -1
  readonly #seen = new Uint32Array(windowBits / 32)

  constructor(key: HeldKey, subkey: Uint8Array) {
    this.key = key
    this.subkey = subkey
  }

  isReplay(counter: number): boolean {
    if (counter > this.#highest) return false
    // The word of the highest counter is shared with the oldest ones, of which nothing is known any more.
    if (Math.floor(this.#highest / 32) - Math.floor(counter / 32) >= this.#seen.length) return true
    return (this.#seen[wordOf(counter)]! & bitOf(counter)) !== 0
  }

  note(counter: number, now: number): void {
    this.heardAt = Math.max(this.heardAt, now)
    const from = Math.floor(this.#highest / 32)
    const to = Math.floor(counter / 32)
    for (let word = Math.max(from + 1, to - this.#seen.length + 1); word <= to; word++) {
      this.#seen[word % this.#seen.length] = 0
    }
    this.#highest = Math.max(this.#highest, counter)
    const word = wordOf(counter)
    this.#seen[word] = this.#seen[word]! | bitOf(counter)
  }
}

const wordOf = (counter: number): number => Math.floor(counter / 32) % (windowBits / 32)

const bitOf = (counter: number): number => 1 << (counter % 32)
