/**
 * Looks for inputs that break a law or cost too much, guided by what of our sources they reach and by what they cost
 * (fuzz/engine), at the targets in fuzz/targets, from the inputs in fuzz/corpus.
 *
 *   npm run fuzz -- [--seconds 60 | --inputs 1000000] [--target NAME] [--seed N] [--corpus FOLDER] [--keep]
 *
 * Time and inputs are shared by the targets. A finding ends its target's share: it is shrunk, printed in hex and saved in
 * fuzz/findings. `--keep` writes what reached something new into the corpus. Chance follows the seed, but what is dear is
 * measured by a clock: two runs with one seed are alike, and not the same.
 */
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import type { Finding, Settings } from "../fuzz/engine/children.ts"
import { Judge, search } from "../fuzz/engine/children.ts"
import type { Champion } from "../fuzz/engine/corpus.ts"
import type { Summary } from "../fuzz/engine/search.ts"
import { shrink } from "../fuzz/engine/shrink.ts"
import type { Target } from "../fuzz/targets/target.ts"

const folder = fileURLToPath(new URL("../fuzz", import.meta.url))
const targets = readdirSync(`${folder}/targets`).filter((file) => file !== "target.ts").map((file) => file.slice(0, -3))

const { values: flags } = parseArgs({
  options: {
    seconds: { type: "string" },
    inputs: { type: "string" },
    target: { type: "string", multiple: true, default: targets },
    seed: { type: "string", default: "1" },
    corpus: { type: "string", default: `${folder}/corpus` },
    keep: { type: "boolean", default: false },
    /** The limits of one input. */
    millis: { type: "string", default: "50" },
    heap: { type: "string", default: "64" }
  }
})

const share = (total: number): number => total / flags.target.length

const main = async () => {
  for (const name of flags.target) {
    const settings: Settings = {
      target: new URL(`../fuzz/targets/${name}.ts`, import.meta.url).href,
      sources: new URL("../src/", import.meta.url).href,
      limits: { millis: Number(flags.millis), heapPerByte: Number(flags.heap), hungMillis: 5000, heapMiB: 512 }
    }
    const corpus = `${flags.corpus}/${name}`
    const start = performance.now()
    const { finding, summary } = await search(settings, {
      seed: Number(flags.seed),
      seconds: flags.inputs !== undefined && flags.seconds === undefined
        ? Infinity
        : share(Number(flags.seconds ?? "60")),
      inputs: flags.inputs === undefined ? Infinity : Math.ceil(share(Number(flags.inputs))),
      corpus: [corpus, `${folder}/regressions`].filter((path) => existsSync(path))
    })
    const seconds = (performance.now() - start) / 1000
    if (summary !== undefined) print(name, summary)
    if (finding !== undefined) {
      process.exitCode = 1
      await report(name, settings, finding, seconds)
    } else if (flags.keep && summary !== undefined) {
      save(corpus, summary.corpus)
      await minimise(settings, corpus)
    }
  }
}

/** Keeps of a corpus the shortest inputs that together reach all that it reaches, and the two that cost most. */
const minimise = async (settings: Settings, corpus: string) => {
  const { summary } = await search(settings, { seed: 1, seconds: Infinity, inputs: 0, corpus: [corpus] })
  if (summary === undefined) return
  const { hungriest, slowest } = summary
  const dearest = [slowest, hungriest].filter((one) => one !== undefined).map(({ data }) => data)
  const kept = new Set(save(corpus, [...summary.corpus, ...dearest]))
  for (const file of readdirSync(corpus)) if (!kept.has(`${corpus}/${file}`)) rmSync(`${corpus}/${file}`)
}

const print = (name: string, summary: Summary) => {
  const shares = summary.shares.filter(([, share]) => share > 0.25).map(([file, share]) =>
    `${file} ${(100 * share).toFixed(0)}%`
  ).join(", ")
  console.log(`${name}: ${summary.inputs} inputs in ${summary.seconds.toFixed(0)} s, seed ${flags.seed}`)
  console.log(`  ran of ${shares}`)
  console.log(`  slowest: ${dearest(summary.slowest, "ns")}`)
  console.log(`  hungriest: ${dearest(summary.hungriest, "bytes of heap allocated")}`)
  console.log(`  ${summary.corpus.length} inputs reached something new`)
}

const dearest = (one: Champion | undefined, unit: string): string => {
  if (one === undefined) return "none"
  const length = one.data.length
  return `${one.amount.toFixed(0)} ${unit} for ${length} bytes (${(one.amount / length).toFixed(0)} each): ${
    brief(one.data, 40)
  }`
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

const brief = (bytes: Uint8Array, most: number): string =>
  bytes.length > most ? `${hex(bytes.subarray(0, most))}...` : hex(bytes)

const report = async (name: string, settings: Settings, { fault, input }: Finding, seconds: number) => {
  console.log(`FOUND at ${name} after ${seconds.toFixed(1)} s, ${input.length} bytes: ${fault.message}`)
  const { bodyAt }: Target = await import(settings.target)
  const { limits } = settings
  // What is shrunk stays well over the limit of time, or it would not be found again; and what hangs need not do so for as long.
  const judge = new Judge({
    ...settings,
    limits: { ...limits, millis: 2 * limits.millis, hungMillis: limits.hungMillis / 5 }
  })
  const tries = fault.kind === "hung" || fault.kind === "died" ? 50 : 500
  const holds = async (smaller: Uint8Array) => (await judge.fault(smaller))?.kind === fault.kind
  const smallest = await shrink(input, bodyAt, holds, tries)
  judge.end()
  const [path] = save(`${folder}/findings/${name}`, [smallest])
  console.log(`  shrunk to ${smallest.length} bytes: ${brief(smallest, 512)}`)
  console.log(`  saved as ${path}`)
}

/** Each in a file that is named by its content. */
const save = (folder: string, inputs: ReadonlyArray<Uint8Array>): ReadonlyArray<string> => {
  mkdirSync(folder, { recursive: true })
  return inputs.map((bytes) => {
    const path = `${folder}/${createHash("sha256").update(bytes).digest("hex").slice(0, 16)}`
    writeFileSync(path, bytes)
    return path
  })
}

await main()
