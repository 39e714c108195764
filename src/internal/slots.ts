/**
 * A table of things that know their own hash, found by it. Things whose hashes share a slot are a chain through the things
 * themselves, so nothing is allocated for one. Nothing is hashed here: `Map` would hash what is random already (micro:
 * "table: an id, in, found, out"). Hashes must be such that strangers can't choose them.
 */

export interface Slotted<Self> {
  /** 32 bits. Must not change while it is in the table. */
  readonly hash: number
  nextInSlot: Self | undefined
}

// A power of two.
const minSlots = 128

export class Slots<A extends Slotted<A>> {
  // At least twice as many as things: each thing that stands in the way of another is one more look into memory.
  #slots: Array<A | undefined> = emptySlots(minSlots)
  #size = 0

  /** How many things are here. */
  get size(): number {
    return this.#size
  }

  /** The first of the chain that has all things with this hash: the others follow by `nextInSlot`, with things of other hashes. */
  first(hash: number): A | undefined {
    return this.#slots[hash & (this.#slots.length - 1)]
  }

  /** Adds a thing that is not here. */
  add(thing: A): void {
    if (2 * this.#size === this.#slots.length) this.#grow()
    this.#put(thing)
    this.#size++
  }

  /** Removes a thing that is here. */
  remove(thing: A): void {
    const slot = thing.hash & (this.#slots.length - 1)
    let before = this.#slots[slot]
    if (before === thing) this.#slots[slot] = thing.nextInSlot
    else {
      while (before !== undefined && before.nextInSlot !== thing) before = before.nextInSlot
      if (before !== undefined) before.nextInSlot = thing.nextInSlot
    }
    thing.nextInSlot = undefined
    this.#size--
  }

  /** All things, in no order. */
  all(): Array<A> {
    const things: Array<A> = []
    for (let thing of this.#slots) {
      for (; thing !== undefined; thing = thing.nextInSlot) things.push(thing)
    }
    return things
  }

  #put(thing: A): void {
    const slot = thing.hash & (this.#slots.length - 1)
    thing.nextInSlot = this.#slots[slot]
    this.#slots[slot] = thing
  }

  #grow(): void {
    const things = this.all()
    this.#slots = emptySlots(2 * this.#slots.length)
    for (const thing of things) this.#put(thing)
  }
}

const emptySlots = (length: number): Array<undefined> => Array.from({ length }, () => undefined)
