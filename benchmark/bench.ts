/** Ours against bare `node:dgram`, in about a minute: `npm run bench`. */
import { runRounds, summary } from "./harness/rounds.ts"
import { canPin } from "./harness/processes.ts"
import { modes, node } from "./harness/run.ts"
import { spread } from "./harness/statistics.ts"

const settings = { rounds: 5, warmUp: 2000, settle: 300, measure: 1000 }

const dgram = node("node:dgram", "dgram.ts")
const ours = node("effect-rpcudp", "ours.ts")

if (!canPin) console.log("taskset is missing, or there is one core only: the processes run where the system puts them")

const rounds = await runRounds([dgram, ours], modes, settings)

for (const mode of modes) {
  const of = summary(rounds, ours, dgram, mode)
  const bare = summary(rounds, dgram, dgram, mode)
  if (of === undefined || bare === undefined) continue
  console.log(
    `${mode.name}: ${Math.round(of.result.callsPerSecond)} calls/s, ratio to node:dgram ${spread(of.ratios)}, ` +
      `CPU ${spread(of.cpuRatios)}, p50 ${of.result.p50.toFixed(0)} us (${bare.result.p50.toFixed(0)}), ` +
      `p99 ${of.result.p99.toFixed(0)} us (${bare.result.p99.toFixed(0)}), ` +
      `lost ${of.result.lost} (${bare.result.lost})`
  )
}
process.exitCode = rounds.failures.size === 0 ? 0 : 1
