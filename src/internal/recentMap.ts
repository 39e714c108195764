/**
 * What was set last, by name: at least so many, and at most twice as many, of which a group has a quarter at most. One `Map` whose
 * oldest entry is deleted for each new one would be slow: the search for its oldest passes over all that were deleted before.
 */
export class RecentMap<A> {
  readonly #least: number
  #newer = new Map<string, A>()
  #older = new Map<string, A>()
  readonly #groups = new Map<number, Members>()

  constructor(least: number) {
    this.#least = least
  }

  get size(): number {
    return this.#newer.size + this.#older.size
  }

  get(name: string): A | undefined {
    return this.#newer.get(name) ?? this.#older.get(name)
  }

  /** `group` is what the name belongs to, if no group may have more than its share. */
  set(name: string, value: A, group?: number): void {
    this.#older.delete(name)
    if (!this.#newer.has(name)) {
      if (this.#newer.size >= this.#least) {
        this.#older = this.#newer
        this.#newer = new Map()
        this.#groups.clear()
      }
      if (group !== undefined) this.#join(group, name)
    }
    this.#newer.set(name, value)
  }

  /** The oldest of a group that has its share gives way. */
  #join(group: number, name: string): void {
    const members = this.#groups.get(group) ?? { names: [], next: 0 }
    this.#groups.set(group, members)
    const oldest = members.names[members.next]
    if (oldest !== undefined) this.#newer.delete(oldest)
    members.names[members.next] = name
    members.next = (members.next + 1) % Math.ceil(share * this.#least)
  }
}

/** A ring of the names that a group has among the newer. */
interface Members {
  readonly names: Array<string>
  next: number
}

/** The share of a group. */
const share = 1 / 4
