/**
 * The process that runs the inputs of one target. Its parent (children.ts) ends it when an input hangs, and reads in a file
 * which one it was. It either searches, or judges the inputs that it is sent.
 */
import { openSync, readdirSync, readFileSync, writeSync } from "node:fs"
import type { Target } from "../targets/target.ts"
import * as Coverage from "./coverage.ts"
import type { Fault, Limits, Verdict } from "./judge.ts"
import * as Judge from "./judge.ts"
import type { Summary } from "./search.ts"
import { Search } from "./search.ts"

/** What the parent asks for. */
export interface Task {
  /** The URL of the target's module. */
  readonly target: string
  /** The URL of the folder whose coverage counts. */
  readonly sources: string
  readonly limits: Limits
  /** The file where the input that runs is written. */
  readonly running: string
  /** Absent: judge what is sent. */
  readonly search: SearchTask | undefined
}

export interface SearchTask {
  readonly seed: number
  readonly seconds: number
  readonly inputs: number
  /** Folders with inputs to begin with. */
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

const main = async ({ limits, running, search, sources, target: url }: Task): Promise<void> => {
  // Before the sources are imported.
  const coverage = search === undefined ? undefined : Coverage.start(sources)
  const target: Target = await import(url)
  const file = openSync(running, "w")
  const judge = (data: Uint8Array) => {
    mark(file, data)
    return Judge.judge(target, limits, data)
  }
  const hungry = (data: Uint8Array, verdict: Verdict) => Judge.hungry(target, limits, data, verdict)
  if (search === undefined || coverage === undefined) {
    process.on("message", (data: Uint8Array) => {
      const verdict = judge(data)
      say({ _tag: "Judged", fault: verdict.fault ?? hungry(data, verdict) })
    })
    return
  }
  const searching = new Search({ target, coverage: coverage.imported(), judge, hungry, seed: search.seed })
  await searching.run(inputsIn(search.corpus), search.seconds, search.inputs)
  say({ _tag: "Searched", found: searching.found, summary: searching.summary })
}

const say = (report: Report) => process.send?.(report)

/** Writes down the input before it runs, behind its number, by which the parent sees that it goes on. */
const mark = (file: number, data: Uint8Array): void => {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(++marked, 0)
  head.writeUInt32BE(data.length, 4)
  writeSync(file, Buffer.concat([head, data]), 0, 8 + data.length, 0)
}

let marked = 0

/** Shortest first: of two that reach the same, the shorter is kept. */
const inputsIn = (folders: ReadonlyArray<string>): ReadonlyArray<Uint8Array> =>
  folders
    .flatMap((folder) => readdirSync(folder).map((file) => readFileSync(`${folder}/${file}`)))
    .sort((a, b) => a.length - b.length || Buffer.compare(a, b))

process.once("message", (task: Task) => void main(task))
