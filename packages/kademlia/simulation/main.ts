/**
 * A network of Kademlia nodes that come and go, on the simulated network: days in minutes. Ends with figures.
 *
 *   npm run simulate:kademlia -- --nodes 2000 --hours 24 --seed 1
 */
import { parseArgs } from "node:util"
import { setFlagsFromString } from "node:v8"
import type { Churn } from "./churn.ts"
import { exponential, ipfs, kad } from "./churn.ts"
import * as Events from "./events.ts"
import type { Figures } from "./figures.ts"
import * as Fibers from "./simulate.ts"

// While nodes join, most objects live long, so V8 begins to allocate their like in the old space. Later those die young, and what
// they refer to is not collected before they are: that took a third of the time.
setFlagsFromString("--no-allocation-site-pretenuring")

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "300" },
    hours: { type: "string", default: "24" },
    seed: { type: "string", default: "1" },
    /** Runs the cores of the nodes by an event queue, without fibers, sockets and bytes: six to ten times as fast. */
    events: { type: "boolean", default: false },
    /** Runs both, and prints their figures side by side. */
    compare: { type: "boolean", default: false },
    /** How long nodes stay: `exponential`, with the mean of `session`, `ipfs` or `kad`. */
    churn: { type: "string", default: "exponential" },
    /** The mean time that a node stays, in hours. */
    session: { type: "string", default: "6" },
    /** The share of datagrams that are lost. */
    loss: { type: "string", default: "0.01" },
    /** Lookups of values, per node and hour. */
    lookups: { type: "string", default: "1" },
    k: { type: "string", default: "20" },
    alpha: { type: "string", default: "3" },
    bits: { type: "string", default: "1" },
    stale: { type: "string", default: "5" },
    /** How many nodes each node joins by way of, at most. */
    gates: { type: "string", default: "3" },
    /** The share of nodes that are mute, lie, or hoard. */
    hostile: { type: "string", default: "0" },
    /** The share of nodes behind NATs; with `events` alone. */
    nat: { type: "string", default: "0" },
    /** Prints the figures as JSON alone. */
    json: { type: "boolean", default: false }
  }
})

const churns: ReadonlyMap<string, Churn> = new Map([
  ["exponential", exponential(Number(values.session))],
  ["ipfs", ipfs],
  ["kad", kad]
])
const churn = churns.get(values.churn)
if (churn === undefined) throw new Error(`no churn is called ${values.churn}`)
if (!values.events && Number(values.nat) > 0) throw new Error("nodes behind NATs are run by events alone")

const started = performance.now()
let shown = -Infinity

/** A bar on a terminal; elsewhere a line each ten seconds. */
const progress = (done: number, note: string) => {
  const now = performance.now()
  if (done < 1 && now < shown + (process.stderr.isTTY ? 100 : 10_000)) return
  shown = now
  const seconds = (now - started) / 1000
  const left = done === 0 ? "" : `, ${Math.round(seconds / done - seconds)} s left`
  const bar = "#".repeat(40 * done).padEnd(40, ".")
  process.stderr.write(`${process.stderr.isTTY ? "\r" : ""}${bar} ${Math.floor(100 * done)}%  ${note}${left}   `)
  if (!process.stderr.isTTY || done === 1) process.stderr.write("\n")
}

const options = {
  nodes: Number(values.nodes),
  hours: Number(values.hours),
  seed: Number(values.seed),
  churn,
  loss: Number(values.loss),
  lookupsPerHour: Number(values.lookups),
  k: Number(values.k),
  alpha: Number(values.alpha),
  bits: Number(values.bits),
  staleAfter: Number(values.stale),
  gates: Number(values.gates),
  hostile: Number(values.hostile),
  nat: Number(values.nat),
  progress
}

const percent = (share: number) => `${(100 * share).toFixed(2)}%`

