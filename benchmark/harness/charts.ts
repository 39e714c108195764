/** The charts of RESULTS.md, as SVG. */
import { BarChart, LineChart } from "echarts/charts"
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components"
import { init, use } from "echarts/core"
import type { EChartsCoreOption } from "echarts/core"
import { SVGRenderer } from "echarts/renderers"
import type { Curve, Point } from "./growth.ts"

use([BarChart, LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer])

const draw = (width: number, height: number, option: EChartsCoreOption): string => {
  const chart = init(null, null, { renderer: "svg", ssr: true, width, height })
  chart.setOption({ animation: false, backgroundColor: "#ffffff", ...option })
  const svg = chart.renderToSVGString()
  // It would keep the process alive.
  chart.dispose()
  return svg
}

const colours = ["#1d4ed8", "#c2410c", "#15803d"]

export interface Bars {
  readonly name: string
  readonly ratios: ReadonlyArray<number | undefined>
}

/** A group of bars a contender: its ratios to the baseline under each load. */
export const ratios = (loads: ReadonlyArray<string>, contenders: ReadonlyArray<Bars>): string => {
  const upwards = contenders.toReversed()
  return draw(920, 120 + 46 * contenders.length, {
    title: { text: "Calls a second, as a ratio to bare node:dgram", left: 20, top: 6, textStyle: { fontSize: 14 } },
    legend: { bottom: 4, data: loads },
    grid: { left: 210, right: 50, top: 40, bottom: 60 },
    xAxis: { type: "value", splitNumber: 8 },
    yAxis: { type: "category", data: upwards.map(({ name }) => name) },
    series: loads.map((load, i) => ({
      type: "bar",
      name: load,
      color: colours[i],
      label: { show: true, position: "right", fontSize: 10 },
      data: upwards.map(({ ratios }) => ratios[i] === undefined ? null : Number(ratios[i].toFixed(2)))
    }))
  })
}

/** What a call costs as one thing grows, a small chart each. */
export const growth = (curves: ReadonlyArray<readonly [Curve, ReadonlyArray<Point>]>): string => {
  const columns = 3
  const left = (i: number) => 50 + 300 * (i % columns)
  const top = (i: number) => 40 + 240 * Math.floor(i / columns)
  return draw(920, 40 + 240 * Math.ceil(curves.length / columns), {
    title: curves.map(([{ title }], i) => ({
      text: `${title}: us of CPU a call`,
      left: left(i),
      top: top(i) - 32,
      textStyle: { fontSize: 12 }
    })),
    grid: curves.map((_, i) => ({ left: left(i), top: top(i), width: 240, height: 150 })),
    xAxis: curves.map(([, points], gridIndex) => ({
      gridIndex,
      type: "category",
      data: points.map(({ size }) => String(size)),
      axisLabel: { fontSize: 9 }
    })),
    yAxis: curves.map((_, gridIndex) => ({ gridIndex, type: "value", min: 0 })),
    series: curves.map(([, points], i) => ({
      type: "line",
      xAxisIndex: i,
      yAxisIndex: i,
      color: colours[0],
      data: points.map(({ cpu }) => Number(cpu.toFixed(1)))
    }))
  })
}
