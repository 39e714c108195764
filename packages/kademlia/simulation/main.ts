/**
 * A network of Kademlia nodes that come and go, on the simulated network: days in minutes. Ends with figures.
 *
 *   npm run simulate:kademlia -- --nodes 2000 --hours 24 --seed 1
 */
import { parseArgs } from "node:util"
import { simulate } from "./simulate.ts"

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "300" },
    hours: { type: "string", default: "24" },
    seed: { type: "string", default: "1" },
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
    /** Prints the figures as JSON alone. */
    json: { type: "boolean", default: false }
  }
})

const started = performance.now()
let shown = -1

const progress = (done: number, note: string) => {
  const percent = Math.floor(100 * done)
  if (percent === shown || (percent % 10 !== 0 && !process.stderr.isTTY)) return
  shown = percent
  const seconds = (performance.now() - started) / 1000
  const left = done === 0 ? "" : `, ${Math.round(seconds / done - seconds)} s left`
  const bar = "#".repeat(percent / 2.5).padEnd(40, ".")
  process.stderr.write(`${process.stderr.isTTY ? "\r" : ""}${bar} ${percent}%  ${note}${left}   `)
  if (!process.stderr.isTTY || percent === 100) process.stderr.write("\n")
}

const figures = simulate({
  nodes: Number(values.nodes),
  hours: Number(values.hours),
  seed: Number(values.seed),
  sessionHours: Number(values.session),
  loss: Number(values.loss),
  lookupsPerHour: Number(values.lookups),
  k: Number(values.k),
  alpha: Number(values.alpha),
  bits: Number(values.bits),
  staleAfter: Number(values.stale),
  gates: Number(values.gates),
  hostile: Number(values.hostile),
  progress
})

if (values.json) console.log(JSON.stringify(figures))
else {
  const { hops, lookups, messages, table } = figures
  const percent = (share: number) => `${(100 * share).toFixed(2)}%`
  console.log(
    [
      `${figures.nodes} nodes for ${figures.hours} h, of which ${figures.left} left and as many others came; ` +
      `${percent(figures.loss)} of the datagrams were lost`,
      `${figures.keys} keys, published once`,
      `${lookups.made} lookups of values: ${percent(lookups.found / lookups.made)} found theirs ` +
      `(${lookups.wrong} wrong), in ${lookups.medianMillis} ms at the median and ${lookups.p99Millis} ms at the 99th percentile`,
      `hops: mean ${hops.mean.toFixed(2)}, median ${hops.median}, 99th percentile ${hops.p99}; ` +
      `log2 n = ${Math.log2(figures.nodes).toFixed(1)}`,
      `messages per node and hour: ${messages.perNodeHour.toFixed(0)} (requests and answers sent)`,
      `contacts per node: mean ${table.mean.toFixed(0)}, at most ${table.max}; ${
        percent(table.dead)
      } of them had left; ` +
      `${table.buckets.toFixed(1)} buckets`,
      `${figures.realSeconds.toFixed(0)} s of real time, ${figures.heapMiB.toFixed(0)} MiB of heap`
    ].join("\n")
  )
}
