/** The inputs that are worth changing: those that reached what no other had, and the dearest of each length. */
import type { Stream } from "../../test/support/stream.ts"

/** What an input may be the dearest in. */
export type Measure = "nanos" | "heapBytes"

export interface Champion {
  readonly data: Uint8Array
  readonly amount: number
}

export class Corpus {
  readonly #chance: Stream
  readonly #entries: Array<Uint8Array> = []
  readonly #champions = new Map<string, Champion>()

  constructor(chance: Stream) {
    this.#chance = chance
  }

  get entries(): ReadonlyArray<Uint8Array> {
    return this.#entries
  }

  get champions(): Iterable<Champion> {
    return this.#champions.values()
  }

  add(data: Uint8Array): void {
    this.#entries.push(data)
  }

  /** The next one to change: from the dearest one time in three, and from the youngest eighth as often. */
  pick(): Uint8Array {
    const way = this.#chance.below(3)
    if (way === 0 && this.#champions.size > 0) return [...this.#champions.values()][this.#chance.below(this.#champions.size)]!.data
    const from = way === 1 ? Math.floor(this.#entries.length * 7 / 8) : 0
    return this.#entries[from + this.#chance.below(this.#entries.length - from)]!
  }

  /** Any one, to take parts from. */
  donor(): Uint8Array {
    return this.#entries[this.#chance.below(this.#entries.length)]!
  }

  /** The dearest so far of about this length. */
  champion(measure: Measure, length: number): Champion | undefined {
    return this.#champions.get(classOf(measure, length))
  }

  crown(measure: Measure, champion: Champion): void {
    this.#champions.set(classOf(measure, champion.data.length), champion)
  }

  /** Of all lengths, the one that costs most. */
  dearest(measure: Measure): Champion | undefined {
    return [...this.#champions]
      .filter(([key]) => key.startsWith(measure))
      .map(([, champion]) => champion)
      .sort((a, b) => b.amount - a.amount)[0]
  }
}

/** Lengths with the same number of binary digits. */
const classOf = (measure: Measure, length: number): string => `${measure} ${32 - Math.clz32(length)}`
