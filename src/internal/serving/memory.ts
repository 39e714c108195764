/**
 * The requests that were answered lately, with their answers: what is remembered here is not run twice. Bounded in entries
 * and in bytes, and no larger than it had to grow. No clock, no socket.
 *
 * If there is no room, the oldest entry of all is forgotten, unless the sender of the new one has more entries than the sender
 * of the oldest. Then the oldest entry of the new one's sender is forgotten. So nobody can make a quieter sender be forgotten.
 *
 * Entries and answers stand in arrays of numbers, and not in an object each: these would live for the whole window, and the
 * garbage collector would copy and visit them all. Entry `n` is at index `n` of each array. Lists link numbers of entries.
 */
import { idBytes } from "../../Codec.ts"
import { sameIds } from "../wire/ids.ts"

export interface Options {
  /** How long a request is remembered, in nanoseconds. */
  readonly window: number
  /** How many requests are remembered. A power of two. */
  readonly maxEntries: number
  /** How many bytes of answers are remembered. A power of two. */
  readonly maxBytes: number
  /** How many senders are told apart. Senders that share a place count as one. A power of two. */
  readonly senders: number
  /** Called when a request or an answer is forgotten before the window is over, to make room. */
  readonly onEarly: (forgotten: "request" | "answer") => void
}

/** What `find` returns for a request that is remembered, and of which there is no answer. */
export const forgotten = "forgotten"

const minEntries = 64

/** The length of a block of bytes. Most answers fit one. */
const blockBytes = 64

/** No entry, or no block. */
const none = -1

/** Stands for the length of an answer that is forgotten, or that never was. */
const gone = -1

export class Memory {
  readonly #options: Options
  #size = 0
  #ids = new Uint8Array(0)
  /** Hashes of id and sender: two entries with the same id and the same hash have the same sender. */
  #hashes = new Int32Array(0)
  #times = new Float64Array(0)
  #lengths = new Int32Array(0)
  #blocks = new Int32Array(0)
  #senders = new Int32Array(0)
  // The list of all entries, by age.
  #oldest = none
  #newest = none
  #older = new Int32Array(0)
  #newer = new Int32Array(0)
  // The list of the entries of each sender, by age.
  #newerOfSender = new Int32Array(0)
  readonly #ofSenders: Int32Array
  readonly #newestOfSenders: Int32Array
  readonly #entriesOfSenders: Int32Array
  readonly #bytesOfSenders: Int32Array
  // The oldest entry that still has its answer: of all, and of each sender.
  #oldestHeld = none
  readonly #heldOfSenders: Int32Array
  // The chains of entries whose hashes share a head, the newest first. And the list of free entries.
  #heads = new Int32Array(0)
  #next = new Int32Array(0)
  #free = none
  readonly #answers: Blocks

  constructor(options: Options) {
    this.#options = options
    this.#answers = new Blocks(options.maxBytes)
    const ofSenders = () => new Int32Array(options.senders).fill(none)
    this.#ofSenders = ofSenders()
    this.#newestOfSenders = ofSenders()
    this.#heldOfSenders = ofSenders()
    this.#entriesOfSenders = new Int32Array(options.senders)
    this.#bytesOfSenders = new Int32Array(options.senders)
  }

  /** How many requests are remembered. */
  get size(): number {
    return this.#size
  }

  /** How many bytes of memory this takes, without the tables of senders, whose size is fixed. */
  get bytes(): number {
    return this.#answers.bytes + this.#times.length * (idBytes + 4 + 8 + 7 * 4) + 4 * this.#heads.length
  }

