/**
 * The curves of a simulated Kademlia network by its size, drawn to `docs/kademlia.svg` from the figures that
 * `npm run simulate:kademlia -- --json` has printed, one network a line (without the real time, in which runs were paused):
 *
 *   npm run --prefix benchmark kademlia
 */
import { readFileSync, writeFileSync } from "node:fs"
import type { Figures } from "../packages/kademlia/simulation/figures.ts"
import type { Axis, Curve, Kind } from "./harness/svg.ts"
import { curves } from "./harness/svg.ts"

const networks = readFileSync(new URL("kademlia.jsonl", import.meta.url), "utf8").trim().split("\n")
  .map((line): Omit<Figures, "realSeconds" | "microsPerMessage"> => JSON.parse(line))
  .toSorted((a, b) => a.nodes - b.nodes)

const curve = (
  name: string,
  kind: Kind,
  of: (figures: Omit<Figures, "realSeconds" | "microsPerMessage">) => number,
  dashed = false
): Curve => ({ name, kind, dashed, points: networks.map((figures) => [figures.nodes, of(figures)]) })

const x: Axis = { label: "nodes", scale: "log", from: 100 }

const chart = curves("A Kademlia network by its size", "Simulated, with nodes that come and go.", [
  {
    title: "Hops until the value",
    x,
    y: {},
    curves: [
      curve("log2 n", "peer", ({ nodes }) => Math.log2(nodes), true),
      curve("99 of 100 take fewer", "ours", ({ hops }) => hops.p99, true),
      curve("mean", "ours", ({ hops }) => hops.mean)
    ]
  },
  {
    title: "Messages a node sends in an hour",
    x,
    y: {},
    curves: [curve("messages", "ours", ({ messages }) => messages.perNodeHour)]
  },
  {
    title: "Contacts that a node knows",
    x,
    y: {},
    curves: [
      curve("at most", "ours", ({ table }) => table.max, true),
      curve("in the mean", "ours", ({ table }) => table.mean)
    ]
  }
], 1)
writeFileSync(new URL("../docs/kademlia.svg", import.meta.url), chart)
