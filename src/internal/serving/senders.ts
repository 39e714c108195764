/**
 * What each sender may ask for, and what may be sent to it. An address that has proven nothing may be anybody's: what is
 * kept of those has a fixed size, however many are invented. No socket, and the time is handed in.
 */
import * as Crypto from "node:crypto"
import { idBytes } from "../../Codec.ts"
import type { KeyedHash } from "./keyedHash.ts"
import { networkOf, senderOf } from "../socket/network.ts"
import { second } from "../time/now.ts"
import { Buckets } from "./rates.ts"
import { RecentMap } from "../recentMap.ts"
import type { Sizes } from "../sizes.ts"

export interface Options {
  readonly hash: KeyedHash
  /** 16 random bytes or more. Who knows them can prove any address. */
  readonly secret: Uint8Array
  readonly sizes: Pick<Sizes, "buckets" | "challengedSenders" | "knownHosts" | "provenSenders">
  /** Of one sender. */
  readonly requestsPerSecond: number
  /** To one sender that has proven nothing. */
  readonly replyBytesPerSecond: number
  /** To all senders together that have proven nothing. */
  readonly totalReplyBytesPerSecond: number
}

/** A sender as the limits see it: its address, or the network that one holder of IPv6 addresses has to choose from. */
export interface Budget {
  readonly name: string
  /** 32 bits of its whole address. */
  readonly hostHash: number
  /** 32 bits of its name, and of the network that it belongs to. */
  readonly hash: number
  readonly networkHash: number
  /** What was known of it when so many proofs had been noted. */
  proven: Proven | undefined
  seen: number
}

/** A network may have as much as so many of its senders. */
export const networkShare = 4

/** A bucket of requests holds those of one second. */
const requestSeconds = 1

/** A bucket of reply bytes holds those of four seconds: a first burst of calls comes before there can be a proof. */
const replySeconds = 4

/**
 * Challenges may take so many times the bytes of replies: whoever floods in another's name must not use up what the other
 * needs to prove itself. A challenge is less than twice as long as its request, where RFC 9000, 8.1, allows three times.
 */
const challengeShare = 4

const challengeSeconds = 1

/** Nothing is run for a sender that may be sent less: hardly any answer is shorter. */
const leastReplyBytes = 64

/** How long a proof holds, in nanoseconds. */
const provenFor = 600 * second

/** A proof is noted again once it is this old. */
const renewAfter = 60 * second

/** A sender whose requests are still served is challenged so often at most, in nanoseconds. */
const challengeEvery = second / 4

/** How many nanoseconds of challenges have the same token: it is good for up to two times as long. */
const tokenAge = 10 * second

/** The beginning of a token is the serial number of what waits for it, the rest is what only its receiver can know. */
const serialBytes = 6

/** How many bytes may be sent to a sender for an answer of its own: somebody else may ask in its name. */
const answerCredit = 2 ** 20

/** The same for a proof, which says that a request was its own. Another one is asked for when half of it is gone. */
const proofCredit = 2 ** 26

interface Proven {
  until: number
  /** How many bytes may be sent to it, of how many at first; then it has the budget of those that have proven nothing. */
  credit: number
  granted: number
  /** When its bucket of requests is full again. */
  fullAt: number
}

export class Senders {
  readonly #hash: KeyedHash
  readonly #knownHosts: number
  readonly #requests: Buckets
  /** Of requests that answered a challenge of their own. */
  readonly #provenRequests: Buckets
  readonly #replies: Allowance
  readonly #challenges: Allowance
  readonly #requestNanos: number
  readonly #secret: string
  readonly #proven: RecentMap<Proven>
  // By some bits of their hash: the sender that was challenged last, and when.
  readonly #challenged: Int32Array
  readonly #challengedAt: Float64Array
  /** How many proofs have been noted: with each, some sender is proven, and another may be forgotten. */
  #noted = 0
  // By host, those heard lately, so that each request costs one search: the hash and the search for a proof cost 60 ns.
  readonly #known = new Map<string, Budget>()
  // Who sent last, and when; and when anybody else did.
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

