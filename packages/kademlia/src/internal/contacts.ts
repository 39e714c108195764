/** Who gets a place in the table and who loses it: a contact shows by a ping that it answers with its id. */
import { Effect } from "effect"
import { NetAddress } from "effect/net"
import type { Contact } from "../Contact.ts"
import { mayName } from "../Contact.ts"
import type { Id } from "../Id.ts"
import type { NodeContext } from "./context.ts"
import { peerOf } from "./events.ts"

export interface Options {
  /** The address that the node's own socket has. */
  readonly address: NetAddress.InetAddress
  /** What is done for a contact that has got a place by its own answer. */
  readonly onPlaced: (contact: Contact) => Effect.Effect<void>
}

// Pings that are under way to contacts which want a place: what strangers can make a node do has a bound.
const maxPings = 64

export class Contacts {
  readonly #node: NodeContext
  readonly #onPlaced: Options["onPlaced"]
  readonly #ownAddresses: Set<string>
  readonly #pinging = new Set<string>()

  constructor(node: NodeContext, { address, onPlaced }: Options) {
    this.#node = node
    this.#onPlaced = onPlaced
    this.#ownAddresses = new Set([NetAddress.formatInet(address)])
  }

  /** Takes note of a node that called, or answered a call. Its id is its own word, or somebody's, until a ping tells. */
  heard(contact: Contact): Effect.Effect<void> {
    const { now, self, settings, table } = this.#node
    return Effect.suspend(() => {
      if (contact.id === self) return Effect.void
      const known = table.find(contact.id)
      if (known !== undefined) {
        if (known.contact.name === contact.name) table.seen(contact, now())
        // Somebody else goes by its id, or it has moved: it shall tell itself.
        else return this.#question(known.contact)
        return Effect.void
      }
      const holder = table.holderOf(contact.name)
      if (holder !== undefined) return this.#question(holder.contact)
      if (table.isBarred(contact)) return Effect.void
      if (table.hasRoom(contact.id)) return this.#admit(contact)
      table.seen(contact, now())
      const other = table.questionable(contact.id, now(), settings.questionAfter)
      return other === undefined ? Effect.void : this.#question(other)
    })
  }

  /** Takes note of a call that was not answered. */
  lost(contact: Contact, method: string): Effect.Effect<void> {
    const { events, table } = this.#node
    return Effect.suspend(() => {
      events.emit(() => ({ _tag: "CallLost", method, address: contact.name }))
      const next = table.failed(contact.id)
      return next === undefined ? Effect.void : this.#remove(contact, next)
    })
  }

  /** A contact that has answered with its id gets its place, and what it is to keep. */
  place(contact: Contact): Effect.Effect<void> {
    const { events, now, table } = this.#node
    return Effect.suspend(() => {
      if (table.seen(contact, now()) !== "added") return Effect.void
      events.emit(() => ({ _tag: "ContactAdded", ...peerOf(contact) }))
      return this.#onPlaced(contact)
    })
  }

  /** The contacts of a stranger's list that may be called. */
  callable(from: Contact, contacts: ReadonlyArray<Contact>): ReadonlyArray<Contact> {
    const { self } = this.#node
    return contacts.filter((contact) =>
      contact.id !== self && mayName(from, contact) &&
      !this.#ownAddresses.has(contact.name)
    )
  }

  /** Takes note of an address, `host:port`, at which others see this node. */
  seenAt(address: string): void {
    this.#ownAddresses.add(address)
  }

  /** Gives a contact a place if it answers at its address with its id. */
  #admit(contact: Contact): Effect.Effect<void> {
    return this.#ping(contact, (answer) => answer === contact.id ? this.place(contact) : Effect.void)
  }

  /** Takes a contact's place away unless it answers with its id. */
  #question(contact: Contact): Effect.Effect<void> {
    const { now, table } = this.#node
    return this.#ping(contact, (answer) =>
      Effect.suspend(() => {
        if (answer !== contact.id) return this.#remove(contact, table.evict(contact.id))
        table.seen(contact, now())
        return Effect.void
      }))
  }

  /** One that waited takes the place, and has to show that it is there. */
  #remove(contact: Contact, next: Contact | undefined): Effect.Effect<void> {
    const { events } = this.#node
    return Effect.suspend(() => {
      events.emit(() => ({ _tag: "ContactRemoved", ...peerOf(contact) }))
      if (next === undefined) return Effect.void
      events.emit(() => ({ _tag: "ContactAdded", ...peerOf(next) }))
      return this.#question(next)
    })
  }

  /** Pings in the background, each address once at a time, and once more if the first is lost. */
  #ping(contact: Contact, then: (answer: Id | undefined) => Effect.Effect<void>): Effect.Effect<void> {
    const { client, events, inBackground, self } = this.#node
    const address = contact.name
    return Effect.suspend(() => {
      if (this.#pinging.has(address) || this.#pinging.size >= maxPings) return Effect.void
      this.#pinging.add(address)
      const lost = Effect.sync(() => events.emit(() => ({ _tag: "CallLost", method: "ping", address })))
      return client(contact.address).ping(self).pipe(
        Effect.tapError(() => lost),
        Effect.retry({ times: 1, while: ({ _tag }) => _tag === "NoResponse" }),
        Effect.orElseSucceed(() => undefined),
        Effect.ensuring(Effect.sync(() => this.#pinging.delete(address))),
        Effect.flatMap(then),
        inBackground,
        Effect.asVoid
      )
    })
  }
}
