/**
 * Datagrams that only holders of a key can make and read.
 *
 * ```text
 * sealed   0x10  key[1]  session[12]  counter[6]  time[6]  AEAD(datagram)  tag[16]
 * ```
 *
 * ChaCha20-Poly1305 (RFC 8439) under a key of the session's own, expanded from the shared one (RFC 5869, 2.3), with counter
 * and time as the nonce and all before the ciphertext as associated data. A session is a socket since it opened or changed
 * its keys: 96 random bits. Numbers are big-endian; the time is that of the sender, in milliseconds since 1970. No counter
 * comes twice in a session; the time is for a process that was resumed from a snapshot, and counts again.
 *
 * A forgery of 8 KiB succeeds once in 2^93 (RFC 8439, 4), so 2^36 of them, days of nothing else, with 2^-57 together. That
 * is where RFC 9001, 6.6, closes a connection, since another one is soon made. A key that is shared can't be made anew on
 * the way: to refuse it would let whoever floods a node silence it for good. So forgeries are counted, as drops, and no more.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import { WebCrypto } from "effect/crypto/WebCrypto"
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import { maxDatagramBytes } from "../Codec.ts"
import * as Now from "./now.ts"

/**
 * A key that the nodes of a closed network share.
 *
 * @category models
 * @since 0.1.0
 */
