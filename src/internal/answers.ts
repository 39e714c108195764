/**
 * The requests that were answered lately, with their answers: at most once is a matter of memory. Bounded in entries and
 * in bytes, and grown to that only where it is needed. No clock, no socket.
 *
 * What is known of each request stands in rings of numbers, and the answers in a ring of bytes: an object each would live
 * long enough to cost the collector more than the request.
 */
import { idBytes } from "../Codec.ts"
import { sameIds } from "./ids.ts"

export interface Options {
  /** How long a request is remembered, in nanoseconds. */
  readonly window: number
  /** How many requests are remembered. A power of two. */
  readonly maxEntries: number
  /** How many bytes of answers are remembered. A power of two. */
  readonly maxBytes: number
  /** Called when the oldest request, or the oldest answer, makes room before its time. */
  readonly onEarly: (forgotten: "request" | "answer") => void
}

/** What `find` gives for a request whose answer had to make room. */
export const forgotten = "forgotten"

const minEntries = 64
const minBytes = 4096

export class Answers {
  readonly #options: Options
  // Entry `n` is at `n % #times.length` in each of these; all lengths are powers of two, as a mask is faster. The oldest
  // is `#first`, the newest `#end - 1`.
  #first = 0
  #end = 0
  /** Of the entries before this one, the answers have made room. */
  #held = 0
  #ids = new Uint8Array(0)
  /** Of the id and its sender: where two ids are the same, so are their senders if these are. */
  #hashes = new Int32Array(0)
  #times = new Float64Array(0)
  #lengths = new Int32Array(0)
  /** Where an answer begins in the stream of all answers, of which the ring holds the end. */
  #positions = new Float64Array(0)
  #ring = new Uint8Array(0)
  #written = 0
  /**
   * Entries of one hash form a chain, the newest first: the number, in 32 bits, of the one where it begins, and of the one
   * where it goes on. It ends where that is older than the oldest: what is forgotten needs no look at its chain, which is
   * somewhere else in memory.
   */
  #heads = new Int32Array(0)
  #next = new Int32Array(0)

  constructor(options: Options) {
    this.#options = options
  }

  /** How many requests are remembered. */
  get size(): number {
    return this.#end - this.#first
  }

  /** How many bytes this takes, all in all. */
  get bytes(): number {
    return this.#ring.length + this.#times.length * (idBytes + 4 + 8 + 4 + 8 + 8 + 4)
  }

