/**
 * What loss does to calls, with retries and without: calls over a simulated network, drawn to `docs/loss.svg`.
 *
 *   npm ci --prefix benchmark && npm run --prefix benchmark loss
 */
import { LineChart } from "echarts/charts"
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components"
import { init, use } from "echarts/core"
import { SVGRenderer } from "echarts/renderers"
import { Clock, Context, Effect, Exit, Fiber, Layer, Metric, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { writeFileSync } from "node:fs"
import { Handlers, Protocol, Transport } from "../src/index.ts"
import { SimulatedNetwork } from "../src/testing/index.ts"

const calls = 4000

const losses = [0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5]

class Pinged extends Handlers.Service<Pinged>()("benchmark/Pinged", { ping: {} }) {}

const node = (address: string) =>
  Effect.flatMap(Effect.scope, (scope) =>
    Layer.buildWithMemoMap(
      Protocol.serve(Pinged).pipe(
        Layer.provide(Pinged.toLayer({ ping: () => Effect.void })),
        Layer.provideMerge(Protocol.layer()),
        Layer.provide(Transport.layerSocket()),
        Layer.provide(SimulatedNetwork.socket(address))
      ),
      Layer.makeMemoMapUnsafe(),
      scope
    ))

type Call = ReturnType<Protocol.Protocol["Service"]["call"]>

const once = (call: Call): Call => call.pipe(Protocol.withTimeout("2 seconds"))

/** Up to seven attempts of 200 ms, 50 ms and more apart: at most some 5 s in all. */
const retried = (call: Call): Call =>
  call.pipe(
    Protocol.withTimeout("200 millis"),
    Effect.retry({
      schedule: Schedule.exponential("50 millis").pipe(Schedule.jittered),
      times: 6,
      while: (error) => error._tag === "NoResponse"
    })
  )

/** The share of calls that were answered, and the median and 99th percentile of how long that took, in milliseconds. */
const measure = (loss: number, attempt: (call: Call) => Call) =>
  Effect.gen(function*() {
    const { call } = Context.get(yield* node("10.0.0.1:1"), Protocol.Protocol)
    yield* node("10.0.0.2:2")
    const one = Effect.gen(function*() {
      const started = yield* Clock.currentTimeMillis
      const exit = yield* Effect.exit(attempt(call("10.0.0.2:2", "ping", [])))
      const ended = yield* Clock.currentTimeMillis
      return Exit.isSuccess(exit) ? [ended - started] : []
    })
    const running = yield* Effect.forkChild(
      Effect.forEach(Array.from({ length: calls }), () => one, { concurrency: "unbounded" })
    )
    yield* TestClock.adjust("1 minute")
    const times = (yield* Fiber.join(running)).flat().toSorted((a, b) => a - b)
    const at = (share: number) => times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? Number.NaN
    return { loss, answered: times.length / calls, p50: at(0.5), p99: at(0.99) }
  }).pipe(
    Effect.provide(
      SimulatedNetwork.layer({ seed: `loss ${loss}`, loss, delay: { median: "20 millis", p99: "60 millis" } })
    ),
    Effect.provideService(Metric.MetricRegistry, new Map()),
    Effect.scoped,
    Effect.provide(TestClock.layer())
  )

const results = await Effect.runPromise(Effect.all({
  "one attempt": Effect.forEach(losses, (loss) => measure(loss, once)),
  "up to 7 attempts": Effect.forEach(losses, (loss) => measure(loss, retried))
}))

for (const [name, rows] of Object.entries(results)) {
  for (const { answered, loss, p50, p99 } of rows) {
    console.log(
      `${name}, loss ${loss}: ${(100 * answered).toFixed(2)}% answered, p50 ${p50.toFixed(0)} ms, p99 ${
        p99.toFixed(0)
      } ms`
    )
  }
}

use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer])

const percent = losses.map((loss) => 100 * loss)
const colours = ["#c2410c", "#1d4ed8"]
const line = (name: string, axis: number, rows: ReadonlyArray<number>, color: string, dashed = false) => ({
  type: "line" as const,
  name,
  xAxisIndex: axis,
  yAxisIndex: axis,
  color,
  symbolSize: 5,
  lineStyle: { type: dashed ? "dashed" as const : "solid" as const },
  data: rows.map((value, i) => [percent[i]!, value])
})

const chart = init(null, null, { renderer: "svg", ssr: true, width: 920, height: 380 })
chart.setOption({
  animation: false,
  backgroundColor: "#ffffff",
  title: [
    { text: "Calls that were answered, %", left: 60, top: 4, textStyle: { fontSize: 14 } },
    {
      text: "Until the answer, ms: median, and dashed the 99th percentile",
      left: 525,
      top: 4,
      textStyle: { fontSize: 14 }
    }
  ],
  legend: { bottom: 0, data: Object.keys(results) },
  grid: [{ left: 60, top: 40, width: 370, height: 250 }, { left: 525, top: 40, width: 370, height: 250 }],
  xAxis: [0, 1].map((gridIndex) => ({
    gridIndex,
    type: "value" as const,
    name: "datagrams lost each way, %",
    nameLocation: "middle" as const,
    nameGap: 28,
    max: 50
  })),
  yAxis: [{ gridIndex: 0, type: "value", min: 0, max: 100 }, { gridIndex: 1, type: "log", min: 10 }],
  series: Object.entries(results).flatMap(([name, rows], i) => [
    line(name, 0, rows.map(({ answered }) => 100 * answered), colours[i]!),
    line(`${name}, median`, 1, rows.map(({ p50 }) => p50), colours[i]!),
    line(`${name}, 99th percentile`, 1, rows.map(({ p99 }) => p99), colours[i]!, true)
  ])
})
writeFileSync(new URL("../docs/loss.svg", import.meta.url), chart.renderToSVGString())
// It would keep the process alive.
chart.dispose()
