/** The search in one process: change inputs of the corpus, run them, keep those that reach something new or are dearest. */
import { setImmediate } from "node:timers/promises"
import { stream } from "../../test/support/stream.ts"
import type { Target } from "../targets/target.ts"
import type { Champion, Measure } from "./corpus.ts"
import { Corpus } from "./corpus.ts"
import type { Coverage } from "./coverage.ts"
import type { Fault, Verdict } from "./judge.ts"
import { measureAgain } from "./judge.ts"
import type { Mutator } from "./mutate.ts"
import * as Mutate from "./mutate.ts"

export interface Options {
  readonly target: Target
  /** What has run, since the target was imported. */
  readonly coverage: Coverage
  readonly judge: (data: Uint8Array) => Verdict
  /** Whether what is made of an input holds too much heap. Expensive where much was allocated. */
  readonly hungry: (data: Uint8Array, verdict: Verdict) => Fault | undefined
  readonly seed: number
}

export interface Summary {
  readonly inputs: number
  readonly seconds: number
  /** How much of each file has run, from 0 to 1. */
  readonly shares: ReadonlyArray<readonly [file: string, share: number]>
  readonly slowest: Champion | undefined
  readonly hungriest: Champion | undefined
  /** The inputs that each reached what none before them had. */
  readonly corpus: ReadonlyArray<Uint8Array>
}

export class Search {
  readonly #options: Options
  readonly #corpus: Corpus
  readonly #mutator: Mutator
  readonly #start = performance.now()
  #inputs = 0
  /** When an input that is not the hungriest is next asked what it holds. */
  #weighAt = 0
  #found: { readonly input: Uint8Array; readonly fault: Fault } | undefined

  constructor(options: Options) {
    this.#options = options
    const chance = stream(options.seed)
    this.#corpus = new Corpus(chance)
    this.#mutator = Mutate.make(chance, maxInputBytes, options.target.bodyAt)
  }

  /** What was found, if anything was. */
  get found(): { readonly input: Uint8Array; readonly fault: Fault } | undefined {
    return this.#found
  }

  get summary(): Summary {
    return {
      inputs: this.#inputs,
      seconds: this.#seconds,
      shares: this.#options.coverage.shares(),
      slowest: this.#corpus.dearest("nanos"),
      hungriest: this.#corpus.dearest("heapBytes"),
      corpus: this.#corpus.entries
    }
  }

  /** Goes on until there is a finding, or until so much time has passed or so many inputs have run. */
  async run(initial: ReadonlyArray<Uint8Array>, seconds: number, inputs: number): Promise<void> {
    for (const data of initial) this.#keepNew([data])
    if (this.#corpus.entries.length === 0) this.#corpus.add(smallest)
    while (this.#found === undefined && this.#inputs < inputs && this.#seconds < seconds) {
      const length = Math.min(batchInputs, inputs - this.#inputs)
      const batch = Array.from({ length }, () => this.#mutator.mutate(this.#corpus.pick(), this.#corpus.donor()))
      this.#runAll(batch)
      if (this.#options.coverage.isNew()) this.#keepNew(batch)
      // Lets fibers and loggers go on.
      await setImmediate()
    }
  }

  get #seconds(): number {
    return (performance.now() - this.#start) / 1000
  }

  /** Finds those of a batch that reach what nothing reached before, by halves: a reading for each would take too long. */
  #keepNew(batch: ReadonlyArray<Uint8Array>): void {
    const { coverage } = this.#options
    this.#runAll(batch)
    if (this.#found !== undefined) return
    if (batch.length === 1) {
      if (coverage.note()) this.#corpus.add(batch[0]!)
    } else if (coverage.isNew()) {
      this.#keepNew(batch.slice(0, batch.length / 2))
      this.#keepNew(batch.slice(batch.length / 2))
    }
  }

  #runAll(batch: ReadonlyArray<Uint8Array>): void {
    for (const data of batch) {
      if (this.#found !== undefined) return
      this.#inputs++
      const verdict = this.#options.judge(data)
      const fault = verdict.fault ?? this.#compare(data, verdict)
      if (fault !== undefined) this.#found = { input: data, fault }
    }
  }

  #compare(data: Uint8Array, verdict: Verdict): Fault | undefined {
    this.#crown("nanos", data, verdict.nanos)
    const isHungriest = this.#crown("heapBytes", data, verdict.heapBytes)
    const now = performance.now()
    if (!isHungriest && now < this.#weighAt) return undefined
    const fault = this.#options.hungry(data, verdict)
    // What allocates most need not hold most, but to ask takes collections: others are asked for a twentieth of the time.
    this.#weighAt = now + 20 * (performance.now() - now)
    return fault
  }

  /**
   * Keeps the dearest of about its length, and returns whether this is it. Both are measured again: a clock that showed too
   * much once must not crown anybody for good.
   */
  #crown(measure: Measure, data: Uint8Array, amount: number): boolean {
    const { target } = this.#options
    const champion = this.#corpus.champion(measure, data.length)
    if (champion !== undefined && amount < champion.amount * clearly) return false
    const its = champion === undefined ? 0 : measureAgain(target, champion.data, 5)[measure]
    const again = measureAgain(target, data, 5)[measure]
    const isDearer = again > its * clearly
    if (isDearer) this.#corpus.crown(measure, { data, amount: again })
    else if (champion !== undefined) this.#corpus.crown(measure, { data: champion.data, amount: its })
    return isDearer
  }
}

/** What there is where there is no corpus: a datagram of zeros. */
const smallest = new Uint8Array(22)

/** Longer by some than what the wire allows. */
const maxInputBytes = 8300

/** How many inputs share a reading of the coverage, which costs as much as some hundred of them. */
const batchInputs = 256

/** An input is dearer than another if it costs that many times as much. */
const clearly = 1.1
