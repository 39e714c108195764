/** What a node answers to those that call it. */
import type { Contact } from "../Contact.ts"
import type { Value } from "../Messages.ts"
import type { Contacts } from "./Contacts.ts"
import type { Id } from "./distance.ts"
import type { Found, Shared } from "./Shared.ts"
import type { Values } from "./Values.ts"

export interface Parts {
  readonly contacts: Contacts
  readonly values: Values
}

export class Serving {
  readonly #shared: Shared
  readonly #parts: Parts

  constructor(shared: Shared, parts: Parts) {
    this.#shared = shared
    this.#parts = parts
  }

  ping(from: Contact): Id {
    this.#parts.contacts.heard(from)
    return this.#shared.self
  }

  store(from: Contact, key: Id, value: Value, then: (taken: boolean) => void): void {
    const { contacts, values } = this.#parts
    contacts.heard(from)
    values.keep(key, value, from, then)
  }

  findNode(from: Contact, target: Id): ReadonlyArray<Contact> {
    const found = this.#neighbours(from, target)
    this.#parts.contacts.heard(from)
    return found
  }

  findValue(from: Contact, key: Id, then: (found: Found) => void): void {
    const { contacts, values } = this.#parts
    values.kept(key, (kept) => {
      const found: Found = kept === undefined
        ? { _tag: "Contacts", contacts: this.#neighbours(from, key) }
        : { _tag: "Value", value: kept.value }
      contacts.heard(from)
      then(found)
    })
  }

  /** Whom a caller is told of: contacts that answered their last call, and not itself. */
  #neighbours(caller: Contact, target: Id): ReadonlyArray<Contact> {
    const { settings: { k }, table } = this.#shared
    return table.closest(target, k, ({ contact, failures }) => failures > 0 || contact.id === caller.id)
  }
}
