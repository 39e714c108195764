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

// What the instrumented sources count in.
interface Counts {
  currentTestId?: string
  readonly mutantCoverage: {
    readonly static: Record<string, number>
    readonly perTest: Record<string, Record<string, number>>
  }
}

declare global {
  var __stryker__: Counts | undefined
}

const file = inject("reached")
if (file !== undefined) {
  const counts = globalThis.__stryker__ ??= { mutantCoverage: { static: {}, perTest: {} } }
  beforeEach(({ task }) => {
    counts.currentTestId = task.id
  })
  afterAll(() => {
    const { perTest, static: outside } = counts.mutantCoverage
    const reached: Reached = {
      outside: Object.keys(outside),
      byTest: Object.fromEntries(Object.entries(perTest).map(([id, mutants]) => [id, Object.keys(mutants)]))
    }
    writeFileSync(file, JSON.stringify(reached))
  })
}
