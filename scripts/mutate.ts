/**
 * Changes src in one place at a time and sees whether a test fails. First come the changes of `test/mutations.ts`, unless rooms or a
 * sample are asked for. Then a machine makes mutants: each is run against the tests that reach it, the quick ones
 * first. What is known is kept in .build/mutate/state.json: a run that is stopped goes on where it was, and a later one runs again
 * only mutants of files that have changed, survivors whose tests have changed, and those whose catcher has changed. What caught a
 * mutant before is tried first.
 *
 *   npm run mutate -- [--room PATH]... [--sample N --seed S] [--within SECONDS] [--without PATH]... [--minutes M] [--jobs N]
 *                     [--alone] [--fresh]
 *   npm run mutate -- --named [--jobs N]
 *
 * A room is a file of src, or a folder of such: "internal/wire/ids", "internal/wire". `--sample` draws N mutants from the rooms.
 * `--within` runs no more tests against a mutant than take so long, the quickest ones, and `--without` leaves out tests whose file's
 * name begins so: either way the score is a lower bound. `--alone` gives each run a new process, which takes twice as long, and
 * `--fresh` forgets what is known.
 * It ends with a table, and with exit code 1 if an excuse is stale or a change of `test/mutations.ts` is not caught.
 */
import { createHash } from "node:crypto"
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { mutations } from "../test/mutations.ts"
import { stream } from "../test/support/stream.ts"
import { excused } from "./mutate/excused.ts"
import { instrument, type Mutant } from "./mutate/mutants.ts"
import { tryNamed } from "./mutate/named.ts"
import { open as openRunner, type Runner, type Test, type Verdict } from "./mutate/tests.ts"

const { values: flags } = parseArgs({
  options: {
    room: { type: "string", multiple: true, default: [] },
    sample: { type: "string" },
    seed: { type: "string", default: "1" },
    within: { type: "string", default: "Infinity" },
    without: { type: "string", multiple: true, default: [] },
    minutes: { type: "string", default: "Infinity" },
    jobs: { type: "string", default: "1" },
    named: { type: "boolean", default: false },
    alone: { type: "boolean", default: false },
    fresh: { type: "boolean", default: false }
  }
})

/** Above it a test is slow: it is run only with mutants that all quick tests let pass. Milliseconds. */
const quickest = 1_000

const project = fileURLToPath(new URL("..", import.meta.url))
const build = join(project, ".build/mutate")
const stateFile = join(build, "state.json")

interface Measured {
  /** Of all that its tests run: measured again once that differs. */
  readonly hash: string
  readonly tests: ReadonlyArray<Test>
  readonly outside: ReadonlyArray<string>
}

interface Known {
  readonly verdict: Verdict
  /** Of the tests that let it pass, or of the file whose test caught it. */
  readonly hash: string
}

interface State {
  readonly measured: Record<string, Measured>
  readonly known: Record<string, Known>
  /** The test that caught a mutant last, by what the mutant changes. It is tried first, when the mutant's file has changed since. */
  readonly catchers: Record<string, string>
}

const hashOf = (...texts: ReadonlyArray<string>): string => {
  const hash = createHash("sha256")
  for (const text of texts) hash.update(`${text.length}:${text}`)
  return hash.digest("hex").slice(0, 16)
}

const read = (file: string): string => readFileSync(join(project, file), "utf8")

/** A file's text without the lines that are comments: to reword them changes nothing that is known. */
const codeOf = (text: string): string => text.split("\n").filter((line) => !/^\s*(\/\/|\/?\*)/.test(line)).join("\n")

const load = (): State => {
  const none: State = { measured: {}, known: {}, catchers: {} }
  return flags.fresh || !existsSync(stateFile) ? none : { ...none, ...JSON.parse(readFileSync(stateFile, "utf8")) }
}

const save = (): void => {
  writeFileSync(`${stateFile}.new`, JSON.stringify(state))
  renameSync(`${stateFile}.new`, stateFile)
}

/** In an order that follows the seed. */
const shuffled = <A>(all: ReadonlyArray<A>, seed: number): Array<A> => {
  const { below } = stream(seed)
  return all.map((value) => ({ value, rank: below(2 ** 32) })).sort((a, b) => a.rank - b.rank).map(({ value }) => value)
}

const roomOf = ({ file }: Mutant): string => file.slice("src/".length, -".ts".length)

