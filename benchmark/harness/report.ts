/** RESULTS.md: tables, method and versions. */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { availableParallelism, cpus, release, type } from "node:os"
import type { Step } from "../micro.ts"
import { charts } from "./charts.ts"
import type { Found } from "./foreign.ts"
import type { Curve, Point } from "./growth.ts"
import { roundsOfOthers } from "./growth.ts"
import type { Share } from "./profile.ts"
import type { Rounds, Settings, Summary } from "./rounds.ts"
import { summary } from "./rounds.ts"
import type { Contender, Mode, Waiting } from "./run.ts"
import { modes } from "./run.ts"
import { median, spread } from "./statistics.ts"

export interface Results {
  readonly began: Date
  readonly minutes: number
  readonly pinned: boolean
  readonly settings: Settings
  readonly growthSettings: { readonly rounds: number; readonly warmUp: number; readonly measure: number }
  readonly outstanding: number
  readonly baseline: Contender
  /** Those that the targets are about. `typed` and `nativeTyped` are the most that typed calls could reach over these sockets. */
  readonly named: { readonly [name in "typed" | "ours" | "native" | "nativeTyped" | "dht"]: Found }
  readonly contenders: ReadonlyArray<Contender>
  readonly missing: ReadonlyArray<{ readonly name: string; readonly missing: string }>
  readonly measured: Rounds
  /** Of the baseline and of those that are named: what is close in time compares better. */
  readonly targeted: Rounds
  readonly waiting: ReadonlyMap<Contender, Waiting>
  readonly grown: ReadonlyArray<readonly [Curve, ReadonlyArray<Point>]>
  readonly shares: ReadonlyArray<Share>
  readonly steps: ReadonlyArray<Step>
}

export const report = (
  results: Results
): { readonly markdown: string; readonly svgs: ReadonlyArray<readonly [string, string]> } => {
  const of = (contender: Contender, mode: Mode) => summary(results.measured, contender, results.baseline, mode)
  const sections = [
    head(results),
    targets(results),
    "## Calls a second\n\n![Ratios to bare node:dgram](results-ratios.svg)",
    ...modes.map((mode) => loads(results, mode, of)),
    others(results),
    waiting(results),
    growth(results),
    profile(results.shares),
    steps(results.steps)
  ]
  const markdown = `${sections.join("\n\n")}\n`
  return { markdown, svgs: charts(markdown) }
}

type SummaryOf = (contender: Contender, mode: Mode) => Summary | undefined

const baselineRates = ({ baseline, measured }: Results): ReadonlyArray<number> =>
  (measured.runs.get(baseline) ?? []).flatMap((run) => run?.results.get(modes[0]!)?.callsPerSecond ?? [])

/** Nobody should read a ratio from a run whose baseline was not steady. */
const steadiness = (results: Results): string => {
  const rates = baselineRates(results)
  const apart = Math.max(...rates) / Math.min(...rates)
  return apart < 1.25
    ? ""
    : `\n\n**The machine was not quiet: rounds of the baseline are a factor of ${
      apart.toFixed(1)
    } apart. CPU a call says more
then than calls a second.**`
}

