/** Runs tests of the copy, with one mutant switched on or with none. One vitest serves all runs, and so does its process if it can. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, relative } from "node:path"
import { Writable } from "node:stream"
import type { TestSpecification } from "vitest/node"
import { createVitest } from "vitest/node"
import type { Note, Plan } from "./runner.ts"
import type { Reached } from "./setup.ts"
import { Workers } from "./worker.ts"

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

export interface Options {
  /** A new process for each run: slower, and sure to know nothing of an earlier mutant. */
  readonly fresh: boolean
}

export type Runner = Awaited<ReturnType<typeof open>>

export const open = async (tree: string, { fresh }: Options) => {
  let printed = ""
  const workers = new Workers()
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
      // The library is loaded for each file: as it loads, a mutant may change what stays.
      isolate: true,
      pool: workers,
      runner: join(tree, "scripts/mutate/runner.ts"),
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

  const run = async (specifications: ReadonlyArray<TestSpecification>, limit: number, mutant: string | undefined) => {
    if (fresh) await workers.renew()
    printed = ""
    vitest.state.filesMap.clear()
    vitest.state.errorsSet.clear()
    project.config.testTimeout = limit
    project.config.hookTimeout = limit
    project.provide("limits", { milliseconds: 2 * limit, bytes: 3 * 1024 ** 3 })
    project.provide("mutant", mutant)
    return vitest.runTestSpecifications([...specifications])
  }

  /** Runs a whole file without a mutant: which of its tests pass, how long each takes and what it reaches. */
  const measure = async (file: string) => {
    const notes = join(mkdtempSync(join(tmpdir(), "mutate-")), "reached.json")
    vitest.config.bail = 0
    project.config.bail = 0
    project.provide("reached", notes)
    const { testModules } = await run([project.createSpecification(join(tree, file))], 240_000, undefined)
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

  /**
   * Runs tests of one file, each with its mutants, in as few processes as it can. Calls `onVerdict` for each mutant that is
   * caught, or that makes a test take too long. What is reached as a module loads can't be judged so.
   */
  const judgeAll = async (
    file: string,
    tests: ReadonlyMap<Test, ReadonlySet<string>>,
    onVerdict: (mutant: string, verdict: Verdict) => void
  ): Promise<void> => {
    const folder = mkdtempSync(join(tmpdir(), "mutate-"))
    const notes = join(folder, "notes.jsonl")
    const plan = join(folder, "plan.json")
    const left = new Map([...tests].map(([{ id }, mutants]) => [id, new Set(mutants)]))
    const name = new Map([...tests.keys()].map(({ id, name }) => [id, name]))
    const limits = Object.fromEntries([...tests.keys()].map(({ id, milliseconds }) => [id, 3_000 + 5 * milliseconds]))
    const settle = (mutant: string, verdict: Verdict) => {
      for (const mutants of left.values()) mutants.delete(mutant)
      onVerdict(mutant, verdict)
    }
    await workers.renew()
    for (let first: Note | undefined;;) {
      const planned = [...left].flatMap(([id, mutants]) => {
        if (mutants.size === 0) return []
        return [[id, first?.[1] === id ? [first[2], ...mutants] : [...mutants]] as const]
      })
      if (planned.length === 0) break
      writeFileSync(notes, "")
      const written: Plan = { notes, tests: Object.fromEntries(planned), limits, bytes: 3 * 1024 ** 3 }
      writeFileSync(plan, JSON.stringify(written))
      project.provide("plan", plan)
      vitest.config.bail = 0
      project.config.bail = 0
      const testIds = planned.map(([id]) => id)
      await run([project.createSpecification(join(tree, file), { testIds })], 1_000_000, undefined)
      project.provide("plan", undefined)
      await workers.renew()
      let last: Note | undefined
      first = undefined
      for (const line of readFileSync(notes, "utf8").split("\n")) {
        if (line === "") continue
        const [what, test, mutant]: Note = JSON.parse(line)
        last = [what, test, mutant]
        const by = `${file} > ${name.get(test)}`
        if (what === "passed") left.get(test)!.delete(mutant)
        if (what === "caught") settle(mutant, { is: "caught", by })
        if (what === "late") settle(mutant, { is: "timed out", by })
        if (what === "failed" || what === "again") first = last
        else first = undefined
        if (what === "fails") left.get(test)!.clear()
      }
      if (last === undefined) throw new Error(`${file}: nothing ran\n${printed}`)
      // Its process was ended: it spun, or held too much memory.
      if (last[0] === "begun") settle(last[2], { is: "timed out", by: `${file} > ${name.get(last[1])}` })
    }
    rmSync(folder, { recursive: true })
  }

  /** Runs these tests with a mutant, up to the first that fails. They stand in the order in which their files are run. */
  const judge = async (mutant: string, tests: ReadonlyArray<Test>): Promise<Verdict> => {
    let verdict = await verdictOf(mutant, tests)
    if (verdict === "lost") {
      await workers.renew()
      verdict = await verdictOf(mutant, tests)
    }
    if (verdict === "lost") return { is: "caught", by: "the end of its process" }
    if (verdict.is === "timed out") await workers.renew()
    return verdict
  }

  const verdictOf = async (mutant: string, tests: ReadonlyArray<Test>): Promise<Verdict | "lost"> => {
    vitest.config.bail = 1
    project.config.bail = 1
    const specifications = [...Map.groupBy(tests, ({ file }) => file)].map(([file, tests]) =>
      project.createSpecification(join(tree, file), { testIds: tests.map(({ id }) => id) })
    )
    // Far more than a test takes on a machine that is busy.
    const limit = 5_000 + 4 * Math.max(...tests.map(({ milliseconds }) => milliseconds))
    const { testModules, unhandledErrors } = await run(specifications, limit, mutant)
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
    if (unhandledErrors.some((error) => String(error).includes("[vitest-pool]"))) return "lost"
    if (unhandledErrors.length > 0) return { is: "caught", by: String(unhandledErrors[0]) }
    // A test that was not run is no test that passed.
    if (passed !== tests.length) throw new Error(`mutant ${mutant}: ${passed} of ${tests.length} tests ran\n${printed}`)
    return { is: "survived" }
  }

  const close = async () => {
    await workers.renew()
    await vitest.close()
  }

  return { measure, judge, judgeAll, close }
}
