/** How many may wait at once, in all and of one sender. No network, no clock. */
import type { Contact } from "../Contact.ts"

/** Each has at most a value of 8 KiB with it. */
export const limits = { all: 2_048, sender: 512 }

export class Places {
  #taken = 0
  readonly #takenBy = new Map<string, number>()

  /** Returns whether it may wait. Then it is to `leave`. */
  enter({ sender }: Contact): boolean {
    const count = this.#takenBy.get(sender) ?? 0
    if (this.#taken >= limits.all || count >= limits.sender) return false
    this.#taken++
    this.#takenBy.set(sender, count + 1)
    return true
  }

  leave({ sender }: Contact): void {
    this.#taken--
    const left = (this.#takenBy.get(sender) ?? 0) - 1
    if (left > 0) this.#takenBy.set(sender, left)
    else this.#takenBy.delete(sender)
  }
}
