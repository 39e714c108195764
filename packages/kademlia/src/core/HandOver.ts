/** What newcomers are handed: the pairs that they are to keep, by the node that is closest to those. */
import type { Contact } from "../Contact.ts"
import type { Value } from "../Messages.ts"
import type { Entry } from "../Storage.ts"
import type { Id } from "./distance.ts"
import { isCloser, sharedBits } from "./distance.ts"
import type { Holdings } from "./Holdings.ts"
import { inTurn } from "./inTurn.ts"
import type { Shared } from "./Shared.ts"
import { holderOf, Turns } from "./Turns.ts"

export interface Parts {
  readonly holdings: Holdings
  readonly kept: (key: Id, then: (kept: Entry | undefined) => void) => void
  readonly storeAt: (contact: Contact, key: Id, value: Value, then: (taken: boolean | undefined) => void) => void
}

// One newcomer after the other is handed what it is to keep, and so many others wait.
const limits = { atOnce: 1, waiting: 31 }

// How many pairs one is handed, for how many milliseconds, and after how many in a row that it did not take it is handed no
// more. Others wait. What it is not handed it is sent when that is stored again.
const maxHanded = 1_000

const maxMillis = 60_000

const maxSilent = 3

// How many milliseconds each pair takes at least. Whoever changes its id is a newcomer again and again: at 8 KiB a pair that costs
// 160 KiB a second.
const leastMillis = 50

// How many keys are looked at in one go, in a millisecond or two, and for how many milliseconds others have their turn then.
const lookedAtOnce = 256

const pause = 10

export class HandOver {
  readonly #shared: Shared
  readonly #parts: Parts
  readonly #turns = new Turns(limits)
  #endLoading = () => {}

  constructor(shared: Shared, parts: Parts) {
    this.#shared = shared
    this.#parts = parts
    // Newcomers would be handed what is known by then alone.
    this.#turns.takeFirst((done) => this.#endLoading = done)
  }

  /** All that is kept from before is known. */
  start(): void {
    this.#endLoading()
  }

  /**
   * Hands the pairs to a new contact that it is to keep, if no other node is closer to them than this (section 2.5). To
   * one contact after the other, and to none that does not answer.
   */
  to(contact: Contact): void {
    if (!this.#mayBeKeeper(contact)) return
    this.#turns.take(holderOf(contact), (done) => this.#handAll(contact, done), () => {})
  }

  #handAll(contact: Contact, then: () => void): void {
    const endsAt = this.#shared.now + maxMillis
    let handed = 0
    let silent = 0
    const isOver = () => handed === maxHanded || silent === maxSilent || this.#shared.now >= endsAt
    const hand = (key: Id, done: () => void) =>
      this.#parts.kept(key, (kept) => {
        if (kept === undefined) return done()
        handed++
        const nextAt = this.#shared.now + leastMillis
        this.#parts.storeAt(contact, key, kept.value, (taken) => {
          silent = taken === true ? 0 : silent + 1
          const left = nextAt - this.#shared.now
          if (left > 0) this.#shared.sleep(left, done)
          else done()
        })
      })
    const keys = [...this.#parts.holdings.keys()]
    inTurn(until(isOver, starts(keys.length)), (start, done) => {
      const handPiece = () =>
        inTurn(until(isOver, this.#keysFor(contact, keys.slice(start, start + lookedAtOnce))), hand, done)
      if (start === 0) handPiece()
      else this.#shared.sleep(pause, handPiece)
    }, then)
  }

  /** Which of these keys a contact is to be handed. */
  #keysFor(contact: Contact, keys: ReadonlyArray<Id>): ReadonlyArray<Id> {
    const { self, settings, table } = this.#shared
    const others = table.sharing(contact)
    return keys.filter((key) => {
      // Whoever shares as many bits with this node as the key does is closer to it.
      if ((others.get(sharedBits(self, key)) ?? 0) > 0) return false
      const closest = table.closest(key, settings.k)
      if (!closest.includes(contact)) return false
      const rival = closest.find((other) => other !== contact)
      return rival === undefined || isCloser(key, self, rival.id)
    })
  }

  /**
   * Whether there can be a key that this node hands to the contact. This node must be closer to the key than all others are,
   * and the contact among the k closest. Say that the key shares `n` bits with this node. Then no other node shares exactly `n`
   * bits with it, as that one would be closer to the key. And if the contact shares fewer than `n`, then less than k others
   * share more than the contact does.
   */
  #mayBeKeeper(contact: Contact): boolean {
    const { self, settings: { k }, table } = this.#shared
    const shared = sharedBits(self, contact.id)
    let nearer = 0
    let others = 0
    table.sharing(contact).forEach((count, bits) => {
      if (bits > shared) nearer += count
      else if (count > 0) others++
    })
    return nearer < k || others <= shared
  }
}

/** Where each piece of so many keys begins. */
const starts = function*(count: number): Iterable<number> {
  for (let start = 0; start < count; start += lookedAtOnce) yield start
}

/** Those that are wanted until it is over. */
const until = function*<A>(isOver: () => boolean, items: Iterable<A>): Iterable<A> {
  for (const item of items) {
    if (isOver()) return
    yield item
  }
}
