/** When a node that knows too few who answer joins again. No network, no clock: times are told, in milliseconds. */

// With so few contacts that answer, or k of them if that is less, a node may be cut off from the others.
const fewContacts = 10

// A network may be that small. A node asks again after this long at the latest.
const longestPause = 300_000

export class Rejoining {
  readonly #few: number
  #pause = 0
  #notBefore = -Infinity

  constructor(k: number) {
    this.#few = Math.min(fewContacts, k)
  }

  /** Returns whether to join now, where so many contacts answer. Then `tried` is told what came of it. */
  isDue(live: number, now: number): boolean {
    if (live < this.#few) return now >= this.#notBefore
    this.#pause = 0
    return false
  }

  /** The longer it brings nobody new, the more seldom it is tried. */
  tried(before: number, after: number, now: number): void {
    this.#pause = after > before ? 0 : Math.min(longestPause, 2 * this.#pause + 60_000)
    this.#notBefore = now + this.#pause
  }
}
