/**
 * What each sender may ask for, and what may be sent to it. An address that has proven nothing may be anybody's: what is
 * kept of those has a fixed size, however many are invented. No socket, and the time is handed in.
 */
import * as Crypto from "node:crypto"
import { idBytes } from "../Codec.ts"
import type { KeyedHash } from "./keyedHash.ts"
import { RecentMap } from "./recentMap.ts"

export interface Options {
  readonly hash: KeyedHash
  /** 16 random bytes or more. Who knows them can prove any address. */
  readonly secret: Uint8Array
  readonly requestsPerSecond: number
  readonly replyBytesPerSecond: number
}

/** A sender as the limits see it: its address, or the network that one holder of IPv6 addresses has to choose from. */
export interface Sender {
  readonly name: string
  /** 32 bits of it. */
  readonly hash: number
  /** What was known of it when so many proofs had been noted. */
  proven: Proven | undefined
  seen: number
}

const second = 1_000_000_000

/** A bucket of requests holds those of one second. */
const requestSeconds = 1

/** A bucket of reply bytes holds those of four seconds: a first burst of calls comes before there can be a proof. */
const replySeconds = 4

/** How long a proof holds, in nanoseconds. */
const provenFor = 600 * second

/** A proof is noted again once it is this old. */
const renewAfter = 60 * second

/** A sender is challenged again after so many nanoseconds. */
const challengeEvery = second / 4

/** One request in so many is challenged even before that. */
const challengeAnyway = 8

/** How many nanoseconds of challenges have the same token: it is good for up to two times as long. */
const tokenAge = 10 * second

/** So many proofs are kept at least, and at most twice as many. */
const minProven = 8192

/** Of so many senders it is known when they were challenged last. A power of two. */
const maxChallenged = 1024

const maxKnown = 1024

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
  readonly #options: Options
  readonly #requests: Buckets
  readonly #replyBytes: Buckets
  readonly #requestNanos: number
  readonly #secret: string
  readonly #proven = new RecentMap<Proven>(minProven)
  // By some bits of their hash: the sender that was challenged last, and when.
  readonly #challenged = new Int32Array(maxChallenged)
  readonly #challengedAt = new Float64Array(maxChallenged).fill(-Infinity)
  #unchallenged = 0
  /** How many proofs have been noted: with each, some sender is proven, and another may be forgotten. */
  #noted = 0
  // By host, those heard lately, so that each request costs one search: the hash and the search for a proof cost 60 ns.
  readonly #known = new Map<string, Sender>()
  // Who sent last, and when; and when anybody else did.
  #last = ""
  #lastAt = -Infinity
  #otherAt = -Infinity

  constructor(options: Options) {
    this.#options = options
    this.#requests = new Buckets(options.requestsPerSecond, requestSeconds)
    this.#replyBytes = new Buckets(options.replyBytesPerSecond, replySeconds)
    this.#requestNanos = second / options.requestsPerSecond
    this.#secret = Buffer.from(options.secret).toString("hex")
  }

  /** How many senders have proven their address. */
  get size(): number {
    return this.#proven.size
  }

  of(host: string): Sender {
    let sender = this.#known.get(host)
    if (sender === undefined) {
      if (this.#known.size >= maxKnown) this.#known.clear()
      const name = host.includes(":") ? networkOf(host) : host
      this.#known.set(host, sender = { name, hash: this.#options.hash.ofText(name), proven: undefined, seen: -1 })
    }
    return sender
  }

  /** Takes a request into account. Answers whether its sender may have it served. */
  admit(sender: Sender, now: number): boolean {
    if (sender.name !== this.#last) {
      this.#last = sender.name
      this.#otherAt = this.#lastAt
    }
    this.#lastAt = now
    const proven = this.#provenAt(sender, now)
    if ((proven === undefined || proven.credit <= 0) && !this.#replyBytes.has(sender.hash, 1, now)) return false
    if (proven === undefined) return this.#requests.take(sender.hash, 1, now)
    const fullAt = Math.max(proven.fullAt, now) + this.#requestNanos
    // Who sends alone can starve nobody.
    const alone = this.#otherAt + second <= now
    if (!alone && fullAt > now + requestSeconds * second) return false
    // What it may send while it is alone must not be held against it once it is not.
    proven.fullAt = Math.min(fullAt, now + requestSeconds * second)
    return true
  }

  /** Takes an answer into account. Answers whether it may be sent. */
  spend(sender: Sender, bytes: number, now: number): boolean {
    const proven = this.#provenAt(sender, now)
    if (proven === undefined || proven.credit < bytes) return this.#replyBytes.take(sender.hash, bytes, now)
    proven.credit -= bytes
    return true
  }

  /**
   * The token of a challenge, where one is due: once the sender has had half of what it may have, or at once. The challenge
   * itself is still to be spent for.
   *
   * Nothing is kept of a token but how to make it again, or a flood could make it be forgotten. Nor can somebody who sends
   * in the name of another, and has all challenges wasted on requests that the other knows nothing of, keep it from one.
   */
  challenge(sender: Sender, now: number, atOnce = false): Uint8Array | undefined {
    const proven = this.#provenAt(sender, now)
    if (proven !== undefined) {
      if (proven.credit >= proven.granted / 2 || this.#replyBytes.isUnlimited) return undefined
    } else if (
      !atOnce && this.#replyBytes.isHalfFull(sender.hash, now) && this.#requests.isHalfFull(sender.hash, now)
    ) return undefined
    const slot = sender.hash & (maxChallenged - 1)
    const recently = this.#challenged[slot] === sender.hash && now < this.#challengedAt[slot]! + challengeEvery
    if (recently && ++this.#unchallenged % challengeAnyway !== 0) return undefined
    this.#challenged[slot] = sender.hash
    this.#challengedAt[slot] = now
    return this.#tokenOf(sender.name, Math.floor(now / tokenAge))
  }

  /** Answers whether this is a token that the host was challenged with: it has proven its address then. */
  answered(host: string, token: Uint8Array, now: number): boolean {
    const sender = this.of(host)
    const age = Math.floor(now / tokenAge)
    const isOf = (age: number) => Crypto.timingSafeEqual(this.#tokenOf(sender.name, age), token)
    if (!isOf(age) && !isOf(age - 1)) return false
    this.#prove(sender, now, proofCredit)
    return true
  }

  /** The host has answered a call: it has sent back what only it can have received. */
  prove(host: string, now: number): void {
    this.#prove(this.of(host), now, answerCredit)
  }

  #prove(sender: Sender, now: number, credit: number): void {
    const known = this.#lastProof(sender)
    if (known !== undefined) {
      if (credit > known.credit) {
        known.credit = credit
        known.granted = credit
      }
      if (known.until - provenFor + renewAfter > now) return
    }
    // A proof is no second bucket: the new one holds what was left for it.
    const fullAt = known?.fullAt ?? this.#requests.fullAt(sender.hash)
    const { credit: left, granted } = known ?? { credit, granted: credit }
    this.#noted++
    this.#proven.set(sender.name, { until: now + provenFor, credit: left, granted, fullAt })
  }

  isProven(sender: Sender, now: number): boolean {
    return this.#provenAt(sender, now) !== undefined
  }

  #provenAt(sender: Sender, now: number): Proven | undefined {
    const proven = this.#lastProof(sender)
    return proven !== undefined && proven.until > now ? proven : undefined
  }

  #lastProof(sender: Sender): Proven | undefined {
    if (sender.seen !== this.#noted) {
      sender.proven = this.#proven.get(sender.name)
      sender.seen = this.#noted
    }
    return sender.proven
  }

  // The end of the hash is left out, so nobody can go on from it to another; `createHmac` takes thirty times as long.
  #tokenOf(name: string, age: number): Uint8Array {
    const hash = Crypto.hash("sha256", `${this.#secret} ${age} ${name}`, "hex")
    return Buffer.from(hash.slice(0, 2 * idBytes), "hex")
  }
}

