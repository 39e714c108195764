/**
 * Soaks a server in real UDP on loopback: clients call it, rightly and wrongly, beside garbage and floods, each side in a
 * process of its own. It ends with figures, and with exit code 1 if a law is broken.
 *
 *   npm run soak -- [--minutes 10] [--calls 1000] [--hostile 3000] [--native]
 *
 * `--calls` and `--hostile` are calls and hostile datagrams a second. With `--native`, over NativeTransport.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import type { Figures, Order, Report } from "./soak/child.ts"

const { values: flags } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    calls: { type: "string", default: "1000" },
    hostile: { type: "string", default: "3000" },
    native: { type: "boolean", default: false }
  }
})

const seconds = 60 * Number(flags.minutes)

const over = flags.native ? ["native"] : []

/** How much a heap may grow from the first measurement, after a tenth of the time, to the last. */
const maxGrowthMiB = 16

/** The share of calls that a flood may cost. */
const maxStarved = 0.01

// ---------------------------------------------------------------------------------------------------------------------
// processes
// ---------------------------------------------------------------------------------------------------------------------

class Child {
  readonly name: string
  readonly process: ChildProcess
  readonly #reports: Array<Report> = []
  #arrived: () => void = () => {}

  constructor(name: string, args: ReadonlyArray<string>) {
    this.name = name
    this.process = fork(fileURLToPath(new URL(`soak/${name}.ts`, import.meta.url)), args, {
      execArgv: ["--expose-gc"]
    })
    this.process.on("message", (report: Report) => {
      this.#reports.push(report)
      this.#arrived()
    })
    this.process.on("exit", () => this.#arrived())
  }

  async ready(): Promise<ReadonlyArray<number>> {
    const report = await this.#next()
    return report.type === "ready" ? report.ports : []
  }

  async order(order: Order): Promise<Figures> {
    this.process.send(order)
    const report = await this.#next()
    if (report.type === "ready") throw new Error(`${this.name} was ready twice`)
    return report.figures
  }

  /** Whether it ends by itself, once its scopes are closed: what it left behind would hold it. */
  async ended(): Promise<boolean> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return this.process.exitCode === 0
    const exit = once(this.process, "exit").then(([code]) => code === 0)
    const endsInTime = await Promise.race([exit, sleep(5000, false, { ref: false })])
    if (!endsInTime) this.process.kill("SIGKILL")
    return endsInTime
  }

  async #next(): Promise<Report> {
    while (this.#reports.length === 0) {
      const { exitCode, signalCode } = this.process
      if (exitCode !== null || signalCode !== null) throw new Error(`${this.name} ended: ${signalCode ?? exitCode}`)
      await new Promise<void>((resolve) => {
        this.#arrived = resolve
      })
    }
    return this.#reports.shift()!
  }
}

/** Each of them, measured at one time. */
interface Sample {
  readonly seconds: number
  readonly server: Figures
  readonly clients: Figures
}

const measure = async (server: Child, clients: Child): Promise<Sample> => {
  const at = performance.now() - started
  const [ofServer, ofClients] = await Promise.all([server.order("measure"), clients.order("measure")])
  return { seconds: at / 1000, server: ofServer, clients: ofClients }
}

// ---------------------------------------------------------------------------------------------------------------------
// figures
// ---------------------------------------------------------------------------------------------------------------------

const sum = (counts: Readonly<Record<string, number>> | undefined): number =>
  Object.values(counts ?? {}).reduce((total, count) => total + count, 0)

const n = (count: number): string => Math.round(count).toLocaleString("en")

const list = (counts: Readonly<Record<string, number>> | undefined): string =>
  Object.entries(counts ?? {}).filter(([, count]) => count !== 0).sort(([, a], [, b]) => b - a)
    .map(([name, count]) => name === "" ? n(count) : `${name} ${n(count)}`).join(", ") || "none"

const verdictsOf = ({ own }: Figures, verdict: string): number =>
  sum(Object.fromEntries(Object.entries(own).filter(([name]) => name.endsWith(`: ${verdict}`))))

const progress = ({ clients, seconds, server }: Sample): string =>
  `${seconds.toFixed(0).padStart(4)} s  calls ${n(clients.own["ended"] ?? 0)}, right ${
    n(verdictsOf(clients, "right"))
  }, ` +
  `unanswered ${n(verdictsOf(clients, "unanswered"))}, overloaded ${n(verdictsOf(clients, "overloaded"))}, ` +
  `wrong ${n(verdictsOf(clients, "wrong"))}; server: requests ${n(sum(server.counters["rpcudp_requests_total"]))}, ` +
  `dropped ${n(sum(server.counters["rpcudp_datagrams_dropped_total"]))}, running ${
    n(server.gauges["rpcudp_requests_in_flight"] ?? 0)
  }, heap ${server.heapMiB.toFixed(1)} MiB, rss ${server.rssMiB.toFixed(0)} MiB`

const tell = (name: string, figures: Figures): void => {
  console.log(`\n${name}: ${figures.cpuSeconds.toFixed(1)} s of CPU`)
  // Whatever it counts, under whatever labels.
  for (const [metric, counts] of Object.entries(figures.counters)) console.log(`  ${metric}: ${list(counts)}`)
  for (const [gauge, value] of Object.entries(figures.gauges)) console.log(`  ${gauge}: ${n(value)} after the close`)
  console.log(`  logged: ${list(figures.logged)}`)
}