  /**
   * Returns a copy of the answer, or that it is forgotten, or undefined for a request that is not known. The id stands in
   * `bytes` from `start` on. `hash` must be of all of the id and of its sender. Strangers must not be able to compute it: with
   * many requests in one chain, to find one would cost as much as to look at all.
   */
  find(hash: number, bytes: Uint8Array, start: number, now: number): Uint8Array | typeof forgotten | undefined {
    if (this.#size === 0) return undefined
    let entry = this.#heads[this.#chainOf(hash)]!
    while (entry !== none && !(this.#hashes[entry] === hash && sameIds(this.#ids, entry * idBytes, bytes, start))) {
      entry = this.#next[entry]!
    }
    if (entry === none || this.#isOver(entry, now)) return undefined
    const length = this.#lengths[entry]!
    return length === gone ? forgotten : this.#answers.read(this.#blocks[entry]!, length)
  }

  /**
   * Remembers a request that is not known, with its answer, if there is one. `hash` is as for `find`. `sender` is a hash of the
   * sender alone.
   */
  add(hash: number, id: Uint8Array, answer: Uint8Array | undefined, sender: number, now: number): void {
    const place = sender & (this.#ofSenders.length - 1)
    while (this.#oldest !== none && this.#isOver(this.#oldest, now)) this.#forget(this.#oldest)
    if (this.#size === this.#options.maxEntries) {
      this.#forget(this.#yielding(place, this.#oldest, this.#ofSenders, this.#entriesOfSenders))
      this.#options.onEarly("request")
    }
    const entry = this.#take()
    // A loop: `set` is slower for so few bytes (`benchmark/guard.ts`).
    for (let i = 0, to = entry * idBytes; i < idBytes; i++) this.#ids[to + i] = id[i]!
    this.#hashes[entry] = hash
    this.#times[entry] = now
    this.#senders[entry] = place
    this.#link(entry, place)
    if (answer === undefined) this.#lengths[entry] = gone
    else this.#hold(entry, answer, place)
  }

  /**
   * The entry that makes room for the sender at this place. `oldest` is the oldest of all, `first` has the oldest of each
   * sender, and `amounts` says how much each sender has.
   */
  #yielding(place: number, oldest: number, first: Int32Array, amounts: Int32Array): number {
    return amounts[place]! > amounts[this.#senders[oldest]!]! ? first[place]! : oldest
  }

  /** Keeps the answer of a new entry, if it fits at all. */
  #hold(entry: number, answer: Uint8Array, place: number): void {
    if (answer.length > this.#options.maxBytes) {
      this.#lengths[entry] = gone
      return this.#options.onEarly("answer")
    }
    while (!this.#answers.hasRoomFor(answer.length)) {
      this.#release(this.#yielding(place, this.#oldestHeld, this.#heldOfSenders, this.#bytesOfSenders))
      this.#options.onEarly("answer")
    }
    this.#lengths[entry] = answer.length
    this.#blocks[entry] = this.#answers.write(answer)
    this.#bytesOfSenders[place] = this.#bytesOfSenders[place]! + answer.length
    if (this.#oldestHeld === none) this.#oldestHeld = entry
    if (this.#heldOfSenders[place] === none) this.#heldOfSenders[place] = entry
  }

  /** Forgets an answer. The entry must be the oldest of its sender that has one. */
  #release(entry: number): void {
    const place = this.#senders[entry]!
    const length = this.#lengths[entry]!
    this.#answers.free(this.#blocks[entry]!, length)
    this.#lengths[entry] = gone
    this.#bytesOfSenders[place] = this.#bytesOfSenders[place]! - length
    if (this.#oldestHeld === entry) this.#oldestHeld = this.#nextHeld(entry, this.#newer)
    this.#heldOfSenders[place] = this.#nextHeld(entry, this.#newerOfSender)
  }

  /** The next entry of a list that has its answer. It starts where it last ended, so no entry is passed over twice. */
  #nextHeld(entry: number, list: Int32Array): number {
    let held = list[entry]!
    while (held !== none && this.#lengths[held] === gone) held = list[held]!
    return held
  }

  /** Forgets an entry, which must be the oldest of its sender. */
  #forget(entry: number): void {
    if (this.#lengths[entry] !== gone) this.#release(entry)
    const place = this.#senders[entry]!
    const older = this.#older[entry]!
    const newer = this.#newer[entry]!
    if (older === none) this.#oldest = newer
    else this.#newer[older] = newer
    if (newer === none) this.#newest = older
    else this.#older[newer] = older
    this.#ofSenders[place] = this.#newerOfSender[entry]!
    if (this.#ofSenders[place] === none) this.#newestOfSenders[place] = none
    this.#entriesOfSenders[place] = this.#entriesOfSenders[place]! - 1
    this.#unchain(entry)
    this.#next[entry] = this.#free
    this.#free = entry
    this.#size--
  }

  #link(entry: number, place: number): void {
    this.#older[entry] = this.#newest
    this.#newer[entry] = none
    if (this.#newest === none) this.#oldest = entry
    else this.#newer[this.#newest] = entry
    this.#newest = entry
    this.#newerOfSender[entry] = none
    const newestOfSender = this.#newestOfSenders[place]!
    if (newestOfSender === none) this.#ofSenders[place] = entry
    else this.#newerOfSender[newestOfSender] = entry
    this.#newestOfSenders[place] = entry
    this.#entriesOfSenders[place] = this.#entriesOfSenders[place]! + 1
    this.#chain(entry)
  }

  #chain(entry: number): void {
    const chain = this.#chainOf(this.#hashes[entry]!)
    this.#next[entry] = this.#heads[chain]!
    this.#heads[chain] = entry
  }

  #unchain(entry: number): void {
    const chain = this.#chainOf(this.#hashes[entry]!)
    let before = this.#heads[chain]!
    if (before === entry) {
      this.#heads[chain] = this.#next[entry]!
      return
    }
    while (this.#next[before] !== entry) before = this.#next[before]!
    this.#next[before] = this.#next[entry]!
  }

  /** A free entry. */
  #take(): number {
    if (this.#free === none) this.#grow()
    const entry = this.#free
    this.#free = this.#next[entry]!
    this.#size++
    return entry
  }

  #grow(): void {
    const before = this.#times.length
    const size = Math.min(Math.max(2 * before, minEntries), this.#options.maxEntries)
    this.#ids = longer(this.#ids, new Uint8Array(size * idBytes))
    this.#hashes = longer(this.#hashes, new Int32Array(size))
    this.#times = longer(this.#times, new Float64Array(size))
    this.#lengths = longer(this.#lengths, new Int32Array(size))
    this.#blocks = longer(this.#blocks, new Int32Array(size))
    this.#senders = longer(this.#senders, new Int32Array(size))
    this.#older = longer(this.#older, new Int32Array(size))
    this.#newer = longer(this.#newer, new Int32Array(size))
    this.#newerOfSender = longer(this.#newerOfSender, new Int32Array(size))
    // All entries are in use, so all of them are in the list that is walked here.
    this.#heads = new Int32Array(2 * size).fill(none)
    this.#next = new Int32Array(size)
    for (let entry = this.#oldest; entry !== none; entry = this.#newer[entry]!) this.#chain(entry)
    for (let entry = before; entry < size; entry++) this.#next[entry] = entry + 1 < size ? entry + 1 : none
    this.#free = before
  }

  #isOver(entry: number, now: number): boolean {
    return this.#times[entry]! + this.#options.window <= now
  }

  #chainOf(hash: number): number {
    return hash & (this.#heads.length - 1)
  }
}

/** Memory for answers, in blocks of one length: what is freed fits whatever comes next. */
class Blocks {
  readonly #most: number
  readonly #blockBytes: number
  #bytes = new Uint8Array(0)
  #next = new Int32Array(0)
  #free = none
  #taken = 0

  constructor(maxBytes: number) {
    this.#blockBytes = Math.min(blockBytes, maxBytes)
    this.#most = maxBytes / this.#blockBytes
  }

  get bytes(): number {
    return this.#bytes.length + 4 * this.#next.length
  }

  hasRoomFor(length: number): boolean {
    return this.#taken + this.#count(length) <= this.#most
  }

  /** Copies these bytes into free blocks. Returns the number of the first block. */
  write(bytes: Uint8Array): number {
    let first = none
    // From the end, so that the block that follows each one is known.
    for (let i = this.#count(bytes.length) - 1; i >= 0; i--) {
      const block = this.#take()
      const from = i * this.#blockBytes
      const to = block * this.#blockBytes
      const end = Math.min(from + this.#blockBytes, bytes.length)
      for (let offset = from; offset < end; offset++) this.#bytes[to + offset - from] = bytes[offset]!
      this.#next[block] = first
      first = block
    }
    return first
  }

  read(first: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let from = 0, block = first; from < length; from += this.#blockBytes, block = this.#next[block]!) {
      const start = block * this.#blockBytes
      bytes.set(this.#bytes.subarray(start, start + Math.min(this.#blockBytes, length - from)), from)
    }
    return bytes
  }

  free(first: number, length: number): void {
    let block = first
    for (let i = this.#count(length); i > 0; i--) {
      const next = this.#next[block]!
      this.#next[block] = this.#free
      this.#free = block
      this.#taken--
      block = next
    }
  }

  #count(length: number): number {
    return Math.ceil(length / this.#blockBytes)
  }

  #take(): number {
    if (this.#free === none) this.#grow()
    const block = this.#free
    this.#free = this.#next[block]!
    this.#taken++
    return block
  }

  #grow(): void {
    const before = this.#next.length
    const size = Math.min(Math.max(2 * before, minEntries), this.#most)
    this.#bytes = longer(this.#bytes, new Uint8Array(size * this.#blockBytes))
    this.#next = longer(this.#next, new Int32Array(size))
    for (let block = before; block < size; block++) this.#next[block] = block + 1 < size ? block + 1 : none
    this.#free = before
  }
}

const longer = <A extends Uint8Array | Int32Array | Float64Array>(from: A, to: A): A => {
  to.set(from)
  return to
}
