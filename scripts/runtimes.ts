/**
 * Runs on Node's other versions, Bun and Deno what must hold on each: the tests of sockets, keys and Python, the greeter, calls
 * in both directions with Python, and with a node on this Node in a network that is closed by a key. One line a check, then a
 * line of totals. The runtimes come from test/runtimes, which installs them when they are missing; one that can't be downloaded
 * is skipped, aloud.
 *
 *   npm run runtimes -- [--only Bun] [--speed]
 *
 * `--speed` measures instead: calls a second, and a second of CPU, on each, as ratios to this Node in the same round.
 */
import type { ChildProcess } from "node:child_process"
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { spread } from "../benchmark/harness/statistics.ts"

interface Runtime {
  readonly name: string
  /** What runs a file: the executable and its flags. */
  readonly command: readonly [string, ...ReadonlyArray<string>]
  readonly vitest: ReadonlyArray<string>
  /** Tests that fail, and must: by a part of their names, why. */
  readonly known: Readonly<Record<string, string>>
}

const root = fileURLToPath(new URL("..", import.meta.url))
const folder = join(root, "test/runtimes")
const build = join(root, ".build/runtimes")

const installed = (path: string): string => join(folder, "node_modules", path)

/** What runs this, and npm's scripts: `npm test` has the tests on it. */
const thisNode: Runtime = { name: `Node ${process.versions.node}`, command: [process.execPath], vitest: [], known: {} }

const runtimes: ReadonlyArray<Runtime> = [
  { name: "Node 22", command: [installed("node-22/bin/node")], vitest: [], known: {} },
  { name: "Node 26", command: [installed("node-26/bin/node")], vitest: [], known: {} },
  {
    name: "Bun",
    command: [installed(".bin/bun"), "--bun"],
    // Its processes have no channel that vitest's other pool could unref.
    vitest: ["--pool=threads"],
    known: {}
  },
  {
    name: "Deno",
    command: [installed(".bin/deno"), "run", "--allow-all"],
    vitest: [],
    known: {
      "a shared port": "its sockets do not share a port",
      "over Node's DatagramSocket closing a node that closes ends its calls":
        "its port is free only once the socket says that it has closed, which NodeDatagramSocket does not wait for",
      "a socket that can't be bound is closed": "closing a closed socket is no error",
      "whatever Node throws is an error": "closing a closed socket is no error",
      "a send is handed to the system at once": "its sends are futures",
      "handed over leaves, though the socket closes": "its sends are futures, and a close forgets them",
      "may be a broadcast address": "its error does not say that this was not permitted",
      "a group on IPv6": "it takes no name of an interface where a group of IPv6 is joined",
      "IPv6 gathering": "it takes no name of an interface where a group of IPv6 is joined"
    }
  }
]

const tests = ["test/socket", "test/sealing", "test/python"]

const { values: flags } = parseArgs({
  options: { only: { type: "string" }, speed: { type: "boolean", default: false } }
})

const main = async (): Promise<number> => {
  rmSync(build, { recursive: true, force: true })
  mkdirSync(build, { recursive: true })
  if (!install()) return 1
  const found = runtimes.filter(({ command: [executable], name }) => {
    if (!name.includes(flags.only ?? "")) return false
    if (existsSync(executable) && spawnSync(executable, ["--version"]).status === 0) return true
    report("skipped", `${name}: it could not be downloaded`)
    return false
  })
  if (flags.speed) return measure(found)
  for (const runtime of found) await check(runtime)
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
  return counts.failed > 0 ? 1 : 0
}

type Outcome = "passed" | "failed" | "skipped"

const counts: Record<Outcome, number> = { passed: 0, failed: 0, skipped: 0 }

const report = (outcome: Outcome, line: string): void => {
  counts[outcome]++
  console.log(`${outcome}  ${line}`)
}

// ---------------------------------------------------------------------------------------------------------------------
// the runtimes
// ---------------------------------------------------------------------------------------------------------------------