const tellMemory = (name: "server" | "clients", samples: ReadonlyArray<Sample>, end: Figures): void => {
  const points = [samples[0]!, samples[samples.length >> 1]!, samples.at(-1)!]
    .map((sample) =>
      `${sample.seconds.toFixed(0)} s ${sample[name].heapMiB.toFixed(1)} / ${sample[name].rssMiB.toFixed(0)}`
    )
  console.log(
    `  memory of the ${name}, MiB, heap after a collection / rss: ${points.join(", ")}, closed ${
      end.heapMiB.toFixed(1)
    } / ${end.rssMiB.toFixed(0)}`
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// the soak
// ---------------------------------------------------------------------------------------------------------------------

const server = new Child("server", over)
const [port] = await server.ready()
const clients = new Child("clients", [`${port}`, flags.calls, ...over])
const clientPorts = await clients.ready()
const hostile = fork(
  fileURLToPath(new URL("soak/hostile.ts", import.meta.url)),
  [port!, flags.hostile, ...clientPorts].map(String)
)
let sent: Record<string, number> = {}
hostile.on("message", (told: Record<string, number>) => {
  sent = told
})

const started = performance.now()
const samples: Array<Sample> = []
for (let tick = 1; tick <= Math.max(2, Math.round(seconds / 10)); tick++) {
  await sleep(Math.max(0, started + tick * Math.min(10, seconds / 2) * 1000 - performance.now()))
  const sample = await measure(server, clients)
  console.log(progress(sample))
  // What is kept once is not growth.
  if (sample.seconds >= seconds / 10) samples.push(sample)
}

// The clients close under the flood, and with calls in flight; the server closes with handlers that run.
const ofClients = await clients.order("stop")
const ofServer = await server.order("stop")
hostile.disconnect()
const endedBySelf = { server: await server.ended(), clients: await clients.ended() }

const { own } = ofClients
const { senders, ...byKind } = sent
const judged = (verdict: string) =>
  Object.fromEntries(
    Object.entries(own).filter(([name]) => name.endsWith(`: ${verdict}`)).map(([name, count]) => [
      name.slice(0, -verdict.length - 2),
      count
    ])
  )
console.log(`\n${((performance.now() - started) / 60_000).toFixed(1)} minutes`)
console.log(`  hostile datagrams: ${n(sum(byKind))} from ${n(senders ?? 0)} senders: ${list(byKind)}`)
console.log(
  `  calls: ${n(own["started"] ?? 0)} started, ${n(own["ended"] ?? 0)} ended, the longest ${own["worstMillis"]} ms`
)
for (const verdict of ["right", "unanswered", "overloaded", "wrong"]) {
  console.log(`  ${verdict}: ${list(judged(verdict))}`)
}
tellMemory("server", samples, ofServer)
tellMemory("clients", samples, ofClients)
tell("server", ofServer)
tell("clients", ofClients)

const starved = (verdictsOf(ofClients, "unanswered") + verdictsOf(ofClients, "overloaded")) / (own["ended"] ?? 1)
const growth = (name: "server" | "clients") => samples.at(-1)![name].heapMiB - samples[0]![name].heapMiB
const unexpectedLogs = [ofServer, ofClients].flatMap(({ logged }) =>
  Object.keys(logged).filter((message) => message !== "rpcudp: a handler died")
)
const leftOf = ({ fibers, gauges, handles }: Figures) => [
  ...Object.entries(gauges).filter(([, value]) => value !== 0).map(([name, value]) => `${name} ${value}`),
  ...(fibers === 0 ? [] : [`${fibers} fibers`]),
  ...handles
]
const left = { server: leftOf(ofServer), clients: leftOf(ofClients) }

/** What must hold, and what was found. */
const laws: ReadonlyArray<readonly [law: string, holds: boolean, found: string]> = [
  ["no call ends with what is not its own", verdictsOf(ofClients, "wrong") === 0, n(verdictsOf(ofClients, "wrong"))],
  [
    "each call ends once",
    own["started"] === own["ended"],
    `${n(own["started"] ?? 0)} started, ${n(own["ended"] ?? 0)} ended`
  ],
  ["each ends by its deadline, or what a busy machine adds", own["late"] === 0, `${n(own["late"] ?? 0)} late`],
  [
    "the metrics count each call",
    sum(ofClients.counters["rpcudp_calls_total"]) === own["started"],
    `${n(sum(ofClients.counters["rpcudp_calls_total"]))} counted`
  ],
  [
    `floods cost at most ${100 * maxStarved}% of the calls`,
    starved <= maxStarved,
    `${(100 * starved).toFixed(2)}%`
  ],
  [
    "no handler dies but those that should",
    (ofServer.counters["rpcudp_requests_total"]?.["defect"] ?? 0) === ofServer.own["handlers that died"],
    `${n(ofServer.own["handlers that died"] ?? 0)} should, ${
      n(ofServer.counters["rpcudp_requests_total"]?.["defect"] ?? 0)
    } did`
  ],
  ["nothing else is logged as an error", unexpectedLogs.length === 0, unexpectedLogs.join("; ") || "nothing"],
  [
    `no heap grows by more than ${maxGrowthMiB} MiB`,
    growth("server") <= maxGrowthMiB && growth("clients") <= maxGrowthMiB,
    `server ${growth("server").toFixed(1)}, clients ${growth("clients").toFixed(1)}`
  ],
  [
    "no handle, fiber or gauge is left",
    left.server.length === 0 && left.clients.length === 0,
    [...left.server, ...left.clients].join(", ") || "none"
  ],
  [
    "both processes end by themselves",
    endedBySelf.server && endedBySelf.clients,
    `server ${endedBySelf.server}, clients ${endedBySelf.clients}`
  ]
]
console.log("")
for (const [law, holds, found] of laws) console.log(`${holds ? "holds " : "BROKEN"}  ${law}: ${found}`)
if (laws.some(([, holds]) => !holds)) process.exitCode = 1
