/**
 * What standing in a hostile network costs an ordinary call: ours with its defaults against ours without limits and
 * memory, in the same rounds.
 *
 *     npx node benchmark/defences.ts [--rounds 7] [--before DIR]
 *
 * After `npm run build`. DIR is another checkout, built as well: ours is then set against the one that it holds.
 */
import { relative } from "node:path"
import { parseArgs } from "node:util"
import { runRounds, summary } from "./harness/rounds.ts"
import { modes, node } from "./harness/run.ts"
import { spread } from "./harness/statistics.ts"

const { values: flags } = parseArgs({
  options: { rounds: { type: "string", default: "7" }, before: { type: "string" } }
})

const settings = { rounds: Number(flags.rounds), warmUp: 2000, settle: 300, measure: 1500 }

const contenders = `${import.meta.dirname}/contenders`
const base = flags.before === undefined
  ? node("without limits and memory", "ours-undefended.ts")
  : node("before", relative(contenders, `${flags.before}/benchmark/contenders/ours.ts`))
const ours = node("effect-rpcudp", "ours.ts")

const rounds = await runRounds([base, ours], modes, settings)

for (const mode of modes) {
  const of = summary(rounds, ours, base, mode)
  if (of === undefined) continue
  console.log(`${mode.name}: CPU of both sides ${spread(of.cpuRatios)}, calls a second ${spread(of.ratios)}`)
}
process.exitCode = rounds.failures.size === 0 ? 0 : 1