const keyOf = ({ file, number }: Mutant): string => hashOf(file, codeOf(sources.get(file)!), String(number))

const changeOf = ({ code, file, original, replacement }: Mutant): string => hashOf(file, code, original, replacement)

/** One line of a report. */
const lineOf = (mutant: Mutant): string =>
  `${mutant.file}:${mutant.line} ${mutant.kind}: ${JSON.stringify(mutant.original)} -> ${
    JSON.stringify(mutant.replacement)
  }`

mkdirSync(build, { recursive: true })
const jobs = Array.from({ length: Number(flags.jobs) }, (_, i) => i)
let failed = false
if (flags.named || (flags.room.length === 0 && flags.sample === undefined)) {
  const survivors = await tryNamed(project, mutations, jobs.map((i) => join(build, `named${i}`)))
  failed = survivors.length > 0
  if (flags.named) process.exit(failed ? 1 : 0)
}
const state = load()
const tree = join(build, "tree")
// As they are now: somebody may edit them while this runs.
const sources = new Map(globSync("src/**/*.ts", { cwd: project }).map((file) => [file, read(file)]))
const mutants = await instrument(project, tree)

const excuses = new Map<string, string>()
const stale: Array<string> = []
/** The mutants of each excuse: several, where a line has the same twice. */
const excusedIds: Array<ReadonlyArray<string>> = []
for (const excuse of excused) {
  const found = mutants.filter((mutant) =>
    mutant.file === excuse.file && mutant.code === excuse.code && mutant.original === excuse.original &&
    mutant.replacement === excuse.replacement
  )
  for (const { id } of found) excuses.set(id, excuse.reason)
  excusedIds.push(found.map(({ id }) => id))
  if (found.length === 0) stale.push(`no such mutant: ${excuse.file}: ${excuse.code}: ${excuse.replacement}`)
}

const within = (room: string) => (mutant: Mutant): boolean =>
  roomOf(mutant) === room || roomOf(mutant).startsWith(`${room}/`)
for (const room of flags.room) if (!mutants.some(within(room))) throw new Error(`no room ${room}`)
let chosen = flags.room.length === 0 ? mutants : flags.room.flatMap((room) => mutants.filter(within(room)))
if (flags.sample !== undefined) chosen = shuffled(chosen, Number(flags.seed)).slice(0, Number(flags.sample))

const testFiles = globSync(["test/**/*.test.ts", "examples/**/*.test.ts", "packages/*/test/**/*.test.ts"], {
  cwd: project
})
  .filter((file) => !flags.without.some((start) => file.startsWith(start))).sort()
const fileHashes = new Map(testFiles.map((file) => [file, hashOf(codeOf(read(file)))]))
const shared = hashOf(
  ...globSync([
    "src/**/*.ts",
    "test/**/*.ts",
    "examples/**/*.ts",
    "packages/*/!(dist|node_modules)/**/*.ts",
    "scripts/mutate/mutants.ts",
    "vitest.config.ts"
  ], { cwd: project })
    .filter((file) => !file.endsWith(".test.ts")).sort().flatMap((file) => [file, codeOf(read(file))])
)
const runners = await Promise.all(
  jobs.map(() => openRunner(tree, { fresh: flags.alone }))
)

/** Has each of them taken up by the next runner that is free, in this order. */
const each = async <A>(all: Iterable<A>, run: (runner: Runner, one: A) => Promise<void>): Promise<void> => {
  const left = all[Symbol.iterator]()
  await Promise.all(runners.map(async (runner) => {
    for (let next = left.next(); next.done !== true; next = left.next()) await run(runner, next.value)
  }))
}

await each(testFiles, async (runner, file) => {
  const hash = hashOf(shared, fileHashes.get(file)!)
  if (state.measured[file]?.hash === hash) return
  const { failed, outside, tests: passed } = await runner.measure(file)
  const seconds = passed.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / 1_000
  console.log(`measured: ${file}, ${passed.length} tests, ${seconds.toFixed(1)} s`)
  for (const name of failed) console.log(`left out, for it fails without a mutant: ${name}`)
  state.measured[file] = { hash, tests: passed, outside }
  save()
})

