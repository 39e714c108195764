/**
 * The process that runs the inputs of one target. Its parent (scripts/fuzz.ts) ends it when an input hangs, and finds in a
 * file which one it was. It either looks for inputs, or judges those that it is sent.
 */
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs"
import { setImmediate } from "node:timers/promises"
import { stream } from "../../test/support/stream.ts"
import type { Target } from "../targets/target.ts"
import { Corpus } from "./corpus.ts"
import type { Measure } from "./corpus.ts"
import type { Coverage } from "./coverage.ts"
import * as Coverages from "./coverage.ts"
import type { Fault, Limits } from "./judge.ts"
import { hungry, judge, measureAgain } from "./judge.ts"
import * as Mutate from "./mutate.ts"

/** What the parent asks for. */
export interface Task {
  /** The URL of the target's module. */
  readonly target: string
  readonly limits: Limits
  /** Where the input that runs is written. */
  readonly running: string
  /** Absent: judge what is sent. */
  readonly search: Search | undefined
}

export interface Search {
  readonly seed: number
  readonly seconds: number
  readonly inputs: number
  /** Folders with inputs to begin with, the shortest first. */
  readonly corpus: ReadonlyArray<string>
}

/** What the child says. */
export type Report =
  | { readonly _tag: "Judged"; readonly fault: Fault | undefined }
  | {
    readonly _tag: "Searched"
    readonly found: { readonly input: Uint8Array; readonly fault: Fault } | undefined
    readonly summary: Summary
  }

export interface Summary {
  readonly inputs: number
  readonly seconds: number
  readonly shares: ReadonlyArray<readonly [file: string, share: number]>
  readonly slowest: Dearest | undefined
  readonly hungriest: Dearest | undefined
  /** The inputs that each reached what none before them had. */
  readonly corpus: ReadonlyArray<Uint8Array>
}

export interface Dearest {
  readonly input: Uint8Array
  /** Nanoseconds, or bytes of heap. */
  readonly amount: number
}

/** Longer by some than what the wire allows. */
const maxInputBytes = 8300

/** How many inputs share a reading of the coverage, which costs as much as some hundred of them. */
const batchInputs = 256

const main = async (task: Task) => {
  const coverage = task.search === undefined ? undefined : Coverages.start(new URL("../../src/", import.meta.url).href)
  const target: Target = await import(task.target)
  const running = openSync(task.running, "w")
  const judgeOne = (data: Uint8Array) => {
    mark(running, data)
    return judge(target, task.limits, data)
  }
  if (task.search === undefined || coverage === undefined) {
    process.on("message", (input: Uint8Array) => {
      const verdict = judgeOne(input)
      say({ _tag: "Judged", fault: verdict.fault ?? hungry(target, task.limits, input, verdict) })
    })
    return
  }
  say(await search(target, task.limits, task.search, coverage.imported(), judgeOne))
  closeSync(running)
  process.disconnect()
}

const say = (report: Report) => process.send?.(report)

/** Writes down the input before it runs: behind its number, which shows that time goes by. */
const mark = (file: number, data: Uint8Array) => {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(++marked, 0)
  head.writeUInt32BE(data.length, 4)
  writeSync(file, Buffer.concat([head, data]), 0, 8 + data.length, 0)
}

let marked = 0

const search = async (
  target: Target,
  limits: Limits,
  { corpus: folders, inputs, seconds, seed }: Search,
  coverage: Coverage,
  judgeOne: (data: Uint8Array) => ReturnType<typeof judge>
): Promise<Report> => {
  const chance = stream(seed)
  const corpus = new Corpus(chance)
  const mutator = Mutate.make(chance, maxInputBytes, target.bodyAt)
  let done = 0
  let found: { readonly input: Uint8Array; readonly fault: Fault } | undefined

  /** Runs inputs until one is a finding. */
  const runAll = (batch: ReadonlyArray<Uint8Array>) => {
    for (const data of batch) {
      done++
      const verdict = judgeOne(data)
      let { fault } = verdict
      if (fault === undefined) {
        crown("nanos", data, verdict.nanos)
        if (crown("heapBytes", data, verdict.heapBytes)) fault = hungry(target, limits, data, verdict)
      }
      if (fault === undefined) continue
      found = { input: data, fault }
      return
    }
  }

  /**
   * Keeps the dearest of its length, and returns whether this is it. Both are measured again: a clock that showed too much once
   * must not crown anybody.
   */
  const crown = (measure: Measure, data: Uint8Array, amount: number): boolean => {
    const champion = corpus.champion(measure, data.length)
    if (champion !== undefined && amount < champion.amount * clearly) return false
    const again = measureAgain(target, data, 5)[measure]
    const its = champion === undefined ? 0 : measureAgain(target, champion.data, 5)[measure]
    const isDearer = again > its * clearly
    if (isDearer) corpus.crown(measure, { data, amount: again })
    else if (champion !== undefined) corpus.crown(measure, { data: champion.data, amount: its })
    return isDearer
  }

  /** Finds those of a batch that reach what nothing reached before, by halves. */
  const keepNew = (batch: ReadonlyArray<Uint8Array>): void => {
    runAll(batch)
    if (found !== undefined) return
    if (batch.length === 1) {
      if (coverage.note()) corpus.add(batch[0]!)
      return
    }
    if (!coverage.isNew()) return
    keepNew(batch.slice(0, batch.length / 2))
    keepNew(batch.slice(batch.length / 2))
  }

  const start = performance.now()
  const elapsed = () => (performance.now() - start) / 1000
  for (const data of initial(folders)) {
    keepNew([data])
    if (found !== undefined) break
  }
  if (corpus.entries.length === 0) corpus.add(new Uint8Array(22))
  while (found === undefined && done < inputs && elapsed() < seconds) {
    const batch = Array.from(
      { length: Math.min(batchInputs, inputs - done) },
      () => mutator.mutate(corpus.pick(), corpus.donor())
    )
    runAll(batch)
    if (found === undefined && coverage.isNew()) keepNew(batch)
    // Lets fibers and loggers go on.
    await setImmediate()
  }
  const dearest = (measure: Measure): Dearest | undefined => {
    const champion = corpus.dearest(measure)
    return champion === undefined ? undefined : { input: champion.data, amount: champion.amount }
  }
  return {
    _tag: "Searched",
    found,
    summary: {
      inputs: done,
      seconds: elapsed(),
      shares: coverage.shares(),
      slowest: dearest("nanos"),
      hungriest: dearest("heapBytes"),
      corpus: corpus.entries
    }
  }
}

/** An input is dearer than another if it costs that many times as much. */
const clearly = 1.1

/** Shortest first: of two that reach the same, the shorter is kept. */
const initial = (folders: ReadonlyArray<string>): ReadonlyArray<Uint8Array> =>
  folders
    .flatMap((folder) => readdirSync(folder).map((file) => readFileSync(`${folder}/${file}`)))
    .sort((a, b) => a.length - b.length || Buffer.compare(a, b))

process.once("message", (task: Task) => void main(task))
