/** How a node comes into a network: by way of nodes that it is told of, and again when `Rejoining` says so. */
import { Effect } from "effect"
import { NetAddress } from "effect/net"
import { Contact } from "../Contact.ts"
import { Rejoining } from "./Rejoining.ts"
import type { Contacts } from "./Contacts.ts"
import type { NodeContext } from "../internal/context.ts"
import type { Lookups } from "./Lookups.ts"

// One lost datagram must not keep a node out.
const tries = 3

export class Joining {
  readonly #node: NodeContext
  readonly #contacts: Contacts
  readonly #lookups: Lookups
  readonly #rejoining: Rejoining
  #seeds: ReadonlyArray<NetAddress.InetAddress> = []

  constructor(node: NodeContext, contacts: Contacts, lookups: Lookups) {
    this.#node = node
    this.#contacts = contacts
    this.#lookups = lookups
    this.#rejoining = new Rejoining(node.settings.k)
  }

  /** Joins by way of the nodes at these addresses. Returns how many were there; none if they led nowhere. */
  bootstrap(addresses: ReadonlyArray<NetAddress.InetAddress>): Effect.Effect<number> {
    return Effect.suspend(() => {
      this.#seeds = addresses
      return this.#join()
    })
  }

  /** Joins again if few contacts answer: soon, and the longer it brings nobody new the more seldom. */
  rejoin(): Effect.Effect<void> {
    const { now } = this.#node
    return Effect.gen({ self: this }, function*() {
      const before = this.#live
      if (this.#seeds.length === 0 || !this.#rejoining.isDue(before, now())) return
      yield* this.#join()
      this.#rejoining.tried(before, this.#live, now())
    })
  }

  #join(): Effect.Effect<number> {
    const { inBackground, self, table } = this.#node
    return Effect.gen({ self: this }, function*() {
      const met = yield* Effect.forEach(this.#seeds, (address) => this.#meet(address), { concurrency: "unbounded" })
      const { closest } = yield* this.#lookups.run("node", self, tries)
      if (closest.length === 0) return 0
      // The own bucket aside, each is further away than the closest neighbour (section 2.3).
      const own = table.bucketOf(self)
      yield* inBackground(this.#lookups.refresh(table.buckets.filter((bucket) => bucket !== own)))
      return met.filter(Boolean).length
    })
  }

  /** How many contacts answered when they were last called. */
  get #live(): number {
    return this.#node.table.buckets.reduce(
      (sum, { entries }) => sum + entries.filter(({ failures }) => failures === 0).length,
      0
    )
  }

  /** Returns whether another node is there. */
  #meet(address: NetAddress.InetAddress): Effect.Effect<boolean> {
    const { client, self } = this.#node
    return Effect.gen({ self: this }, function*() {
      const id = yield* client(address).ping(self).pipe(
        Effect.retry({ times: tries - 1, while: (error) => error._tag === "NoResponse" })
      )
      if (id === self) {
        this.#contacts.isOwn(NetAddress.formatInet(address))
        return false
      }
      yield* this.#contacts.place(new Contact(id, address))
      return true
    }).pipe(Effect.orElseSucceed(() => false))
  }
}
