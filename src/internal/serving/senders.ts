/**
 * What each sender may ask for, and what may be sent to it. A sender that has proven nothing may be forged, so tables of
 * these have a fixed size, however many senders a stranger invents. No socket, and no clock: the time is handed in.
 */
import type * as Crypto from "node:crypto"
import { idBytes } from "../../Codec.ts"
import type { KeyedHash } from "./keyedHash.ts"
import * as Builtin from "../builtin.ts"
import { networkOf, senderOf } from "../socket/network.ts"
import { second } from "../time/now.ts"
import { Buckets } from "./rates.ts"
import { RecentMap } from "../recentMap.ts"
import type { Sizes } from "../sizes.ts"

export interface Options {
  readonly hash: KeyedHash
  /** At least 16 random bytes. Whoever knows them can prove any address. */
  readonly secret: Uint8Array
  readonly sizes: Pick<Sizes, "buckets" | "challengedSenders" | "knownHosts" | "provenSenders">
  /** How many requests of one sender are served. */
  readonly requestsPerSecond: number
  /** How many bytes are sent to one sender that has proven nothing. */
  readonly replyBytesPerSecond: number
  /** How many bytes are sent to all senders together that have proven nothing. */
  readonly totalReplyBytesPerSecond: number
}

/** What one sender may ask for and be sent. Names and hashes say which buckets are its own, and `proven` what it has proven. */
export interface Budget {
  /** The sender: an IPv4 address, or an IPv6 /64. */
  readonly name: string
  /** A hash of the whole address. */
  readonly hostHash: number
  /** Hashes of its name, and of the network that it belongs to. */
  readonly hash: number
  readonly networkHash: number
  /** What it has proven, as it was known when `seen` proofs had been noted. */
  proven: Proven | undefined
  seen: number
}

/** A network may have as much as so many senders. */
export const networkShare = 4

export class Senders {
  readonly #hash: KeyedHash
  readonly #knownHosts: number
  readonly #requests: Buckets
  /** For requests that are proven: a challenge of their own was answered. */
  readonly #provenRequests: Buckets
  readonly #replies: Allowance
  readonly #challenges: Allowance
  readonly #requestNanos: number
  readonly #secret: string
  // Loaded at once: a node that can challenge nobody must not begin to serve.
  readonly #crypto: typeof Crypto = Builtin.crypto()
  readonly #proven: RecentMap<Proven>
  // At each place, the hash of the sender that was challenged last, and when. The place is some bits of the hash.
  readonly #challenged: Int32Array
  readonly #challengedAt: Float64Array
  /** How many proofs have been noted. With each of them, what a `Budget` knows of `proven` may be out of date. */
  #noted = 0
  // By host, those that were heard lately. A request of one of these costs one search and no hash (`benchmark/guard.ts`).
  readonly #known = new Map<string, Budget>()
  // The sender of the last request, when that was, and when a request of anybody else came last.
  #last = ""
  #lastAt = -Infinity
  #otherAt = -Infinity

