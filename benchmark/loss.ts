/**
 * What loss does to calls, with retries and without: calls over a simulated network, drawn to `docs/loss.svg`.
 *
 *   npm run --prefix benchmark loss
 */
import { Clock, Context, Effect, Exit, Fiber, Layer, Metric, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { writeFileSync } from "node:fs"
import { Handlers, Protocol, Transport } from "../src/index.ts"
import { SimulatedNetwork } from "../src/testing/index.ts"
import type { Axis, Curve, Kind, Panel } from "./harness/svg.ts"
import { curves } from "./harness/svg.ts"

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

const panel = (title: string, y: Axis, curves: ReadonlyArray<Curve>): Panel => ({
  title,
  x: { label: "datagrams lost each way, %", to: 50 },
  y,
  curves
})

const curve = (
  attempts: keyof typeof results,
  kind: Kind,
  of: (row: { readonly answered: number; readonly p50: number; readonly p99: number }) => number,
  rest?: { readonly name: string; readonly dashed?: boolean }
): Curve => ({
  kind,
  name: attempts,
  ...rest,
  points: results[attempts].map((row) => [100 * row.loss, of(row)])
})

const chart = curves(
  "What loss does to calls",
  `${calls.toLocaleString("en")} calls for each point, over a simulated network whose median delay is 20 ms.`,
  [
    panel("Calls that were answered, %", { to: 100 }, [
      curve("one attempt", "other", ({ answered }) => 100 * answered),
      curve("up to 7 attempts", "ours", ({ answered }) => 100 * answered)
    ]),
    panel("Until the answer, ms", { scale: "log", from: 10 }, [
      curve("one attempt", "other", ({ p50 }) => p50, { name: "one: median" }),
      curve("one attempt", "other", ({ p99 }) => p99, { name: "one: 99 of 100", dashed: true }),
      curve("up to 7 attempts", "ours", ({ p50 }) => p50, { name: "up to 7: median" }),
      curve("up to 7 attempts", "ours", ({ p99 }) => p99, { name: "up to 7: 99 of 100", dashed: true })
    ])
  ],
  1
)
writeFileSync(new URL("../docs/loss.svg", import.meta.url), chart)
