/**
 * Builds and packs the package, and looks at it as whoever installs it would: what is in it, by publint and by Are the Types
 * Wrong; and how large a client is, bundled by esbuild, of which nothing may come from Node. The same of the tool: what is in
 * it, how large it is, and that it starts with nothing beside it.
 */
import * as Attw from "@arethetypeswrong/core"
import { build } from "esbuild"
import { execFileSync } from "node:child_process"
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { publint } from "publint"
import { formatMessage } from "publint/utils"

const root = fileURLToPath(new URL("..", import.meta.url))
// Elsewhere: below the root, the package's own name would lead to the root.
const consumer = mkdtempSync(join(tmpdir(), "effect-rpcudp-"))
const installed = join(consumer, "node_modules", "effect-rpcudp")

/** The most that a client may take, in bytes, minified: our modules, and all that it is made of; and the tool, which loads all. */
const budget = { ours: 74_700, all: 245_100, tool: 820_000 }

/** A client that says where each thing comes from, over a socket that is not Node's. */
const client = `
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Handlers from "effect-rpcudp/Handlers"
import * as Protocol from "effect-rpcudp/Protocol"
import * as Transport from "effect-rpcudp/Transport"

class Greeter extends Handlers.Service()("example/Greeter", {
  sayhi: { args: [Schema.String], success: Schema.String }
}) {}

export const program = Effect.gen(function*() {
  const greeter = yield* Protocol.client(Greeter)
  return yield* greeter("127.0.0.1:1234").sayhi("Ada")
}).pipe(Effect.provide(Protocol.layer().pipe(Layer.provide(Transport.layerSocket()))))
`

const main = async (): Promise<number> => {
  const { files, tarball } = pack()
  const problems = [
    ...misplaced(files),
    ...promises(),
    ...await linted(),
    ...await mistyped(tarball),
    ...await oversized(),
    ...await tool()
  ]
  for (const problem of problems) console.error(problem)
  return problems.length > 0 ? 1 : 0
}

/** Runs one of the commands that npm scripts find. npm's own is a script on Windows. */
const run = (command: string, ...args: ReadonlyArray<string>): string =>
  execFileSync(command, args, { cwd: root, encoding: "utf8", shell: process.platform === "win32" })

interface Packed {
  readonly files: ReadonlyArray<string>
  readonly tarball: Uint8Array
}

