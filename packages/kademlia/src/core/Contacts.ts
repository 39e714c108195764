/** Who is heard from, lost and named, by way of `Admission`: has those pinged that it wants, and tells it what came of them. */
import { NetAddress } from "effect/net"
import type { Contact } from "../Contact.ts"
import { mayName, reaches } from "../Contact.ts"
import type { Output, Ping } from "./Admission.ts"
import { Admission } from "./Admission.ts"
import type { Lost, Shared } from "./Shared.ts"

export interface Options {
  /** The address that the node's own socket has. */
  readonly address: NetAddress.InetAddress
  /** A contact has got a place by its own answer. */
  readonly onPlaced: (contact: Contact) => void
}

export class Contacts {
  readonly #shared: Shared
  readonly #address: NetAddress.IpAddress
  readonly #onPlaced: Options["onPlaced"]
  readonly #admission: Admission

  constructor(shared: Shared, { address, onPlaced }: Options) {
    const { self, settings: { questionAfter }, table } = shared
    this.#shared = shared
    this.#address = address.address
    this.#onPlaced = onPlaced
    this.#admission = new Admission({ self, table, address: NetAddress.formatInet(address), questionAfter })
  }

  /** Takes note of a node that called. */
  heard(contact: Contact): void {
    this.#admission.heard(contact, this.#shared.now)
    this.#drain()
  }

  /** Takes note of a node that answered a call. */
  responded(contact: Contact): void {
    this.#admission.responded(contact, this.#shared.now)
    this.#drain()
  }

  /** Asks those contacts of which it is not known, and can be, whether they can be reached. */
  verify(): void {
    this.#admission.verify(this.#shared.now)
    this.#drain()
  }

  /** Pings the contact that answered longest ago, of those that answered their last call. */
  greet(): void {
    const { buckets } = this.#shared.table
    const entries = buckets.flatMap(({ entries }) => entries).filter(({ failures }) => failures === 0)
    if (entries.length === 0) return
    const { contact } = entries.reduce((a, b) => b.answeredAt < a.answeredAt ? b : a)
    this.#shared.ping(contact, (answer) => {
      if (answer._tag === "Lost") this.lost(contact, "ping", answer)
      else if (answer.id === contact.id) this.responded(contact)
    })
  }

  /** Takes note of a call that was not answered. */
  lost(contact: Contact, method: string, { isUnsent }: Lost): void {
    // It says nothing of the contact.
    if (isUnsent) return
    this.#admission.lost(contact, method, this.#shared.now)
    this.#drain()
  }

  /** A contact that has answered with its id gets its place. */
  place(contact: Contact): void {
    this.#admission.place(contact, this.#shared.now)
    this.#drain()
  }

  /** Takes note of a contact that somebody else has named. */
  named(contact: Contact): void {
    this.#admission.named(contact, this.#shared.now)
    this.#drain()
  }

  /** The contacts of a stranger's list that may be called. */
  callable(from: Contact, contacts: ReadonlyArray<Contact>): ReadonlyArray<Contact> {
    return contacts.filter((contact) =>
      reaches(this.#address, contact) && mayName(from, contact) && this.#admission.isOther(contact)
    )
  }

  /** Takes note of an address, `host:port`, that answers with this node's id. */
  isOwn(address: string): void {
    this.#admission.isOwn(address)
  }

  #drain(): void {
    for (let output = this.#admission.poll(); output !== undefined; output = this.#admission.poll()) this.#act(output)
  }

  #act(output: Output): void {
    switch (output._tag) {
      case "Ping":
        return this.#ping(output.ping)
      case "Placed":
        return this.#onPlaced(output.contact)
      case "Event": {
        const { event } = output
        return this.#shared.emit(() => event)
      }
    }
  }

  #ping(ping: Ping): void {
    this.#shared.ping(ping.contact, (answer) => {
      if (answer._tag === "Id") this.#admission.answered(ping, answer.id, this.#shared.now)
      else this.#admission.unanswered(ping, answer, this.#shared.now)
      this.#drain()
    })
  }
}
