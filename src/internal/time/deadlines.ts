/**
 * What is due when. Deadlines of equal length stand in one queue in the order in which they began, so that adding and
 * removing one costs the same however many there are; a heap holds a queue per length. No clock.
 */

// Strangers choose lengths, and could choose those to which V8 gives one hash: so few are looked up. The others have queues of
// their own in the heap.
const maxLookedUp = 64

/** What can be due: a member of the queue itself, so that it can leave without a search. */
export abstract class Deadline<Self extends Deadline<Self>> {
  /** In nanoseconds of the monotonic clock. Set by `add`. */
  due = Infinity
  queue: Queue<Self> | undefined = undefined
  previous: Self | undefined = undefined
  next: Self | undefined = undefined
}

interface Queue<A> {
  readonly length: number
  first: A | undefined
  last: A | undefined
  /** Where it stands in the heap, which holds it while it has a member. */
  index: number
}

export class Deadlines<A extends Deadline<A>> {
  readonly #queues = new Map<number, Queue<A>>()
  readonly #heap: Array<Queue<A>> = []
  // The one that was used last is kept while it is empty: most calls have the same time-out.
  #recent: Queue<A> | undefined

  /** Makes it due `length` nanoseconds after `now`. `now` never goes back. */
  add(item: A, length: number, now: number): void {
    item.due = now + length
    const queue = this.#queueOf(length)
    item.queue = queue
    item.previous = queue.last
    if (queue.last !== undefined) queue.last.next = item
    queue.last = item
    if (queue.first !== undefined) return
    queue.first = item
    queue.index = this.#heap.length
    this.#heap.push(queue)
    this.#rise(queue)
  }

  #queueOf(length: number): Queue<A> {
    const recent = this.#recent
    if (recent?.length === length) return recent
    if (recent !== undefined && recent.first === undefined) this.#queues.delete(recent.length)
    let queue = this.#queues.get(length)
    if (queue === undefined) {
      queue = { length, first: undefined, last: undefined, index: -1 }
      if (this.#queues.size < maxLookedUp) this.#queues.set(length, queue)
    }
    return this.#recent = queue
  }

  /** Forgets it. Does nothing if it is not there. */
  remove(item: A): void {
    const queue = item.queue
    if (queue === undefined) return
    const { next, previous } = item
    if (next === undefined) queue.last = previous
    else next.previous = previous
    if (previous !== undefined) previous.next = next
    else {
      queue.first = next
      if (next === undefined) this.#drop(queue)
      else this.#sink(queue)
    }
    item.queue = undefined
    item.previous = undefined
    item.next = undefined
  }

  /** For how many lengths there is a queue that is looked up. */
  get lengths(): number {
    return this.#queues.size
  }

  /** When the next one is due, in nanoseconds of the monotonic clock. */
  get earliest(): number | undefined {
    return this.#heap[0]?.first?.due
  }

  /** Removes all that are due at `now`, earliest first. */
  expire(now: number): ReadonlyArray<A> {
    const due: Array<A> = []
    while (true) {
      const first = this.#heap[0]?.first
      if (first === undefined || first.due > now) return due
      this.remove(first)
      due.push(first)
    }
  }

  #drop(queue: Queue<A>): void {
    if (queue !== this.#recent) this.#queues.delete(queue.length)
    const last = this.#heap.pop()
    if (last === undefined || last === queue) return
    this.#place(last, queue.index)
    this.#rise(last)
    this.#sink(last)
  }

  #rise(queue: Queue<A>): void {
    while (queue.index > 0) {
      const parent = this.#heap[(queue.index - 1) >> 1]!
      if (dueOf(parent) <= dueOf(queue)) return
      this.#swap(parent, queue)
    }
  }

  #sink(queue: Queue<A>): void {
    while (true) {
      const left = this.#heap[2 * queue.index + 1]
      const right = this.#heap[2 * queue.index + 2]
      const child = right !== undefined && dueOf(right) < dueOf(left!) ? right : left
      if (child === undefined || dueOf(queue) <= dueOf(child)) return
      this.#swap(queue, child)
    }
  }

  #swap(a: Queue<A>, b: Queue<A>): void {
    const index = a.index
    this.#place(a, b.index)
    this.#place(b, index)
  }

  #place(queue: Queue<A>, index: number): void {
    queue.index = index
    this.#heap[index] = queue
  }
}

// A queue in the heap has a first member.
const dueOf = <A extends Deadline<A>>(queue: Queue<A>): number => queue.first!.due
