/**
 * The requests that were answered lately, with their answers: what is remembered here is not run twice. Bounded in entries
 * and in bytes, and no larger than it had to grow. No clock, no socket.
 *
 * If there is no room, the oldest entry of all is forgotten, unless the sender of the new one has more entries than the sender
 * of the oldest. Then the oldest entry of the new one's sender is forgotten. So nobody can make a quieter sender be forgotten.
 *
 * Entries and answers stand in arrays of numbers, and not in an object each: these would live for the whole window, and the
 * garbage collector would copy and visit them all. All of an entry is in one record, a line of the processor's cache: what was
 * written a minute ago is in no cache any more, and an array for each of its fields costs a fifth of a request
 * (`npm run bench`, 64 in flight). An entry is the index at which its record begins. Lists link these.
 */
import { idBytes } from "../../Codec.ts"
import { wordAt } from "../wire/ids.ts"

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

/** How many words a record has. The first two are its time. The others: */
const words = 16
/** Of id and sender: two entries with the same id and the same hash have the same sender. */
const hashWord = 2
const lengthWord = 3
const blockWord = 4
const senderWord = 5
// The list of all entries, by age, and that of the entries of each sender.
const olderWord = 6
const newerWord = 7
const newerOfSenderWord = 8
/** How many entries were added before it: 32 bits, which wrap. */
const serialWord = 9
/** In the chain of entries whose hashes share a head, the newest first; or in the list of free entries. */
const nextWord = 10
const idWord = 11
const idWords = idBytes / 4

/** The length of a block of bytes. Most answers fit one. */
const blockBytes = 64

/** No entry, or no block. */
const none = -1

/** Stands for the length of an answer that is forgotten, or that never was. */
const gone = -1

