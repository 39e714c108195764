/**
 * Type-checks the `ts` blocks of README.md and of the doc comments in src. Each is a module of its own; one that begins
 * with `// file: X.ts` can be imported as `./X.ts` by the others of the same document.
 */
import { spawnSync } from "node:child_process"
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

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

const main = (): number => {
  const sources = ["README.md", ...globSync("src/**/*.ts", { cwd: root }).sort()]
  const blocks = new Map<string, Block>()
  for (const block of sources.flatMap(blocksOf)) {
    const module = moduleOf(block)
    if (blocks.has(module)) throw new Error(`${block.source}:${block.line}: there is a ${module} already`)
    blocks.set(module, block)
  }

  rmSync(out, { recursive: true, force: true })
  for (const [module, block] of blocks) {
    const file = join(out, module)
    mkdirSync(dirname(file), { recursive: true })
    // Behind as many empty lines as in the document: what the compiler says of a line is true of both.
    writeFileSync(file, "\n".repeat(block.line) + block.code.join("\n") + "\n")
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

const blocksOf = (source: string): ReadonlyArray<Block> => {
  const fence = source.endsWith(".md") ? /^()```(\w*)/ : /^(\s*\* ?)```(\w*)/
  const blocks: Array<Block> = []
  let block:
    | { readonly language: string; readonly line: number; readonly margin: string; code: Array<string> }
    | undefined
  for (const [index, line] of readFileSync(join(root, source), "utf8").split("\n").entries()) {
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

const moduleOf = ({ code, line, source }: Block): string =>
  join(source.replace(/\.\w+$/, ""), /^\/\/ file: (\S+\.ts)$/.exec(code[0] ?? "")?.[1] ?? `${line}.ts`)

/** A line of the compiler's, with the place in the document for that in the module. */
const inDocument = (said: string, blocks: ReadonlyMap<string, Block>): string => {
  const match = /^(.+?)\((\d+),(\d+)\): (.*)$/.exec(said)
  if (match === null) return said
  const [, file = "", line, column, message] = match
  const block = blocks.get(relative(out, join(root, file)))
  return block === undefined ? said : `${block.source}:${line}:${Number(column) + block.margin.length}: ${message}`
}

process.exitCode = main()
