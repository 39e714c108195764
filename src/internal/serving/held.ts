/** What waits for a proof of its sender, by a number that the proof brings back. The oldest gives way. No clock, no socket. */

export interface Held {
  /** What keeping it takes. */
  readonly bytes: number
  /** Its sender has proven its address, for this very request. */
  readonly resume: (at: number) => void
}

export class HeldRequests {
  readonly #maxBytes: number
  readonly #slots: Array<Held | undefined>
  // 0 is the number of nothing.
  #first = 1
  #next = 1
  #bytes = 0

  constructor(options: { readonly maxRequests: number; readonly maxBytes: number }) {
    this.#maxBytes = options.maxBytes
    this.#slots = Array.from({ length: options.maxRequests }, () => undefined)
  }

  /** How many bytes are here. */
  get bytes(): number {
    return this.#bytes
  }

  /** Keeps it, and returns its number. */
  add(held: Held): number {
    while (this.#next - this.#first >= this.#slots.length) this.#empty(this.#first++)
    const number = this.#next++
    this.#slots[this.#slotOf(number)] = held
    this.#bytes += held.bytes
    // It may itself be too long to be kept.
    while (this.#bytes > this.#maxBytes) this.#empty(this.#first++)
    return number
  }

  /** What has this number, which is here no longer. Undefined if it had given way, or was taken before. */
  take(number: number): Held | undefined {
    return number >= this.#first && number < this.#next ? this.#empty(number) : undefined
  }

  #empty(number: number): Held | undefined {
    const slot = this.#slotOf(number)
    const held = this.#slots[slot]
    this.#slots[slot] = undefined
    if (held !== undefined) this.#bytes -= held.bytes
    return held
  }

  #slotOf(number: number): number {
    return number % this.#slots.length
  }
}
