/** The mutants of src, made by Stryker's instrumenter: all in one copy of the project, each switched on by its number. Runs no test. */
import { Instrumenter } from "@stryker-mutator/instrumenter"
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { copy } from "./named.ts"

export interface Mutant {
  /** The number that switches it on. */
  readonly id: string
  /** The file of src that it changes. */
  readonly file: string
  /** Its place among those of its file, from 0. */
  readonly number: number
  /** From 1. */
  readonly line: number
  /** The line where it begins, without its indentation. */
  readonly code: string
  readonly original: string
  readonly replacement: string
  /** The kind of change, as Stryker names it. */
  readonly kind: string
}

const silent = {
  isTraceEnabled: () => false,
  isDebugEnabled: () => false,
  isInfoEnabled: () => false,
  isWarnEnabled: () => false,
  isErrorEnabled: () => false,
  isFatalEnabled: () => false,
  trace: () => {},
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  fatal: () => {}
}

/** The text between two places: lines and columns from 0. */
const between = (
  lines: ReadonlyArray<string>,
  { start, end }: {
    readonly start: { readonly line: number; readonly column: number }
    readonly end: { readonly line: number; readonly column: number }
  }
): string => {
  const taken = lines.slice(start.line, end.line + 1)
  taken[taken.length - 1] = taken.at(-1)!.slice(0, end.column)
  taken[0] = taken[0]!.slice(start.column)
  return taken.join("\n")
}

/** Copies the project into `tree`, with all mutants in its src, and returns them. */
export const instrument = async (project: string, tree: string): Promise<ReadonlyArray<Mutant>> => {
  copy(project, tree)
  const sources = globSync("src/**/*.ts", { cwd: project }).sort()
  const files = sources.map((name) => ({ name, mutate: true, content: readFileSync(join(project, name), "utf8") }))
  const made = await new Instrumenter(silent).instrument(files, { plugins: null, excludedMutations: [], ignorers: [] })
  for (const { name, content } of made.files) {
    mkdirSync(dirname(join(tree, name)), { recursive: true })
    // What is reached is noted by our own setup: Stryker's counters make slow tests several times slower.
    const noting = content.replace("stryCov_9fa48 = cover;", "cover = ns.cover ?? cover; stryCov_9fa48 = cover;")
    writeFileSync(join(tree, name), noting)
  }
  const numbers = new Map<string, number>()
  const lines = new Map(files.map(({ name, content }) => [name, content.split("\n")]))
  return made.mutants.map(({ id, fileName, location, mutatorName, replacement }) => {
    const text = lines.get(fileName)!
    const number = numbers.get(fileName) ?? 0
    numbers.set(fileName, number + 1)
    return {
      id,
      file: fileName,
      number,
      line: location.start.line + 1,
      code: text[location.start.line]!.trim(),
      original: between(text, location),
      replacement,
      kind: mutatorName
    }
  })
}
