/**
 * Before a release. `release.ts version 0.2.0` gives that version to the manifests, the lock and the changelog's section
 * "Unreleased". `release.ts check` refuses what must not be published: npm runs it before it publishes anything.
 */
import { execFileSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"

process.chdir(fileURLToPath(new URL("..", import.meta.url)))

const usage = "usage: release.ts check | release.ts version X.Y.Z"

const main = (): number => {
  const { positionals: [command, version] } = parseArgs({ allowPositionals: true })
  if (command === "version" && version !== undefined && /^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) {
    return rename(version)
  }
  if (command === "check" && version === undefined) return check()
  console.error(usage)
  return 2
}

interface Manifest {
  readonly version: string
  readonly repository?: { readonly url?: string }
  readonly homepage?: string
  readonly bugs?: { readonly url?: string }
}

const manifest = (): Manifest => JSON.parse(readFileSync("package.json", "utf8"))

const changelog = (): string => readFileSync("CHANGELOG.md", "utf8")

const run = (command: string, ...args: ReadonlyArray<string>): string =>
  execFileSync(command, args, { encoding: "utf8", shell: process.platform === "win32" }).trim()

const check = (): number => {
  const { bugs, homepage, repository, version } = manifest()
  const problems = [
    // npm follows the README's links by it, and provenance compares it with where the release is made.
    .../^git\+https:\/\/.+\.git$/.test(repository?.url ?? "")
      ? []
      : ["package.json: repository.url is no git+https://….git"],
    ...isUrl(homepage) ? [] : ["package.json: homepage is no URL"],
    ...isUrl(bugs?.url) ? [] : ["package.json: bugs.url is no URL"],
    ...changelog().includes(`\n## [${version}] - `) ? [] : [`CHANGELOG.md: there is no section for ${version}`],
    ...run("git", "status", "--porcelain") === "" ? [] : ["git: there are changes that are not committed"],
    ...run("git", "tag", "--points-at", "HEAD").split("\n").includes(`v${version}`)
      ? []
      : [`git: no tag v${version} here`]
  ]
  for (const problem of problems) console.error(problem)
  return problems.length > 0 ? 1 : 0
}

const isUrl = (text: string | undefined): boolean => text !== undefined && /^https:\/\/\S+$/.test(text)

const rename = (version: string): number => {
  const text = changelog()
  const heading = "\n## [Unreleased]\n"
  if (!text.includes(heading)) {
    console.error("CHANGELOG.md: there is no section Unreleased")
    return 1
  }
  run(
    "npm",
    "version",
    version,
    "--workspaces",
    "--include-workspace-root",
    "--no-git-tag-version",
    "--allow-same-version"
  )
  for (const name of ["effect-kademlia", "effect-rpcudp-native"]) {
    run("npm", "pkg", "set", `peerDependencies.effect-rpcudp=^${version}`, "--workspace", name)
  }
  run("npm", "install", "--package-lock-only", "--ignore-scripts")
  const today = new Date().toISOString().slice(0, 10)
  writeFileSync("CHANGELOG.md", text.replace(heading, `${heading}\n## [${version}] - ${today}\n`))
  return 0
}

process.exitCode = main()
