/** Notes which mutants each test of a file reaches. In the tests' process, before the file. */
import { writeFileSync } from "node:fs"
import { afterAll, beforeEach, inject } from "vitest"

declare module "vitest" {
  interface ProvidedContext {
    /** The file that takes the notes: none are taken without. */
    readonly reached: string | undefined
    /** The mutant that is switched on. */
    readonly mutant: string | undefined
  }
}

/** The mutants that the tests of a file reach, by their numbers. */
export interface Reached {
  /** Outside of all tests: as a module loads. */
  readonly outside: ReadonlyArray<string>
  readonly byTest: Readonly<Record<string, ReadonlyArray<string>>>
}

declare global {
  /** What the instrumented sources look into as they load. */
  var __stryker__: {
    activeMutant: string | undefined
    /** Is called with the mutants that are reached. */
    readonly cover: (...mutants: ReadonlyArray<string>) => void
  }
}

const file = inject("reached")
if (file === undefined) {
  // Anew for each file: what an earlier mutant has left running goes on as that mutant.
  globalThis.__stryker__ = { activeMutant: inject("mutant"), cover: () => {} }
} else {
  const outside = new Set<string>()
  const byTest: Record<string, Set<string>> = {}
  let reached = outside
  globalThis.__stryker__ = {
    activeMutant: undefined,
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