export class Memory {
  readonly #options: Options
  #size = 0
  #records = new Int32Array(0)
  /** The same memory, for times. */
  #times = new Float64Array(0)
  #oldest = none
  #newest = none
  readonly #ofSenders: Int32Array
  readonly #newestOfSenders: Int32Array
  readonly #entriesOfSenders: Int32Array
  readonly #bytesOfSenders: Int32Array
  // The oldest entry that still has its answer: of all, and of each sender.
  #oldestHeld = none
  readonly #heldOfSenders: Int32Array
  // Of each chain, its newest entry and the serial of that.
  #heads = new Int32Array(0)
  #free = none
  /** The serials of the next entry and of the oldest. */
  #serial = 0
  #oldestSerial = 0
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
    return this.#answers.bytes + 4 * this.#records.length + 4 * this.#heads.length
  }

  /**
   * Returns a copy of the answer, or that it is forgotten, or undefined for a request that is not known. The id stands in
   * `bytes` from `start` on. `hash` must be of all of the id and of its sender. Strangers must not be able to compute it: with
   * many requests in one chain, to find one would cost as much as to look at all.
   */
  find(hash: number, bytes: Uint8Array, start: number, now: number): Uint8Array | typeof forgotten | undefined {
    if (this.#size === 0) return undefined
    let entry = this.#firstOf(this.#headOf(hash))
    while (entry !== none && !(this.#records[entry + hashWord] === hash && this.#hasId(entry, bytes, start))) {
      entry = this.#behind(entry)
    }
    if (entry === none || this.#isOver(entry, now)) return undefined
    const length = this.#records[entry + lengthWord]!
    return length === gone ? forgotten : this.#answers.read(this.#records[entry + blockWord]!, length)
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
    for (let i = 0; i < idWords; i++) this.#records[entry + idWord + i] = wordAt(id, 4 * i)
    this.#records[entry + hashWord] = hash
    this.#records[entry + serialWord] = this.#serial
    this.#serial = this.#serial + 1 | 0
    this.#times[entry >> 1] = now
    this.#records[entry + senderWord] = place
    this.#link(entry, place)
    if (answer === undefined) this.#records[entry + lengthWord] = gone
    else this.#hold(entry, answer, place)
  }

  /**
   * The entry that makes room for the sender at this place. `oldest` is the oldest of all, `first` has the oldest of each
   * sender, and `amounts` says how much each sender has.
   */
  #yielding(place: number, oldest: number, first: Int32Array, amounts: Int32Array): number {
    return amounts[place]! > amounts[this.#records[oldest + senderWord]!]! ? first[place]! : oldest
  }

  /** Keeps the answer of a new entry, if it fits at all. */
  #hold(entry: number, answer: Uint8Array, place: number): void {
    if (answer.length > this.#options.maxBytes) {
      this.#records[entry + lengthWord] = gone
      return this.#options.onEarly("answer")
    }
    while (!this.#answers.hasRoomFor(answer.length)) {
      this.#release(this.#yielding(place, this.#oldestHeld, this.#heldOfSenders, this.#bytesOfSenders))
      this.#options.onEarly("answer")
    }
    this.#records[entry + lengthWord] = answer.length
    this.#records[entry + blockWord] = this.#answers.write(answer)
    this.#bytesOfSenders[place] = this.#bytesOfSenders[place]! + answer.length
    if (this.#oldestHeld === none) this.#oldestHeld = entry
    if (this.#heldOfSenders[place] === none) this.#heldOfSenders[place] = entry
  }

  /** Forgets an answer. The entry must be the oldest of its sender that has one. */
  #release(entry: number): void {
    const place = this.#records[entry + senderWord]!
    const length = this.#records[entry + lengthWord]!
    this.#answers.free(this.#records[entry + blockWord]!, length)
    this.#records[entry + lengthWord] = gone
    this.#bytesOfSenders[place] = this.#bytesOfSenders[place]! - length
    if (this.#oldestHeld === entry) this.#oldestHeld = this.#nextHeld(entry, newerWord)
    this.#heldOfSenders[place] = this.#nextHeld(entry, newerOfSenderWord)
  }

  /** The next entry of a list of newer ones that has its answer. It starts where it last ended, so no entry is passed over twice. */
  #nextHeld(entry: number, newer: number): number {
    let held = this.#records[entry + newer]!
    while (held !== none && this.#records[held + lengthWord] === gone) held = this.#records[held + newer]!
    return held
  }

  /** Forgets an entry, which must be the oldest of its sender. */
  #forget(entry: number): void {
    if (this.#records[entry + lengthWord] !== gone) this.#release(entry)
    const place = this.#records[entry + senderWord]!
    const older = this.#records[entry + olderWord]!
    const newer = this.#records[entry + newerWord]!
    if (older === none) {
      this.#oldest = newer
      this.#oldestSerial = newer === none ? this.#serial : this.#records[newer + serialWord]!
    } else {
      this.#records[older + newerWord] = newer
      this.#unchain(entry)
    }
    if (newer === none) this.#newest = older
    else this.#records[newer + olderWord] = older
    this.#ofSenders[place] = this.#records[entry + newerOfSenderWord]!
    if (this.#ofSenders[place] === none) this.#newestOfSenders[place] = none
    this.#entriesOfSenders[place] = this.#entriesOfSenders[place]! - 1
    this.#records[entry + nextWord] = this.#free
    this.#free = entry
    this.#size--
  }

  #link(entry: number, place: number): void {
    this.#records[entry + olderWord] = this.#newest
    this.#records[entry + newerWord] = none
    if (this.#newest === none) this.#oldest = entry
    else this.#records[this.#newest + newerWord] = entry
    this.#newest = entry
    this.#records[entry + newerOfSenderWord] = none
    const newestOfSender = this.#newestOfSenders[place]!
    if (newestOfSender === none) this.#ofSenders[place] = entry
    else this.#records[newestOfSender + newerOfSenderWord] = entry
    this.#newestOfSenders[place] = entry
    this.#entriesOfSenders[place] = this.#entriesOfSenders[place]! + 1
    this.#chain(entry)
  }

  // An entry that is the oldest of all is the last of its chain. It stays there when it is forgotten: to look for whoever leads to it
  // takes longer than all else that is done for a request, and its serial says that it is no more.

  #chain(entry: number): void {
    const head = this.#headOf(this.#records[entry + hashWord]!)
    this.#records[entry + nextWord] = this.#firstOf(head)
    this.#heads[head] = entry
    this.#heads[head + 1] = this.#records[entry + serialWord]!
  }

  #unchain(entry: number): void {
    const head = this.#headOf(this.#records[entry + hashWord]!)
    const next = this.#behind(entry)
    let before = this.#firstOf(head)
    if (before === entry) {
      this.#heads[head] = next
      // Without a next entry this is no serial, and the chain is empty whatever it says.
      this.#heads[head + 1] = this.#records[next + serialWord]!
      return
    }
    while (this.#records[before + nextWord] !== entry) before = this.#records[before + nextWord]!
    this.#records[before + nextWord] = next
  }

  /** The newest entry of a chain. The head knows its serial, so that the record of one that was forgotten is not looked at. */
  #firstOf(head: number): number {
    return this.#isKept(this.#heads[head + 1]!) ? this.#heads[head]! : none
  }

  /** The entry behind this one in its chain. If that was forgotten, another one may have its place. */
  #behind(entry: number): number {
    const next = this.#records[entry + nextWord]!
    if (next === none) return none
    const serial = this.#records[next + serialWord]!
    return this.#isKept(serial) && (this.#records[entry + serialWord]! - serial | 0) > 0 ? next : none
  }

  #isKept(serial: number): boolean {
    return (serial - this.#oldestSerial | 0) >= 0
  }

  /** A free entry. */
  #take(): number {
    if (this.#free === none) this.#grow()
    const entry = this.#free
    this.#free = this.#records[entry + nextWord]!
    this.#size++
    return entry
  }

  #grow(): void {
    const before = this.#records.length
    const entries = Math.min(Math.max(2 * before / words, minEntries), this.#options.maxEntries)
    this.#records = longer(this.#records, new Int32Array(entries * words))
    this.#times = new Float64Array(this.#records.buffer)
    // All entries are in use, so all of them are in the list that is walked here.
    this.#heads = new Int32Array(4 * entries).fill(none)
    for (let entry = this.#oldest; entry !== none; entry = this.#records[entry + newerWord]!) this.#chain(entry)
    for (let entry = before; entry < this.#records.length; entry += words) {
      this.#records[entry + nextWord] = entry + words < this.#records.length ? entry + words : none
    }
    this.#free = before
  }

  #hasId(entry: number, bytes: Uint8Array, start: number): boolean {
    for (let i = 0; i < idWords; i++) {
      if (this.#records[entry + idWord + i] !== wordAt(bytes, start + 4 * i)) return false
    }
    return true
  }

  #isOver(entry: number, now: number): boolean {
    return this.#times[entry >> 1]! + this.#options.window <= now
  }

  /** Where the head of its chain is. */
  #headOf(hash: number): number {
    return 2 * hash & (this.#heads.length - 1)
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
