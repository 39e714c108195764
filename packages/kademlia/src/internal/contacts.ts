/** Who gets a place in the table and who loses it: a contact shows by a ping that it answers with its id. */
import { Effect } from "effect"
import { NetAddress } from "effect/net"
import type { Contact } from "../Contact.ts"
import { mayName } from "../Contact.ts"
import { Slots } from "../core/Slots.ts"
import type { Id } from "../Id.ts"
import type { NodeContext } from "./context.ts"
import { peerOf } from "./events.ts"

export interface Options {
  /** The address that the node's own socket has. */
  readonly address: NetAddress.InetAddress
  /** What is done for a contact that has got a place by its own answer. */
  readonly onPlaced: (contact: Contact) => Effect.Effect<void>
}

// For how many milliseconds a contact that was asked whether it is there is not asked again, whoever else goes by its id.
const questionPause = 300_000

// A ping that is lost is sent once more.
const tries = 2

// How many addresses a node may have. Whoever answers as this node is not worth a call.
const maxOwn = 16

interface Ping {
  readonly contact: Contact
  readonly onAnswer: (answer: Id | undefined) => Effect.Effect<void>
}

export class Contacts {
  readonly #node: NodeContext
  readonly #onPlaced: Options["onPlaced"]
  readonly #ownAddresses: Set<string>
  readonly #slots = new Slots<Ping>()

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
        if (known.contact.name === contact.name) {
          table.seen(contact, now())
          return Effect.void
        }
        // Somebody else goes by its id, or it has moved: it shall tell itself, if it still can.
        return table.isStale(known) ? this.#replace(known.contact, contact) : this.#question(known.contact)
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
      return this.#removeIfReplaced(contact, table.failed(contact.id))
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

  /** Gives a contact that was named a place, if there is one and it answers with its id. */
  named(contact: Contact): Effect.Effect<void> {
    const { table } = this.#node
    return Effect.suspend(() => {
      const isWanted = table.find(contact.id) === undefined && table.hasRoom(contact.id) && !table.isBarred(contact)
      return isWanted ? this.#admit(contact) : Effect.void
    })
  }

  /** Takes note of an address, `host:port`, that answers with this node's id. */
  isOwn(address: string): void {
    if (this.#ownAddresses.size < maxOwn) this.#ownAddresses.add(address)
  }

  /** Gives a contact a place if it answers at its address with its id. */
  #admit(contact: Contact): Effect.Effect<void> {
    return this.#ping(contact, (answer) => answer === contact.id ? this.place(contact) : Effect.void)
  }

  /** Gives the place of a contact that is not there to one of its id, if that answers with it. */
  #replace(old: Contact, contact: Contact): Effect.Effect<void> {
    const { table } = this.#node
    return this.#ping(contact, (answer) => {
      const entry = table.find(old.id)
      if (answer !== contact.id || entry?.contact !== old || !table.isStale(entry)) return Effect.void
      return Effect.andThen(this.#remove(old, table.evict(old.id)), this.place(contact))
    })
  }

  /** Takes a contact's place away if another id answers at its address. Silence counts as that of any call. */
  #question(contact: Contact): Effect.Effect<void> {
    const { now, table } = this.#node
    return Effect.suspend(() => {
      if (!table.mayQuestion(contact.id, now(), questionPause)) return Effect.void
      return this.#ping(contact, (answer) =>
        Effect.suspend(() => {
          if (answer === undefined) return this.#removeIfReplaced(contact, table.failed(contact.id, tries))
          if (answer !== contact.id) return this.#remove(contact, table.evict(contact.id))
          table.seen(contact, now())
          return Effect.void
        }))
    })
  }

  #removeIfReplaced(contact: Contact, next: Contact | undefined): Effect.Effect<void> {
    return next === undefined ? Effect.void : this.#remove(contact, next)
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

  /** Pings in the background, as far as there are slots. */
  #ping(contact: Contact, onAnswer: Ping["onAnswer"]): Effect.Effect<void> {
    return Effect.suspend(() => {
      const ping = { contact, onAnswer }
      return this.#slots.enter(ping) ? this.#run(ping) : Effect.void
    })
  }

  #run(ping: Ping): Effect.Effect<void> {
    const { client, events, inBackground, self } = this.#node
    const { address, name } = ping.contact
    const lost = Effect.sync(() => events.emit(() => ({ _tag: "CallLost", method: "ping", address: name })))
    const leave = Effect.suspend(() => {
      const next = this.#slots.leave(ping)
      return next === undefined ? Effect.void : this.#run(next)
    })
    return client(address).ping(self).pipe(
      Effect.tapError(() => lost),
      Effect.retry({ times: tries - 1, while: ({ _tag }) => _tag === "NoResponse" }),
      Effect.tap((answer) => Effect.sync(() => answer === self && this.isOwn(name))),
      Effect.orElseSucceed(() => undefined),
      Effect.ensuring(leave),
      Effect.flatMap(ping.onAnswer),
      inBackground,
      Effect.asVoid
    )
  }
}
