/**
 * Datagrams that only holders of a key can make and read. No socket.
 *
 * ```text
 * sealed   0x10  key[1]  session[12]  counter[6]  time[6]  AEAD(datagram)  tag[16]
 * ```
 *
 * The cipher is ChaCha20-Poly1305 (RFC 8439). Each session has a key of its own, expanded from the shared one (RFC 5869,
 * 2.3). Counter and time are the nonce. All that precedes the ciphertext is associated data. Numbers are big-endian.
 *
 * A session is 96 random bits. A socket begins one when it opens and when it changes its keys. No counter comes twice in a
 * session. The time is that of the sender, in milliseconds since 1970. It keeps nonces apart where a process is resumed from
 * a snapshot and counts from there again.
 *
 * One forgery of 8 KiB in 2^93 succeeds (RFC 8439, 4). Whoever sends 2^36 of them, which takes days, succeeds with a
 * probability of 2^-57. At that probability RFC 9001, 6.6, closes a connection, as another one is soon made. A shared key
 * can't be made anew on the way, and whoever floods a node could silence it for good if the key were refused then. So
 * forgeries are counted as drops, and nothing else follows.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import { WebCrypto } from "effect/crypto/WebCrypto"
import * as Duration from "effect/Duration"
import { Sizes } from "../sizes.ts"
import type { Peer } from "../socket/contract.ts"
import * as Now from "../time/now.ts"
import { maxDatagramBytes } from "../wire/frame.ts"
import type { Cipher } from "./cipher.ts"
import { tagBytes } from "./cipher.ts"
import type { HeldKeys, KeyRing } from "./keyRing.ts"
import { hold, nameOf } from "./keyRing.ts"
import type { OwnSession } from "./session.ts"
import { OwnSessions, sessionBytes, Sessions } from "./session.ts"

/** Why a datagram was not read. */
export type Unsealed =
  /** It is no sealed datagram. */
  | "NotSealed"
  | "UnknownKey"
  /**
   * It was sealed too long ago, or before this socket opened, or it comes from the future. Or this socket may have sealed
   * it, in a session that it has forgotten.
   */
  | "Stale"
  /** This socket has sealed it, and somebody has sent it back. */
  | "Reflected"
  /** It came before, or so many others of its session came since that nobody knows. */
  | "Replayed"
  /** It was not made with the key that it names, or it has been changed. */
  | "Forged"
  /** As many sessions as there is room for are active: of its sender, of its sender's network, or of all. */
  | "TooManySessions"

export interface Options {
  readonly ring: KeyRing
  readonly cipher: Cipher
  /** How old a datagram may be, by the clock that sealed it and the clock that reads it. */
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
  /** How many of the sessions that this socket sealed in are known. */
  readonly ownSessions: () => number
}

const sessionOffset = 2
const counterOffset = sessionOffset + sessionBytes
const timeOffset = counterOffset + 6
const headerBytes = timeOffset + 6

/** What sealing adds to a datagram, in bytes. */
export const overheadBytes = headerBytes + tagBytes

export const make = (options: Options, context: Context.Context<never>): Seal => {
  const clock = Context.get(context, Clock.Clock)
  const sizes = Context.get(context, Sizes)
  const maxAge = Duration.toMillis(options.maxAge)
  const state: State = {
    wallMillis: () => clock.currentTimeMillisUnsafe(),
    sinceOpened: Now.make(clock),
    random: Context.get(context, WebCrypto),
    maxAge,
    sessionDatagrams: options.sessionDatagrams ?? defaultSessionDatagrams,
    ownSessions: new OwnSessions(sizes),
    sessions: new Sessions(sizes, 2 * maxAge * Now.millisecond),
    keys: hold(options.ring, options.cipher),
    current: undefined
  }
  return {
    seal: (datagram) => seal(state, datagram),
    open: (datagram, from) => open(state, datagram, from.host),
    // The sessions of others stay known: a key that comes back must not read again what it has read.
    rekey: (ring) => {
      state.keys = hold(ring, options.cipher)
      state.current = undefined
    },
    sessions: () => state.sessions.size,
    shares: () => state.sessions.shares,
    ownSessions: () => state.ownSessions.size
  }
}

