/** Where the time of client and server goes at 64 calls in flight: V8's profiles, summed by what the code is for. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { modes, node, run } from "./run.ts"

export interface Share {
  readonly group: string
  /** Of the time that the process was busy, in percent. */
  readonly client: number
  readonly server: number
}

interface Profile {
  readonly nodes: ReadonlyArray<{
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string }
  }>
  readonly samples: ReadonlyArray<number>
  readonly timeDeltas: ReadonlyArray<number>
}

/** The first that fits. */
const groups: ReadonlyArray<readonly [name: string, fits: (functionName: string, url: string) => boolean]> = [
  ["sending: `doSend` of node:dgram, the system call in it", (name) => name === "doSend"],
  ["native code outside JavaScript: receiving, the event loop", (name) => name === "(program)"],
  ["garbage collection", (name) => name === "(garbage collector)"],
  ["node:dgram, events and ticks around that", (_, url) => url.startsWith("node:") || url === ""],
  [
    "effect: fibers, exits, clock",
    (_, url) => /effect\/dist\/(internal\/(effect|core)|Scheduler|Exit|Effect)\.js/.test(url)
  ],
  ["effect: schemas", (_, url) => /effect\/dist\/(internal\/schema|Schema|Predicate|Option)/.test(url)],
  ["effect: metrics, context, addresses, the rest", (_, url) => url.includes("/effect/dist/")],
  ["MessagePack: msgpackr, Codec, internal/wire", (_, url) => /msgpackr\/|\/Codec\.js|internal\/wire/.test(url)],
  ["metrics: internal/watching", (_, url) => url.includes("internal/watching")],
  ["transport: Transport, internal/socket", (_, url) => /\/Transport\.js|internal\/socket/.test(url)],
  ["calls, requests, the rest of effect-rpcudp", (_, url) => url.includes("/dist/")],
  ["what drives the load", () => true]
]

export const profile = async (): Promise<ReadonlyArray<Share>> => {
  const folder = mkdtempSync(join(tmpdir(), "effect-rpcudp-"))
  try {
    const side = (name: string) =>
      node("effect-rpcudp", "ours.ts", {
        flags: ["--cpu-prof", `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${name}`, "--cpu-prof-interval=500"]
      })
    const contender = { ...side("server"), call: side("client").call }
    await run(contender, [modes[0]!], { warmUp: 2000, settle: 0, measure: 4000 })
    const client = shares(join(folder, "client"))
    const server = shares(join(folder, "server"))
    return groups.map(([group]) => ({ group, client: client.get(group) ?? 0, server: server.get(group) ?? 0 }))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const shares = (file: string): ReadonlyMap<string, number> => {
  const { nodes, samples, timeDeltas }: Profile = JSON.parse(readFileSync(file, "utf8"))
  const frames = new Map(nodes.map(({ callFrame, id }) => [id, callFrame]))
  const sums = new Map<string, number>()
  let [elapsed, busy] = [0, 0]
  for (const [i, sample] of samples.entries()) {
    elapsed += timeDeltas[i]!
    const { functionName, url } = frames.get(sample)!
    // The first two seconds are the start, and compiling.
    if (elapsed < 2e6 || functionName === "(idle)") continue
    const [group] = groups.find(([, fits]) => fits(functionName, url))!
    busy += timeDeltas[i]!
    sums.set(group, (sums.get(group) ?? 0) + timeDeltas[i]!)
  }
  return new Map([...sums].map(([group, sum]) => [group, 100 * sum / busy]))
}
