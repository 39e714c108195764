/**
 * What standing in a hostile network costs an ordinary call: ours with its defaults against ours without limits and
 * memory, in the same rounds. `node benchmark/defences.ts [ROUNDS]`, after `npm run build`.
 */
import { runRounds, summary } from "./harness/rounds.ts"
import { modes, node } from "./harness/run.ts"
import { spread } from "./harness/statistics.ts"

const settings = { rounds: Number(process.argv[2] ?? 7), warmUp: 2000, settle: 300, measure: 1500 }

const undefended = node("without limits and memory", "ours-undefended.ts")
const ours = node("effect-rpcudp", "ours.ts")

const rounds = await runRounds([undefended, ours], modes, settings)

for (const mode of modes) {
  const of = summary(rounds, ours, undefended, mode)
  if (of === undefined) continue
  console.log(`${mode.name}: CPU of both sides ${spread(of.cpuRatios)}, calls a second ${spread(of.ratios)}`)
}
process.exitCode = rounds.failures.size === 0 ? 0 : 1