const head = (results: Results): string => {
  const { began, growthSettings, minutes, pinned, settings } = results
  return `# Results

Written by \`npm run bench:all\` on ${began.toISOString().slice(0, 10)}, in ${minutes.toFixed(0)} minutes. Do not edit.

${type()} ${release()}, ${cpus()[0]?.model ?? "an unknown processor"}, ${availableParallelism()} cores. ${versions()}

## Method

A client and a server on loopback, two processes. One method with a 16-byte string for an argument and a 40-byte reply.
${settings.rounds} rounds; in each, every contender runs once, in an order of its own, in fresh processes:
${settings.warmUp / 1000} s of warm-up at 64 calls in flight and ${settings.measure} ms measured; then 512 in flight and
one at a time, each ${settings.settle} ms to settle and ${settings.measure} ms measured. ${
    pinned
      ? "Server and client have a core each, but one at a time, where both share one (`taskset`)."
      : "The processes ran where the system put them: `taskset` was missing, or there was one core only."
  }

A ratio is that to the run of bare \`node:dgram\` in the same round; given are the median of the rounds, and the least and
the greatest. The other figures are medians of the rounds. CPU is that of the processes, all their threads. A call is lost
that has no answer after 1 s. The baseline looks up no names, has a 20-byte id and a table, and neither MessagePack nor
deadlines. effect-rpcudp runs with its defaults and its metrics, without a tracer. dht-rpc's window is widened, for it
would keep no more than 80 calls in flight. The growth curves are medians of ${
    roundsOfOthers(growthSettings.rounds)
  } rounds of fresh processes (of
${growthSettings.rounds} for the calls in flight), ${
    growthSettings.warmUp / 1000
  } s of warm-up and ${growthSettings.measure} ms measured.

The machine may be shared: read the spread, above all that of the baseline itself, which did ${
    spread(baselineRates(results), 0)
  } calls/s
at 64 in flight. What others take from the machine moves calls a second far more than CPU a call.${steadiness(results)}`
}

const versions = (): string => {
  const require = createRequire(import.meta.url)
  const version = (name: string): string => {
    const { version }: { readonly version: string } = JSON.parse(
      readFileSync(require.resolve.paths(name)!.map((path) => `${path}/${name}/package.json`).find(exists)!, "utf8")
    )
    return `${name} ${version}`
  }
  const names = [
    "effect",
    "@effect/platform-node",
    "msgpackr",
    "dht-rpc",
    "udp-request",
    "k-rpc-socket",
    "coap",
    "@grpc/grpc-js"
  ]
  return [`Node ${process.versions.node}`, ...names.map(version), ...foreign()].join(", ") + "."
}

const exists = (path: string): boolean => {
  try {
    return readFileSync(path).length > 0
  } catch {
    return false
  }
}

const foreign = (): ReadonlyArray<string> =>
  [["cc", "-dumpfullversion"], ["/usr/bin/python3", "--version"]].flatMap(([program, argument]) => {
    try {
      const version = execFileSync(program!, [argument!], { encoding: "utf8" }).trim()
      return [version.startsWith("Python") ? version : `cc ${version}`]
    } catch {
      return []
    }
  })

