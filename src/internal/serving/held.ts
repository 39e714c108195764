/**
 * What waits for a proof of its sender, by a number that the proof brings back. Where there is no room the oldest gives way,
 * and before it the sender's own if that has more than its share: nobody alone can make another's give way. No clock, no
 * socket.
 */

export interface Held {
  /** What keeping it takes. */
  readonly bytes: number
  /** Its sender has proven its address, for this very request. */
  readonly resume: (at: number) => void
}

interface Waiting extends Held {
  /** A hash of its sender. */
  readonly sender: number
}

/** What one sender may have here. */
const share = 1 / 16

export class HeldRequests {
  readonly #maxRequests: number
  readonly #maxBytes: number
  // The oldest first. To find it, or a sender's own, passes over others: some 10 us, where somebody floods.
  readonly #waiting = new Map<number, Waiting>()
  readonly #ofSenders = new Map<number, { requests: number; bytes: number }>()
  // 0 is the number of nothing.
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
   * Keeps it, unless it is too long to be kept at all, and returns its number. `sender` is a hash of its sender, and such that
   * strangers can't compute it.
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

  /** What has this number, which is here no longer. Undefined if it had given way, or was taken before. */
  take(number: number): Held | undefined {
    const held = this.#waiting.get(number)
    if (held === undefined) return undefined
    this.#waiting.delete(number)
    this.#count(held.sender, -1, -held.bytes)
    return held
  }

  /** Whether a sender that has something here would have too much with so many bytes more. */
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
