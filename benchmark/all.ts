/**
 * Everything: `npm run bench:all`. Some ten minutes; writes RESULTS.md and its charts.
 *
 * `ROUNDS=1 npm run bench:all` is for trying it out.
 */
import { writeFileSync } from "node:fs"
import { c, overNative, python } from "./harness/foreign.ts"
import type { Found } from "./harness/foreign.ts"
import { curves, growth } from "./harness/growth.ts"
import type { Curve, Point } from "./harness/growth.ts"
import { canPin } from "./harness/processes.ts"
import { profile } from "./harness/profile.ts"
import { report } from "./harness/report.ts"
import { runRounds } from "./harness/rounds.ts"
import type { Contender, Waiting } from "./harness/run.ts"
import { modes, node, runWaiting } from "./harness/run.ts"
import { micro } from "./micro.ts"

const rounds = Number(process.env["ROUNDS"] ?? 5)
const settings = { rounds, warmUp: 2000, settle: 300, measure: 800 }
const growthSettings = { rounds, warmUp: 1000, measure: 500 }
const outstanding = 100_000

const dgram = node("node:dgram", "dgram.ts")
const typed = node("node:dgram, typed calls", "dgram-typed.ts")
const ours = node("effect-rpcudp", "ours.ts")
const native = overNative("effect-rpcudp-native", "ours-native.ts")
const nativeTyped = overNative("native socket, typed calls", "native-typed.ts")
const dht = node("dht-rpc", "dht-rpc.ts")
const asyncio = python("asyncio")
const uvloop = python("uvloop")

const found: ReadonlyArray<Found> = [
  dgram,
  node("node:dgram, 4 MiB buffers", "dgram-4mib.ts"),
  node("node:dgram, each call a fiber", "dgram-fiber.ts"),
  typed,
  c("C, sendto and recvfrom", 1),
  c("C, recvmmsg and sendmmsg", 32),
  c("C, recvmmsg and UDP_SEGMENT", 32, true),
  node("Effect's NodeDatagramSocket", "effect-datagram.ts"),
  ours,
  node("effect-rpcudp, layerSocket", "ours-socket.ts"),
  native,
  nativeTyped,
  dht,
  node("udp-request", "udp-request.ts"),
  node("k-rpc-socket", "k-rpc-socket.ts"),
  node("coap", "coap.ts"),
  node("effect/rpc over TCP", "effect-rpc.ts"),
  node("grpc-js", "grpc.ts"),
  asyncio,
  uvloop
]

const isHere = (found: Found): found is Contender => !("missing" in found)

const began = new Date()
const missing = found.flatMap((found) => isHere(found) ? [] : [found])
for (const { missing: what, name } of missing) console.log(`${name} does not take part: ${what}`)
if (!canPin) console.log("taskset is missing, or there is one core only: the processes run where the system puts them")

console.log(`\n${rounds} rounds of those that the targets are about`)
const targeted = await runRounds([dgram, typed, ours, native, nativeTyped, dht].filter(isHere), modes, settings)

console.log(`\n${rounds} rounds of all contenders`)
const contenders = found.filter(isHere)
const measured = await runRounds(contenders, modes, settings)

console.log(`\n${outstanding} calls outstanding`)
const waiting = new Map<Contender, Waiting>()
// Those that can hold them: see the note in the report.
for (const contender of [dgram, ours, native, dht, asyncio, uvloop].filter(isHere)) {
  const result = await runWaiting(contender, outstanding)
  if (result === undefined) continue
  waiting.set(contender, result)
  console.log(`${contender.name.padEnd(32)}${result.millis.toFixed(0)} ms, ${result.rssBytes.toFixed(0)} bytes a call`)
}

console.log("\nHow the cost of a call grows")
const grown: Array<readonly [Curve, ReadonlyArray<Point>]> = []
for (const curve of curves) grown.push([curve, await growth(curve, growthSettings)])

console.log("\nA profile, and the steps of a call")
const shares = await profile()
const steps = await micro()

const { markdown, svgs } = report({
  began,
  minutes: (Date.now() - began.getTime()) / 60_000,
  pinned: canPin,
  settings,
  growthSettings,
  outstanding,
  baseline: dgram,
  named: { dht, native, nativeTyped, ours, typed },
  contenders,
  missing,
  measured,
  targeted,
  waiting,
  grown,
  shares,
  steps
})
for (const [name, svg] of svgs) writeFileSync(new URL(name, import.meta.url), svg)
writeFileSync(new URL("RESULTS.md", import.meta.url), markdown)
console.log("\nbenchmark/RESULTS.md is written")
