/** What comes first of many, each of which may be moved or taken out at any time. A binary heap, so none of it looks at all. No clock. */
export class PriorityQueue<A> {
  /** Nobody is before its parent: that of `i` is at `(i - 1) >> 1`. */
  readonly #nodes: Array<Node<A>> = []
  readonly #indexes = new Map<A, number>()
  #count = 0

  get size(): number {
    return this.#nodes.length
  }

  get first(): Node<A> | undefined {
    return this.#nodes[0]
  }

  /** The first, if its time has come. */
  firstBy(now: number): A | undefined {
    const { first } = this
    return first === undefined || first.at > now ? undefined : first.item
  }

  /** Puts an item in, or moves it, behind those of the same time. */
  set(item: A, at: number): void {
    const index = this.#indexes.get(item) ?? this.#nodes.length
    this.#put(index, { item, at, order: this.#count++ })
    this.#settle(index)
  }

  delete(item: A): void {
    const index = this.#indexes.get(item)
    if (index === undefined) return
    this.#indexes.delete(item)
    const last = this.#nodes.pop()!
    if (index === this.#nodes.length) return
    this.#put(index, last)
    this.#settle(index)
  }

  // Not private: a test counts how often it is called.
  isBefore(a: Node<A>, b: Node<A>): boolean {
    return a.at < b.at || (a.at === b.at && a.order < b.order)
  }

  #settle(index: number): void {
    const nodes = this.#nodes
    const node = nodes[index]!
    for (let parent = (index - 1) >> 1; index > 0 && this.isBefore(node, nodes[parent]!); parent = (index - 1) >> 1) {
      this.#put(index, nodes[parent]!)
      index = parent
    }
    while (2 * index + 1 < nodes.length) {
      let child = 2 * index + 1
      if (child + 1 < nodes.length && this.isBefore(nodes[child + 1]!, nodes[child]!)) child++
      if (!this.isBefore(nodes[child]!, node)) break
      this.#put(index, nodes[child]!)
      index = child
    }
    this.#put(index, node)
  }

  #put(index: number, node: Node<A>): void {
    this.#nodes[index] = node
    this.#indexes.set(node.item, index)
  }
}

export interface Node<A> {
  readonly item: A
  readonly at: number
  /** Of those of the same time, which was put in first. */
  readonly order: number
}
