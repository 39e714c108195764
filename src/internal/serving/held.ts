/**
 * The requests and answers that wait for a proof, found by a number that the proof carries. A sender that has its share here
 * loses its own oldest for each new one. Where there is no room for all, the oldest of all gives way. So one sender alone
 * can't make those of others give way. No clock, no socket.
 */

export interface Held {
  /** How many bytes it keeps in memory. */
  readonly bytes: number
  /** Its sender has proven its address, for this very request. */
  readonly resume: (at: number) => void
}

interface Waiting extends Held {
  /** A hash of its sender. */
  readonly sender: number
}

/** The share of requests and bytes that one sender may have here. */
const share = 1 / 16

export class HeldRequests {
  readonly #maxRequests: number
  readonly #maxBytes: number
  // The oldest first. The search for a sender's oldest passes over those of others, whose number is bounded.
  readonly #waiting = new Map<number, Waiting>()
  readonly #ofSenders = new Map<number, { requests: number; bytes: number }>()
  // 0 is never given: it is in the challenges that nothing waits for.
  #next = 1
  #bytes = 0

  constructor(options: { readonly maxRequests: number; readonly maxBytes: number }) {
    this.#maxRequests = options.maxRequests
    this.#maxBytes = options.maxBytes
  }

  /** How many bytes are here. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Keeps it, unless it is longer than all that may be here. Returns its number. `sender` is a hash of its sender, which
   * strangers must not be able to compute.
   */
  add({ bytes, resume }: Held, sender: number): number {
    const number = this.#next++
    if (bytes > this.#maxBytes) return number
    while (this.#isOverShare(sender, bytes)) this.#dropOldest(sender)
    while (this.#waiting.size >= this.#maxRequests || this.#bytes + bytes > this.#maxBytes) this.#dropOldest()
    this.#waiting.set(number, { bytes, resume, sender })
    this.#count(sender, 1, bytes)
    return number
  }

  /** Removes what has this number, and returns it. Undefined if it gave way, or was taken before. */
  take(number: number): Held | undefined {
    const held = this.#waiting.get(number)
    if (held === undefined) return undefined
    this.#waiting.delete(number)
    this.#count(held.sender, -1, -held.bytes)
    return held
  }

  /** Whether one more, of so many bytes, would exceed the share of a sender that has something here. */
  #isOverShare(sender: number, bytes: number): boolean {
    const has = this.#ofSenders.get(sender)
    return has !== undefined &&
      (has.requests + 1 > share * this.#maxRequests || has.bytes + bytes > share * this.#maxBytes)
  }

  /** Of this sender, or of all. */
  #dropOldest(sender?: number): void {
    for (const [number, held] of this.#waiting) {
      if (sender !== undefined && held.sender !== sender) continue
      this.take(number)
      return
    }
  }

  #count(sender: number, requests: number, bytes: number): void {
    this.#bytes += bytes
    const has = this.#ofSenders.get(sender) ?? { requests: 0, bytes: 0 }
    has.requests += requests
    has.bytes += bytes
    if (has.requests === 0) this.#ofSenders.delete(sender)
    else this.#ofSenders.set(sender, has)
  }
}
