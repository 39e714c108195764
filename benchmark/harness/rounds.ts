/** Rounds of runs, and what they say of each contender against the first, the baseline. */
import type { Contender, Durations, Mode, Result, Run } from "./run.ts"
import { run } from "./run.ts"
import { median, shuffled } from "./statistics.ts"

export interface Settings extends Durations {
  readonly rounds: number
}

/** Per contender, its runs by round. One that failed has none, and `failures` says why. */
export interface Rounds {
  readonly runs: ReadonlyMap<Contender, ReadonlyArray<Run | undefined>>
  readonly failures: ReadonlyMap<Contender, string>
}

/** Each round runs every contender in an order of its own. */
export const runRounds = async (
  contenders: ReadonlyArray<Contender>,
  modes: ReadonlyArray<Mode>,
  settings: Settings
): Promise<Rounds> => {
  const runs = new Map<Contender, Array<Run | undefined>>(contenders.map((contender) => [contender, []]))
  const failures = new Map<Contender, string>()
  for (let round = 0; round < settings.rounds; round++) {
    for (const contender of shuffled(contenders)) {
      const label = `round ${round + 1}/${settings.rounds}  ${contender.name.padEnd(32)}`
      if (failures.has(contender)) continue
      try {
        const done = await run(contender, modes, settings)
        runs.get(contender)![round] = done
        const rates = modes.map((mode) => `${mode.name}: ${Math.round(done.results.get(mode)!.callsPerSecond)}/s`)
        console.log(`${label}${rates.join("  ")}`)
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        failures.set(contender, message)
        console.log(`${label}failed: ${message}`)
      }
    }
  }
  return { runs, failures }
}

export interface Summary {
  /** Ratios to the baseline's run of the same round, by round. */
  readonly ratios: ReadonlyArray<number>
  readonly cpuRatios: ReadonlyArray<number>
  /** Medians over the rounds. */
  readonly result: Result
}

export const summary = (
  rounds: Rounds,
  contender: Contender,
  baseline: Contender,
  mode: Mode
): Summary | undefined => {
  const pairs = (rounds.runs.get(contender) ?? []).flatMap((run, round) => {
    const ours = run?.results.get(mode)
    const bare = rounds.runs.get(baseline)?.[round]?.results.get(mode)
    return ours === undefined || bare === undefined ? [] : [[ours, bare] as const]
  })
  if (pairs.length === 0) return undefined
  const cpu = (result: Result) => result.clientCpu + result.serverCpu
  const over = (key: keyof Result) => median(pairs.map(([ours]) => ours[key]))
  return {
    ratios: pairs.map(([ours, bare]) => ours.callsPerSecond / bare.callsPerSecond),
    cpuRatios: pairs.map(([ours, bare]) => cpu(ours) / cpu(bare)),
    result: {
      callsPerSecond: over("callsPerSecond"),
      p50: over("p50"),
      p99: over("p99"),
      lost: over("lost"),
      clientCpu: over("clientCpu"),
      serverCpu: over("serverCpu")
    }
  }
}
