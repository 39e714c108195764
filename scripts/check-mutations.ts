/** Whether each change of test/mutations.ts still applies, once and in one place, and its test is still there. Runs no test. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { mutations } from "../test/mutations.ts"

const read = (file: string): string => readFileSync(fileURLToPath(new URL(`../${file}`, import.meta.url)), "utf8")

const problems: Array<string> = []
for (const { file, find, replace, test } of mutations) {
  const places = read(file).split(find).length - 1
  if (places !== 1) problems.push(`${file}: ${JSON.stringify(find)} stands there ${places} times`)
  if (find === replace) problems.push(`${file}: ${JSON.stringify(find)} is not changed`)
  if (!read(test.file).includes(test.name)) problems.push(`${test.file}: no test "${test.name}"`)
}
for (const problem of problems) console.error(problem)
console.log(`${mutations.length} named mutations apply`)
process.exitCode = problems.length > 0 ? 1 : 0