const measured = testFiles.flatMap((file) => state.measured[file] ?? [])
const reaching = Map.groupBy(
  measured.flatMap(({ tests }) => tests.flatMap((test) => test.reaches.map((id) => ({ id, test })))),
  ({ id }) => id
)
const outside = new Set(measured.flatMap(({ outside }) => outside))
// What a module does as it loads may reach any test: those that reach it later, too, come first.
const all = measured.flatMap(({ tests }) => tests.filter(({ reaches }) => reaches.length > 0))
const testsFor = ({ id }: Mutant): ReadonlyArray<Test> => {
  const reached = new Set(reaching.get(id)?.map(({ test }) => test))
  const others = outside.has(id) ? all.filter((test) => !reached.has(test)) : []
  let left = Number(flags.within) * 1_000
  return [[...reached], others].flatMap((tests) => tests.sort((a, b) => a.milliseconds - b.milliseconds))
    .filter(({ milliseconds }) => (left -= milliseconds) >= 0)
}

/** How many mutants of a room each file has caught: what caught one often catches the next. */
const catches = new Map<string, number>()

const inOrder = (mutant: Mutant, tests: ReadonlyArray<Test>): ReadonlyArray<Test> => {
  const worth = ([file, tests]: readonly [string, ReadonlyArray<Test>]): number =>
    (1 + (catches.get(`${roomOf(mutant)} ${file}`) ?? 0)) /
    (200 + tests.reduce((sum, { milliseconds }) => sum + milliseconds, 0))
  return [...Map.groupBy(tests, ({ file }) => file)].sort((a, b) => worth(b) - worth(a)).flatMap(([, tests]) => tests)
}

const fileOf = (by: string): string | undefined =>
  testFiles.find((file) => by.startsWith(file) || by.includes(`/${file}`))

const hashOfTests = (tests: ReadonlyArray<Test>): string =>
  hashOf(...new Set(tests.map(({ file, name }) => `${file} ${name} ${fileHashes.get(file)}`)))

const stillKnown = (mutant: Mutant, candidates: ReadonlyArray<Test>): Verdict | undefined => {
  const known = state.known[keyOf(mutant)]
  if (known === undefined) return undefined
  if (known.verdict.is === "survived") return known.hash === hashOfTests(candidates) ? known.verdict : undefined
  const file = fileOf(known.verdict.by)
  return file !== undefined && known.hash === fileHashes.get(file) ? known.verdict : undefined
}

const survived: Verdict = { is: "survived" }

const judge = async (runner: Runner, mutant: Mutant, candidates: ReadonlyArray<Test>): Promise<Verdict> => {
  for (
    const stage of [
      candidates.filter(({ milliseconds }) => milliseconds <= quickest),
      candidates.filter(({ milliseconds }) => milliseconds > quickest)
    ]
  ) {
    if (stage.length === 0) continue
    const verdict = await runner.judge(mutant.id, inOrder(mutant, stage))
    if (verdict.is !== "survived") return verdict
  }
  return survived
}

const began = performance.now()
const isOver = () => (performance.now() - began) / 60_000 > Number(flags.minutes)
let ran = 0

const learn = (mutant: Mutant, verdict: Verdict, candidates: ReadonlyArray<Test>): void => {
  ran++
  const file = verdict.is === "survived" ? undefined : fileOf(verdict.by)
  const hash = verdict.is === "survived" ? hashOfTests(candidates) : (file && fileHashes.get(file)) ?? ""
  state.known[keyOf(mutant)] = { verdict, hash }
  if (verdict.is !== "survived") state.catchers[changeOf(mutant)] = verdict.by
  save()
  if (verdict.is === "caught") {
    const key = `${roomOf(mutant)} ${file}`
    catches.set(key, (catches.get(key) ?? 0) + 1)
  }
  const by = verdict.is === "survived" ? `${candidates.length} tests` : verdict.by
  console.log(`${verdict.is}: ${lineOf(mutant)} (${by})`)
}

// First many at once, file by file: what has caught a mutant before, then the quick tests before the slow ones. What is left is
// not caught, but for what is reached as a module loads: that is judged one by one.
const open = new Map<string, { readonly mutant: Mutant; readonly candidates: ReadonlyArray<Test> }>()
for (const mutant of chosen) {
  const candidates = testsFor(mutant)
  if (stillKnown(mutant, candidates) === undefined) open.set(mutant.id, { mutant, candidates })
}
console.log(`${open.size} mutants to judge`)
const lasting = (from: number, to: number) => ({ milliseconds }: Test): boolean =>
  from <= milliseconds && milliseconds <= to