export interface Key {
  /** Names the key on the wire: 0 to 255. Another secret takes another id, as long as nodes may hold both. */
  readonly id: number
  /** 32 random bytes: no password, which could be guessed from a single datagram. */
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
  /** It was sealed here, and somebody has sent it back. */
  | "Reflected"
  /** It came before, or so many others of its session came since that nobody knows. */
  | "Replayed"
  /** It was not made with the key that it names, or it has been changed. */
  | "Forged"
  /** As many sessions as there is room for are active. */
  | "TooManySessions"

export interface Options {
  readonly ring: KeyRing
  /** How far the clocks of two nodes may differ, the way of a datagram included. */
  readonly maxAge: Duration.Duration
  /** Datagrams of a session; then another one begins. 2^32 by default: a counter has room for 2^48. */
  readonly sessionDatagrams?: number | undefined
}

export interface Seal {
  readonly seal: (datagram: Uint8Array) => Uint8Array
  readonly open: (datagram: Uint8Array) => Uint8Array | Unsealed
  readonly rekey: (ring: KeyRing) => void
  /** How many sessions of others are known. */
  readonly sessions: () => number
}

const version = 0x10
const sessionAt = 2
const sessionBytes = 12
const counterAt = sessionAt + sessionBytes
const timeAt = counterAt + 6
const headerBytes = timeAt + 6
const tagBytes = 16
const secretBytes = 32

/** What sealing adds to a datagram, in bytes. */
export const overheadBytes = headerBytes + tagBytes

const defaultSessionDatagrams = 2 ** 32

/** Some 2 KB each, only for those who hold a key. */
const maxSessions = 16_384

// Only the owner of the keys changes them, and hardly so often before what was sealed is stale.
const maxOwnSessions = 256

export const make = (options: Options, context: Context.Context<never>): Seal => {
  const clock = Context.get(context, Clock.Clock)
  const random = Context.get(context, WebCrypto)
  const sinceOpened = Now.make(clock)
  const maxAge = Duration.toMillis(options.maxAge)
  const sessionDatagrams = options.sessionDatagrams ?? defaultSessionDatagrams
  let keys = hold(options.ring)
  let own: OwnSession | undefined
  const ownNames = new Set<string>()
  // In the order in which they were last heard.
  const sessions = new Map<string, Session>()

  const ownSession = (): OwnSession => {
    const { first } = keys
    const session = Buffer.from(random.getRandomValues(new Uint8Array(sessionBytes)))
    for (const name of ownNames) {
      if (ownNames.size < maxOwnSessions) break
      ownNames.delete(name)
    }
    ownNames.add(nameOf(first, session))
    return { key: first.id, session, subkey: subkeyOf(first.secret, session), counter: 0 }
  }

  const makeRoom = (now: number): boolean => {
    for (const [name, session] of sessions) {
      if (sessions.size < maxSessions) return true
      // What it has sent is stale by now, so its counters need not be known any more.
      if (session.heardAt + 2 * maxAge * nanosPerMilli >= now) return false
      sessions.delete(name)
    }
    return true
  }

  return {
    // What is known of sessions stays: a key that comes back must not read again what it has read.
    rekey: (ring) => {
      keys = hold(ring)
      own = undefined
    },

    sessions: () => sessions.size,

    seal: (datagram) => {
      if (own === undefined || own.counter >= sessionDatagrams) own = ownSession()
      const sealed = Buffer.allocUnsafe(datagram.length + overheadBytes)
      sealed[0] = version
      sealed[1] = own.key
      sealed.set(own.session, sessionAt)
      sealed.writeUIntBE(own.counter++, counterAt, 6)
      sealed.writeUIntBE(clock.currentTimeMillisUnsafe(), timeAt, 6)
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
      const key = keys.byId.get(header[1]!)
      if (key === undefined) return "UnknownKey"
      const now = sinceOpened()
      const age = clock.currentTimeMillisUnsafe() - header.readUIntBE(timeAt, 6)
      // Less than a millisecond is lost where the time is written down. How long the socket has been open is not asked of the
      // clock on the wall: somebody may have set it meanwhile.
      if (Math.abs(age) > maxAge || (age - 1) * nanosPerMilli >= now) return "Stale"
      const name = nameOf(key, header.subarray(sessionAt, counterAt))
      // A node would answer its own calls, if it were told that their requests came from whom it has called.
      if (ownNames.has(name)) return "Reflected"
      const counter = header.readUIntBE(counterAt, 6)
      const known = sessions.get(name)
      if (known !== undefined && known.isReplay(counter)) return "Replayed"
      const session = known ?? new Session(subkeyOf(key.secret, header.subarray(sessionAt, counterAt)))
      const opened = decrypt(session.subkey, header, datagram, length)
      if (opened === undefined) return "Forged"
      if (known === undefined && !makeRoom(now)) return "TooManySessions"
      // Only what has been authenticated may leave a trace.
      session.note(counter, now)
      sessions.delete(name)
      sessions.set(name, session)
      return opened
    }
  }
}

const nanosPerMilli = 1_000_000

// Bytes would be made a key again by each cipher and each HMAC, which takes four times as long as all the rest (16 us, and
// 4 us). And nothing shows what is in one of these.
type Secret = Crypto.KeyObject

interface HeldKey {
  readonly id: number
  readonly secret: Secret
  /** Tells it from every other secret, whatever its id is or was. */
  readonly name: string
}

interface HeldKeys {
  readonly first: HeldKey
  readonly byId: ReadonlyMap<number, HeldKey>
}

const hold = (ring: KeyRing): HeldKeys => {
  const held = ring.map(holdKey)
  const byId = new Map(held.map((key) => [key.id, key]))
  const [first] = held
  if (first === undefined) throw new TypeError("a ring has at least one key")
  if (byId.size < held.length) throw new TypeError("two keys of a ring have the same id")
  return { first, byId }
}

const holdKey = ({ id, secret }: Key): HeldKey => {
  const bytes = Redacted.value(secret)
  if (!Number.isInteger(id) || id < 0 || id > 255) throw new TypeError("the id of a key is an integer from 0 to 255")
  // A text would become a secret of zeros.
  if (!(bytes instanceof Uint8Array) || bytes.length !== secretBytes) {
    throw new TypeError(`the secret of a key is a Uint8Array of ${secretBytes} bytes`)
  }
  const held = Crypto.createSecretKey(bytes)
  const name = Crypto.createHmac("sha256", held).update("effect-rpcudp name 1").digest().toString("latin1", 0, 16)
  return { id, secret: held, name }
}

const nameOf = (key: HeldKey, session: Buffer): string => key.name + session.toString("latin1")

interface OwnSession {
  readonly key: number
  readonly session: Buffer
  readonly subkey: Secret
  counter: number
}

const algorithm = "chacha20-poly1305"

const decrypt = (
  subkey: Secret,
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

const nonceOf = (header: Buffer): Uint8Array => header.subarray(counterAt, headerBytes)

/** The first block of HKDF-Expand. */
const subkeyOf = (secret: Secret, session: Uint8Array): Secret =>
  Crypto.createSecretKey(
    Crypto.createHmac("sha256", secret).update("effect-rpcudp sealed 1").update(session).update(Uint8Array.of(1))
      .digest()
  )

/** How many of the last counters of a session are known one by one: datagrams overtake each other by less. */
const windowBits = 8192

/** What is known of a session that somebody else seals in. Its window is that of RFC 6479. */
class Session {
  readonly subkey: Secret
  /** In nanoseconds since this socket opened. */
  heardAt = 0
  #highest = -1
  readonly #seen = new Uint32Array(windowBits / 32)

  constructor(subkey: Secret) {
    this.subkey = subkey
  }

  isReplay(counter: number): boolean {
    if (counter > this.#highest) return false
    // The word of the highest counter is shared with the oldest ones, of which nothing is known any more.
    if (Math.floor(this.#highest / 32) - Math.floor(counter / 32) >= this.#seen.length) return true
    return (this.#seen[wordOf(counter)]! & bitOf(counter)) !== 0
  }

  note(counter: number, now: number): void {
    this.heardAt = now
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
