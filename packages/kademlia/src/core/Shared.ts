/**
 * What the parts of a node's core share: who it is, whom it knows, what time it is, and what they want done. Decides nothing.
 * Times are in milliseconds.
 */
import type { NetAddress } from "effect/net"
import type { Contact } from "../Contact.ts"
import type { Event } from "../Event.ts"
import type { Value } from "../Messages.ts"
import type { Entry } from "../Storage.ts"
import type { Id } from "./distance.ts"
import { Reachability } from "./Reachability.ts"
import type { RoutingTable } from "./RoutingTable.ts"

/** The options of a node that its parts go by. */
export interface Settings {
  readonly k: number
  readonly alpha: number
  readonly questionAfter: number
  readonly refreshAfter: number
  readonly republishAfter: number
  readonly publishAfter: number
  readonly expireAfter: number
  /** How often the node looks what is due. */
  readonly every: number
  /** After how long without a datagram one is sent; not at all where this is infinite. */
  readonly keepAlive: number
}

/** Tells the core what came of what it wanted, and when. */
export type Told<A> = (outcome: A, now: number) => void

/** A call was not answered in time (`isSilent`), or else with what is no answer. */
export interface Lost {
  readonly _tag: "Lost"
  readonly isSilent: boolean
  /** It has not left this node. */
  readonly isUnsent: boolean
}

/** What is to be done. Whatever asks for something says whom to tell of it, once. */
export type Output =
  | {
    readonly _tag: "Ping"
    readonly address: NetAddress.InetAddress
    readonly told: Told<Identified | Lost>
  }
  | {
    readonly _tag: "Find"
    /** Whether the value is asked for, too. */
    readonly kind: "node" | "value"
    readonly address: NetAddress.InetAddress
    readonly target: Id
    readonly told: Told<Found | Lost>
  }
  | {
    readonly _tag: "Store"
    readonly address: NetAddress.InetAddress
    readonly key: Id
    readonly value: Value
    readonly told: Told<Taken | Lost>
  }
  /** What is kept for a key is read, if there is any that is not damaged. */
  | { readonly _tag: "Read"; readonly key: Id; readonly told: Told<Entry | "failed" | undefined> }
  | { readonly _tag: "Write"; readonly key: Id; readonly entry: Entry; readonly told: Told<Written> }
  | { readonly _tag: "Remove"; readonly key: Id; readonly told: Told<"failed" | undefined> }
  | { readonly _tag: "Sleep"; readonly millis: number; readonly told: Told<void> }
  | { readonly _tag: "Event"; readonly event: Event }

/** With which id a node answers a ping. */
export interface Identified {
  readonly _tag: "Id"
  readonly id: Id
}

/** Whether a node took a pair. */
export interface Taken {
  readonly _tag: "Taken"
  readonly taken: boolean
}

/** Whether it is kept, or the storage has no room for another key, or has failed. */
export type Written = "kept" | "full" | "failed"

/** What a node that is asked for an id has. */
export type Found =
  | { readonly _tag: "Contacts"; readonly contacts: ReadonlyArray<Contact> }
  | { readonly _tag: "Value"; readonly value: Value }

/** Whom something is sent to: a contact, or who is at an address. */
type Peer = Pick<Contact, "address" | "vicinity">

type Wanted = Exclude<Output, { readonly _tag: "Event" }>

export interface Options {
  readonly self: Id
  readonly settings: Settings
  readonly table: RoutingTable
  /** An id that nobody can foresee. */
  readonly randomId: () => Id
  /** From 0 to 1. */
  readonly random: () => number
  readonly now: number
}

export class Shared {
  readonly self: Id
  readonly settings: Settings
  readonly table: RoutingTable
  readonly randomId: () => Id
  readonly random: () => number
  readonly reachability = new Reachability()
  /** As it was last told. */
  now: number
  /** Whether anybody wants events. */
  isWatched = false
  /** When anything was last sent. */
  sentAt = -Infinity
  readonly #outputs: Array<Output> = []

  constructor({ now, random, randomId, self, settings, table }: Options) {
    this.self = self
    this.settings = settings
    this.table = table
    this.randomId = randomId
    this.random = random
    this.now = now
  }

  /** What is to be done next, if anything. */
  poll(): Output | undefined {
    return this.#outputs.shift()
  }

  ping(to: Peer, then: (answer: Outcome<"Ping">) => void): void {
    this.#sent(to)
    this.#outputs.push({ _tag: "Ping", address: to.address, told: this.#told(then) })
  }

  find(kind: "node" | "value", to: Peer, target: Id, then: (answer: Outcome<"Find">) => void): void {
    this.#sent(to)
    this.#outputs.push({ _tag: "Find", kind, address: to.address, target, told: this.#told(then) })
  }

  store(to: Peer, key: Id, value: Value, then: (answer: Outcome<"Store">) => void): void {
    this.#sent(to)
    this.#outputs.push({ _tag: "Store", address: to.address, key, value, told: this.#told(then) })
  }

  read(key: Id, then: (entry: Outcome<"Read">) => void): void {
    this.#outputs.push({ _tag: "Read", key, told: this.#told(then) })
  }

  write(key: Id, entry: Entry, then: (written: Outcome<"Write">) => void): void {
    this.#outputs.push({ _tag: "Write", key, entry, told: this.#told(then) })
  }

  remove(key: Id, then: (removed: Outcome<"Remove">) => void): void {
    this.#outputs.push({ _tag: "Remove", key, told: this.#told(then) })
  }

  sleep(millis: number, then: () => void): void {
    this.#outputs.push({ _tag: "Sleep", millis, told: this.#told(then) })
  }

  emit(event: () => Event): void {
    // Most nodes are watched by nobody.
    if (this.isWatched) this.#outputs.push({ _tag: "Event", event: event() })
  }

  #sent({ vicinity }: Peer): void {
    this.sentAt = this.now
    this.reachability.sent(vicinity, this.now)
  }

  #told<A>(then: (outcome: A) => void): Told<A> {
    return (outcome, now) => {
      this.now = now
      then(outcome)
    }
  }
}

/** What an output of that kind is told. */
export type Outcome<Tag extends Wanted["_tag"]> = Parameters<Extract<Wanted, { readonly _tag: Tag }>["told"]>[0]

/** A contact, as events name it. */
export const peerOf = (contact: Contact) => ({ id: contact.id, address: contact.name })
