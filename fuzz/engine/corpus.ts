/** The inputs that are worth changing: those that reached what no other had, and the dearest of each length. */
import type { Stream } from "../../test/support/stream.ts"

/** What an input may be the dearest in. */
export type Measure = "nanos" | "heapBytes"

export interface Champion {
  readonly data: Uint8Array
  /** Nanoseconds, or bytes of heap. */
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

  add(data: Uint8Array): void {
    this.#entries.push(data)
  }

  /** The next one to change: from the dearest one time in four. */
  pick(): Uint8Array {
    const champions = [...this.#champions.values()]
    if (champions.length > 0 && this.#chance.below(4) === 0) {
      return champions[this.#chance.below(champions.length)]!.data
    }
    return this.donor()
  }

  /** Any one, to take parts from: of two the shorter, so that more are run in the same time. */
  donor(): Uint8Array {
    const [one, other] = [this.#any(), this.#any()]
    return one.length < other.length ? one : other
  }

  #any(): Uint8Array {
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
