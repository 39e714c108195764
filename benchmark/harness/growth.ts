/** How the cost of a call grows with one thing at a time. */
import type { Mode, Result } from "./run.ts"
import { node, run } from "./run.ts"
import { median } from "./statistics.ts"

export interface Curve {
  readonly title: string
  readonly grows: string
  readonly sizes: ReadonlyArray<number>
  readonly unit: string
}

export const curves: ReadonlyArray<Curve> = [
  {
    title: "Calls in flight",
    grows: "flight",
    sizes: [1, 10, 100, 1_000, 10_000, 100_000],
    unit: "calls in flight; over 64, the others wait for a peer that never answers"
  },
  { title: "Peers", grows: "peers", sizes: [1, 10, 100, 1_000, 10_000, 100_000], unit: "peers called in turn" },
  { title: "Argument", grows: "bytes", sizes: [16, 64, 256, 1_024, 4_096, 8_150], unit: "bytes of the argument" },
  { title: "Handlers", grows: "handlers", sizes: [1, 10, 100, 1_000], unit: "handlers in the group, called in turn" },
  { title: "Schema", grows: "depth", sizes: [0, 1, 2, 4, 8, 16, 30], unit: "structs inside each other" }
]

export interface Point {
  readonly size: number
  readonly callsPerSecond: number
  /** Microseconds of CPU a call, client and server together. */
  readonly cpu: number
  readonly lost: number
}

export const growth = async (
  curve: Curve,
  settings: { readonly rounds: number; readonly warmUp: number; readonly measure: number }
): Promise<ReadonlyArray<Point>> => {
  const points: Array<Point> = []
  for (const size of curve.sizes) {
    const mode: Mode = {
      name: `${curve.title} ${size}`,
      inFlight: curve.grows === "flight" ? Math.min(size, 64) : 64,
      cores: 2
    }
    const contender = node(mode.name, "growth.ts", { env: { GROWTH: curve.grows, SIZE: String(size) } })
    const results: Array<Result> = []
    for (let round = 0; round < settings.rounds; round++) {
      const { results: byMode } = await run(contender, [mode], { ...settings, settle: 0 })
      results.push(byMode.get(mode)!)
    }
    const over = (value: (result: Result) => number) => median(results.map(value))
    points.push({
      size,
      callsPerSecond: over((result) => result.callsPerSecond),
      cpu: over((result) => 10 * (result.clientCpu + result.serverCpu)),
      lost: over((result) => result.lost)
    })
    const { callsPerSecond, cpu } = points.at(-1)!
    console.log(`${curve.title}: ${size}  ${Math.round(callsPerSecond)} calls/s, ${cpu.toFixed(1)} us of CPU a call`)
  }
  return points
}
