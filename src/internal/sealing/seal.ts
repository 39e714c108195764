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
import type { Peer } from "../socket/contract.ts"
import { networkOf, senderOf } from "../socket/network.ts"
import * as Now from "../time/now.ts"
import { maxDatagramBytes } from "../wire/frame.ts"
import { Sizes } from "../sizes.ts"

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
  /**
   * It was sealed too long ago, or before this socket opened, or it comes from the future. Or it may have been sealed here, in a
   * session that is forgotten.
   */
  | "Stale"
  /** It was sealed here, and somebody has sent it back. */
  | "Reflected"
  /** It came before, or so many others of its session came since that nobody knows. */
  | "Replayed"
  /** It was not made with the key that it names, or it has been changed. */
  | "Forged"
  /** As many sessions as there is room for are active: of its sender, of its sender's network, or of all. */
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
  /** `from` is where it came from, as far as the transport can tell. */
  readonly open: (datagram: Uint8Array, from: Pick<Peer, "host">) => Uint8Array | Unsealed
  readonly rekey: (ring: KeyRing) => void
  /** How many sessions of others are known. */
  readonly sessions: () => number
  /** Of how many senders these are, and of how many networks, together. */
  readonly shares: () => number
  /** How many sessions of its own it knows for its own. */
  readonly ownSessions: () => number
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

