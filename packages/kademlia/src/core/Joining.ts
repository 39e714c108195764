/** How a node comes into a network: by way of nodes that it is told of, and again when `Rejoining` says so. */
import { NetAddress } from "effect/net"
import { Contact, vicinityOf } from "../Contact.ts"
import type { Contacts } from "./Contacts.ts"
import { inTurn } from "./inTurn.ts"
import type { Lookups } from "./Lookups.ts"
import { Rejoining } from "./Rejoining.ts"
import type { Shared } from "./Shared.ts"

// One lost datagram must not keep a node out.
const maxTries = 3

export class Joining {
  readonly #shared: Shared
  readonly #contacts: Contacts
  readonly #lookups: Lookups
  readonly #rejoining: Rejoining
  #seeds: ReadonlyArray<NetAddress.InetAddress> = []

  constructor(shared: Shared, contacts: Contacts, lookups: Lookups) {
    this.#shared = shared
    this.#contacts = contacts
    this.#lookups = lookups
    this.#rejoining = new Rejoining(shared.settings.k)
  }

  /** Joins by way of the nodes at these addresses. `then` is told how many were there; none if they led nowhere. */
  bootstrap(addresses: ReadonlyArray<NetAddress.InetAddress>, then: (met: number) => void): void {
    this.#seeds = addresses
    this.#join(then)
  }

  /** Joins again if few contacts answer: soon, and the longer it brings nobody new the more seldom. */
  rejoin(then: () => void): void {
    const before = this.#live
    if (this.#seeds.length === 0 || !this.#rejoining.isDue(before, this.#shared.now)) return then()
    this.#join(() => {
      this.#rejoining.tried(before, this.#live, this.#shared.now)
      then()
    })
  }

  #join(then: (met: number) => void): void {
    const { self, table } = this.#shared
    let met = 0
    const meet = (address: NetAddress.InetAddress, done: () => void) =>
      this.#meet(address, maxTries, (isThere) => {
        if (isThere) met++
        done()
      })
    const lookUp = () =>
      this.#lookups.run("node", self, ({ closest }) => {
        if (closest.length === 0) return then(0)
        // The own bucket aside, each is further away than the closest neighbour (section 2.3).
        const own = table.bucketOf(self)
        this.#lookups.refresh(table.buckets.filter((bucket) => bucket !== own), () => {})
        then(met)
      }, maxTries)
    inTurn(this.#seeds, meet, lookUp, Infinity)
  }

  /** How many contacts answered when they were last called. */
  get #live(): number {
    return this.#shared.table.buckets.reduce(
      (sum, { entries }) => sum + entries.filter(({ failures }) => failures === 0).length,
      0
    )
  }

  /** Tells whether another node is there. */
  #meet(address: NetAddress.InetAddress, tries: number, then: (isThere: boolean) => void): void {
    this.#shared.ping({ address, vicinity: vicinityOf(address.address) }, (answer) => {
      if (answer._tag === "Lost") {
        if (answer.isSilent && tries > 1) this.#meet(address, tries - 1, then)
        else then(false)
        return
      }
      const isOther = answer.id !== this.#shared.self
      if (isOther) this.#contacts.place(new Contact(answer.id, address))
      else this.#contacts.isOwn(NetAddress.formatInet(address))
      then(isOther)
    })
  }
}
