/**
 * The requests and answers that wait for a proof, found by the number that the proof carries. A sender that has its share here
 * loses its own oldest for each new one. Where there is no room for all, the oldest of all gives way. So one sender alone
 * can't make those of others give way. No clock, no socket.
 */

export interface Held {
  /** A request or an answer. What is kept of it is a copy: it may be a view of a buffer that holds many others. */
  readonly bytes: Uint8Array
  /** Called with that copy when its sender has proven its address, for this very request. Must not refer to `bytes` itself. */
  readonly resume: (copy: Uint8Array, at: number) => void
}

interface Waiting extends Held {
  /** A hash of its sender. */
  readonly sender: number
}

/** What one sender has here. */
interface Share {
  /** The oldest first. */
  readonly numbers: Set<number>
  bytes: number
}

/** The share of requests and bytes that one sender may have here. */
const share = 1 / 16

export class HeldRequests {
  readonly #maxRequests: number
  readonly #maxBytes: number
  // The oldest first.
  readonly #waiting = new Map<number, Waiting>()
  readonly #ofSenders = new Map<number, Share>()
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
   * Keeps it under a number that nothing here has, unless it is longer than all that may be here. `sender` is a hash of its
   * sender, which strangers must not be able to compute.
   */
  add(number: number, { bytes, resume }: Held, sender: number): void {
    const { length } = bytes
    if (length > this.#maxBytes) return
    while (this.#isOverShare(sender, length)) this.#dropOldest(this.#ofSenders.get(sender)!.numbers)
    while (this.#waiting.size >= this.#maxRequests || this.#bytes + length > this.#maxBytes) {
      this.#dropOldest(this.#waiting)
    }
    this.#waiting.set(number, { bytes: new Uint8Array(bytes), resume, sender })
    const has = this.#ofSenders.get(sender) ?? { numbers: new Set(), bytes: 0 }
    this.#ofSenders.set(sender, has)
    has.numbers.add(number)
    this.#count(has, length)
  }

  /** Removes what has this number, and returns it. Undefined if it gave way, or was taken before. */
  take(number: number): Held | undefined {
    const held = this.#waiting.get(number)
    if (held === undefined) return undefined
    this.#waiting.delete(number)
    const has = this.#ofSenders.get(held.sender)!
    has.numbers.delete(number)
    if (has.numbers.size === 0) this.#ofSenders.delete(held.sender)
    this.#count(has, -held.bytes.length)
    return held
  }

  /** Whether one more, of so many bytes, would exceed the share of a sender that has something here. */
  #isOverShare(sender: number, bytes: number): boolean {
    const has = this.#ofSenders.get(sender)
    return has !== undefined &&
      (has.numbers.size + 1 > share * this.#maxRequests || has.bytes + bytes > share * this.#maxBytes)
  }

  /** Of those that have these numbers. */
  #dropOldest(numbers: Pick<Set<number>, "keys">): void {
    this.take(numbers.keys().next().value!)
  }

  #count(has: Share, bytes: number): void {
    this.#bytes += bytes
    has.bytes += bytes
  }
}
