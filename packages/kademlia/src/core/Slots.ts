/** Who may be pinged now, who waits, and who is not pinged. No network, no clock. */
import type { Contact } from "../Contact.ts"

export interface Item {
  readonly contact: Contact
}

/** How many may be pinged at once, and may wait for that, each: in all, at one address, and in one public network. */
export const limits = { all: 64, sender: 16, network: 16 }

export class Slots<A extends Item> {
  readonly #busy: Array<A> = []
  readonly #waiting: Array<A> = []

  /** Returns whether it may go now. If not, it waits, unless its address goes or waits already, or too many do. */
  enter(item: A): boolean {
    const isSame = ({ contact }: A) => contact.name === item.contact.name
    if (this.#busy.some(isSame) || this.#waiting.some(isSame)) return false
    if (hasRoom(this.#busy, item)) {
      this.#busy.push(item)
      return true
    }
    if (hasRoom(this.#waiting, item)) this.#waiting.push(item)
    return false
  }

  /** One that went has come back. Returns the one that waited and may go now. */
  leave(item: A): A | undefined {
    this.#busy.splice(this.#busy.indexOf(item), 1)
    const index = this.#waiting.findIndex((waiting) => hasRoom(this.#busy, waiting))
    if (index === -1) return undefined
    const [next] = this.#waiting.splice(index, 1)
    this.#busy.push(next!)
    return next
  }
}

const hasRoom = <A extends Item>(items: ReadonlyArray<A>, { contact: { network, sender } }: A): boolean =>
  items.length < limits.all &&
  items.filter(({ contact }) => contact.sender === sender).length < limits.sender &&
  // In a private network it may be all others.
  (network === "" || items.filter(({ contact }) => contact.network === network).length < limits.network)
