/** Notes which mutants each test of a file reaches. In the tests' process, before the file. */
import { writeFileSync } from "node:fs"
import { afterAll, beforeEach, inject } from "vitest"

declare module "vitest" {
  interface ProvidedContext {
    /** The file that takes the notes: none are taken without. */
    readonly reached: string | undefined
  }
}

/** The mutants that the tests of a file reach, by their numbers. */
export interface Reached {
  /** Outside of all tests: as a module loads. */
  readonly outside: ReadonlyArray<string>
  readonly byTest: Readonly<Record<string, ReadonlyArray<string>>>
}

declare global {
  /** What the instrumented sources call with the mutants that they reach. */
  var __stryker__: { readonly cover: (...mutants: ReadonlyArray<string>) => void } | undefined
}

const file = inject("reached")
if (file === undefined) {
  globalThis.__stryker__ ??= { cover: () => {} }
} else {
  const outside = new Set<string>()
  const byTest: Record<string, Set<string>> = {}
  let reached = outside
  globalThis.__stryker__ = {
    cover: (...mutants) => {
      for (const mutant of mutants) reached.add(mutant)
    }
  }
  beforeEach(({ task }) => {
    reached = byTest[task.id] = new Set()
  })
  afterAll(() => {
    const noted: Reached = {
      outside: [...outside],
      byTest: Object.fromEntries(Object.entries(byTest).map(([id, mutants]) => [id, [...mutants]]))
    }
    writeFileSync(file, JSON.stringify(noted))
  })
}
