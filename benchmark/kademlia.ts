/**
 * The curves of simulated Kademlia networks by their size, drawn to `docs/kademlia.svg` from the figures that
 * `npm run simulate:kademlia:table` has kept:
 *
 *   npm run --prefix benchmark kademlia
 */
import { writeFileSync } from "node:fs"
import type { Network } from "../packages/kademlia/simulation/networks.ts"
import * as Networks from "../packages/kademlia/simulation/networks.ts"
import type { Axis, Curve, Kind } from "./harness/svg.ts"
import { curves } from "./harness/svg.ts"

const networks = Networks.read()

const curve = (
  name: string,
  kind: Kind,
  of: (network: Network) => number,
  { churn = "exponential", dashed = false, nat = 0 } = {}
): Curve => ({
  name,
  kind,
  dashed,
  points: networks.filter((network) => network.churn === churn && network.nat === nat)
    .map((network) => [network.nodes, of(network)])
})

const byChurn = (of: (network: Network) => number): ReadonlyArray<Curve> => [
  curve("6 hours", "ours", of),
  curve("as in IPFS", "other", of, { churn: "ipfs" }),
  curve("as in Kad", "third", of, { churn: "kad" })
]

const byNats = (of: (network: Network) => number): ReadonlyArray<Curve> => [
  curve("none", "ours", of),
  curve("30%", "other", of, { nat: 0.3 }),
  curve("60%", "third", of, { nat: 0.6 })
]

const x: Axis = { label: "nodes", scale: "log", from: 100 }

const chart = curves(
  "Kademlia networks by their size",
  "Simulated. Nodes stay for 6 hours in the mean and none is behind a NAT, unless a panel says otherwise.",
  [
    {
      title: "Hops until the value",
      x,
      y: {},
      curves: [
        curve("log2 (n / k)", "peer", ({ nodes }) => Math.log2(nodes / 20), { dashed: true }),
        curve("99 of 100", "ours", ({ hops }) => hops.p99, { dashed: true }),
        curve("mean", "ours", ({ hops }) => hops.mean)
      ]
    },
    {
      title: "Time until the value, ms",
      x,
      y: {},
      curves: [
        curve("90 of 100", "ours", ({ lookups }) => lookups.p90Millis, { dashed: true }),
        curve("median", "ours", ({ lookups }) => lookups.medianMillis)
      ]
    },
    {
      title: "Messages an hour, by how long nodes stay",
      x,
      y: {},
      curves: byChurn(({ messages }) => messages.perNodeHour)
    },
    {
      title: "Holders of 20, by how long nodes stay",
      x,
      y: { to: 20 },
      curves: byChurn(({ holders }) => holders?.closest ?? 0)
    },
    {
      title: "Messages an hour, by the share behind NATs",
      x,
      y: {},
      curves: byNats(({ messages }) => messages.perNodeHour)
    },
    {
      title: "Contacts that a node knows",
      x,
      y: {},
      curves: [
        curve("at most", "ours", ({ table }) => table.max, { dashed: true }),
        curve("mean", "ours", ({ table }) => table.mean),
        curve("there", "third", ({ table }) => table.mean * (1 - table.dead))
      ]
    }
  ],
  2
)
writeFileSync(new URL("../docs/kademlia.svg", import.meta.url), chart)
