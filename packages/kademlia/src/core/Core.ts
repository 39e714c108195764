/**
 * A node without fibers: what it decides, and nothing of how that is done. No network, no clock, no storage. Whoever drives it
 * tells it what comes in, does what `poll` wants, and tells it what came of that. Times are in milliseconds.
 */
import type { NetAddress } from "effect/net"
import type { Contact } from "../Contact.ts"
import type { Value } from "../Messages.ts"
import type { Entry } from "../Storage.ts"
import { Contacts } from "./Contacts.ts"
import type { Id } from "./distance.ts"
import { Joining } from "./Joining.ts"
import type { Result } from "./Lookup.ts"
import { Lookups } from "./Lookups.ts"
import { RoutingTable } from "./RoutingTable.ts"
import { Serving } from "./Serving.ts"
import type { Found, Output, Settings } from "./Shared.ts"
import { Shared } from "./Shared.ts"
import { Upkeep } from "./Upkeep.ts"
import type { Search } from "./Values.ts"
import { Values } from "./Values.ts"

export interface Options {
  readonly self: Id
  /** The address of the node's own socket. */
  readonly address: NetAddress.InetAddress
  readonly settings: Settings
  readonly bits: number
  readonly staleAfter: number
  /** From 0 to 1. */
  readonly random: () => number
  /** An id that nobody can foresee. */
  readonly randomId: () => Id
  readonly now: number
}

export class Core {
  readonly self: Id
  readonly table: RoutingTable
  readonly #shared: Shared
  readonly #lookups: Lookups
  readonly #values: Values
  readonly #joining: Joining
  readonly #serving: Serving
  readonly #upkeep: Upkeep

  constructor({ address, bits, now, random, randomId, self, settings, staleAfter }: Options) {
    this.self = self
    this.table = new RoutingTable({ self, k: settings.k, bits, staleAfter }, now)
    this.#shared = new Shared({ self, settings, table: this.table, random, randomId, now })
    const contacts = new Contacts(this.#shared, { address, onPlaced: (contact) => this.#values.handOver(contact) })
    this.#lookups = new Lookups(this.#shared, contacts)
    this.#values = new Values(this.#shared, contacts, this.#lookups)
    this.#joining = new Joining(this.#shared, contacts, this.#lookups)
    this.#serving = new Serving(this.#shared, { contacts, values: this.#values })
    this.#upkeep = new Upkeep(this.#shared, {
      contacts,
      joining: this.#joining,
      lookups: this.#lookups,
      values: this.#values
    })
  }

  /** Whether strangers can call it; nothing where there is too little to tell by. */
  get isReachable(): boolean | undefined {
    const { verdict } = this.#shared.reachability
    return verdict && verdict === "reachable"
  }

  /** What is to be done next, if anything. */
  poll(): Output | undefined {
    return this.#shared.poll()
  }

  /** Whether `poll` brings events. */
  watch(isWatched: boolean): void {
    this.#shared.isWatched = isWatched
  }

  /** Learns what the storage holds from before. */
  learn(key: Id, entry: Entry): void {
    this.#values.learn(key, entry)
  }

  /** The storage holds no more from before: newcomers are handed what they are to keep, and what is due is done. */
  start(now: number): void {
    this.#shared.now = now
    this.#values.start()
    this.#upkeep.start()
  }

  // What others ask

  /** The id to answer with; nothing if the node can't be called by strangers, so that it gets no place. */
  ping(from: Contact, now: number): Id | undefined {
    this.#shared.now = now
    return this.#serving.ping(from)
  }

  /** Returns what gives it up, for whoever no longer waits. */
  store(from: Contact, key: Id, value: Value, then: (taken: boolean) => void, now: number): () => void {
    this.#shared.now = now
    return this.#serving.store(from, key, value, then)
  }

  findNode(from: Contact, target: Id, now: number): ReadonlyArray<Contact> {
    this.#shared.now = now
    return this.#serving.findNode(from, target)
  }

  /** As `store` does. */
  findValue(from: Contact, key: Id, then: (found: Found) => void, now: number): () => void {
    this.#shared.now = now
    return this.#serving.findValue(from, key, then)
  }

  // What its own program asks

  /** Joins by way of these nodes. `then` is told how many of them were there; none if they led nowhere. */
  bootstrap(addresses: ReadonlyArray<NetAddress.InetAddress>, then: (met: number) => void, now: number): void {
    this.#shared.now = now
    this.#joining.bootstrap(addresses, then)
  }

  /**
   * Publishes a pair. `then` is told how many nodes took it; nothing if this one has no room for it. Returns what gives it up,
   * for whoever no longer waits.
   */
  set(key: Id, value: Value, then: (taken: number | undefined) => void, now: number): () => void {
    this.#shared.now = now
    return this.#values.set(key, value, then)
  }

  find(key: Id, then: (search: Search) => void, now: number): void {
    this.#shared.now = now
    this.#values.find(key, then)
  }

  lookup(target: Id, then: (result: Result) => void, now: number): void {
    this.#shared.now = now
    this.#lookups.run("node", target, then)
  }
}
