/**
 * NativeTransport against Transport.layer, typed calls alone and bare `node:dgram`, in the same rounds: `npm run bench:native`.
 * `ROUNDS` says how many, and `BENCH_NODE` on which Node: the path of its binary.
 */
import { execFileSync } from "node:child_process"
import { canPin } from "./harness/processes.ts"
import { runRounds, summary } from "./harness/rounds.ts"
import { modes, node, nodeBinary } from "./harness/run.ts"
import { spread } from "./harness/statistics.ts"

const settings = { rounds: Number(process.env["ROUNDS"] ?? 5), warmUp: 2000, settle: 300, measure: 1000 }

const dgram = node("node:dgram", "dgram.ts")
const ours = node("effect-rpcudp", "ours.ts")
const native = node("effect-rpcudp-native", "ours-native.ts")
const typed = node("native socket, typed calls", "native-typed.ts")

console.log(`Node ${execFileSync(nodeBinary, ["--version"], { encoding: "utf8" }).trim()}`)
if (!canPin) console.log("taskset is missing, or there is one core only: the processes run where the system puts them")

const rounds = await runRounds([dgram, ours, native, typed], modes, settings)

for (const mode of modes) {
  for (
    const [contender, baseline] of [[ours, dgram], [native, dgram], [typed, dgram], [native, typed], [
      native,
      ours
    ]] as const
  ) {
    const of = summary(rounds, contender, baseline, mode)
    if (of === undefined) continue
    console.log(
      `${mode.name}: ${contender.name} ${Math.round(of.result.callsPerSecond)} calls/s, ratio to ${baseline.name} ` +
        `${spread(of.ratios)}, CPU ${spread(of.cpuRatios)}, p50 ${of.result.p50.toFixed(0)} us, ` +
        `p99 ${of.result.p99.toFixed(0)} us, lost ${of.result.lost}`
    )
  }
}
process.exitCode = rounds.failures.size === 0 ? 0 : 1
