/** How the cost of a call grows with one thing at a time. */
import type { Mode, Result } from "./run.ts"
import { node, run } from "./run.ts"
import { median } from "./statistics.ts"

export interface Curve {
  readonly title: string
  readonly grows: string
  readonly sizes: ReadonlyArray<number>
  readonly unit: string
  /** There is a target for it: it has as many rounds as the contenders, others a third of those. */
  readonly isTarget?: true
}

export const curves: ReadonlyArray<Curve> = [
  {
    title: "Calls in flight",
    grows: "flight",
    sizes: [1, 10, 100, 1_000, 10_000, 100_000],
    unit: "calls in flight; over 64, the others wait for a peer that never answers",
    isTarget: true
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

/** Where there are so many rounds for the target. */
export const roundsOfOthers = (rounds: number): number => Math.ceil(rounds / 3)

/** Each round runs every size, so that what others take from the machine falls on all of them. */
export const growth = async (
  { grows, isTarget, sizes, title }: Curve,
  { rounds, ...durations }: { readonly rounds: number; readonly warmUp: number; readonly measure: number }
): Promise<ReadonlyArray<Point>> => {
  const results = sizes.map((): Array<Result> => [])
  for (let round = 0; round < (isTarget ? rounds : roundsOfOthers(rounds)); round++) {
    for (const [i, size] of sizes.entries()) {
      const mode: Mode = { name: `${title} ${size}`, inFlight: grows === "flight" ? Math.min(size, 64) : 64, cores: 2 }
      const contender = node(mode.name, "growth.ts", { env: { GROWTH: grows, SIZE: String(size) } })
      const { results: byMode } = await run(contender, [mode], { ...durations, settle: 0 })
      const result = byMode.get(mode)!
      results[i]!.push(result)
      console.log(
        `${title}: ${size}  ${Math.round(result.callsPerSecond)} calls/s, ${cpuOf(result).toFixed(1)} us of CPU a call`
      )
    }
  }
  return sizes.map((size, i) => {
    const over = (value: (result: Result) => number) => median(results[i]!.map(value))
    return {
      size,
      callsPerSecond: over(({ callsPerSecond }) => callsPerSecond),
      cpu: over(cpuOf),
      lost: over(({ lost }) => lost)
    }
  })
}

const cpuOf = ({ clientCpu, serverCpu }: Result): number => 10 * (clientCpu + serverCpu)
