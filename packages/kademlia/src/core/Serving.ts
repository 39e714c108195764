/** What a node answers to those that call it. */
import type { Contact } from "../Contact.ts"
import type { Value } from "../Messages.ts"
import type { Entry } from "../Storage.ts"
import type { Contacts } from "./Contacts.ts"
import type { Id } from "./distance.ts"
import { Places } from "./Places.ts"
import type { Found, Shared } from "./Shared.ts"
import type { Values } from "./Values.ts"

export interface Parts {
  readonly contacts: Contacts
  readonly values: Values
}

export class Serving {
  readonly #shared: Shared
  readonly #parts: Parts
  /** Of those that wait for the storage, which may be slow. */
  readonly #places = new Places()

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

  /** Returns what gives it up, for whoever no longer waits. */
  store(from: Contact, key: Id, value: Value, then: (taken: boolean) => void): () => void {
    const { reachability } = this.#shared
    this.#heard(from)
    if (reachability.verdict === "unreachable" || !this.#places.enter(from)) {
      then(false)
      return () => {}
    }
    const leave = () => this.#places.leave(from)
    const giveUp = this.#parts.values.keep(key, value, from, (taken) => {
      leave()
      then(taken)
    })
    return () => giveUp() && leave()
  }

  findNode(from: Contact, target: Id): ReadonlyArray<Contact> {
    const found = this.#neighbours(from, target)
    this.#heard(from)
    return found
  }

  findValue(from: Contact, key: Id, then: (found: Found) => void): void {
    const answer = (kept: Entry | undefined) => {
      const found: Found = kept === undefined
        ? { _tag: "Contacts", contacts: this.#neighbours(from, key) }
        : { _tag: "Value", value: kept.value }
      this.#heard(from)
      then(found)
    }
    if (!this.#places.enter(from)) return answer(undefined)
    this.#parts.values.kept(key, (kept) => {
      this.#places.leave(from)
      answer(kept)
    })
  }

  #heard(from: Contact, isPing = false): void {
    const { now, reachability } = this.#shared
    this.#shared.sentAt = now
    reachability.called(from.vicinity, isPing, now)
    this.#parts.contacts.heard(from)
  }

  /** Whom a caller is told of: not itself. */
  #neighbours(caller: Contact, target: Id): ReadonlyArray<Contact> {
    const { settings: { k }, table } = this.#shared
    return table.callable(target, k, caller)
  }
}
