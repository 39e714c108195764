/**
 * Who gets a place in the table and who loses it: a contact shows by a ping that it answers with its id. No network, no
 * clock: what is to be done is taken by `poll`, and what came of it is told. Times are in milliseconds.
 */
import type { Contact } from "../Contact.ts"
import type { Event } from "../Event.ts"
import type { Id } from "./distance.ts"
import { holeSpan } from "./Reachability.ts"
import { Recent } from "./Recent.ts"
import type { RoutingTable } from "./RoutingTable.ts"
import { Slots } from "./Slots.ts"

export interface Options {
  readonly self: Id
  readonly table: RoutingTable
  /** The address of the node's own socket, `host:port`. */
  readonly address: string
  /** How long a contact is silent before it is asked whether it is there, as others want its place. */
  readonly questionAfter: number
}

/** A ping that is under way, or waits for its slot. */
export interface Ping {
  readonly contact: Contact
  /** Whether an answer brings a place, or spares one. */
  readonly purpose: "place" | "question"
  /** Whose place it is to have: one of its id that is not there. */
  readonly replaces: Contact | undefined
  /** Whether it has shown already that it can be reached. */
  readonly isReachable: boolean
}

/** What is to be done. */
export type Output =
  /** It is pinged, and then `answered` or `unanswered` is told. */
  | { readonly _tag: "Ping"; readonly ping: Ping }
  /** By its own answer it has got a place. */
  | { readonly _tag: "Placed"; readonly contact: Contact }
  | { readonly _tag: "Event"; readonly event: Event }

// For how long a contact that was asked whether it is there is not asked again, whoever else goes by its id.
const questionPause = 300_000

// A ping that is lost is sent once more.
const tries = 2

// How many addresses are remembered, from where something came and that want no place.
const maxRecent = 4_096

// How many addresses a node may have. Whoever answers as this node is not worth a call.
const maxOwn = 16

export class Admission {
  readonly #options: Options
  readonly #ownAddresses: Set<string>
  readonly #slots = new Slots<Ping>()
  /** How often a ping has been silent. */
  readonly #silent = new Map<Ping, number>()
  readonly #outputs: Array<Output> = []
  /** From where something came lately, for which a NAT may let in an answer. */
  readonly #heard = new Recent(holeSpan, maxRecent)
  /** Who wants no place, and would be pinged in vain whenever it calls. */
  readonly #refusing = new Recent(holeSpan, maxRecent)

  constructor(options: Options) {
    this.#options = options
    this.#ownAddresses = new Set([options.address])
  }

  /** What is to be done next, if anything. */
  poll(): Output | undefined {
    return this.#outputs.shift()
  }

  /** Takes note of a node that called. Its id is its own word, or somebody's, until a ping tells. */
  heard(contact: Contact, now: number): void {
    this.#heard.note(contact.name, now)
    this.#met(contact, "call", now)
  }

  /** Takes note of a node that answered a call, which was for this id. */
  responded(contact: Contact, now: number): void {
    this.#met(contact, this.#kindOfAnswer(contact, now), now)
  }

  #met(contact: Contact, by: "call" | "answer" | "proof", now: number): void {
    const { questionAfter, self, table } = this.#options
    if (contact.id === self) return
    const known = table.find(contact.id)
    if (known !== undefined) {
      if (known.contact.name === contact.name) {
        table.seen(contact, now, by)
        // It calls, and did not answer: a NAT may let its calls out, and none in.
        if (known.failures > 0 && !this.#refusing.has(contact.name, now)) this.#question(contact, now)
        return
      }
      // Somebody else goes by its id, or it has moved: it shall tell itself, if it still can.
      if (table.isStale(known)) this.#ask(contact, by === "proof", now, known.contact)
      else this.#question(known.contact, now)
      return
    }
    const holder = table.holderOf(contact.name)
    if (holder !== undefined) return this.#question(holder.contact, now)
    if (table.isBarred(contact)) return
    if (table.hasRoom(contact.id)) return this.#ask(contact, by === "proof", now)
    table.seen(contact, now)
    const other = table.questionable(contact.id, now, questionAfter)
    if (other !== undefined) this.#question(other, now)
  }

  /** Takes note of a call that was not answered. */
  lost(contact: Contact, method: string, now: number): void {
    this.#callLost(contact, method)
    this.#failed(contact, 1, now)
  }

  /** Takes note of a contact that somebody else has named: it gets a place, if there is one and it answers with its id. */
  named(contact: Contact, now: number): void {
    const { table } = this.#options
    const isWanted = table.find(contact.id) === undefined && table.hasRoom(contact.id) && !table.isBarred(contact)
    if (isWanted) this.#ask(contact, false, now)
  }

  /** A contact that has answered with its id gets its place, and what it is to keep. */
  place(contact: Contact, now: number): void {
    this.#place(contact, this.#kindOfAnswer(contact, now), now)
  }