  /**
   * A copy of the answer; or that it was forgotten; or undefined for a request that is not known. The id stands in `bytes`
   * from `start` on. `hash` must be of all of it and of its sender, and such that strangers can't compute it: who could put
   * many requests into one chain would make each of them cost as much as all.
   */
  find(hash: number, bytes: Uint8Array, start: number, now: number): Uint8Array | typeof forgotten | undefined {
    if (this.size === 0) return undefined
    let entry = this.#heads[this.#chainOf(hash)]!
    for (let age = 0;;) {
      const before = age
      age = (this.#end - entry) | 0
      if (age <= before || age > this.size) return undefined
      const at = entry & (this.#times.length - 1)
      entry = this.#next[at]!
      if (this.#hashes[at] !== hash || !sameIds(this.#ids, at * idBytes, bytes, start)) continue
      if (this.#isOver(at, now)) return undefined
      const position = this.#positions[at]!
      if (position < this.#written - this.#ring.length) return forgotten
      const from = position & (this.#ring.length - 1)
      return this.#ring.slice(from, from + this.#lengths[at]!)
    }
  }

  /** Remembers an answer that is not there yet, by a hash as `find` takes it. */
  add(hash: number, id: Uint8Array, answer: Uint8Array, now: number): void {
    while (this.size > 0 && this.#isOver(this.#first & (this.#times.length - 1), now)) this.#first++
    if (this.size === this.#times.length) this.#makeRoom()
    const position = this.#write(answer)
    const at = this.#end & (this.#times.length - 1)
    // For so few bytes, `set` takes longer.
    for (let i = 0, to = at * idBytes; i < idBytes; i++) this.#ids[to + i] = id[i]!
    this.#hashes[at] = hash
    this.#times[at] = now
    this.#positions[at] = position
    this.#lengths[at] = answer.length
    this.#link(this.#end++)
  }

  #makeRoom(): void {
    if (this.#times.length < this.#options.maxEntries) return this.#growEntries()
    this.#first++
    this.#options.onEarly("request")
  }

  #growEntries(): void {
    // The ring is full: its oldest entry stands where the next one would.
    const count = this.size
    const middle = count === 0 ? 0 : this.#first % count
    const size = Math.min(Math.max(2 * count, minEntries), this.#options.maxEntries)
    const grow = <A extends Uint8Array | Int32Array | Float64Array>(from: A, to: A, width = 1): A => {
      to.set(from.subarray(middle * width))
      to.set(from.subarray(0, middle * width), (count - middle) * width)
      return to
    }
    this.#ids = grow(this.#ids, new Uint8Array(size * idBytes), idBytes)
    this.#hashes = grow(this.#hashes, new Int32Array(size))
    this.#times = grow(this.#times, new Float64Array(size))
    this.#lengths = grow(this.#lengths, new Int32Array(size))
    this.#positions = grow(this.#positions, new Float64Array(size))
    this.#heads = new Int32Array(2 * size).fill(-1)
    this.#next = new Int32Array(size)
    this.#held = Math.max(this.#held - this.#first, 0)
    this.#first = 0
    this.#end = count
    for (let entry = 0; entry < count; entry++) this.#link(entry)
  }

  #link(entry: number): void {
    const at = entry & (this.#times.length - 1)
    const chain = this.#chainOf(this.#hashes[at]!)
    this.#next[at] = this.#heads[chain]!
    this.#heads[chain] = entry
  }

  /** Puts the answer at the end of the stream, in one piece, over the oldest ones. Answers where it begins. */
  #write(answer: Uint8Array): number {
    const { maxBytes, onEarly } = this.#options
    if (answer.length > maxBytes) {
      onEarly("answer")
      return -Infinity
    }
    while (this.#ring.length < maxBytes && !this.#hasRoomFor(answer)) this.#growRing()
    const end = this.#endOf(answer)
    for (; this.#oldestHeld() < end - this.#ring.length; this.#held++) onEarly("answer")
    this.#ring.set(answer, (end - answer.length) & (this.#ring.length - 1))
    this.#written = end
    return end - answer.length
  }

  #hasRoomFor(answer: Uint8Array): boolean {
    const size = this.#ring.length
    return answer.length <= size && this.#endOf(answer) - size <= this.#oldestHeld()
  }

  #endOf(answer: Uint8Array): number {
    const left = this.#ring.length - (this.#written & (this.#ring.length - 1))
    return this.#written + (answer.length <= left ? 0 : left) + answer.length
  }

  /** Where the oldest answer begins that is still there, or Infinity. */
  #oldestHeld(): number {
    this.#held = Math.max(this.#held, this.#first)
    // One that was too long has never been there.
    while (this.#held < this.#end && this.#positions[this.#held & (this.#times.length - 1)] === -Infinity) this.#held++
    return this.#held < this.#end ? this.#positions[this.#held & (this.#times.length - 1)]! : Infinity
  }

  #growRing(): void {
    const old = this.#ring
    const size = old.length
    this.#ring = new Uint8Array(Math.min(Math.max(2 * size, minBytes), this.#options.maxBytes))
    if (size === 0) return
    // What the old ring holds is two pieces, and neither crosses the end of the new one, which is twice as long.
    const middle = this.#written - this.#written % size
    this.#ring.set(old.subarray(0, this.#written - middle), middle % this.#ring.length)
    if (middle > 0) this.#ring.set(old.subarray(this.#written - middle), (this.#written - size) % this.#ring.length)
  }

  #isOver(at: number, now: number): boolean {
    return this.#times[at]! + this.#options.window <= now
  }

  #chainOf(hash: number): number {
    return hash & (this.#heads.length - 1)
  }
}
