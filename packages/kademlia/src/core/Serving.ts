/** What a node answers to those that call it. */
import type { Contact } from "../Contact.ts"
import { mayCall } from "../Contact.ts"
import type { Value } from "../Messages.ts"
import type { Entry } from "../Storage.ts"
import type { Contacts } from "./Contacts.ts"
import type { Id } from "./distance.ts"
import type { Found, Shared } from "./Shared.ts"
import { holderOf, Turns } from "./Turns.ts"
import type { Values } from "./Values.ts"

export interface Parts {
  readonly contacts: Contacts
  readonly values: Values
}

/** How many pairs are read at once for those that look for them, and how many others wait. */
export const readingLimits = { atOnce: 128, waiting: 2_048 }

export class Serving {
  readonly #shared: Shared
  readonly #parts: Parts
  /** The storage may be slow. Whoever looks for a pair does not wait for those that store some. */
  readonly #reading = new Turns(readingLimits)

  constructor(shared: Shared, parts: Parts) {
    this.#shared = shared
    this.#parts = parts
  }

  /** Nothing if this node wants no place: nobody could call it. */
  ping(from: Contact): Id | undefined {
    this.#heard(from, true)
    const { reachability, self } = this.#shared
    return reachability.verdict === "unreachable" ? undefined : self
  }

  /** Returns what gives it up, if it has not begun, for whoever no longer waits. */
  store(from: Contact, key: Id, value: Value, then: (taken: boolean) => void): () => void {
    const { reachability } = this.#shared
    this.#heard(from)
    if (reachability.verdict !== "unreachable") return this.#parts.values.keep(key, value, from, then)
    then(false)
    return () => {}
  }

  findNode(from: Contact, target: Id): ReadonlyArray<Contact> {
    const found = this.#neighbours(from, target)
    this.#heard(from)
    return found
  }

  /** As `store` does. Where too many wait, contacts are told. */
  findValue(from: Contact, key: Id, then: (found: Found) => void): () => void {
    const answer = (kept: Entry | undefined) => {
      const found: Found = kept === undefined
        ? { _tag: "Contacts", contacts: this.#neighbours(from, key) }
        : { _tag: "Value", value: kept.value }
      this.#heard(from)
      then(found)
    }
    return this.#reading.take(holderOf(from), (done) =>
      this.#parts.values.kept(key, (kept) => {
        done()
        answer(kept)
      }), () => answer(undefined))
  }

  #heard(from: Contact, isPing = false): void {
    const { now, reachability } = this.#shared
    this.#shared.sentAt = now
    reachability.called(from.vicinity, isPing, now)
    this.#parts.contacts.heard(from)
  }

  /** Whom a caller is told of: not itself, and others only where there are not enough that it can call from where it is. */
  #neighbours(caller: Contact, target: Id): ReadonlyArray<Contact> {
    const { settings: { k }, table } = this.#shared
    const first = table.callable(target, k, (contact) => contact.id === caller.id || !mayCall(caller, contact))
    const left = k - first.length
    if (left === 0) return first
    return [
      ...first,
      ...table.callable(target, left, (contact) => contact.id === caller.id || mayCall(caller, contact))
    ]
  }
}
