/**
 * Checks the documentation. It type-checks the `ts` blocks of README.md, SECURITY.md, CONTRIBUTING.md, docs/ and the doc comments in src.
 * It follows each relative link of every page, to its file and to its heading. It finds each test that test/README.md and
 * benchmark/ATTACKS.md name, sees that ATTACKS.md is what its source says, and holds two pages to their length.
 *
 * Each block is a module of its own. One that begins with `// file: X.ts` can be imported as `./X.ts` by the others of the same
 * document; one of README.md, by those of every document.
 */
import { spawnSync } from "node:child_process"
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { render } from "../benchmark/attacks/page.ts"

interface Block {
  readonly source: string
  /** The line of the fence, counted from 1. */
  readonly line: number
  /** What stands before the code on each line: nothing, or the margin of a comment. */
  readonly margin: string
  readonly code: ReadonlyArray<string>
}

const root = fileURLToPath(new URL("..", import.meta.url))
const out = join(root, ".docs")

const find = (...patterns: ReadonlyArray<string>): ReadonlyArray<string> =>
  globSync([...patterns], { cwd: root, exclude: ["**/node_modules"] }).map(String).sort()

/** Pages whose code is compiled. */
const compiled = [
  "README.md",
  "SECURITY.md",
  "CONTRIBUTING.md",
  ...find("docs/**/*.md"),
  ...find("packages/*/README.md")
]

/** All pages: their links are followed. */
const pages = find(
  "*.md",
  "docs/**/*.md",
  "benchmark/*.md",
  "examples/**/*.md",
  "packages/**/*.md",
  "scripts/*.md",
  "test/*.md"
)

/** Pages that name tests. */
const namingTests = ["test/README.md", "benchmark/ATTACKS.md"]

/** The longest that a page may be, in bytes. */
const longest = { "README.md": 8192, "SECURITY.md": 6144 }

const main = (): number => {
  const problems = [...pages.flatMap(brokenLinks), ...namingTests.flatMap(missingTests), ...tooLong(), ...outdated()]
  for (const problem of problems) console.error(problem)
  const status = compile()
  return problems.length > 0 ? 1 : status
}

// ---------------------------------------------------------------------------------------------------------------------
// code
// ---------------------------------------------------------------------------------------------------------------------

const compile = (): number => {
  const sources = [...compiled, ...find("src/**/*.ts")]
  const blocks = new Map<string, Block>()
  for (const block of sources.flatMap(blocksOf)) {
    const module = moduleOf(block)
    if (blocks.has(module)) throw new Error(`${block.source}:${block.line}: there is a ${module} already`)
    blocks.set(module, block)
  }

  rmSync(out, { recursive: true, force: true })
  for (const [module, block] of blocks) write(module, block)
  const shared = [...blocks.values()].filter((block) => block.source === "README.md" && nameOf(block) !== undefined)
  for (const folder of new Set(compiled.map(folderOf))) {
    for (const block of shared) {
      const module = join(folder, nameOf(block)!)
      if (!blocks.has(module)) write(module, block)
    }
  }
  writeFileSync(
    join(out, "tsconfig.json"),
    JSON.stringify({
      extends: "../tsconfig.json",
      // A block may declare what only its reader goes on to use.
      compilerOptions: { noUnusedLocals: false },
      include: ["**/*.ts"]
    })
  )

  const tsc = spawnSync(
    process.execPath,
    [join(root, "node_modules/typescript/bin/tsc"), "-p", out, "--pretty", "false"],
    { cwd: root, encoding: "utf8" }
  )
  if (tsc.error !== undefined) throw tsc.error
  const said = (tsc.stdout + tsc.stderr).trim()
  if (said !== "") console.error(said.split("\n").map((line) => inDocument(line, blocks)).join("\n"))
  if (tsc.status === 0) console.log(`${blocks.size} examples of the documentation compile`)
  return tsc.status ?? 1
}

const write = (module: string, block: Block): void => {
  const file = join(out, module)
  mkdirSync(dirname(file), { recursive: true })
  // Behind as many empty lines as in the document: what the compiler says of a line is true of both.
  writeFileSync(file, "\n".repeat(block.line) + block.code.join("\n") + "\n")
}

const blocksOf = (source: string): ReadonlyArray<Block> => {
  const fence = source.endsWith(".md") ? /^()```(\w*)/ : /^(\s*\* ?)```(\w*)/
  const blocks: Array<Block> = []
  let block:
    | { readonly language: string; readonly line: number; readonly margin: string; code: Array<string> }
    | undefined
  for (const [index, line] of linesOf(source).entries()) {
    const match = fence.exec(line)
    if (match === null) {
      block?.code.push(line.slice(block.margin.length))
    } else if (block === undefined) {
      block = { language: match[2] ?? "", line: index + 1, margin: match[1] ?? "", code: [] }
    } else {
      if (block.language === "ts") blocks.push({ source, ...block })
      block = undefined
    }
  }
  if (block !== undefined) throw new Error(`${source}:${block.line}: the block does not end`)
  return blocks
}

