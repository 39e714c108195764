/** How many each network has, and each of its senders, and who has more than a share that is equal. No network, no clock. */

/** Whom limits count for: a sender, as an IPv4 address or an IPv6 /64, and the network that it is in. */
export interface Holder {
  readonly network: string
  readonly sender: string
}

export class Shares {
  readonly #networks = new Tally()
  /** By network. */
  readonly #senders = new Map<string, Tally>()

  add({ network, sender }: Holder): void {
    this.#networks.increment(network)
    let senders = this.#senders.get(network)
    if (senders === undefined) this.#senders.set(network, senders = new Tally())
    senders.increment(sender)
  }

  remove({ network, sender }: Holder): void {
    const senders = this.#senders.get(network)!
    this.#networks.decrement(network)
    senders.decrement(sender)
    if (senders.isEmpty) this.#senders.delete(network)
  }

  /** Whoever has most: the sender of a network, which has most. */
  get largest(): Holder | undefined {
    const network = this.#networks.largest
    return network === undefined ? undefined : this.largestIn(network)
  }

  /** The sender that has most of a network. */
  largestIn(network: string): Holder | undefined {
    const sender = this.#senders.get(network)?.largest
    return sender === undefined ? undefined : { network, sender }
  }

  /**
   * Who is to have one less so that this one may have one more, if anybody. Networks have equal shares, and so have the senders of
   * each: whoever has at least two fewer than another gets one of the other's.
   */
  payerFor({ network, sender }: Holder): Holder | undefined {
    const largest = this.largest
    if (largest === undefined) return undefined
    if (this.#networks.countOf(largest.network) > this.#networks.countOf(network) + 1) return largest
    const neighbour = this.largestIn(network)
    if (neighbour === undefined) return undefined
    const senders = this.#senders.get(network)!
    return senders.countOf(neighbour.sender) > senders.countOf(sender) + 1 ? neighbour : undefined
  }
}

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

  increment(name: string): void {
    this.#move(name, this.countOf(name) + 1)
  }

  decrement(name: string): void {
    this.#move(name, this.countOf(name) - 1)
  }

  /** Counts change by one, so the largest does. */
  #move(name: string, count: number): void {
    const before = this.countOf(name)
    const left = this.#names.get(before)
    left?.delete(name)
    if (left?.size === 0) this.#names.delete(before)
    if (count === 0) this.#counts.delete(name)
    else {
      this.#counts.set(name, count)
      const names = this.#names.get(count)
      if (names === undefined) this.#names.set(count, new Set([name]))
      else names.add(name)
    }
    if (count > this.#most || !this.#names.has(this.#most)) this.#most = count
  }
}