/** Packs it, and installs it for a consumer beside what it depends on. */
const pack = (): Packed => {
  mkdirSync(installed, { recursive: true })
  run("npm", "run", "--silent", "build")
  run("npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", consumer)
  const { name, version } = manifest()
  const archive = join(consumer, `${name}-${version}.tgz`)
  run("tar", "-xzf", archive, "-C", installed, "--strip-components=1")
  for (const dependency of ["effect", "msgpackr"]) {
    symlinkSync(join(root, "node_modules", dependency), join(consumer, "node_modules", dependency), "junction")
  }
  const files = run("tar", "-tzf", archive).trim().split(/\r?\n/).map((file) => file.replace(/^package\//, ""))
  return { files, tarball: new Uint8Array(readFileSync(archive)) }
}

interface Manifest {
  readonly name: string
  readonly version: string
  readonly author?: string
  readonly publishConfig?: { readonly provenance?: boolean }
  readonly scripts: { readonly [name: string]: string }
}

const manifest = (): Manifest => JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

/** What is packed is the sources, what they were built to, and the pages that npm shows. */
const misplaced = (files: ReadonlyArray<string>): ReadonlyArray<string> =>
  files.flatMap((file) => {
    if (["package.json", "README.md", "LICENSE", "CHANGELOG.md"].includes(file)) return []
    if (/^src\/.+\.ts$/.test(file)) return []
    const source = file.replace(/^dist\/(.+?)(\.d)?\.(ts|js)(\.map)?$/, "src/$1.ts")
    return source !== file && existsSync(join(root, source))
      ? []
      : [`${file} is packed and should not be: is dist stale?`]
  })

/** What the manifest promises. npm warns whoever installs of a script that would run at an installation. */
const promises = (): ReadonlyArray<string> => {
  const { author, publishConfig, scripts } = manifest()
  const installing = ["preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare"]
  return [
    ...installing.filter((script) => script in scripts).map((script) =>
      `package.json: the script ${script} is published`
    ),
    ...author === undefined ? ["package.json: there is no author"] : [],
    ...publishConfig?.provenance === true ? [] : ["package.json: publishConfig.provenance is not true"]
  ]
}

const linted = async (): Promise<ReadonlyArray<string>> => {
  const { messages, pkg } = await publint({ pkgDir: installed, pack: false, strict: true })
  return messages.map((message) => `publint: ${formatMessage(message, pkg, { color: false })}`)
}

/** It is for `import`, by `exports`: what knows neither is not asked. */
const mistyped = async (tarball: Uint8Array): Promise<ReadonlyArray<string>> => {
  const result = await Attw.checkPackage(Attw.createPackageFromTarballData(tarball))
  if (!result.types) return ["attw: there are no types"]
  return result.problems
    .filter((problem) => !("resolutionKind" in problem) || !["node10", "node16-cjs"].includes(problem.resolutionKind))
    .map((problem) => `attw: ${JSON.stringify(problem)}`)
}

const oversized = async (): Promise<ReadonlyArray<string>> => {
  const { metafile } = await build({
    stdin: { contents: client, resolveDir: consumer, loader: "js" },
    absWorkingDir: consumer,
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "browser",
    logLevel: "silent"
  })
  const [bundle] = Object.values(metafile.outputs)
  if (bundle === undefined) return ["esbuild: there is no bundle"]
  const ours = Object.entries(bundle.inputs)
    .filter(([file]) => file.startsWith("node_modules/effect-rpcudp/"))
    .reduce((sum, [, { bytesInOutput }]) => sum + bytesInOutput, 0)
  console.log(`a client: ${kilobytes(bundle.bytes)} minified, of which ours is ${kilobytes(ours)}`)
  return [
    ...bundle.imports.map(({ path }) => `esbuild: a client imports ${path}`),
    ...ours === 0 ? ["esbuild: nothing in a client is ours"] : [],
    ...ours > budget.ours ? [`esbuild: ours is ${ours} bytes of a client, over ${budget.ours}`] : [],
    ...bundle.bytes > budget.all ? [`esbuild: a client is ${bundle.bytes} bytes, over ${budget.all}`] : []
  ]
}

/** It is a bundle: who installs it installs nothing else. */
const tool = async (): Promise<ReadonlyArray<string>> => {
  const folder = join(root, "packages/cli")
  const expected = ["LICENSE", "README.md", "dist/LICENSES.txt", "dist/main.js", "package.json", "wireshark/rpcudp.lua"]
  const [packed]: ReadonlyArray<{ readonly files: ReadonlyArray<{ readonly path: string }> }> = JSON.parse(
    run("npm", "pack", "--silent", "--ignore-scripts", "--json", "--dry-run", "--workspace", "effect-rpcudp-cli")
  )
  const files = (packed?.files ?? []).map(({ path }) => path).sort()
  const { messages, pkg } = await publint({ pkgDir: folder, pack: false, strict: true })
  const main = join(consumer, "main.mjs")
  copyFileSync(join(folder, "dist/main.js"), main)
  const { version } = manifest()
  const { size } = statSync(main)
  console.log(`the tool: ${kilobytes(size)} minified`)
  return [
    ...files.join() === expected.join() ? [] : [`packages/cli: packed are ${files.join(", ")}`],
    ...messages.map((message) => `publint: packages/cli: ${formatMessage(message, pkg, { color: false })}`),
    ...size > budget.tool ? [`packages/cli: the tool is ${size} bytes, over ${budget.tool}`] : [],
    ...execFileSync(process.execPath, [main, "--version"], { encoding: "utf8" }) === `rpcudp v${version}\n`
      ? []
      : ["packages/cli: it does not say its version"]
  ]
}

const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`

try {
  process.exitCode = await main()
} finally {
  rmSync(consumer, { recursive: true, force: true })
}