const folderOf = (source: string): string => source.replace(/\.\w+$/, "")

const nameOf = ({ code }: Block): string | undefined => /^\/\/ file: (\S+\.ts)$/.exec(code[0] ?? "")?.[1]

const moduleOf = (block: Block): string => join(folderOf(block.source), nameOf(block) ?? `${block.line}.ts`)

/** A line of the compiler's, with the place in the document for that in the module. */
const inDocument = (said: string, blocks: ReadonlyMap<string, Block>): string => {
  const match = /^(.+?)\((\d+),(\d+)\): (.*)$/.exec(said)
  if (match === null) return said
  const [, file = "", line, column, message] = match
  const block = blocks.get(relative(out, join(root, file)))
  return block === undefined ? said : `${block.source}:${line}:${Number(column) + block.margin.length}: ${message}`
}

// ---------------------------------------------------------------------------------------------------------------------
// links
// ---------------------------------------------------------------------------------------------------------------------

const brokenLinks = (page: string): ReadonlyArray<string> =>
  proseOf(page).flatMap((line, index) =>
    [...line.matchAll(/\]\(([^()\s]+)\)/g)].flatMap(([, target = ""]) => {
      if (/^[a-z]+:/.test(target)) return []
      const problem = problemOf(page, target)
      return problem === undefined ? [] : [`${page}:${index + 1}: ${target}: ${problem}`]
    })
  )

const problemOf = (page: string, target: string): string | undefined => {
  const [path = "", anchor] = target.split("#")
  const file = path === "" ? page : join(dirname(page), decodeURIComponent(path))
  if (!existsSync(join(root, file))) return "there is no such file"
  if (anchor === undefined) return undefined
  return file.endsWith(".md") && anchorsOf(file).has(anchor) ? undefined : "there is no such heading"
}

/** The lines of a page, empty where they are code. */
const proseOf = (page: string): ReadonlyArray<string> => {
  let isCode = false
  return linesOf(page).map((line) => {
    const isFence = line.startsWith("```")
    if (isFence) isCode = !isCode
    return isFence || isCode ? "" : line.replace(/`[^`]*`/g, (code) => " ".repeat(code.length))
  })
}

/** As GitHub makes them of headings. */
const anchorsOf = (page: string): ReadonlySet<string> => {
  const anchors = new Set<string>()
  const code = proseOf(page)
  for (const [index, line] of linesOf(page).entries()) {
    const heading = /^#+ (.*)$/.exec(line)?.[1]
    if (heading === undefined || code[index] === "") continue
    const anchor = heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").trim().replace(/\s/g, "-")
    let unique = anchor
    for (let i = 1; anchors.has(unique); i++) unique = `${anchor}-${i}`
    anchors.add(unique)
  }
  return anchors
}

// ---------------------------------------------------------------------------------------------------------------------
// tests, lengths, what is written by a program
// ---------------------------------------------------------------------------------------------------------------------

/** A test is named by its file, and behind that its name, or a part of it: `` `test/X.test.ts` "its name" ``. */
const missingTests = (page: string): ReadonlyArray<string> =>
  linesOf(page).flatMap((line, index) =>
    [...line.matchAll(/`([\w./-]+\.ts)`((?:,? "[^"]+")*)/g)].flatMap(([, file = "", names = ""]) => {
      const place = `${page}:${index + 1}: ${file}`
      if (!existsSync(join(root, file))) return [`${place}: there is no such file`]
      const tests = readFileSync(join(root, file), "utf8")
      return [...names.matchAll(/"([^"]+)"/g)]
        .filter(([, name = ""]) => !tests.includes(name))
        .map(([, name]) => `${place}: there is no test "${name}"`)
    })
  )

const tooLong = (): ReadonlyArray<string> =>
  Object.entries(longest).flatMap(([page, most]) => {
    const { size } = statSync(join(root, page))
    return size <= most ? [] : [`${page}: ${size} bytes, of ${most} at most`]
  })

const outdated = (): ReadonlyArray<string> =>
  readFileSync(join(root, "benchmark/ATTACKS.md"), "utf8") === render()
    ? []
    : ["benchmark/ATTACKS.md: differs from benchmark/attacks/findings.ts: npx node benchmark/attacks/render.ts"]

const linesOf = (source: string): ReadonlyArray<string> => readFileSync(join(root, source), "utf8").split("\n")

process.exitCode = main()