export const make = (options: Options, context: Context.Context<never>): Seal => {
  const clock = Context.get(context, Clock.Clock)
  const random = Context.get(context, WebCrypto)
  const sizes = Context.get(context, Sizes)
  const sinceOpened = Now.make(clock)
  const maxAge = Duration.toMillis(options.maxAge)
  const sessionDatagrams = options.sessionDatagrams ?? defaultSessionDatagrams
  let keys = hold(options.ring)
  let own: OwnSession | undefined
  // When they began, by their names.
  const ownSessions = new Map<string, number>()
  /** When the last of its own sessions that it knows no more had ended. */
  let forgottenUntil = -Infinity
  const sessions = new Sessions(sizes, 2 * maxAge * nanosPerMilli)

  const ownSession = (): OwnSession => {
    const { first } = keys
    const session = Buffer.from(random.getRandomValues(new Uint8Array(sessionBytes)))
    ownSessions.set(nameOf(first, session), sinceOpened())
    for (const [name] of ownSessions) {
      if (ownSessions.size <= sizes.ownSessions) break
      ownSessions.delete(name)
      // It had ended when the next one began.
      forgottenUntil = ownSessions.values().next().value!
    }
    return { key: first.id, session, subkey: subkeyOf(first.secret, session), counter: 0 }
  }

  return {
    // What is known of sessions stays: a key that comes back must not read again what it has read.
    rekey: (ring) => {
      keys = hold(ring)
      own = undefined
    },

    sessions: () => sessions.size,

    shares: () => sessions.shares,

    ownSessions: () => ownSessions.size,

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

    open: (datagram, from) => {
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
      if (ownSessions.has(name)) return "Reflected"
      const counter = header.readUIntBE(counterAt, 6)
      const known = sessions.get(name)
      if (known?.isReplay(counter) === true) return "Replayed"
      // It may have been sealed here, in a session that is forgotten.
      if (known === undefined && (age + 1) * nanosPerMilli > now - forgottenUntil) return "Stale"
      const subkey = known?.subkey ?? subkeyOf(key.secret, header.subarray(sessionAt, counterAt))
      const opened = decrypt(subkey, header, datagram, length)
      if (opened === undefined) return "Forged"
      // Only what has been authenticated may leave a trace.
      const session = known ?? sessions.add(name, subkey, from.host, now)
      if (session === undefined) return "TooManySessions"
      session.note(counter)
      sessions.heard(session, now)
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

/**
 * The sessions that others seal in. What one sender has of them, one network, and all together, is bounded: who opens more
 * meets a bound of its own first. At a bound, the session heard longest ago makes room once nothing that it sealed can be
 * read again; until then the new one is refused.
 */
class Sessions {
  readonly #replayWindow: number
  readonly #nanosUntilStale: number
  readonly #byName = new Map<string, Session>()
  readonly #bySender: Shares
  readonly #byNetwork: Shares
  readonly #all: Share

  constructor(sizes: Sizes, nanosUntilStale: number) {
    this.#replayWindow = sizes.replayWindow
    this.#nanosUntilStale = nanosUntilStale
    this.#bySender = new Shares(sizes.sessionsPerSender)
    this.#byNetwork = new Shares(sizes.sessionsPerNetwork)
    this.#all = new Shares(sizes.sessions).of("all")
  }

  get size(): number {
    return this.#byName.size
  }

  get shares(): number {
    return this.#bySender.size + this.#byNetwork.size
  }

  get(name: string): Session | undefined {
    return this.#byName.get(name)
  }

  /** Returns undefined if there is no room. The session counts for this host, wherever it is heard from later. */
  add(name: string, subkey: Secret, host: string, now: number): Session | undefined {
    const shares = [this.#bySender.of(senderOf(host)), this.#byNetwork.of(networkOf(host)), this.#all]
    if (!shares.every((share) => this.#makeRoom(share, now))) return undefined
    const session = new Session(name, subkey, shares, this.#replayWindow)
    this.#byName.set(name, session)
    return session
  }

  heard(session: Session, now: number): void {
    session.heardAt = now
    for (const share of session.shares) share.putLast(session)
  }

  #makeRoom(share: Share, now: number): boolean {
    const oldest = share.oldestIfFull
    if (oldest === undefined) return true
    // What it has sealed may be read for as long, so its counters must be known.
    if (oldest.heardAt + this.#nanosUntilStale >= now) return false
    this.#byName.delete(oldest.name)
    for (const share of oldest.shares) share.remove(oldest)
    return true
  }
}

/** The shares that have a session, by their names: a name without one takes no room. */
class Shares {
  readonly #most: number
  readonly #occupied = new Map<string, Share>()

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#occupied.size
  }

  of(name: string): Share {
    return this.#occupied.get(name) ?? new Share(name, this.#most, this.#occupied)
  }
}

/** Sessions for which one bound holds together. */
class Share {
  readonly #name: string
  readonly #most: number
  readonly #occupied: Map<string, Share>
  // In the order in which they were last heard.
  readonly #sessions = new Set<Session>()

  constructor(name: string, most: number, occupied: Map<string, Share>) {
    this.#name = name
    this.#most = most
    this.#occupied = occupied
  }

  get oldestIfFull(): Session | undefined {
    return this.#sessions.size < this.#most ? undefined : this.#sessions.values().next().value
  }

  putLast(session: Session): void {
    if (this.#sessions.size === 0) this.#occupied.set(this.#name, this)
    this.#sessions.delete(session)
    this.#sessions.add(session)
  }

  remove(session: Session): void {
    this.#sessions.delete(session)
    if (this.#sessions.size === 0) this.#occupied.delete(this.#name)
  }
}

/** What is known of a session that somebody else seals in. Its window is that of RFC 6479. */
class Session {
  readonly name: string
  readonly subkey: Secret
  readonly shares: ReadonlyArray<Share>
  /** In nanoseconds since this socket opened. */
  heardAt = 0
  #highest = -1
  /** Which of the last counters came, one bit each: datagrams overtake each other by less. */
  readonly #seen: Uint32Array

  constructor(name: string, subkey: Secret, shares: ReadonlyArray<Share>, replayWindow: number) {
    this.name = name
    this.subkey = subkey
    this.shares = shares
    this.#seen = new Uint32Array(Math.ceil(replayWindow / 32))
  }

  isReplay(counter: number): boolean {
    if (counter > this.#highest) return false
    // The word of the highest counter is shared with the oldest ones, of which nothing is known any more.
    if (wordOf(this.#highest) - wordOf(counter) >= this.#seen.length) return true
    return (this.#seen[wordOf(counter) % this.#seen.length]! & bitOf(counter)) !== 0
  }

  note(counter: number): void {
    const from = wordOf(this.#highest)
    const to = wordOf(counter)
    for (let word = Math.max(from + 1, to - this.#seen.length + 1); word <= to; word++) {
      this.#seen[word % this.#seen.length] = 0
    }
    this.#highest = Math.max(this.#highest, counter)
    const place = to % this.#seen.length
    this.#seen[place] = this.#seen[place]! | bitOf(counter)
  }
}

// Of a counter that has 48 bits: `>>` would take 32 of them.
const wordOf = (counter: number): number => Math.floor(counter / 32)

const bitOf = (counter: number): number => 1 << (counter % 32)
