/**
 * Front nodes of one inventory, writers that order through any of them, and what may befall: fronts are killed, cut off from
 * the database, paused, or restarted one by one. Counts what was acknowledged, lost and applied twice.
 *
 *     npm run example:cluster -- [--fronts 3] [--kill 1 [--holding] | --cut 1 | --pause 1 | --rolling] [--postgres]
 *                                [--seconds 15] [--writers 8] [--unremembered] [--verbose]
 *
 * Fronts are killed at a random moment; with `--holding`, when they have applied an order and not answered it yet.
 * `--unremembered` is the control, without keys: what is held then is applied twice.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Clock, Console, Deferred, type Duration, Effect, FileSystem, Option, Random, Schema, Stream } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as Database from "./database.ts"
import { type FrontHost, loopback, namespaces } from "./network.ts"
import * as Postgres from "./postgres.ts"

const { values } = parseArgs({
  options: {
    fronts: { type: "string", default: "3" },
    kill: { type: "string", default: "0" },
    holding: { type: "boolean", default: false },
    cut: { type: "string", default: "0" },
    pause: { type: "string", default: "0" },
    rolling: { type: "boolean", default: false },
    postgres: { type: "boolean", default: false },
    seconds: { type: "string", default: "15" },
    writers: { type: "string", default: "8" },
    unremembered: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false }
  }
})
const seconds = Number(values.seconds)
const cut = Number(values.cut)
const kill = Number(values.kill)
const pause = Number(values.pause)

class Wrong extends Schema.TaggedError<Wrong>()("Wrong", { message: Schema.String }) {}

const program = Effect.gen(function*() {
  // Writers go on asking until somebody answers.
  if (!(kill + cut + pause < Number(values.fronts))) {
    return yield* new Wrong({ message: "at least one front must be left" })
  }
  if ((values.postgres || cut > 0) && Option.isNone(Postgres.programs)) {
    return yield* Console.log("skipped: there is no PostgreSQL (Debian: postgresql)")
  }
  if (cut > 0 && !(yield* Effect.isSuccess(Effect.scoped(namespaces(1))))) {
    return yield* Console.log("skipped: hosts of their own take root, and iproute2")
  }
  const network = yield* cut > 0 ? namespaces(Number(values.fronts)) : loopback(Number(values.fronts))
  const database = yield* values.postgres || cut > 0
    ? Postgres.start(Option.getOrThrow(Postgres.programs), network.database)
    : file
  yield* Effect.scoped(Effect.provide(Database.migrate, Database.layer(database.local)))

  const victims = (yield* Random.shuffle(network.fronts.map((_, i) => i))).slice(0, kill + cut + pause)
  const fronts = yield* Effect.forEach(
    network.fronts,
    (host, i) => startFront(host, database.url, values.holding && victims.includes(i)),
    { concurrency: "unbounded" }
  )
  yield* Console.log(
    `${fronts.length} fronts serve, over ${database.url.startsWith("postgres:") ? "PostgreSQL" : "SQLite"}`
  )

  const writers = yield* network.clients.command(
    process.execPath,
    pathOf("./writers.ts"),
    values.seconds,
    values.writers,
    values.unremembered ? "orderUnremembered" : "order",
    ...network.fronts.map((front) => front.udp)
  )
  const begun = yield* Clock.currentTimeMillis
  const befall = Effect.gen(function*() {
    if (values.rolling) return yield* rollingRestart(network.fronts, fronts, database.url)
    for (const i of victims) {
      yield* values.holding
        ? Deferred.await(fronts[i]!.holding)
        : Effect.sleep(`${Math.round((0.15 + 0.35 * (yield* Random.next)) * seconds * 1000)} millis`)
      const after = (((yield* Clock.currentTimeMillis) - begun) / 1000).toFixed(1)
      if (pause > 0) {
        yield* pauseFor(fronts[i]!, "6 seconds")
        yield* Console.log(`front ${i + 1} was paused after ${after} s, for longer than its locks last`)
      } else if (cut > 0) {
        yield* network.fronts[i]!.cut
        yield* Console.log(`front ${i + 1} was cut off after ${after} s`)
      } else {
        yield* fronts[i]!.process.kill({ killSignal: "SIGKILL" })
        yield* Console.log(`front ${i + 1} was killed after ${after} s`)
      }
    }
  })
  const [acknowledged] = yield* Effect.all([
    writers.stdout.pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.map((line) => decodeLine(line)),
      Stream.runCollect
    ),
    befall
  ], { concurrency: "unbounded" })

  const applied = yield* Effect.scoped(Effect.provide(Database.applied, Database.layer(database.local)))
  yield* report(acknowledged, applied)
})

const file = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const path = `${yield* files.makeTempDirectoryScoped({ prefix: "inventory-" })}/inventory.sqlite`
  return { url: path, local: path }
})

interface Front {
  readonly process: ChildProcessSpawner.ChildProcessHandle
  /** Done once it holds an acknowledgement, if it is to hold one. */
  readonly holding: Deferred.Deferred<void, Wrong>
}

