/**
 * What was set last, by name: at least so many, and at most twice as many. One `Map` whose oldest entry is deleted for each new
 * one would be slow: the search for its oldest passes over all that were deleted before.
 */
export class RecentMap<A> {
  readonly #least: number
  #newer = new Map<string, A>()
  #older = new Map<string, A>()

  constructor(least: number) {
    this.#least = least
  }

  get size(): number {
    return this.#newer.size + this.#older.size
  }

  get(name: string): A | undefined {
    return this.#newer.get(name) ?? this.#older.get(name)
  }

  set(name: string, value: A): void {
    this.#older.delete(name)
    if (this.#newer.size >= this.#least && !this.#newer.has(name)) {
      this.#older = this.#newer
      this.#newer = new Map()
    }
    this.#newer.set(name, value)
  }
}
