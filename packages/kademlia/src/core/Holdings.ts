/**
 * What is known of the pairs that are kept, without their values: who sent each, and what is due. Decides who has to make
 * room. No storage; time is told by its callers, in milliseconds.
 */
import { type Id, sharedBits } from "./distance.ts"
import type { Holder } from "./Shares.ts"
import { Shares } from "./Shares.ts"

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
  readonly #shares = new Shares()
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
    const { key, own } = holding
    if (own) return
    const holder = holderOf(holding)
    this.#shares.add(holder)
    let pairs = this.#pairs.get(holder.sender)
    if (pairs === undefined) this.#pairs.set(holder.sender, pairs = new ByDistance())
    pairs.add(key, sharedBits(key, this.#self))
  }

  delete(key: Id): void {
    const holding = this.#holdings.get(key)
    if (holding === undefined) return
    this.#holdings.delete(key)
    if (holding.own) return
    const holder = holderOf(holding)
    this.#shares.remove(holder)
    const pairs = this.#pairs.get(holder.sender)!
    pairs.delete(key, sharedBits(key, this.#self))
    if (pairs.isEmpty) this.#pairs.delete(holder.sender)
  }

  /**
   * Which pair makes room for a new one where all places are taken; none if the new one has to stay out. Shares are equal.
   * Otherwise the new one takes the place of one that is further: its sender's or, if that has none, that of a sender that has
   * most, in its network if that has any.
   */
  victimFor(holding: Holding): Id | undefined {
    const { largest } = this.#shares
    if (largest === undefined) return undefined
    const holder = holderOf(holding)
    const payer = holding.own ? largest : this.#shares.payerFor(holder)
    if (payer !== undefined) return this.#furthestOf(payer).key
    const rival = this.#pairs.has(holder.sender) ? holder : this.#shares.largestIn(holder.network) ?? largest
    const furthest = this.#furthestOf(rival)
    return furthest.bits < sharedBits(holding.key, this.#self) ? furthest.key : undefined
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

  #furthestOf({ sender }: Holder): { readonly key: Id; readonly bits: number } {
    return this.#pairs.get(sender)!.furthest
  }
}

/** Of an IPv6 /64 some addresses may be private, and in another network for that: then each part is a sender. */
const holderOf = ({ network, sender }: Holding): Holder => ({ network, sender: `${network} ${sender}` })

/** Keys by how many bits they share with the own id. */
class ByDistance {
  readonly #keys: Array<Set<Id> | undefined> = []
  #count = 0

  get isEmpty(): boolean {
    return this.#count === 0
  }

  add(key: Id, bits: number): void {
    const keys = this.#keys[bits] ??= new Set()
    keys.add(key)
    this.#count++
  }

  delete(key: Id, bits: number): void {
    if (this.#keys[bits]?.delete(key) === true) this.#count--
  }

  /** Some key of those that share fewest bits; there is one. */
  get furthest(): { readonly key: Id; readonly bits: number } {
    for (const [bits, keys] of this.#keys.entries()) {
      for (const key of keys ?? []) return { key, bits }
    }
    throw new Error("no pair is left of a sender that has some")
  }
}