const report = ({ hops, lookups, messages, table, ...figures }: Figures): string =>
  [
    `${figures.nodes} nodes for ${figures.hours} h, of which ${figures.left} left and as many others came; ` +
    `${percent(figures.loss)} of the datagrams were lost`,
    `${figures.keys} keys, published once`,
    ...lookups.made === 0 ? ["no lookups of values: those begin an hour after the first key"] : [
      `${lookups.made} lookups of values: ${percent(lookups.found / lookups.made)} found theirs ` +
      `(${lookups.wrong} wrong), in ${lookups.medianMillis} ms at the median, ${lookups.p90Millis} ms at the 90th percentile ` +
      `and ${lookups.p99Millis} ms at the 99th`,
      lookups.byAge.filter(({ made }) => made > 0)
        .map(({ from, found, made }) => `published ${from} h ago or longer: ${percent(found / made)} of ${made}`).join(
          ", "
        ),
      `hops: mean ${hops.mean.toFixed(2)}, median ${hops.median}, 99th percentile ${hops.p99}; ` +
      `log2 n = ${Math.log2(figures.nodes).toFixed(1)}, log2 (n / k) = ${
        Math.log2(figures.nodes / options.k).toFixed(1)
      }`
    ],
    ...figures.holders === undefined ? [] : [
      `a key is held by ${figures.holders.all.toFixed(1)} nodes, and by ${figures.holders.closest.toFixed(1)} of the ` +
      `${options.k} closest that can be called`
    ],
    `messages per node and hour: ${messages.perNodeHour.toFixed(0)} (requests and answers sent), ` +
    `${figures.microsPerMessage.toFixed(1)} us of CPU each`,
    ...messages.byCause === undefined ? [] : [
      `of these: ${
        Object.entries(messages.byCause).map(([cause, count]) => `${cause} ${count.toFixed(0)}`).join(", ")
      }; ` +
      `${((messages.bytesPerNodeHour ?? 0) / 1000).toFixed(1)} kB`
    ],
    `contacts per node: mean ${table.mean.toFixed(0)}, at most ${table.max}; ${
      percent(table.dead)
    } of them had left; ` +
    `${table.buckets.toFixed(1)} buckets; ${percent(table.lonely)} of the nodes have fewer than ten`,
    ...figures.named === undefined ? [] : [
      `of the contacts that nodes name to others ${percent(figures.named.dead)} had left, and ` +
      `${percent(figures.named.unreachable)} are behind NATs that let no stranger in`
    ],
    `${figures.realSeconds.toFixed(0)} s of real time, ${figures.heapMiB.toFixed(0)} MiB of heap`
  ].join("\n")

/** A row for each figure, a column for each simulation. */
const columns = (all: ReadonlyArray<Figures>): string => {
  const rows: ReadonlyArray<readonly [string, (figures: Figures) => string]> = [
    ["nodes that left", ({ left }) => `${left}`],
    ["lookups: found of made", ({ lookups }) => `${lookups.found} of ${lookups.made}`],
    ["time: median, 99th percentile", ({ lookups }) => `${lookups.medianMillis} ms, ${lookups.p99Millis} ms`],
    ["hops: mean, 99th percentile", ({ hops }) => `${hops.mean.toFixed(2)}, ${hops.p99}`],
    ["messages per node and hour", ({ messages }) => messages.perNodeHour.toFixed(0)],
    ["contacts: mean, most", ({ table }) => `${table.mean.toFixed(0)}, ${table.max}`],
    ["contacts that had left", ({ table }) => percent(table.dead)],
    ["CPU a datagram", ({ microsPerMessage }) => `${microsPerMessage.toFixed(1)} us`],
    ["real time", ({ realSeconds }) => `${realSeconds.toFixed(0)} s`],
    ["heap", ({ heapMiB }) => `${heapMiB.toFixed(0)} MiB`]
  ]
  return [
    `| ${options.nodes} nodes, ${options.hours} h, seed ${options.seed} | fibers | events |`,
    "| --- | --- | --- |",
    ...rows.map(([name, of]) => `| ${name} | ${all.map(of).join(" | ")} |`)
  ].join("\n")
}

const simulations = values.compare ? [Fibers, Events] : [values.events ? Events : Fibers]
const all = simulations.map(({ simulate }) => simulate(options))
if (values.json) {
  const { churn } = values
  for (const figures of all) console.log(JSON.stringify({ churn, nat: options.nat, seed: options.seed, ...figures }))
} else console.log(values.compare ? columns(all) : all.map(report).join("\n"))