  /** Takes a request into account. Returns whether its sender may have it served. */
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
    // Who sends alone can starve nobody.
    const alone = this.#otherAt + second <= now
    if (!alone && fullAt > now + requestSeconds * second) return false
    // What it may send while it is alone must not be held against it once it is not.
    proven.fullAt = Math.min(fullAt, now + requestSeconds * second)
    return true
  }

  /**
   * The same for a request that has answered a challenge of its own: whatever others send in the name of its sender has used
   * up nothing of what it may.
   */
  admitProven(budget: Budget, now: number): boolean {
    return take(this.#provenRequests, budget.hash, 1, now)
  }

  /** Takes an answer into account. Returns whether it may be sent. */
  spend(budget: Budget, bytes: number, now: number): boolean {
    return this.#spendCredit(budget, bytes, now) || this.#replies.take(budget, bytes, now)
  }

  /** The same for a challenge, whose budget is one of its own. */
  spendChallenge(budget: Budget, bytes: number, now: number): boolean {
    return this.#spendCredit(budget, bytes, now) || this.#challenges.take(budget, bytes, now)
  }

  /** Whether so much can be sent to it that it has proven to ask for. */
  hasCredit(budget: Budget, bytes: number, now: number): boolean {
    const proven = this.#provenAt(budget, now)
    return proven !== undefined && proven.credit >= bytes
  }

  /**
   * Whether a sender that is served should prove its address before it has to: it has had half of what it may have, and was
   * not asked a moment ago. What says so takes it as having been asked.
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
   * The token of a challenge: 20 bytes, which begin with this number, from 0 to 2^48 - 1. Nothing is kept of it but how to
   * make it again, or a flood could make it be forgotten.
   */
  token(budget: Budget, serial: number, now: number): Uint8Array {
    return this.#tokenOf(budget.name, serial, Math.floor(now / tokenAge))
  }

  /**
   * The number that a token begins with, if it is one that the host was challenged with: it has proven its address then.
   * Undefined if it is not.
   */
  answered(host: string, token: Uint8Array, now: number): number | undefined {
    const budget = this.of(host)
    const age = Math.floor(now / tokenAge)
    const serial = Buffer.from(token.buffer, token.byteOffset, serialBytes).readUIntBE(0, serialBytes)
    const isOf = (age: number) => Crypto.timingSafeEqual(this.#tokenOf(budget.name, serial, age), token)
    if (!isOf(age) && !isOf(age - 1)) return undefined
    this.#prove(budget, now, proofCredit)
    return serial
  }

  /** The host has answered a call: it has sent back what only it can have received. */
  prove(host: string, now: number): void {
    this.#prove(this.of(host), now, answerCredit)
  }

  #prove(budget: Budget, now: number, credit: number): void {
    const known = this.#lastProof(budget)
    if (known !== undefined) {
      if (credit > known.credit) {
        known.credit = credit
        known.granted = credit
      }
      if (known.until - provenFor + renewAfter > now) return
    }
    // A proof is no second bucket: the new one holds what was left for it.
    const fullAt = known?.fullAt ?? this.#requests.fullAt(budget.hash)
    const { credit: left, granted } = known ?? { credit, granted: credit }
    this.#noted++
    this.#proven.set(budget.name, { until: now + provenFor, credit: left, granted, fullAt })
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

  // The end of the hash is left out, so nobody can go on from it to another; `createHmac` takes thirty times as long.
  #tokenOf(name: string, serial: number, age: number): Uint8Array {
    const token = Crypto.hash("sha256", `${this.#secret} ${age} ${serial} ${name}`, "buffer").subarray(0, idBytes)
    token.writeUIntBE(serial, 0, serialBytes)
    return token
  }
}

const take = (buckets: Buckets, hash: number, tokens: number, now: number): boolean => {
  if (!buckets.has(hash, tokens, now)) return false
  buckets.take(hash, tokens, now)
  return true
}

/** Bytes to those that have proven nothing: to one sender, to its network, and to all together. */
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