const startFront = Effect.fnUntraced(function*(host: FrontHost, database: string, isHolding: boolean) {
  const front = yield* host.command(
    process.execPath,
    pathOf("./front.ts"),
    host.udp,
    host.runner,
    database,
    ...(isHolding ? ["holding"] : [])
  )
  const serving = yield* Deferred.make<void, Wrong>()
  const holding = yield* Deferred.make<void, Wrong>()
  const said = new Map([["serving", serving], ["holding", holding]])
  // It logs there, too: what nobody reads would stop it at last.
  yield* front.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => {
      const event = said.get(line)
      return event !== undefined ? Deferred.succeed(event, undefined) : values.verbose ? Console.log(line) : Effect.void
    }),
    Effect.andThen(
      Effect.forEach(
        said,
        ([event, deferred]) =>
          Deferred.fail(deferred, new Wrong({ message: `the front at ${host.udp} ended before it was ${event}` }))
      )
    ),
    Effect.forkScoped
  )
  yield* Deferred.await(serving)
  const started: Front = { process: front, holding }
  return started
})

/** As a machine does that is short of memory, or a virtual one that is moved. */
const pauseFor = ({ process: front }: Front, time: Duration.Input) =>
  Effect.acquireUseRelease(
    Effect.sync(() => process.kill(front.pid, "SIGSTOP")),
    () => Effect.sleep(time),
    () => Effect.sync(() => process.kill(front.pid, "SIGCONT"))
  )

/** Stops each front as systemd and Kubernetes do, and goes on once it serves again. */
const rollingRestart = Effect.fnUntraced(function*(
  hosts: ReadonlyArray<FrontHost>,
  fronts: ReadonlyArray<Front>,
  database: string
) {
  for (const [i, { process: front }] of fronts.entries()) {
    yield* Effect.sleep("1 second")
    const begun = yield* Clock.currentTimeMillis
    yield* front.kill({ killSignal: "SIGTERM", forceKillAfter: "30 seconds" })
    const stopped = yield* Clock.currentTimeMillis
    yield* startFront(hosts[i]!, database, false)
    yield* Console.log(`front ${i + 1} took ${((stopped - begun) / 1000).toFixed(1)} s to stop, and serves again`)
  }
})

const Line = Schema.fromJsonString(
  Schema.Struct({ key: Schema.String, at: Schema.Finite, took: Schema.Finite, failed: Schema.Finite })
)
const decodeLine = Schema.decodeUnknownSync(Line)

const report = Effect.fnUntraced(function*(
  acknowledged: ReadonlyArray<typeof Line.Type>,
  applied: ReadonlyMap<string, number>
) {
  const took = acknowledged.map((order) => order.took).sort((a, b) => a - b)
  const at = (share: number) => took[Math.min(took.length - 1, Math.floor(share * took.length))] ?? 0
  const lost = acknowledged.filter((order) => !applied.has(order.key)).length
  const twice = Array.from(applied.values()).filter((times) => times > 1).length
  const failed = acknowledged.reduce((sum, order) => sum + order.failed, 0)
  yield* Console.log(
    `${Math.round(acknowledged.length / seconds)} orders a second, half of them within ${at(0.5)} ms, 99% within ${
      at(0.99)
    } ms`
  )
  yield* Console.log(
    `${acknowledged.length} acknowledged, ${lost} lost, ${twice} applied twice, ${failed} calls failed, ` +
      `longest pause ${(at(1) / 1000).toFixed(1)} s`
  )
  // A call that no front answered in time is no loss: its order was asked for again.
  const isWrong = values.unremembered ? values.holding && twice === 0 : lost > 0 || twice > 0
  if (isWrong || acknowledged.length === 0) {
    return yield* new Wrong({ message: "that is not what the cluster promises" })
  }
})

const pathOf = (file: string) => fileURLToPath(new URL(file, import.meta.url))

program.pipe(
  Effect.scoped,
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain
)
