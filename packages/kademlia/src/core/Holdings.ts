/**
 * What is known of the pairs that are kept, without their values: who sent each, and what is due. Decides who has to make
 * room. No storage; time is told by its callers, in milliseconds.
 */
import { type Id, sharedBits } from "./distance.ts"

export interface Holding {
  readonly key: Id
  /** Whether this node itself published it: then it never makes room. */
  readonly own: boolean
  /** The address, and the network, that it came from. */
  readonly sender: string
  readonly network: string
  readonly expiresAt: number
  readonly republishAt: number
}

export class Holdings {
  readonly #self: Id
  readonly #holdings = new Map<Id, Holding>()
  readonly #networks = new Tally()
  /** By network. */
  readonly #senders = new Map<string, Tally>()
  /** By sender. */
  readonly #pairs = new Map<string, ByDistance>()

  constructor(self: Id) {
    this.#self = self
  }

  get size(): number {
    return this.#holdings.size
  }

  get(key: Id): Holding | undefined {
    return this.#holdings.get(key)
  }

  keys(): Iterable<Id> {
    return this.#holdings.keys()
  }

  /** Takes note of a pair; what was known of its key is forgotten. */
  add(holding: Holding): void {
    this.delete(holding.key)
    this.#holdings.set(holding.key, holding)
    const { key, network, own } = holding
    const sender = senderOf(holding)
    if (own) return
    this.#networks.increment(network)
    getOrMake(this.#senders, network, () => new Tally()).increment(sender)
    getOrMake(this.#pairs, sender, () => new ByDistance()).add(key, sharedBits(key, this.#self))
  }

  delete(key: Id): void {
    const holding = this.#holdings.get(key)
    if (holding === undefined) return
    this.#holdings.delete(key)
    const { network, own } = holding
    const sender = senderOf(holding)
    if (own) return
    const senders = this.#senders.get(network)!
    this.#networks.decrement(network)
    if (senders.decrement(sender) === 0) this.#pairs.delete(sender)
    else this.#pairs.get(sender)!.delete(key, sharedBits(key, this.#self))
    if (senders.isEmpty) this.#senders.delete(network)
  }

  /**
   * Which pair makes room for a new one where all places are taken; none if the new one has to stay out. Networks have equal
   * shares, and so have the senders of each: whoever has at least two fewer than another gets one of the other's places.
   * Otherwise the new one takes the place of one that is further: its sender's or, if that has none, that of a sender that has
   * most, in its network if that has any.
   */
  victimFor(holding: Holding): Id | undefined {
    const { key, network, own } = holding
    const sender = senderOf(holding)
    const largest = this.#networks.largest
    if (largest === undefined) return undefined
    const payer = this.#senders.get(largest)!.largest!
    if (own || this.#networks.countOf(largest) > this.#networks.countOf(network) + 1) return this.#furthestOf(payer).key
    const senders = this.#senders.get(network)
    const neighbour = senders?.largest ?? payer
    if (senders !== undefined && senders.countOf(neighbour) > senders.countOf(sender) + 1) {
      return this.#furthestOf(neighbour).key
    }
    const furthest = this.#furthestOf(this.#pairs.has(sender) ? sender : neighbour)
    return furthest.bits < sharedBits(key, this.#self) ? furthest.key : undefined
  }

  /**
   * What is due, the most urgent first: what has expired, since that is done with; this node's own, since nobody else publishes
   * it; then each network's in turn, the longest overdue of each before the second of any.
   */
  due(now: number): ReadonlyArray<Id> {
    const due = [...this.#holdings.values()]
      .filter(({ expiresAt, republishAt }) => expiresAt <= now || republishAt <= now)
      .sort((a, b) => a.republishAt - b.republishAt)
    const turns = new Map<string, number>()
    const urgent = due.map((holding) => {
      if (holding.expiresAt <= now) return { key: holding.key, turn: -2 }
      if (holding.own) return { key: holding.key, turn: -1 }
      const turn = turns.get(holding.network) ?? 0
      turns.set(holding.network, turn + 1)
      return { key: holding.key, turn }
    })
    return urgent.sort((a, b) => a.turn - b.turn).map(({ key }) => key)
  }

  #furthestOf(sender: string): { readonly key: Id; readonly bits: number } {
    return this.#pairs.get(sender)!.furthest
  }
}

/** Of an IPv6 /64 some addresses may be private, and in another network for that: then each part is a sender. */
const senderOf = ({ network, sender }: Holding): string => `${network} ${sender}`

/** Counts by name, and whose is the largest. */
class Tally {
  readonly #counts = new Map<string, number>()
  /** The names that have each count. */
  readonly #names = new Map<number, Set<string>>()
  #most = 0

  get isEmpty(): boolean {
    return this.#counts.size === 0
  }

  get largest(): string | undefined {
    for (const name of this.#names.get(this.#most) ?? []) return name
    return undefined
  }

  countOf(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  increment(name: string): number {
    return this.#move(name, this.countOf(name) + 1)
  }

  decrement(name: string): number {
    return this.#move(name, this.countOf(name) - 1)
  }

  /** Counts change by one, so the largest does. */
  #move(name: string, count: number): number {
    const before = this.countOf(name)
    const left = this.#names.get(before)
    left?.delete(name)
    if (left?.size === 0) this.#names.delete(before)
    if (count === 0) this.#counts.delete(name)
    else {
      this.#counts.set(name, count)
      getOrMake(this.#names, count, () => new Set()).add(name)
    }
    if (count > this.#most || !this.#names.has(this.#most)) this.#most = count
    return count
  }
}

/** Keys by how many bits they share with the own id. */
class ByDistance {
  readonly #keys: Array<Set<Id> | undefined> = []

  add(key: Id, bits: number): void {
    const keys = this.#keys[bits] ??= new Set()
    keys.add(key)
  }

  delete(key: Id, bits: number): void {
    this.#keys[bits]?.delete(key)
  }

  /** Some key of those that share fewest bits; there is one. */
  get furthest(): { readonly key: Id; readonly bits: number } {
    for (const [bits, keys] of this.#keys.entries()) {
      for (const key of keys ?? []) return { key, bits }
    }
    throw new Error("no pair is left of a sender that has some")
  }
}

const getOrMake = <K, A>(map: Map<K, A>, key: K, make: () => A): A => {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
