/** Carries out who gets a place in the table: sends the pings that `Admission` wants, and tells it what came of them. */
import { Effect } from "effect"
import { NetAddress } from "effect/net"
import type { Contact } from "../Contact.ts"
import { mayName } from "../Contact.ts"
import type { Output, Ping } from "./Admission.ts"
import { Admission } from "./Admission.ts"
import type { NodeContext } from "../internal/context.ts"

export interface Options {
  /** The address that the node's own socket has. */
  readonly address: NetAddress.InetAddress
  /** What is done for a contact that has got a place by its own answer. */
  readonly onPlaced: (contact: Contact) => Effect.Effect<void>
}

export class Contacts {
  readonly #node: NodeContext
  readonly #onPlaced: Options["onPlaced"]
  readonly #admission: Admission

  constructor(node: NodeContext, { address, onPlaced }: Options) {
    const { self, settings: { questionAfter }, table } = node
    this.#node = node
    this.#onPlaced = onPlaced
    this.#admission = new Admission({ self, table, address: NetAddress.formatInet(address), questionAfter })
  }

  /** Takes note of a node that called, or answered a call. */
  heard(contact: Contact): Effect.Effect<void> {
    return this.#tell((now) => this.#admission.heard(contact, now))
  }

  /** Takes note of a call that was not answered. */
  lost(contact: Contact, method: string): Effect.Effect<void> {
    return this.#tell((now) => this.#admission.lost(contact, method, now))
  }

  /** A contact that has answered with its id gets its place. */
  place(contact: Contact): Effect.Effect<void> {
    return this.#tell((now) => this.#admission.place(contact, now))
  }

  /** Takes note of a contact that somebody else has named. */
  named(contact: Contact): Effect.Effect<void> {
    return this.#tell(() => this.#admission.named(contact))
  }

  /** The contacts of a stranger's list that may be called. */
  callable(from: Contact, contacts: ReadonlyArray<Contact>): ReadonlyArray<Contact> {
    return contacts.filter((contact) => mayName(from, contact) && this.#admission.isOther(contact))
  }

  /** Takes note of an address, `host:port`, that answers with this node's id. */
  isOwn(address: string): void {
    this.#admission.isOwn(address)
  }

  #tell(input: (now: number) => void): Effect.Effect<void> {
    return Effect.suspend(() => {
      input(this.#node.now())
      return this.#drain()
    })
  }

  #drain(): Effect.Effect<void> {
    const output = this.#admission.poll()
    if (output === undefined) return Effect.void
    return Effect.andThen(this.#act(output), Effect.suspend(() => this.#drain()))
  }

  #act(output: Output): Effect.Effect<void> {
    switch (output._tag) {
      case "Ping":
        return this.#ping(output.ping)
      case "Placed":
        return this.#onPlaced(output.contact)
      case "Event":
        return Effect.sync(() => this.#node.events.emit(() => output.event))
    }
  }

  #ping(ping: Ping): Effect.Effect<void> {
    const { client, inBackground, self } = this.#node
    return client(ping.contact.address).ping(self).pipe(
      Effect.matchEffect({
        onSuccess: (id) => this.#tell((now) => this.#admission.answered(ping, id, now)),
        onFailure: ({ _tag }) =>
          this.#tell((now) => this.#admission.unanswered(ping, { isSilent: _tag === "NoResponse" }, now))
      }),
      inBackground,
      Effect.asVoid
    )
  }
}