const defaultSessionDatagrams = 2 ** 32

interface State {
  /** The wall clock: what is written into a datagram, as nodes share no other clock. */
  readonly wallMillis: () => number
  /** Nanoseconds of the monotonic clock. */
  readonly sinceOpened: Now.Now
  readonly random: Pick<typeof WebCrypto.Service, "getRandomValues">
  /** In milliseconds. */
  readonly maxAge: number
  readonly sessionDatagrams: number
  readonly ownSessions: OwnSessions
  readonly sessions: Sessions
  keys: HeldKeys
  /** The session that this socket seals in. */
  current: OwnSession | undefined
}

const seal = (state: State, datagram: Uint8Array): Uint8Array => {
  const session = currentSession(state)
  const sealed = Buffer.allocUnsafe(datagram.length + overheadBytes)
  sealed[0] = version
  sealed[1] = session.key
  sealed.set(session.session, sessionOffset)
  sealed.writeUIntBE(session.counter++, counterOffset, 6)
  sealed.writeUIntBE(state.wallMillis(), timeOffset, 6)
  const header = sealed.subarray(0, headerBytes)
  session.sealer.encrypt(sealed, nonceOf(header), header, datagram)
  return sealed
}

const currentSession = (state: State): OwnSession => {
  const { current, keys, ownSessions, random, sessionDatagrams, sinceOpened } = state
  if (current !== undefined && current.counter < sessionDatagrams) return current
  const session = Buffer.from(random.getRandomValues(new Uint8Array(sessionBytes)))
  return state.current = ownSessions.begin(keys.first, session, sinceOpened())
}

/** What costs least is judged first, and only what is authentic changes anything. */
const open = (state: State, datagram: Uint8Array, host: string): Uint8Array | Unsealed => {
  const { keys, maxAge, ownSessions, sessions } = state
  const length = datagram.length - overheadBytes
  if (length < 1 || length > maxDatagramBytes || datagram[0] !== version) return "NotSealed"
  const header = Buffer.from(datagram.buffer, datagram.byteOffset, headerBytes)
  const key = keys.byId.get(header[1]!)
  if (key === undefined) return "UnknownKey"

  const now = state.sinceOpened()
  const age = state.wallMillis() - header.readUIntBE(timeOffset, 6)
  if (Math.abs(age) > maxAge) return "Stale"
  // Before this socket opened. The age is rounded to a millisecond, so it may be one less. The wall clock does not say how
  // long the socket has been open: somebody may have set it meanwhile.
  if ((age - 1) * Now.millisecond >= now) return "Stale"

  const name = nameOf(key, header.subarray(sessionOffset, counterOffset))
  // Whoever sends a node's own requests back in the name of a peer would have the node run them.
  if (ownSessions.has(name)) return "Reflected"
  const counter = header.readUIntBE(counterOffset, 6)
  const known = sessions.get(name)
  if (known?.isReplay(counter) === true) return "Replayed"
  // This socket may have sealed it, in a session that it has forgotten.
  if (known === undefined && (age + 1) * Now.millisecond > now - ownSessions.forgottenUntil) return "Stale"

  const sealer = known?.sealer ?? key.sealerOf(header.subarray(sessionOffset, counterOffset))
  const opened = sealer.decrypt(nonceOf(header), header, datagram.subarray(headerBytes))
  if (opened === undefined) return "Forged"
  const session = known ?? sessions.add(name, sealer, host, now)
  if (session === undefined) return "TooManySessions"
  session.note(counter)
  sessions.heard(session, now)
  return opened
}

const version = 0x10

const nonceOf = (header: Buffer): Uint8Array => header.subarray(counterOffset, headerBytes)
