/**
 * Networks of four sizes, with the churn of three, and with none, 30 and 60% of the nodes behind NATs: runs by events, one after the
 * other, those that `docs/networks.jsonl` has no line for, and writes `docs/networks.md`.
 *
 *   npm run simulate:kademlia:table -- [--nodes 1000]... [--churn ipfs]... [--nat 0.3]... [--write]
 *
 * The flags choose what is run; `--write` runs nothing.
 */
import { execFileSync } from "node:child_process"
import { appendFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { causes } from "./figures.ts"
import type { Network } from "./networks.ts"
import * as Networks from "./networks.ts"

// For how many hours: the larger, the fewer. Lookups begin after one.
const hours: Readonly<Record<string, number>> = { 100: 24, 1000: 8, 3000: 3, 10000: 2 }

const { values: flags } = parseArgs({
  options: {
    nodes: { type: "string", multiple: true, default: Object.keys(hours) },
    churn: { type: "string", multiple: true, default: ["exponential", "ipfs", "kad"] },
    nat: { type: "string", multiple: true, default: ["0", "0.3", "0.6"] },
    write: { type: "boolean", default: false }
  }
})

const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

const run = (nodes: string, churn: string, nat: string): void => {
  if (Networks.read().some((other) => other.nodes === +nodes && other.churn === churn && other.nat === +nat)) return
  const options = `--events --json --nodes ${nodes} --hours ${hours[nodes]} --churn ${churn} --nat ${nat} --gates 12`
  console.log(options)
  const flags = ["--expose-gc", "--max-semi-space-size=128", "--max-old-space-size=12288", fileOf("main.ts")]
  appendFileSync(
    Networks.file,
    execFileSync(process.execPath, [...flags, ...options.split(" ")], { stdio: ["ignore", "pipe", "ignore"] })
  )
}

const percent = (share: number): string => `${(100 * share).toFixed(share > 0.99 || share < 0.01 ? 2 : 0)}%`

const columns: ReadonlyArray<readonly [string, (network: Network) => string]> = [
  ["nodes, hours", ({ hours, nodes }) => `${nodes.toLocaleString("en")}, ${hours}`],
  ["behind NATs", ({ nat }) => `${100 * nat}%`],
  ["left", ({ left }) => left.toLocaleString("en")],
  ["found", ({ lookups: { found, made } }) => `${percent(found / made)} of ${made.toLocaleString("en")}`],
  [
    "of age 0.5, 1, 6 h and more",
    ({ lookups }) =>
      lookups.byAge.map(({ found, made }) => made === 0 ? "" : percent(found / made)).filter((share) => share !== "")
        .join(", ")
  ],
  ["holders, of the k closest", ({ holders }) => `${holders?.all.toFixed(1)}, ${holders?.closest.toFixed(1)}`],
  ["log2 (n / k)", ({ nodes }) => Math.log2(nodes / 20).toFixed(1)],
  ["hops: mean, p50, p99", ({ hops }) => `${hops.mean.toFixed(2)}, ${hops.median}, ${hops.p99}`],
  [
    "ms: p50, p90, p99",
    ({ lookups }) =>
      [lookups.medianMillis, lookups.p90Millis, lookups.p99Millis].map((n) => n.toLocaleString("en")).join(", ")
  ],
  ["contacts: mean, gone", ({ table }) => `${table.mean.toFixed(0)}, ${percent(table.dead)}`],
  ["under 10", ({ table }) => percent(table.lonely)],
  ["messages", ({ messages }) => messages.perNodeHour.toFixed(0)],
  ["kB", ({ messages }) => ((messages.bytesPerNodeHour ?? 0) / 1000).toFixed(0)],
  ["CPU", ({ messages, microsPerMessage }) => `${(messages.perNodeHour * microsPerMessage / 1000).toFixed(1)} ms`]
]

const tableOf = (
  rows: ReadonlyArray<Network>,
  columns: ReadonlyArray<readonly [string, (network: Network) => string]>
) =>
  [
    `| ${columns.map(([name]) => name).join(" | ")} |`,
    `| ${columns.map(() => "---").join(" | ")} |`,
    ...rows.map((network) => `| ${columns.map(([, of]) => of(network)).join(" | ")} |`)
  ].join("\n")

const titles: Readonly<Record<string, string>> = {
  exponential: "Sessions of 6 hours in the mean, exponentially distributed",
  ipfs: "Sessions as in IPFS",
  kad: "Sessions as in Kad"
}

const text = (): string => {
  const all = Networks.read()
  const byCause = columns.slice(0, 2).concat(causes.map((cause) => [
    cause,
    ({ messages }) => messages.byCause?.[cause].toFixed(1) ?? ""
  ]))
  return [
    "<!-- Written by simulation/table.ts from networks.jsonl. -->",
    "",
    "# Networks by size, churn and NATs",
    "",
    "![Hops, time, messages, holders and contacts by the number of nodes](../../../docs/kademlia.svg)",
    "",
    "`npm run simulate:kademlia:table`: an event queue drives the cores of all nodes, seed 1, k 20, alpha 3, 1% of the datagrams lost,",
    "40 ms a way at the median and 250 ms at the 99th percentile; each node joins by way of 12 others and looks for one value an hour;",
    "a key for four nodes, published once. [At scale](at-scale.md) says what the models are and what others have measured.",
    "",
    "Messages (requests and answers), their bytes (UDP's payload) and CPU time are those of a node in an hour. *Under 10* is the share of",
    "nodes with fewer than ten contacts at the end, *gone* that of contacts whose nodes have left; holders are counted for each key at the",
    "end, among all, and among the 20 closest that can be called. CPU time is that of a machine that had other work, too: its order counts.",
    ...Object.entries(titles).flatMap(([churn, title]) => {
      const rows = all.filter((network) => network.churn === churn)
      return [
        "",
        `## ${title}`,
        "",
        tableOf(rows, columns),
        "",
        "Messages by what they are sent for:",
        "",
        tableOf(rows, byCause)
      ]
    }),
    ""
  ].join("\n")
}

if (!flags.write) {
  for (const nodes of flags.nodes) {
    for (const nat of flags.nat) for (const churn of flags.churn) run(nodes, churn, nat)
  }
}
writeFileSync(fileOf("../docs/networks.md"), text())