const table = (header: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [header, header.map((_, i) => i === 0 ? "---" : "---:"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n")

const count = (value: number): string => Math.round(value).toLocaleString("en")

const targets = ({ baseline, grown, named, outstanding, targeted, waiting }: Results): string => {
  const { dht, native, nativeTyped, ours, typed } = named
  const [at64, at512, sequential] = modes
  const found = (mode: Mode, contender: Found, to: Found, tell: (of: Summary) => string): string => {
    const of = "missing" in contender || "missing" in to ? undefined : summary(targeted, contender, to, mode)
    return of === undefined ? "-" : tell(of)
  }
  const rate = (mode: Mode, contender: Found, to: Found, least: number) => [
    `${mode.name}: ${contender.name} to ${to.name}`,
    `at least ${least}`,
    found(mode, contender, to, ({ ratios }) => spread(ratios))
  ]
  const held = (contender: Found, tell: (of: Waiting) => number, unit: string): string => {
    const of = "missing" in contender ? undefined : waiting.get(contender)
    return of === undefined ? "-" : `${(tell(of) / 1000).toFixed(2)} ${unit}`
  }
  const issued = (contender: Found, most: number) => [
    `${count(outstanding)} calls issued: ${contender.name}`,
    `at most ${most.toFixed(1)} s`,
    held(contender, ({ millis }) => millis, "s")
  ]
  const flight = grown.find(([{ grows }]) => grows === "flight")?.[1].filter(({ size }) => size >= 100) ?? []
  const cpu = flight.map((point) => point.cpu)
  const firstCalls = (contender: Found) =>
    "missing" in contender
      ? []
      : targeted.runs.get(contender)!.flatMap((run) => run === undefined ? [] : [run.firstCall])
  return `## Targets

${
    table(["", "target", "median (least to greatest)"], [
      rate(at64, native, baseline, 1.65),
      [`${at64.name}: CPU of it`, "at most 0.60", found(at64, native, baseline, ({ cpuRatios }) => spread(cpuRatios))],
      rate(at512, native, baseline, 1.5),
      [`${at512.name}: calls lost by it`, "0", found(at512, native, baseline, ({ result }) => String(result.lost))],
      rate(sequential, native, baseline, 1.1),
      rate(at64, native, dht, 1.5),
      rate(at512, native, dht, 1.6),
      rate(sequential, native, dht, 1.05),
      ...modes.map((mode) => rate(mode, native, nativeTyped, 0.87)),
      rate(at64, ours, typed, 0.9),
      rate(at512, ours, typed, 0.9),
      rate(sequential, ours, typed, 0.92),
      issued(native, 1),
      issued(ours, 1.5),
      [
        `time to the first call, ${native.name} after ${ours.name}`,
        "at most 30 ms",
        `${(median(firstCalls(native)) - median(firstCalls(ours))).toFixed(0)} ms`
      ],
      [
        "a call outstanding, its fiber included",
        "at most 1.8 KB",
        held(ours, ({ heapBytes }) => heapBytes ?? Number.NaN, "KB")
      ],
      [
        "CPU a call, 100 to 100,000 in flight",
        "flat within 20%",
        `${(100 * (Math.max(...cpu) / Math.min(...cpu) - 1)).toFixed(0)}% between the least and the greatest`
      ]
    ])
  }

The ratios are of rounds of their own, in which these alone run one after the other. "Typed calls" are the most that calls like
these can reach over a socket with these libraries: calls that are fibers, with MessagePack and schemas at both ends, and nothing
else, neither deadlines nor limits nor metrics. Bare \`node:dgram\` itself has fewer than 512 in flight where it loses calls, as
each of those waits a second for its successor.`
}

const loads = ({ baseline, contenders }: Results, mode: Mode, of: SummaryOf): string => {
  const rows = contenders.flatMap((contender) => {
    const found = of(contender, mode)
    if (found === undefined) return []
    const { callsPerSecond, clientCpu, lost, p50, p99, serverCpu } = found.result
    return [[
      contender.name,
      contender === baseline ? "1" : spread(found.ratios),
      count(callsPerSecond),
      count(p50),
      count(p99),
      contender === baseline ? "1" : spread(found.cpuRatios),
      clientCpu.toFixed(2),
      serverCpu.toFixed(2),
      count(lost)
    ]]
  })
  return `### ${mode.name}, ${mode.cores === 1 ? "both processes on one core" : "a core each"}

${
    table([
      "",
      "ratio",
      "calls/s",
      "p50, us",
      "p99, us",
      "CPU, ratio",
      "client, CPU s per 100,000",
      "server, CPU s per 100,000",
      "lost"
    ], rows)
  }`
}

const others = ({ contenders, measured, missing }: Results): string => {
  const rows = contenders.flatMap((contender) => {
    const times = (measured.runs.get(contender) ?? []).flatMap((run) => run === undefined ? [] : [run.firstCall])
    return times.length === 0 ? [] : [[contender.name, spread(times, 0)]]
  })
  const absent = [
    ...missing.map(({ missing, name }) => `- ${name} is missing here: ${missing}.`),
    ...[...measured.failures].map(([{ name }, why]) => `- ${name} failed: ${why.split("\n")[0]}.`)
  ]
  return `## Time to the first call

From the start of the client's process to its first answer, in milliseconds.

${table(["", "median (least to greatest)"], rows)}${
    absent.length === 0 ? "" : `\n\n## Who did not take part\n\n${absent.join("\n")}`
  }`
}

const waiting = ({ outstanding, waiting }: Results): string =>
  `## Calls outstanding

${
    count(outstanding)
  } calls to a peer that never answers: how long issuing them took, and what each of them occupies. Heap is what is
left of it after a collection; resident memory includes what the collector has not given back. Effect's callers are fibers.
Not here: udp-request and k-rpc-socket, which give calls up after a second or two, before as many are issued, and
effect-rpcudp over layerSocket, which refuses what comes while 16,384 writes are unfinished.

${
    table(
      ["", "issued in, ms", "heap, bytes a call", "resident, bytes a call"],
      [...waiting].map(([{ name }, { heapBytes, millis, rssBytes }]) => [
        name,
        count(millis),
        heapBytes === undefined ? "-" : count(heapBytes),
        count(rssBytes)
      ])
    )
  }`

const growth = ({ grown }: Results): string =>
  `## How the cost of a call grows

64 calls in flight at a time; CPU is that of client and server together.

![CPU a call as one thing grows](results-growth.svg)

${
    grown.map(([{ unit }, points]) =>
      table(
        [unit, ...points.map(({ size }) => count(size))],
        [
          ["us of CPU a call", ...points.map(({ cpu }) => cpu.toFixed(1))],
          ["calls/s", ...points.map(({ callsPerSecond }) => count(callsPerSecond))],
          ["lost", ...points.map(({ lost }) => count(lost))]
        ]
      )
    ).join("\n\n")
  }`

const profile = (shares: ReadonlyArray<Share>): string =>
  `## Where the time goes

V8's profile at 64 calls in flight, in percent of the time that the process was busy (\`--cpu-prof\`, which itself slows
JavaScript more than system calls).

${
    table(
      ["", "client", "server"],
      shares.map(({ client, group, server }) => [group, client.toFixed(1), server.toFixed(1)])
    )
  }

What remains, and why. Over \`Transport.layer\` sending and receiving are a system call a datagram, through libuv and node:dgram:
the baseline has them, too. What one turn of the event loop brings is handed over together, and what is sent meanwhile leaves
together, so that each part of the way is in the processor's caches for several datagrams. That takes a fifth of a call's CPU
away, and is why typed calls alone, which do less but one by one, are no faster where many are in flight. One at a time there is
nothing to gather: then all that effect-rpcudp does, some fifty steps, comes from memory for each call. These are the call's id,
its place in the table and its deadline, the metrics, what a server remembers of requests and of senders, and the callback by
which Node tells of a refused send (without it a refused send would be a time-out). Client and
server together allocate 3.3 KB a call, what the socket makes aside.

Over effect-rpcudp-native a batch is a system call, and what goes to one peer is one message, which the kernel cuts. What C does
so (\`C, recvmmsg and UDP_SEGMENT\`) is the limit of the system. Between stand the crossing into JavaScript, fibers, MessagePack
and schemas (\`native socket, typed calls\`), and then the fifty steps. Calls to many peers are not cut from one message: for these
see \`C, recvmmsg and sendmmsg\`.

Tried without gain, in one process that hands the datagrams of client and server over in batches, in pairs of runs: all readings
of the clock replaced by a counter, 3 to 7% of a call's JavaScript (one reading a batch would save at most one of four, as what
a handler or a caller does between two of them takes time); \`performance.now\` for the clock, 0%; larger pools of the encoder, 2%
slower; a longer table of what is remembered, or hashes in it, 3% slower; a hash of an id by one word instead of 20, 0%. Without
any memory of requests a call would take a fifth less: to look into a table that no cache holds is what takes the time.`

const steps = (steps: ReadonlyArray<Step>): string =>
  `## The steps of a call

Each by itself, in a loop (tinybench). They cost about twice as much in the flow of a call, where the processor's caches hold other things.

${
    table(
      ["", "median, ns", "p99, ns"],
      steps.map(({ name, p50, p99 }) => [name, count(p50), count(p99)])
    )
  }`
