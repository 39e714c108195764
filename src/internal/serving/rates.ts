/** Rates. Their tables have a fixed size, however many senders there are. No clock: the time is handed in. */
import { second } from "../time/now.ts"

/**
 * Token buckets in two rows of fixed length. A hash has a bucket in each row, takes from both, and is refused only if both
 * are empty. Others share these buckets, but hardly anybody shares both. A hash never gets more than a bucket of its own
 * would give it.
 */
export class Buckets {
  readonly #fullAt: Float64Array
  readonly #mask: number
  readonly #nanosPerToken: number
  readonly #depth: number

  /** `places` is the length of a row, a power of two. A full bucket holds what `seconds` bring. */
  constructor(places: number, perSecond: number, seconds: number) {
    this.#fullAt = new Float64Array(2 * places)
    this.#mask = places - 1
    this.#nanosPerToken = second / perSecond
    this.#depth = seconds * second
  }

  /** Whether so much could be taken. */
  has(hash: number, tokens: number, now: number): boolean {
    return Math.max(this.fullAt(hash), now) + tokens * this.#nanosPerToken <= now + this.#depth
  }

  /** Takes so many tokens, or those that are left. */
  take(hash: number, tokens: number, now: number): void {
    this.#takeAt(this.#first(hash), tokens, now)
    this.#takeAt(this.#second(hash), tokens, now)
  }

  /** When the fuller of its two buckets is full. */
  fullAt(hash: number): number {
    return Math.min(this.#fullAt[this.#first(hash)]!, this.#fullAt[this.#second(hash)]!)
  }

  isHalfFull(hash: number, now: number): boolean {
    return this.fullAt(hash) <= now + this.#depth / 2
  }

  #takeAt(place: number, tokens: number, now: number): void {
    const fullAt = Math.max(this.#fullAt[place]!, now) + tokens * this.#nanosPerToken
    // A bucket that others have emptied holds nothing, and not less than nothing.
    this.#fullAt[place] = Math.min(fullAt, now + this.#depth)
  }

  #first(hash: number): number {
    return hash & this.#mask
  }

  #second(hash: number): number {
    return this.#mask + 1 + ((hash >>> 16) & this.#mask)
  }
}

/** Counts up to a bound in each second. */
export class PerSecond {
  readonly #most: number
  #second = -Infinity
  #count = 0

  constructor(most: number) {
    this.#most = most
  }

  hasRoom(now: number): boolean {
    const current = Math.floor(now / second)
    if (this.#second !== current) {
      this.#second = current
      this.#count = 0
    }
    return this.#count < this.#most
  }

  count(): void {
    this.#count++
  }
}