const caughtBefore = ({ file, name }: Test, mutant: Mutant): boolean =>
  state.catchers[changeOf(mutant)] === `${file} > ${name}`
if (!flags.alone) {
  for (
    const isTurnOf of [caughtBefore, lasting(0, 30), lasting(31, 200), lasting(201, 1_000), lasting(1_001, Infinity)]
  ) {
    const wanted = new Map<string, Map<Test, Set<string>>>()
    for (const [id, { candidates, mutant }] of open) {
      for (const test of candidates) {
        if (!isTurnOf(test, mutant)) continue
        const tests = wanted.get(test.file) ?? new Map<Test, Set<string>>()
        wanted.set(test.file, tests)
        const mutants = tests.get(test) ?? new Set<string>()
        tests.set(test, mutants)
        if (test.reaches.includes(id)) mutants.add(id)
      }
    }
    const costOf = ([, tests]: readonly [string, Map<Test, Set<string>>]) =>
      [...tests].reduce((sum, [{ milliseconds }, mutants]) => sum + milliseconds * mutants.size, 0)
    const files = [...wanted].sort((a, b) => costOf(a) - costOf(b))
    await each(files, async (runner, [file, tests]) => {
      if (isOver()) return
      const before = performance.now()
      for (const mutants of tests.values()) {
        for (const id of mutants) if (!open.has(id)) mutants.delete(id)
      }
      await runner.judgeAll(file, tests, (id, verdict) => {
        const found = open.get(id)
        if (found === undefined) return
        open.delete(id)
        learn(found.mutant, verdict, found.candidates)
      })
      const seconds = ((performance.now() - before) / 1_000).toFixed(0)
      console.log(`${file}: ${tests.size} tests, ${seconds} s, ${open.size} mutants left`)
    })
  }
}
await each(open.values(), async (runner, { mutant, candidates }) => {
  if (isOver()) return
  const verdict = flags.alone || outside.has(mutant.id) ? await judge(runner, mutant, candidates) : survived
  learn(mutant, verdict, candidates)
})

const verdicts = new Map<Mutant, Verdict>()
for (const mutant of chosen) {
  const verdict = stillKnown(mutant, testsFor(mutant))
  if (verdict === undefined) continue
  verdicts.set(mutant, verdict)
}
const isCaught = new Map([...verdicts].map(([{ id }, { is }]) => [id, is !== "survived"]))
for (const ids of excusedIds) {
  const mutant = mutants.find(({ id }) => id === ids[0])
  if (mutant !== undefined && ids.every((id) => isCaught.get(id))) stale.push(`caught: ${lineOf(mutant)}`)
}
const minutes = (performance.now() - began) / 60_000
await Promise.all(runners.map((runner) => runner.close()))

console.log("\nSurvivors without an excuse:")
for (const [mutant, { is }] of verdicts) if (is === "survived" && !excuses.has(mutant.id)) console.log(lineOf(mutant))

const row = (name: string, mutants: ReadonlyArray<Mutant>) => {
  const count = (which: (mutant: Mutant, verdict: Verdict) => boolean) =>
    mutants.filter((mutant) => which(mutant, verdicts.get(mutant)!)).length
  const caught = count((_, { is }) => is === "caught")
  const timedOut = count((_, { is }) => is === "timed out")
  const excused = count((mutant, { is }) => is === "survived" && excuses.has(mutant.id))
  const survived = count((mutant, { is }) => is === "survived" && !excuses.has(mutant.id))
  const judged = caught + timedOut + survived
  const score = judged === 0 ? "-" : `${(100 * (caught + timedOut) / judged).toFixed(1)}%`
  return { room: name, mutants: mutants.length, caught, "timed out": timedOut, survived, excused, score }
}
const judged = [...verdicts.keys()]
console.table([...[...Map.groupBy(judged, roomOf)].map(([name, mutants]) => row(name, mutants)), row("all", judged)])
for (const line of stale) console.log(`stale excuse: ${line}`)
console.log(
  `${judged.length} of ${chosen.length} mutants judged, ${ran} of them now, ` +
    `${(ran / minutes).toFixed(1)} a minute; src has ${mutants.length}`
)
// Vitest has set it for the tests that failed, as they should.
process.exitCode = failed || stale.length > 0 ? 1 : 0