/** Returns whether we are not to blame: what could not be downloaded is no failure. */
const install = (): boolean => {
  if (isUpToDate()) return true
  console.log("downloading Node, Bun and Deno into test/runtimes/node_modules")
  const { stderr, status, stdout } = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--fetch-retries=1"], {
    cwd: folder,
    encoding: "utf8",
    shell: process.platform === "win32",
    timeout: 300_000
  })
  if (status === 0) return true
  const said = `${stdout}${stderr}`.trim()
  console.log(said)
  if (!said.includes("EUSAGE")) return true
  report("failed", "npm ci in test/runtimes: its lock is not that of its package.json")
  return false
}

const isUpToDate = (): boolean => {
  const { dependencies }: { readonly dependencies: Readonly<Record<string, string>> } = manifestOf(folder)
  return Object.entries(dependencies).every(([name, range]) => {
    const path = installed(name)
    return existsSync(path) && range.endsWith(manifestOf(path).version)
  })
}

const manifestOf = (path: string) => JSON.parse(readFileSync(join(path, "package.json"), "utf8"))

// ---------------------------------------------------------------------------------------------------------------------
// the checks
// ---------------------------------------------------------------------------------------------------------------------

const check = async (runtime: Runtime): Promise<void> => {
  runTests(runtime)
  runExample(runtime, "the greeter", "examples/greeter.ts", [/^Hello Snake Plissken you live at 127\.0\.0\.1:\d+$/])
  runExample(runtime, "calls with Python, both ways", "examples/python.ts", [
    /^Python calls the greeter:$/,
    /^sayhi: Hello Snake Plissken you live at 127\.0\.0\.1:\d+$/,
    /^poke: None$/,
    /^lookup: no answer$/,
    /^We call Python:$/,
    /^Hello Ada you live at 127\.0\.0\.1:\d+$/
  ])
  await callWithKeys(runtime, thisNode)
  await callWithKeys(thisNode, runtime)
  if (runtime.name === "Deno") refuse(runtime)
}

interface Ran {
  readonly numPassedTests: number
  readonly numPendingTests: number
  readonly testResults: ReadonlyArray<{
    readonly name: string
    readonly status: string
    readonly assertionResults: ReadonlyArray<{ readonly fullName: string; readonly status: string }>
  }>
}

const runTests = ({ command: [executable, ...flags], known, name, vitest }: Runtime): void => {
  const file = join(build, `${name}.json`)
  const reporters = ["--reporter=json", `--outputFile=${file}`]
  const { output, status } = spawnSync(
    executable,
    [...flags, join(root, "node_modules/vitest/vitest.mjs"), "run", ...tests, ...vitest, ...reporters],
    { cwd: root, encoding: "utf8", timeout: 120_000, killSignal: "SIGKILL" }
  )
  if (!existsSync(file)) return report("failed", `${name}: vitest ended with ${status}\n${output.join("")}`)
  const ran: Ran = JSON.parse(readFileSync(file, "utf8"))
  const failed = ran.testResults.flatMap(({ assertionResults, name, status }) => {
    const failed = assertionResults.filter(({ status }) => status === "failed").map(({ fullName }) => fullName)
    // A file that does not load has no tests.
    return failed.length === 0 && status === "failed" ? [name] : failed
  })
  const explains = Object.keys(known)
  const unknown = failed.filter((test) => !explains.some((part) => test.includes(part)))
  const stale = explains.filter((part) => !failed.some((test) => test.includes(part)))
  const line = `${name}: ${tests.join(", ")}: ${ran.numPassedTests} tests passed, ${ran.numPendingTests} skipped` +
    (failed.length === 0 ? "" : `, ${failed.length} failed as they must`)
  if (unknown.length + stale.length === 0) return report("passed", line)
  report(
    "failed",
    [
      line,
      ...unknown.map((test) => `  failed: ${test}`),
      ...stale.map((part) => `  passes by now, and was known to fail: ${part}`)
    ].join("\n")
  )
}

/** What it prints begins so. */
const runExample = (runtime: Runtime, title: string, file: string, prints: ReadonlyArray<RegExp>): void => {
  const { status, stderr, stdout } = run(runtime, file)
  const lines = stdout.split("\n")
  const skipped = /^skipped: (.*)$/.exec(lines[0] ?? "")
  const holds = status === 0 && prints.every((expected, i) => expected.test(lines[i] ?? ""))
  if (skipped !== null) return report("skipped", `${runtime.name}: ${title}: ${skipped[1]}`)
  report(holds ? "passed" : "failed", `${runtime.name}: ${title}${holds ? "" : `\n${stdout}${stderr}`}`)
}

