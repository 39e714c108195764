/**
 * Attacks nodes of Python's rpcudp, dht-rpc, k-rpc-socket and this library, each in a process of its own on loopback,
 * and prints what happened as a table of Markdown. `--write` puts that into benchmark/ATTACKS.md, too, beside what was found.
 *
 *   RPCUDP_PATH=DIR node benchmark/attacks.ts [--only ours,rpcudp] [--attacks "garbage;given up"] [--replay-seconds 120] [--write]
 *
 * DIR holds the packages `rpcudp` and `umsgpack`. Other senders are sockets on other addresses of 127.0.0.0/8. Addresses
 * that nobody has are forged by raw packets, which needs CAP_NET_RAW and Linux. Nothing leaves this machine.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { forgedAnswer, givenUp, lateAndDuplicate } from "./attacks/calls.ts"
import { garbage } from "./attacks/garbage.ts"
import { type Measured, measuredFile, pageFile, render } from "./attacks/page.ts"
import {
  amplified,
  dying,
  floodFromMany,
  floodOf,
  neverAnswering,
  ownInvitations,
  repeated,
  replayed
} from "./attacks/requests.ts"
import { missing, type Name, names, Target } from "./attacks/Target.ts"

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", default: names.join() },
    attacks: { type: "string", default: "" },
    "replay-seconds": { type: "string", default: "120" },
    write: { type: "boolean", default: false }
  }
})

const replay = replayed(Number(flags["replay-seconds"]))

const attacks: ReadonlyArray<readonly [string, (name: Name) => Promise<string>]> = [
  ["forged answer", forgedAnswer],
  ["late and duplicate answer", lateAndDuplicate],
  ["a request 100 times", repeated],
  ["10,000 calls given up", givenUp],
  ["flood from one sender, quick handler: 20,000/s for 3 s", floodOf("ping", 20_000, 3)],
  ["flood from one sender, handler of 1 s: 10,000/s for 3 s", floodOf("slow", 10_000, 3)],
  ["flood from 50,000 senders, quick handler: 10,000/s", floodFromMany("ping", 50_000, 10_000)],
  ["flood from 50,000 senders, handler of 1 s: 10,000/s", floodFromMany("slow", 50_000, 10_000)],
  ["amplification", amplified],
  ["garbage", garbage],
  ["a handler that throws", dying],
  ["a handler that never answers, 20,000 times", neverAnswering],
  ["work that the wire itself puts off", ownInvitations],
  ["replay", replay]
]

const chosen = flags.attacks.split(";").filter((name) => name !== "")
const contenders = names.filter((name) => flags.only.split(",").includes(name))
const present = contenders.filter((name) => missing(name) === undefined)
for (const name of contenders) {
  const why = missing(name)
  if (why !== undefined) console.log(`${name} is missing: ${why}\n`)
}

const versions: Partial<Record<Name, string>> = {}
for (const name of present) {
  const target = await Target.start(name)
  console.log(`${name}: ${target.version}`)
  versions[name] = target.version
  await target.stop()
}

const failed = (error: unknown): string => `not measured: ${error instanceof Error ? error.message : String(error)}`

const lines: Record<string, Partial<Record<Name, string>>> = {}
console.log(`\n| attack | ${present.join(" | ")} |\n| --- |${" --- |".repeat(present.length)}`)
for (const [title, attack] of attacks) {
  if (chosen.length > 0 && !chosen.some((name) => title.includes(name))) continue
  if (process.stderr.isTTY) process.stderr.write(`${title}...\r`)
  const cells: Array<string> = []
  // One at a time, so that they do not take the processor from each other. Waiting takes none.
  if (attack === replay) cells.push(...await Promise.all(present.map((name) => attack(name).catch(failed))))
  else for (const name of present) cells.push(await attack(name).catch(failed))
  console.log(`| ${title} | ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`)
  lines[title] = Object.fromEntries(present.map((name, i) => [name, cells[i]]))
}

if (flags.write) {
  const measured: Measured = { date: new Date().toISOString().slice(0, 10), versions, lines }
  writeFileSync(measuredFile, `${JSON.stringify(measured, undefined, 2)}\n`)
  writeFileSync(pageFile, render())
}
