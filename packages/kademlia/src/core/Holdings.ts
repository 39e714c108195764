/**
 * What is known of the pairs that are kept, without their values: who sent each, and what is due. Decides who has to make
 * room. No storage; time is told by its callers, in milliseconds.
 */
import { type Id, sharedBits } from "./distance.ts"
import { PriorityQueue } from "./PriorityQueue.ts"
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

/** What is to be renewed of a network. */
interface Due {
  /** By when that is due. */
  readonly pairs: PriorityQueue<Id>
  /** When it last had a turn. */
  turnAt: number
}

export class Holdings {
  readonly #self: Id
  readonly #holdings = new Map<Id, Holding>()
  readonly #shares = new Shares()
  /** By sender. */
  readonly #pairs = new Map<string, ByDistance>()
  /** By when they expire: all but this node's own. */
  readonly #expiring = new PriorityQueue<Id>()
  /** This node's own, by when they are to be published again. */
  readonly #own = new PriorityQueue<Id>()
  /** By network. */
  readonly #due = new Map<string, Due>()
  /** Networks by whose turn it is to have a pair renewed. */
  readonly #turns = new PriorityQueue<string>()

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
    this.#setDue(holding)
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
    this.#deleteDue(holding)
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
   * The most urgent of what is due, if anything is; it is due again at `again`, if it is still there and has not changed. What has
   * expired comes first, since that is done with; then this node's own, since nobody else publishes it; then each network's in turn,
   * the longest overdue of each.
   */
  takeDue(now: number, again: number): Id | undefined {
    const expired = this.#expiring.firstBy(now)
    const key = expired ?? this.#own.firstBy(now) ?? this.#firstInTurn(now)
    const holding = key && this.#holdings.get(key)
    if (holding === undefined) return undefined
    this.#setDue({ ...holding, republishAt: again, expiresAt: expired === undefined ? holding.expiresAt : again })
    return key
  }

  #firstInTurn(now: number): Id | undefined {
    const network = this.#turns.firstBy(now)
    if (network === undefined) return undefined
    const due = this.#due.get(network)!
    due.turnAt = now
    return due.pairs.firstBy(now)
  }

  #setDue({ expiresAt, key, network, own, republishAt }: Holding): void {
    if (own) return this.#own.set(key, republishAt)
    this.#expiring.set(key, expiresAt)
    let due = this.#due.get(network)
    if (due === undefined) this.#due.set(network, due = { pairs: new PriorityQueue(), turnAt: -Infinity })
    due.pairs.set(key, republishAt)
    this.#rank(network, due)
  }

  #deleteDue({ key, network, own }: Holding): void {
    if (own) return this.#own.delete(key)
    this.#expiring.delete(key)
    const due = this.#due.get(network)!
    due.pairs.delete(key)
    if (due.pairs.size === 0) {
      this.#due.delete(network)
      this.#turns.delete(network)
    } else this.#rank(network, due)
  }

  /** Whoever has had no turn since its first pair was due, or else has had one longest ago, is next. */
  #rank(network: string, { pairs, turnAt }: Due): void {
    this.#turns.set(network, Math.max(pairs.first!.at, turnAt))
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
