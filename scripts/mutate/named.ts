/** Tries the changes of test/mutations.ts, each in a copy of the project, with the tests that it must make fail. */
import { execFile, execFileSync } from "node:child_process"
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Mutation } from "../../test/mutations.ts"

/** Copies the project into `tree`: what git knows of, and what it does not ignore. */
export const copy = (project: string, tree: string): void => {
  rmSync(tree, { recursive: true, force: true })
  mkdirSync(tree, { recursive: true })
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: project,
    encoding: "utf8"
  })
  for (const file of listed.split("\0")) {
    if (file !== "") cpSync(join(project, file), join(tree, file), { recursive: true })
  }
  symlinkSync(join(project, "node_modules"), join(tree, "node_modules"))
}

interface Ran {
  readonly passed: number
  readonly failed: number
}

/** A test that spins never ends. */
const limit = 300_000

const run = (tree: string, { file, name }: Mutation["test"]): Promise<Ran> =>
  new Promise((resolve) => {
    // What a template writes is not known here.
    const pattern = name.split(/\$\{\w+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*")
    const flags = ["run", file, "--reporter=json", "--outputFile=ran.json", "--bail=1", "--maxWorkers=1"]
    rmSync(join(tree, "ran.json"), { force: true })
    execFile(
      process.execPath,
      ["node_modules/vitest/vitest.mjs", ...flags, ...(name === "" ? [] : ["-t", pattern])],
      { cwd: tree, timeout: limit, killSignal: "SIGKILL" },
      () => {
        try {
          const { numFailedTests, numFailedTestSuites, numPassedTests } = JSON.parse(
            readFileSync(join(tree, "ran.json"), "utf8")
          )
          resolve({ passed: numPassedTests, failed: numFailedTests + numFailedTestSuites })
        } catch {
          // It came to no end.
          resolve({ passed: 0, failed: 1 })
        }
      }
    )
  })

/** Returns the mutations that no test caught. */
export const tryNamed = async (
  project: string,
  mutations: ReadonlyArray<Mutation>,
  trees: ReadonlyArray<string>
): Promise<ReadonlyArray<Mutation>> => {
  const survivors: Array<Mutation> = []
  const left = mutations[Symbol.iterator]()
  await Promise.all(trees.map(async (tree) => {
    copy(project, tree)
    for (const mutation of left) {
      const { file, find, replace, test } = mutation
      const text = readFileSync(join(project, file), "utf8")
      // As a function: `$` means nothing then.
      writeFileSync(join(tree, file), text.replace(find, () => replace))
      const { failed, passed } = await run(tree, test)
      writeFileSync(join(tree, file), text)
      if (failed > 0) continue
      survivors.push(mutation)
      const why = passed === 0 ? "no test ran" : "survived"
      console.log(
        `${why}: ${file}: ${JSON.stringify(find)} -> ${JSON.stringify(replace)} (${test.file} > ${test.name})`
      )
    }
  }))
  console.log(`${mutations.length - survivors.length} of ${mutations.length} named mutations caught`)
  return survivors
}