const run = ({ command: [executable, ...flags] }: Runtime, ...args: ReadonlyArray<string>) =>
  spawnSync(executable, [...flags, ...args], { cwd: root, encoding: "utf8", timeout: 60_000, killSignal: "SIGKILL" })

/** Bytes sealed on one runtime are opened on the other, and the reverse. */
const callWithKeys = async (from: Runtime, to: Runtime): Promise<void> => {
  const file = "test/runtimes/closed.ts"
  const [executable, ...flags] = to.command
  const server = spawn(executable, [...flags, file], { cwd: root, stdio: ["ignore", "pipe", "inherit"] })
  try {
    const { status, stderr, stdout } = run(from, file, await firstLine(server))
    const holds = status === 0 && /^Hello from (\d+) you live at 127\.0\.0\.1:\1\n8000\n$/.test(stdout)
    const title = `${from.name} calls ${to.name} with keys, and is called back`
    report(holds ? "passed" : "failed", holds ? title : `${title}\n${stdout}${stderr}`)
  } finally {
    server.kill("SIGKILL")
  }
}

const firstLine = async (child: ChildProcess): Promise<string> => {
  for await (const line of createInterface(child.stdout!)) return line
  return "nothing"
}

/** What a user sees who has not allowed it says what would. */
const refuse = ({ command: [executable], name }: Runtime): void => {
  const cases = [
    ["127.0.0.1", [], "--allow-net"],
    ["::1", ["--allow-net"], "--allow-sys"]
  ] as const
  for (const [address, allowed, missing] of cases) {
    const flags = ["run", "--no-prompt", "--allow-read", "--allow-env", ...allowed]
    const { stderr, stdout } = run(
      { name, command: [executable, ...flags], vitest: [], known: {} },
      "test/runtimes/refused.ts",
      address
    )
    const holds = stdout.startsWith("PermissionDenied: ") && stdout.includes(`run again with the ${missing} flag`)
    report(holds ? "passed" : "failed", `${name}: without ${missing}, ${stdout.trim()}${holds ? "" : stderr}`)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// how fast
// ---------------------------------------------------------------------------------------------------------------------

const rounds = 5

const loads = [["one at a time", 1], ["64 in flight", 64]] as const

interface Measured {
  readonly aSecond: number
  /** What else the machine does changes it less. */
  readonly aSecondOfCpu: number
  readonly lost: number
}

const measure = (found: ReadonlyArray<Runtime>): number => {
  const contenders: Array<readonly [string, Runtime, string]> = found.map((runtime) => [runtime.name, runtime, ""])
  const deno = found.find(({ name }) => name === "Deno")
  if (deno !== undefined) contenders.push(["Deno, with receiveBufferBytes of 4 MiB", deno, String(4 * 1024 ** 2)])
  console.log(`ratios to ${thisNode.name} in the same round: the median of ${rounds} (least to greatest)`)
  for (const [load, inFlight] of loads) {
    const all = new Map(contenders.map(([name]) => [name, new Array<readonly [Measured, Measured]>()]))
    for (let round = 0; round < rounds; round++) {
      const here = callsOn(thisNode, inFlight, "")
      for (const [name, runtime, buffer] of contenders) {
        all.get(name)!.push([callsOn(runtime, inFlight, buffer), here])
      }
    }
    for (const [name, pairs] of all) {
      const ratios = (of: "aSecond" | "aSecondOfCpu") => spread(pairs.map(([there, here]) => there[of] / here[of]))
      const lost = pairs.reduce((sum, [there]) => sum + there.lost, 0)
      console.log(
        `${load}: ${name}: ${ratios("aSecond")} calls a second, ${ratios("aSecondOfCpu")} a second of CPU, ${lost} lost`
      )
    }
  }
  return 0
}

const callsOn = (runtime: Runtime, inFlight: number, buffer: string): Measured => {
  const { status, stderr, stdout } = run(runtime, "test/runtimes/calls.ts", String(inFlight), buffer)
  if (status !== 0) throw new Error(`${runtime.name}: ${stderr}`)
  return JSON.parse(stdout)
}

process.exitCode = await main()