  /** Asks those contacts that were not heard from for so long that their answers show whether they can be reached. */
  verify(now: number): void {
    const { table } = this.#options
    for (const { entries } of table.buckets) {
      for (const entry of entries) {
        const isDue = !entry.isReachable && !table.isStale(entry) && entry.answeredAt <= now - holeSpan
        if (isDue) this.#question(entry.contact, now)
      }
    }
  }

  #place(contact: Contact, by: "answer" | "proof", now: number): void {
    if (this.#options.table.seen(contact, now, by) !== "added") return
    this.#emit({ _tag: "ContactAdded", ...peerOf(contact) })
    this.#outputs.push({ _tag: "Placed", contact })
  }

  /** A ping was answered with this id. */
  answered(ping: Ping, id: Id, now: number): void {
    const { contact, isReachable, purpose, replaces } = ping
    const { self, table } = this.#options
    const by = this.#kindOfAnswer(contact, now)
    if (id === self) this.isOwn(contact.name)
    this.#leave(ping)
    if (purpose === "question") {
      // Another id answers at its address.
      if (id === contact.id) return void table.seen(contact, now, by)
      this.#remove(contact)
      this.#askWaiting(contact, now)
    } else if (id === contact.id) {
      if (replaces !== undefined && this.#yields(replaces)) this.#remove(replaces)
      this.#place(contact, isReachable ? "proof" : by, now)
    }
  }

  /** A ping was not answered in time, or else with what is no answer: then it is not sent again. */
  unanswered(ping: Ping, { isSilent }: { readonly isSilent: boolean }, now: number): void {
    const { contact, purpose } = ping
    this.#callLost(contact, "ping")
    const silent = (this.#silent.get(ping) ?? 0) + 1
    if (isSilent && silent < tries) {
      this.#silent.set(ping, silent)
      this.#outputs.push({ _tag: "Ping", ping })
      return
    }
    this.#leave(ping)
    if (!isSilent) this.#refusing.note(contact.name, now)
    // Silence counts as that of any call.
    if (purpose === "question") this.#failed(contact, tries, now)
  }

  /** Whether a contact that somebody named may be another node. */
  isOther({ id, name }: Contact): boolean {
    return id !== this.#options.self && !this.#ownAddresses.has(name)
  }

  /** Takes note of an address, `host:port`, that answers with this node's id. */
  isOwn(address: string): void {
    if (this.#ownAddresses.size < maxOwn) this.#ownAddresses.add(address)
  }

  /** What an answer shows: if something had come from there lately, it may be no more than that a NAT let in its caller. */
  #kindOfAnswer({ name }: Contact, now: number): "answer" | "proof" {
    const by = this.#heard.has(name, now) ? "answer" : "proof"
    this.#heard.note(name, now)
    return by
  }

  /** Whether a contact is still in the table, and silent. */
  #yields(contact: Contact): boolean {
    const { table } = this.#options
    const entry = table.find(contact.id)
    return entry?.contact === contact && table.isStale(entry)
  }

  /** Asks a contact whether it is still there, unless it was asked lately. */
  #question(contact: Contact, now: number): void {
    if (this.#options.table.mayQuestion(contact.id, now, questionPause)) {
      this.#ping({ contact, purpose: "question", replaces: undefined, isReachable: false })
    }
  }

  #failed(contact: Contact, calls: number, now: number): void {
    if (this.#options.table.failed(contact, calls)) this.#askWaiting(contact, now)
  }

  #remove(contact: Contact): void {
    this.#options.table.evict(contact.id)
    this.#emit({ _tag: "ContactRemoved", ...peerOf(contact) })
  }

  /** One that waits may have the place of a contact, once it has shown that it is there: whoever calls may wait, under any name. */
  #askWaiting(contact: Contact, now: number): void {
    const next = this.#options.table.takeWaiting(contact.id)
    if (next !== undefined) this.#ask(next, false, now, contact)
  }

  /** Asks for its id one that may have a place, unless it did not answer lately. */
  #ask(
    contact: Contact,
    isReachable: boolean,
    now: number,
    replaces = this.#options.table.replaceable(contact.id)
  ): void {
    if (this.#refusing.has(contact.name, now)) return
    this.#ping({ contact, purpose: "place", replaces, isReachable })
  }

  /** Pings as far as there are slots. */
  #ping(ping: Ping): void {
    if (this.#slots.enter(ping)) this.#outputs.push({ _tag: "Ping", ping })
  }

  /** The ping is over: one that waited has its slot. */
  #leave(ping: Ping): void {
    this.#silent.delete(ping)
    const next = this.#slots.leave(ping)
    if (next !== undefined) this.#outputs.push({ _tag: "Ping", ping: next })
  }

  #callLost(contact: Contact, method: string): void {
    this.#emit({ _tag: "CallLost", method, address: contact.name })
  }

  #emit(event: Event): void {
    this.#outputs.push({ _tag: "Event", event })
  }
}

const peerOf = (contact: Contact) => ({ id: contact.id, address: contact.name })
