/** Runs tests of the copy, with one mutant switched on or with none. One vitest serves all runs; each run has a new process. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, relative } from "node:path"
import { Writable } from "node:stream"
import type { TestSpecification } from "vitest/node"
import { createVitest } from "vitest/node"
import type { Reached } from "./setup.ts"

export interface Test {
  readonly id: string
  readonly file: string
  readonly name: string
  readonly milliseconds: number
  /** The mutants that it reaches. */
  readonly reaches: ReadonlyArray<string>
}

/** What a run with a mutant came to. */
export type Verdict =
  | { readonly is: "caught" | "timed out"; readonly by: string }
  | { readonly is: "survived" }

/** The files' own order: the order in which they are asked for. */
class AsAsked {
  sort(files: Array<TestSpecification>): Array<TestSpecification> {
    return files
  }
  shard(files: Array<TestSpecification>): Array<TestSpecification> {
    return files
  }
}

export const open = async (tree: string) => {
  let printed = ""
  const sink = () =>
    new Writable({
      write: (chunk: Buffer, _, done) => {
        printed += chunk.toString()
        done()
      }
    })
  process.chdir(tree)
  const vitest = await createVitest(
    "test",
    {
      root: tree,
      config: join(tree, "vitest.config.ts"),
      watch: false,
      reporters: [{}],
      // One process for all files of a run: they load the library once.
      isolate: false,
      maxWorkers: 1,
      fileParallelism: false,
      coverage: { enabled: false },
      sequence: { sequencer: AsAsked },
      onConsoleLog: () => false
    },
    {},
    { stdout: sink(), stderr: sink() }
  )
  const project = vitest.projects[0]!
  project.config.setupFiles.push(join(tree, "scripts/mutate/setup.ts"))

  const run = async (specifications: ReadonlyArray<TestSpecification>, limit: number) => {
    printed = ""
    vitest.state.filesMap.clear()
    vitest.state.errorsSet.clear()
    project.config.testTimeout = limit
    project.config.hookTimeout = limit
    project.provide("limits", { milliseconds: 2 * limit, bytes: 3 * 1024 ** 3 })
    return vitest.runTestSpecifications([...specifications])
  }

  /** Runs a whole file without a mutant: which of its tests pass, how long each takes and what it reaches. */
  const measure = async (file: string) => {
    const notes = join(mkdtempSync(join(tmpdir(), "mutate-")), "reached.json")
    vitest.config.bail = 0
    project.config.bail = 0
    project.provide("reached", notes)
    delete process.env["__STRYKER_ACTIVE_MUTANT__"]
    const { testModules } = await run([project.createSpecification(join(tree, file))], 240_000)
    project.provide("reached", undefined)
    const reached: Reached = existsSync(notes) ? JSON.parse(readFileSync(notes, "utf8")) : { outside: [], byTest: {} }
    rmSync(dirname(notes), { recursive: true })
    const tests: Array<Test> = []
    const failed: Array<string> = []
    for (const module of testModules) {
      for (const { message } of module.errors()) failed.push(`${file}: ${message}`)
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === "failed") failed.push(`${file} > ${test.fullName}`)
        if (state !== "passed") continue
        const { id, fullName: name } = test
        const milliseconds = Math.ceil(test.diagnostic()?.duration ?? 0)
        tests.push({ id, file, name, milliseconds, reaches: reached.byTest[id] ?? [] })
      }
    }
    return { tests, failed, outside: reached.outside }
  }

  /** Runs these tests with a mutant, up to the first that fails. They stand in the order in which their files are run. */
  const judge = async (mutant: string, tests: ReadonlyArray<Test>): Promise<Verdict> => {
    vitest.config.bail = 1
    project.config.bail = 1
    process.env["__STRYKER_ACTIVE_MUTANT__"] = mutant
    const specifications = [...Map.groupBy(tests, ({ file }) => file)].map(([file, tests]) =>
      project.createSpecification(join(tree, file), { testIds: tests.map(({ id }) => id) })
    )
    // Far more than a test takes on a machine that is busy.
    const limit = 5_000 + 4 * Math.max(...tests.map(({ milliseconds }) => milliseconds))
    const { testModules, unhandledErrors } = await run(specifications, limit)
    let passed = 0
    for (const module of testModules) {
      for (const test of module.children.allTests()) {
        const result = test.result()
        if (result.state === "passed") passed++
        if (result.state === "failed") {
          const timedOut = result.errors.some(({ message }) => String(message).includes("timed out in"))
          return { is: timedOut ? "timed out" : "caught", by: `${relative(tree, module.moduleId)} > ${test.fullName}` }
        }
      }
      if (module.errors().length > 0) return { is: "caught", by: relative(tree, module.moduleId) }
      for (const suite of module.children.allSuites()) {
        if (suite.errors().length > 0) {
          return { is: "caught", by: `${relative(tree, module.moduleId)} > ${suite.fullName}` }
        }
      }
    }
    const ended = /Ended by the watchdog: (.*)/.exec(printed)
    if (ended !== null) return { is: "timed out", by: ended[1]! }
    if (unhandledErrors.length > 0) return { is: "caught", by: String(unhandledErrors[0]) }
    // A test that was not run is no test that passed.
    if (passed !== tests.length) throw new Error(`mutant ${mutant}: ${passed} of ${tests.length} tests ran\n${printed}`)
    return { is: "survived" }
  }

  return { measure, judge, close: () => vitest.close() }
}
