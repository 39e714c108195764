/** Sessions: those that others seal in, within bounds, and those that this socket seals in. No cipher, no clock. */
import { networkOf, senderOf } from "../socket/network.ts"
import type { Sizes } from "../sizes.ts"
import type { Sealer } from "./cipher.ts"
import type { HeldKey } from "./keyRing.ts"
import { nameOf } from "./keyRing.ts"

/** The length of a session on the wire. */
export const sessionBytes = 12

/**
 * The sessions that others seal in. Their number is bounded for one sender, for one network and for all together, so a
 * sender that opens many meets a bound of its own first. At a bound, the session that was heard longest ago makes room, once
 * it has been silent for so long that whatever it sealed is stale. Until then the new session is refused.
 */
export class Sessions {
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
  add(name: string, sealer: Sealer, host: string, now: number): Session | undefined {
    const shares = [this.#bySender.of(senderOf(host)), this.#byNetwork.of(networkOf(host)), this.#all]
    if (!shares.every((share) => this.#makeRoom(share, now))) return undefined
    const session = new Session(name, sealer, shares, this.#replayWindow)
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
    // Until then what it has sealed can be read, and its counters say what has been.
    if (oldest.heardAt + this.#nanosUntilStale >= now) return false
    this.#byName.delete(oldest.name)
    for (const share of oldest.shares) share.remove(oldest)
    return true
  }
}

/** A session that this socket seals in. */
export interface OwnSession {
  readonly key: number
  readonly session: Buffer
  readonly sealer: Sealer
  counter: number
}

/** The sessions that this socket seals in, or has sealed in: what they sealed may be sent back by somebody. */
export class OwnSessions {
  readonly #most: number
  // When they began, by their names, the oldest first.
  readonly #begunAt = new Map<string, number>()
  #forgottenUntil = -Infinity

  constructor(sizes: Pick<Sizes, "ownSessions">) {
    this.#most = sizes.ownSessions
  }

  /** How many are known. */
  get size(): number {
    return this.#begunAt.size
  }

  /** What was sealed after this time was sealed by others, unless a session that is known has sealed it. */
  get forgottenUntil(): number {
    return this.#forgottenUntil
  }

  has(name: string): boolean {
    return this.#begunAt.has(name)
  }

  /** `session` is random. It begins now, and the one before it ends. */
  begin(key: HeldKey, session: Buffer, now: number): OwnSession {
    this.#begunAt.set(nameOf(key, session), now)
    for (const [name] of this.#begunAt) {
      if (this.#begunAt.size <= this.#most) break
      this.#begunAt.delete(name)
      // The one that is forgotten had ended when the next one began.
      this.#forgottenUntil = this.#begunAt.values().next().value!
    }
    return { key: key.id, session, sealer: key.sealerOf(session), counter: 0 }
  }
}

/** A session that somebody else seals in, with the counters that came: the window of RFC 6479. */
export class Session {
  readonly name: string
  readonly sealer: Sealer
  readonly shares: ReadonlyArray<Share>
  /** In nanoseconds since this socket opened. */
  heardAt = 0
  #highest = -1
  /** Which of the last counters came, one bit each. A datagram that others overtake by more than these is refused. */
  readonly #seen: Uint32Array

  constructor(name: string, sealer: Sealer, shares: ReadonlyArray<Share>, replayWindow: number) {
    this.name = name
    this.sealer = sealer
    this.shares = shares
    this.#seen = new Uint32Array(Math.ceil(replayWindow / 32))
  }

  isReplay(counter: number): boolean {
    if (counter > this.#highest) return false
    // The words are used again in a circle: the word of this counter now has those of a later one.
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

/** The shares of all senders, or of all networks, by name. A name that has no session takes no room. */
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

/** The sessions of one sender, of one network, or of all: one bound holds for them together. */
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

// A counter has 48 bits, and `>> 5` would take 32 of them.
const wordOf = (counter: number): number => Math.floor(counter / 32)

const bitOf = (counter: number): number => 1 << (counter % 32)
