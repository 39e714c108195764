/** A binary heap: what is due comes out by its time, and what is due at once in the order in which it came. */
export class Heap<A> {
  readonly #items: Array<Item<A>> = []
  #order = 0

  /** When the next is due: never, if there is none. */
  get nextAt(): number {
    return this.#items[0]?.at ?? Infinity
  }

  push(at: number, value: A): void {
    const items = this.#items
    const item = { at, order: this.#order++, value }
    let index = items.length
    while (index > 0) {
      const above = (index - 1) >> 1
      if (items[above]!.at <= at) break
      items[index] = items[above]!
      index = above
    }
    items[index] = item
  }

  /** Takes the next. */
  pop(): A | undefined {
    const items = this.#items
    const first = items[0]
    const last = items.pop()
    if (first === undefined || last === undefined) return undefined
    if (items.length > 0) this.#sink(last)
    return first.value
  }

  /** Puts an item in the place of the first. */
  #sink(item: Item<A>): void {
    const items = this.#items
    let index = 0
    while (true) {
      let below = 2 * index + 1
      if (below >= items.length) break
      if (below + 1 < items.length && isBefore(items[below + 1]!, items[below]!)) below++
      if (!isBefore(items[below]!, item)) break
      items[index] = items[below]!
      index = below
    }
    items[index] = item
  }
}

interface Item<A> {
  readonly at: number
  readonly order: number
  readonly value: A
}

const isBefore = (a: Item<unknown>, b: Item<unknown>): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)
