/**
 * Who has a turn now, who waits for one, and who has to give up waiting: networks in turn, and the senders of each. No network, no
 * clock.
 */
import type { Contact } from "../Contact.ts"
import type { Holder } from "./Shares.ts"
import { Shares } from "./Shares.ts"

export interface Limits {
  /** How many have a turn at once. */
  readonly atOnce: number
  /** How many others wait at most. */
  readonly waiting: number
}

interface Turn extends Holder {
  readonly act: (done: () => void) => void
  readonly onRefused: () => void
}

type Queue = Set<Turn>

export class Turns {
  readonly #limits: Limits
  #busy = 0
  #waiting = 0
  #isGoing = false
  /** What the node itself wants, which nobody else has to make room for. */
  readonly #own: Queue = new Set()
  /** By network and sender, whoever has the next turn first. */
  readonly #queues = new Map<string, Map<string, Queue>>()
  readonly #shares = new Shares()

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** As `take`, before all others, however many wait. */
  takeFirst(act: Turn["act"]): () => void {
    const turn: Turn = { network: "", sender: "", act, onRefused: () => {} }
    this.#own.add(turn)
    this.#goOn()
    return () => this.#own.delete(turn)
  }

  /**
   * Has its turn until it calls `done`, or else is refused: where too many wait, shares are equal, and who has most makes room. Returns
   * what gives up a turn that has not begun.
   */
  take({ network, sender }: Holder, act: Turn["act"], onRefused: () => void): () => void {
    const turn: Turn = { network, sender, act, onRefused }
    if (this.#waiting >= this.#limits.waiting && this.#busy >= this.#limits.atOnce && !this.#makeRoom(turn)) {
      onRefused()
      return () => {}
    }
    this.#add(turn)
    this.#goOn()
    return () => this.#remove(turn)
  }

  #goOn(): void {
    // What is done at once does not call deeper and deeper.
    if (this.#isGoing) return
    this.#isGoing = true
    for (let turn = this.#next(); turn !== undefined; turn = this.#next()) {
      this.#busy++
      turn.act(() => {
        this.#busy--
        this.#goOn()
      })
    }
    this.#isGoing = false
  }

  #next(): Turn | undefined {
    if (this.#busy === this.#limits.atOnce) return undefined
    const own = firstOf(this.#own)
    if (own !== undefined) {
      this.#own.delete(own)
      return own
    }
    const senders = firstOf(this.#queues.values())
    const queue = senders && firstOf(senders.values())
    const turn = queue && firstOf(queue)
    if (turn === undefined) return undefined
    this.#remove(turn)
    // The next is another's.
    if (senders!.delete(turn.sender) && queue!.size > 0) senders!.set(turn.sender, queue!)
    if (this.#queues.delete(turn.network) && senders!.size > 0) this.#queues.set(turn.network, senders!)
    return turn
  }

  /** Of who has most the one is refused that has waited longest: it is the first to be given up in any case. */
  #makeRoom(turn: Turn): boolean {
    const payer = this.#shares.payerFor(turn)
    const refused = payer && firstOf(this.#queues.get(payer.network)!.get(payer.sender)!)
    if (refused === undefined) return false
    this.#remove(refused)
    refused.onRefused()
    return true
  }

  #add(turn: Turn): void {
    const { network, sender } = turn
    let senders = this.#queues.get(network)
    if (senders === undefined) this.#queues.set(network, senders = new Map())
    const queue = senders.get(sender)
    if (queue === undefined) senders.set(sender, new Set([turn]))
    else queue.add(turn)
    this.#shares.add(turn)
    this.#waiting++
  }

  #remove(turn: Turn): void {
    const senders = this.#queues.get(turn.network)
    const queue = senders?.get(turn.sender)
    if (queue?.delete(turn) !== true) return
    if (queue.size === 0) senders!.delete(turn.sender)
    if (senders!.size === 0) this.#queues.delete(turn.network)
    this.#shares.remove(turn)
    this.#waiting--
  }
}

/** Whom limits count a contact for. In a private network, where all may be one's own, each is a network of its own. */
export const holderOf = ({ sender, vicinity }: Contact): Holder => ({ network: vicinity, sender })

const firstOf = <A>(items: Iterable<A>): A | undefined => {
  for (const item of items) return item
  return undefined
}
