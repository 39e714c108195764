/** What newcomers are handed: the pairs that they are to keep, by the node that is closest to those. */
import type { Contact } from "../Contact.ts"
import type { Value } from "../Messages.ts"
import type { Entry } from "../Storage.ts"
import type { Id } from "./distance.ts"
import { isCloser, sharedBits } from "./distance.ts"
import type { Holdings } from "./Holdings.ts"
import { inTurn, Turns } from "./inTurn.ts"
import type { Shared } from "./Shared.ts"

export interface Parts {
  readonly holdings: Holdings
  readonly kept: (key: Id, then: (kept: Entry | undefined) => void) => void
  readonly storeAt: (contact: Contact, key: Id, value: Value, then: (taken: boolean | undefined) => void) => void
}

// How many newcomers wait to be handed what they are to keep, how many pairs one is handed, and after how many in a row
// that it did not take it is handed no more.
const maxWaiting = 32

const maxHanded = 1_000

const maxSilent = 3

export class HandOver {
  readonly #shared: Shared
  readonly #parts: Parts
  readonly #turns = new Turns()
  #endLoading = () => {}
  /** How many newcomers are to be handed something. */
  #waiting = 0

  constructor(shared: Shared, parts: Parts) {
    this.#shared = shared
    this.#parts = parts
    // Newcomers would be handed what is known by then alone.
    this.#turns.take((done) => this.#endLoading = done)
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
    if (this.#waiting >= maxWaiting || !this.#mayBeKeeper(contact)) return
    this.#waiting++
    this.#turns.take((done) =>
      this.#handAll(contact, () => {
        this.#waiting--
        done()
      })
    )
  }

  #handAll(contact: Contact, then: () => void): void {
    let silent = 0
    const keys = this.#keysFor(contact)
    const whileAnswered = function*() {
      for (const key of keys) {
        if (silent === maxSilent) return
        yield key
      }
    }
    inTurn(whileAnswered(), (key, done) => {
      this.#parts.kept(key, (kept) => {
        if (kept === undefined) return done()
        this.#parts.storeAt(contact, key, kept.value, (taken) => {
          silent = taken === true ? 0 : silent + 1
          done()
        })
      })
    }, then)
  }

  /** The keys that a contact is to be handed, as far as they are not too many. */
  #keysFor(contact: Contact): ReadonlyArray<Id> {
    const { self, settings, table } = this.#shared
    const shared = this.#sharedWith(contact)
    const keys: Array<Id> = []
    for (const key of this.#parts.holdings.keys()) {
      // Whoever shares as many bits with this node as the key does is closer to it.
      if (shared.has(sharedBits(self, key))) continue
      const closest = table.closest(key, settings.k)
      if (!closest.includes(contact)) continue
      const rival = closest.find((other) => other !== contact)
      if (rival === undefined || isCloser(key, self, rival.id)) keys.push(key)
      if (keys.length === maxHanded) break
    }
    return keys
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
    const below = new Set<number>()
    let nearer = 0
    for (const { entries } of table.buckets) {
      for (const { contact: { id } } of entries) {
        if (id === contact.id) continue
        const bits = sharedBits(self, id)
        if (bits > shared) nearer++
        else below.add(bits)
      }
    }
    return nearer < k || below.size <= shared
  }

  /** How many bits this node shares with each of its contacts but one. */
  #sharedWith(but: Contact): ReadonlySet<number> {
    const { self, table } = this.#shared
    return new Set(table.contacts.filter(({ id }) => id !== but.id).map(({ id }) => sharedBits(self, id)))
  }
}
