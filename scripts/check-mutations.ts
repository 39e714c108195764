/**
 * Whether each change of test/mutations.ts still applies, once and in one place, and its test is still there, and whether what is
 * excused from `npm run mutate` still stands in the code. Runs no test.
 */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { mutations } from "../test/mutations.ts"
import { excused } from "./mutate/excused.ts"

const read = (file: string): string => readFileSync(fileURLToPath(new URL(`../${file}`, import.meta.url)), "utf8")

const problems: Array<string> = []
for (const { file, find, replace, test } of mutations) {
  const places = read(file).split(find).length - 1
  if (places !== 1) problems.push(`${file}: ${JSON.stringify(find)} stands there ${places} times`)
  if (find === replace) problems.push(`${file}: ${JSON.stringify(find)} is not changed`)
  if (!read(test.file).includes(test.name)) problems.push(`${test.file}: no test "${test.name}"`)
}
for (const { code, file, original } of excused) {
  if (!read(file).split("\n").some((line) => line.trim() === code)) {
    problems.push(`${file}: what is excused stands there no more: ${code}`)
  }
  // It may take several lines.
  if (!original.includes("\n") && !code.includes(original)) problems.push(`${file}: ${code} has no ${original}`)
}
for (const problem of problems) console.error(problem)
console.log(`${mutations.length} named mutations apply, ${excused.length} mutants are excused`)
process.exitCode = problems.length > 0 ? 1 : 0