/**
 * Token buckets in two rows of fixed length, where a sender has one in each. It shares them with others, so it may find
 * one empty that it has not emptied, but hardly both; and never has it more than one bucket of its own would give.
 */
class Buckets {
  readonly #fullAt = new Float64Array(2 * slots)
  readonly #nanosPerToken: number
  readonly #depth: number

  constructor(perSecond: number, seconds: number) {
    this.#nanosPerToken = second / perSecond
    this.#depth = seconds * second
  }

  get isUnlimited(): boolean {
    return this.#nanosPerToken === 0
  }

  /** Whether so much could be taken. */
  has(hash: number, tokens: number, now: number): boolean {
    const room = now + this.#depth - tokens * this.#nanosPerToken
    return Math.max(this.#fullAt[firstSlot(hash)]!, now) <= room ||
      Math.max(this.#fullAt[secondSlot(hash)]!, now) <= room
  }

  take(hash: number, tokens: number, now: number): boolean {
    if (!this.has(hash, tokens, now)) return false
    this.#takeAt(firstSlot(hash), tokens, now)
    this.#takeAt(secondSlot(hash), tokens, now)
    return true
  }

  fullAt(hash: number): number {
    return Math.min(this.#fullAt[firstSlot(hash)]!, this.#fullAt[secondSlot(hash)]!)
  }

  isHalfFull(hash: number, now: number): boolean {
    const half = now + this.#depth / 2
    return this.fullAt(hash) <= half
  }

  #takeAt(slot: number, tokens: number, now: number): void {
    const fullAt = Math.max(this.#fullAt[slot]!, now) + tokens * this.#nanosPerToken
    this.#fullAt[slot] = Math.min(fullAt, now + this.#depth)
  }
}

const slots = 4096

const firstSlot = (hash: number): number => hash & (slots - 1)

const secondSlot = (hash: number): number => slots + ((hash >>> 16) & (slots - 1))

/**
 * The first 64 bits of an IPv6 address: what one subscriber has is one such network or more (RFC 6177). Where these say
 * nothing of whose it is, the whole address: on a link, and where it stands for one of IPv4 (RFC 6052, 2.1).
 */
const networkOf = (host: string): string => {
  if (linkLocal.test(host) || host.startsWith("64:ff9b::")) return host
  const [head = "", tail] = host.split("::")
  const groups = head === "" ? [] : head.split(":")
  if (tail !== undefined) {
    const after = tail.split(":")
    // Four numbers with dots are two groups.
    const missing = 8 - groups.length - after.length - (tail.includes(".") ? 1 : 0)
    for (let i = 0; i < missing; i++) groups.push("0")
    groups.push(...after)
  }
  return groups.slice(0, 4).join(":")
}

const linkLocal = /^fe[89ab]/
