/**
 * The curves of a simulated Kademlia network by its size, drawn to `docs/kademlia.svg` from the figures that
 * `npm run simulate:kademlia -- --json` has printed, one network a line (without the real time, in which runs were paused):
 *
 *   npm ci --prefix benchmark && npm run --prefix benchmark kademlia
 */
import { LineChart } from "echarts/charts"
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components"
import { init, use } from "echarts/core"
import { SVGRenderer } from "echarts/renderers"
import { readFileSync, writeFileSync } from "node:fs"
import type { Figures } from "../packages/kademlia/simulation/simulate.ts"

const networks = readFileSync(new URL("kademlia.jsonl", import.meta.url), "utf8").trim().split("\n")
  .map((line): Omit<Figures, "realSeconds"> => JSON.parse(line))
  .toSorted((a, b) => a.nodes - b.nodes)

use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer])

interface Curve {
  readonly name: string
  readonly color: string
  readonly dashed?: boolean
  readonly of: (figures: Omit<Figures, "realSeconds">) => number
}

interface Panel {
  readonly title: string
  readonly left: number
  readonly curves: ReadonlyArray<Curve>
}

const panels: ReadonlyArray<Panel> = [
  {
    title: "Hops until the value",
    left: 45,
    curves: [
      { name: "log2 n", color: "#9ca3af", dashed: true, of: ({ nodes }) => Math.log2(nodes) },
      { name: "99th percentile", color: "#c2410c", dashed: true, of: ({ hops }) => hops.p99 },
      { name: "mean", color: "#c2410c", of: ({ hops }) => hops.mean }
    ]
  },
  {
    title: "Messages per node and hour",
    left: 365,
    curves: [{ name: "messages", color: "#1d4ed8", of: ({ messages }) => messages.perNodeHour }]
  },
  {
    title: "Contacts per node",
    left: 685,
    curves: [
      { name: "contacts at most", color: "#15803d", dashed: true, of: ({ table }) => table.max },
      { name: "contacts in the mean", color: "#15803d", of: ({ table }) => table.mean }
    ]
  }
]

const chart = init(null, null, { renderer: "svg", ssr: true, width: 980, height: 360 })
chart.setOption({
  animation: false,
  backgroundColor: "#ffffff",
  title: panels.map(({ left, title }) => ({ text: title, left, top: 4, textStyle: { fontSize: 14 } })),
  legend: { bottom: 0, itemGap: 24 },
  grid: panels.map(({ left }) => ({ left, top: 40, width: 255, height: 225 })),
  xAxis: panels.map((_, gridIndex) => ({
    gridIndex,
    type: "log" as const,
    name: "nodes",
    nameLocation: "middle" as const,
    nameGap: 26,
    min: 100
  })),
  yAxis: panels.map((_, gridIndex) => ({ gridIndex, type: "value" as const, min: 0 })),
  series: panels.flatMap(({ curves }, index) =>
    curves.map(({ color, dashed, name, of }) => ({
      type: "line" as const,
      name,
      color,
      xAxisIndex: index,
      yAxisIndex: index,
      symbolSize: 6,
      lineStyle: { type: dashed === true ? "dashed" as const : "solid" as const },
      data: networks.map((figures) => [figures.nodes, of(figures)])
    }))
  )
})
writeFileSync(new URL("../docs/kademlia.svg", import.meta.url), chart.renderToSVGString())
// It would keep the process alive.
chart.dispose()
