/** The charts of RESULTS.md, from its tables: what is drawn is what is written. */
import { curves as growthCurves } from "./growth.ts"
import { modes } from "./run.ts"
import type { Kind, Row, Spread } from "./svg.ts"
import { curves, dots } from "./svg.ts"

/** Each by the name of its file. */
export const charts = (page: string): ReadonlyArray<readonly [file: string, svg: string]> => [
  ["results-ratios.svg", ratios(page)],
  ["results-growth.svg", growth(page)]
]

const baseline = "node:dgram"
const ours = "effect-rpcudp"

/** Contenders under each load, the fastest under the first one first. */
const ratios = (page: string): string => {
  const byName = new Map<string, Array<Spread | undefined>>()
  for (const [i, { name }] of modes.entries()) {
    for (const [contender, ratio] of tableAfter(page, `### ${name}, `).slice(2)) {
      const spreads = byName.get(contender!) ?? modes.map(() => undefined)
      spreads[i] = spreadOf(ratio!)
      byName.set(contender!, spreads)
    }
  }
  const rows = [...byName].map(([name, spreads]): Row => ({ name, kind: kindOf(name), spreads }))
  return dots({
    title: `Calls a second, as a ratio to bare ${baseline}`,
    note: "Dot: the median of the rounds. Line: from the least to the greatest. Dashed: as fast as the bare socket.",
    panels: modes.map(({ name }) => name),
    rows: rows.toSorted((a, b) => (b.spreads[0]?.median ?? 0) - (a.spreads[0]?.median ?? 0)),
    reference: 1
  })
}

const kindOf = (name: string): Kind => name === ours ? "ours" : name.startsWith(ours) ? "variant" : "peer"

/** "0.62 (0.47 to 0.96)", or a number alone. */
const spreadOf = (cell: string): Spread => {
  const [median, least, greatest] = [...cell.matchAll(/[\d.]+/g)].map(([number]) => Number(number))
  return { median: median!, least: least ?? median!, greatest: greatest ?? median! }
}

/** What a call costs as one thing grows, a panel each. */
const growth = (page: string): string =>
  curves(
    "CPU a call as one thing grows, in microseconds",
    "Client and server together, 64 calls in flight at a time. Medians of the rounds.",
    growthCurves.map(({ unit }) => {
      const [sizes, , costs] = tableAfter(page, `\n| ${unit} |`)
      const points = sizes!.slice(1).map((size, i) => [numberOf(size), numberOf(costs![i + 1]!)] as const)
      const most = Math.max(...points.map(([, cost]) => cost))
      return {
        title: `${unit[0]!.toUpperCase()}${unit.slice(1).split(";")[0]}`,
        x: { scale: "steps" },
        y: { to: 1.15 * most },
        curves: [{ kind: "ours", points }]
      }
    }),
    2
  )

const numberOf = (cell: string): number => Number(cell.replaceAll(",", ""))

/** The cells of the first table from that text on, the one that it begins with included. */
const tableAfter = (page: string, heading: string): ReadonlyArray<ReadonlyArray<string>> => {
  const found = page.indexOf(heading)
  if (found === -1) throw new Error(`RESULTS.md has no ${JSON.stringify(heading)}`)
  const start = page.indexOf("\n|", found) + 1
  const rest = page.slice(start).split("\n")
  const end = rest.findIndex((row) => !row.startsWith("|"))
  return rest.slice(0, end === -1 ? undefined : end).map((row) =>
    row.split("|").slice(1, -1).map((cell) => cell.trim())
  )
}
