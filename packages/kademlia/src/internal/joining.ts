/** How a node comes into a network: by way of nodes that it is told of, and again by way of them when it knows nobody. */
import { Effect, Option } from "effect"
import type { NetAddress } from "effect/net"
import { Contact } from "../Contact.ts"
import type { Contacts } from "./contacts.ts"
import type { NodeContext } from "./context.ts"
import type { Lookups } from "./lookups.ts"

export class Joining {
  readonly #node: NodeContext
  readonly #contacts: Contacts
  readonly #lookups: Lookups
  #seeds: ReadonlyArray<NetAddress.InetAddress> = []

  constructor(node: NodeContext, contacts: Contacts, lookups: Lookups) {
    this.#node = node
    this.#contacts = contacts
    this.#lookups = lookups
  }

  /** Joins by way of the nodes at these addresses. Returns how many of them were there. */
  bootstrap(addresses: ReadonlyArray<NetAddress.InetAddress>): Effect.Effect<number> {
    const { inBackground, self, table } = this.#node
    return Effect.gen({ self: this }, function*() {
      this.#seeds = addresses
      const met = yield* Effect.forEach(addresses, (address) => this.#meet(address), { concurrency: "unbounded" })
      const count = met.filter(Boolean).length
      if (count === 0) return 0
      yield* this.#lookups.run("node", self)
      // The own bucket aside, each is further away than the closest neighbour (section 2.3).
      const own = table.bucketOf(self)
      yield* inBackground(this.#lookups.refresh(table.buckets.filter((bucket) => bucket !== own)))
      return count
    })
  }

  /** Joins as it did last time if the node has lost all its contacts. */
  rejoin(): Effect.Effect<void> {
    const { table } = this.#node
    return Effect.suspend(() =>
      table.size === 0 && this.#seeds.length > 0 ? Effect.asVoid(this.bootstrap(this.#seeds)) : Effect.void
    )
  }

  /** Returns whether another node is there. */
  #meet(address: NetAddress.InetAddress): Effect.Effect<boolean> {
    const { client, self } = this.#node
    return Effect.gen({ self: this }, function*() {
      const peer = client(address)
      const id = yield* peer.ping(self).pipe(Effect.retry({ times: 2, while: (error) => error._tag === "NoResponse" }))
      if (id === self) return false
      yield* this.#contacts.place(new Contact(id, address))
      // Behind a NAT, and on a socket for all addresses, only others know where they see this node.
      const seenAt = yield* Effect.option(peer.stun())
      if (Option.isSome(seenAt)) {
        const [ip, port] = seenAt.value
        this.#contacts.seenAt(ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`)
      }
      return true
    }).pipe(Effect.orElseSucceed(() => false))
  }
}