  constructor({ hash, replyBytesPerSecond, requestsPerSecond, secret, sizes, totalReplyBytesPerSecond }: Options) {
    this.#hash = hash
    this.#knownHosts = sizes.knownHosts
    this.#requests = new Buckets(sizes.buckets, requestsPerSecond, requestSeconds)
    this.#provenRequests = new Buckets(sizes.buckets, requestsPerSecond, requestSeconds)
    this.#replies = new Allowance(sizes.buckets, replyBytesPerSecond, totalReplyBytesPerSecond, replySeconds)
    this.#challenges = new Allowance(
      sizes.buckets,
      challengeShare * replyBytesPerSecond,
      challengeShare * totalReplyBytesPerSecond,
      challengeSeconds
    )
    this.#requestNanos = second / requestsPerSecond
    this.#secret = Buffer.from(secret).toString("hex")
    this.#proven = new RecentMap<Proven>(sizes.provenSenders)
    this.#challenged = new Int32Array(sizes.challengedSenders)
    this.#challengedAt = new Float64Array(sizes.challengedSenders).fill(-Infinity)
  }

  /** How many senders have proven their address. */
  get size(): number {
    return this.#proven.size
  }

  of(host: string): Budget {
    let budget = this.#known.get(host)
    if (budget === undefined) {
      if (this.#known.size >= this.#knownHosts) this.#known.clear()
      const name = senderOf(host)
      budget = {
        name,
        hostHash: this.#hash.ofText(host),
        hash: this.#hash.ofText(name),
        networkHash: this.#hash.ofText(networkOf(host)),
        proven: undefined,
        seen: -1
      }
      this.#known.set(host, budget)
    }
    return budget
  }

  /** Counts a request. Returns whether it is within the rate of its sender. */
  admit(budget: Budget, now: number): boolean {
    if (budget.name !== this.#last) {
      this.#last = budget.name
      this.#otherAt = this.#lastAt
    }
    this.#lastAt = now
    const proven = this.#provenAt(budget, now)
    if ((proven === undefined || proven.credit <= 0) && !this.#replies.has(budget, leastReplyBytes, now)) {
      return false
    }
    if (proven === undefined) return take(this.#requests, budget.hash, 1, now)
    const fullAt = Math.max(proven.fullAt, now) + this.#requestNanos
    // A sender that is alone keeps nobody from being served, so its rate is not bounded.
    const alone = this.#otherAt + second <= now
    if (!alone && fullAt > now + requestSeconds * second) return false
    // What it has sent while it was alone is no debt when it is alone no longer.
    proven.fullAt = Math.min(fullAt, now + requestSeconds * second)
    return true
  }

  /** The same for a proven request. Requests that are forged in the name of its sender have used up nothing of this rate. */
  admitProven(budget: Budget, now: number): boolean {
    return take(this.#provenRequests, budget.hash, 1, now)
  }

  /** Counts an answer, if its receiver may be sent that much. Returns whether it may. */
  spend(budget: Budget, bytes: number, now: number): boolean {
    return this.#spendCredit(budget, bytes, now) || this.#replies.take(budget, bytes, now)
  }

  /** The same for a challenge. Challenges have an allowance of their own. */
  spendChallenge(budget: Budget, bytes: number, now: number): boolean {
    return this.#spendCredit(budget, bytes, now) || this.#challenges.take(budget, bytes, now)
  }

  /** Whether so many bytes may be sent to it for what it has proven. */
  hasCredit(budget: Budget, bytes: number, now: number): boolean {
    const proven = this.#provenAt(budget, now)
    return proven !== undefined && proven.credit >= bytes
  }

  /**
   * Whether a sender should be challenged already, while its requests are served: half of what it may have is gone, and it
   * was not challenged just now. If this returns true, it counts as challenged now.
   */
  isDoubted(budget: Budget, now: number): boolean {
    const proven = this.#provenAt(budget, now)
    if (proven !== undefined) {
      if (proven.credit >= proven.granted / 2 || this.#replies.isUnlimited) return false
    } else if (this.#replies.isHalfFull(budget, now) && this.#requests.isHalfFull(budget.hash, now)) return false
    const slot = budget.hash & (this.#challenged.length - 1)
    if (this.#challenged[slot] === budget.hash && now < this.#challengedAt[slot]! + challengeEvery) return false
    this.#challenged[slot] = budget.hash
    this.#challengedAt[slot] = now
    return true
  }

  /**
   * The token of a challenge: 20 bytes that begin with this number, from 0 to 2^48 - 1. It is not kept. It is made again when
   * the proof comes, so no flood can make it be forgotten.
   */
  token(budget: Budget, serial: number, now: number): Uint8Array {
    return this.#tokenOf(budget.name, serial, Math.floor(now / tokenAge))
  }

  /**
   * If this host was challenged with this token, notes that it has proven its address, and returns the number that the token
   * begins with. If not, returns undefined.
   */
  answered(host: string, token: Uint8Array, now: number): number | undefined {
    const budget = this.of(host)
    const age = Math.floor(now / tokenAge)
    const serial = Buffer.from(token.buffer, token.byteOffset, serialBytes).readUIntBE(0, serialBytes)
    const isOf = (age: number) => this.#crypto.timingSafeEqual(this.#tokenOf(budget.name, serial, age), token)
    if (!isOf(age) && !isOf(age - 1)) return undefined
    // Each proof counts once: who has held an address for a moment could have it sent as much again for each copy.
    if (serial > (this.#lastProof(budget)?.serial ?? -1)) this.#prove(budget, now, proofCredit, serial)
    return serial
  }

  /** Notes that this host has answered a call: it has sent back an id that only it can have received. */
  prove(host: string, now: number): void {
    this.#prove(this.of(host), now, answerCredit, -1)
  }

  #prove(budget: Budget, now: number, credit: number, answered: number): void {
    const known = this.#lastProof(budget)
    const serial = Math.max(answered, known?.serial ?? -1)
    if (known !== undefined) {
      known.serial = serial
      if (credit > known.credit) {
        known.credit = credit
        known.granted = credit
      }
      if (known.until - provenFor + renewAfter > now) return
    }
    // A proof must not refill the bucket of requests: it starts with what was left before.
    const fullAt = known?.fullAt ?? this.#requests.fullAt(budget.hash)
    const { credit: left, granted } = known ?? { credit, granted: credit }
    this.#noted++
    this.#proven.set(budget.name, { until: now + provenFor, credit: left, granted, fullAt, serial }, budget.networkHash)
  }

  #spendCredit(budget: Budget, bytes: number, now: number): boolean {
    const proven = this.#provenAt(budget, now)
    if (proven === undefined || proven.credit < bytes) return false
    proven.credit -= bytes
    return true
  }

  #provenAt(budget: Budget, now: number): Proven | undefined {
    const proven = this.#lastProof(budget)
    return proven !== undefined && proven.until > now ? proven : undefined
  }

  #lastProof(budget: Budget): Proven | undefined {
    if (budget.seen !== this.#noted) {
      budget.proven = this.#proven.get(budget.name)
      budget.seen = this.#noted
    }
    return budget.proven
  }

  // A hash that begins with a secret, as it is cheaper than an HMAC. Whoever knows all 32 bytes of it could extend it to the hash
  // of a longer text, but a token shows 14.
  #tokenOf(name: string, serial: number, age: number): Uint8Array {
    const token = this.#crypto.hash("sha256", `${this.#secret} ${age} ${serial} ${name}`, "buffer").subarray(0, idBytes)
    token.writeUIntBE(serial, 0, serialBytes)
    return token
  }
}

interface Proven {
  until: number
  /** How many bytes may still be sent to it, and how many at first. After these its budget is as if it had proven nothing. */
  credit: number
  granted: number
  /** When its bucket of requests is full again. */
  fullAt: number
  /** Of the newest challenge that it has answered: -1, if it has answered none. */
  serial: number
}

/** A bucket of requests holds those of one second. */
const requestSeconds = 1

/** A bucket of reply bytes holds those of four seconds, for a first burst of calls, which comes before any proof can. */
const replySeconds = 4

/**
 * Challenges have budgets so many times as large as replies. A flood in the name of a sender must not use up what this sender
 * needs to prove itself. A challenge is less than twice as long as its request; RFC 9000, 8.1, allows three times.
 */
const challengeShare = 4

const challengeSeconds = 1

/** A sender that may be sent fewer bytes has nothing run: hardly any answer is shorter. */
const leastReplyBytes = 64

/** How long a proof holds, in nanoseconds. */
const provenFor = 600 * second

/** A proof that comes again is noted only if the last one is this old, in nanoseconds. */
const renewAfter = 60 * second

/** The least time between two challenges to a sender whose requests are served, in nanoseconds. */
const challengeEvery = second / 4

/** Tokens change after so many nanoseconds. One is accepted until the change after the next: for once to twice as long. */
const tokenAge = 10 * second

/** A token begins with the serial number of what waits for it, in so many bytes. The rest is what only its receiver can know. */
const serialBytes = 6

/** How many bytes an answer of a sender lets be sent to it. Bounded, as a stranger may send requests in its name. */
const answerCredit = 2 ** 20

/** The same for a proof. It is larger: a proof says that a request came from the sender itself. */
const proofCredit = 2 ** 26

const take = (buckets: Buckets, hash: number, tokens: number, now: number): boolean => {
  if (!buckets.has(hash, tokens, now)) return false
  buckets.take(hash, tokens, now)
  return true
}

/** How many bytes may be sent to those that have proven nothing: to one sender, to its network, and to all together. */
class Allowance {
  readonly #ofSenders: Buckets
  readonly #ofNetworks: Buckets
  readonly #ofAll: Buckets
  readonly isUnlimited: boolean

  constructor(places: number, perSecond: number, total: number, seconds: number) {
    this.#ofSenders = new Buckets(places, perSecond, seconds)
    this.#ofNetworks = new Buckets(places, networkShare * perSecond, seconds)
    this.#ofAll = new Buckets(1, total, seconds)
    this.isUnlimited = perSecond === Infinity && total === Infinity
  }

  has({ hash, networkHash }: Budget, bytes: number, now: number): boolean {
    return this.#ofSenders.has(hash, bytes, now) && this.#ofNetworks.has(networkHash, bytes, now) &&
      this.#ofAll.has(0, bytes, now)
  }

  take(budget: Budget, bytes: number, now: number): boolean {
    if (!this.has(budget, bytes, now)) return false
    this.#ofSenders.take(budget.hash, bytes, now)
    this.#ofNetworks.take(budget.networkHash, bytes, now)
    this.#ofAll.take(0, bytes, now)
    return true
  }

  isHalfFull({ hash, networkHash }: Budget, now: number): boolean {
    return this.#ofSenders.isHalfFull(hash, now) && this.#ofNetworks.isHalfFull(networkHash, now) &&
      this.#ofAll.isHalfFull(0, now)
  }
}
