/** How much in how much time. Fixed in size, whoever and however many send. No clock: the time is handed in. */
import { second } from "../time/now.ts"

/**
 * Token buckets in two rows of fixed length: whoever has this hash has one in each. It shares them with others, and is
 * refused only where both are empty. It never has more than one bucket of its own would give.
 */
export class Buckets {
  readonly #fullAt: Float64Array
  readonly #mask: number
  readonly #nanosPerToken: number
  readonly #depth: number

  /** `places` in a row, a power of two. Each bucket holds what comes in so many seconds. */
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

  /** Takes so much, or what is left of it. */
  take(hash: number, tokens: number, now: number): void {
    this.#takeAt(this.#first(hash), tokens, now)
    this.#takeAt(this.#second(hash), tokens, now)
  }

  /** When the fuller of the two is full. */
  fullAt(hash: number): number {
    return Math.min(this.#fullAt[this.#first(hash)]!, this.#fullAt[this.#second(hash)]!)
  }

  isHalfFull(hash: number, now: number): boolean {
    return this.fullAt(hash) <= now + this.#depth / 2
  }

  #takeAt(place: number, tokens: number, now: number): void {
    const fullAt = Math.max(this.#fullAt[place]!, now) + tokens * this.#nanosPerToken
    // What others have taken from it is no debt.
    this.#fullAt[place] = Math.min(fullAt, now + this.#depth)
  }

  #first(hash: number): number {
    return hash & this.#mask
  }

  #second(hash: number): number {
    return this.#mask + 1 + ((hash >>> 16) & this.#mask)
  }
}

/** Has room for so many in each second. */
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
