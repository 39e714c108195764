/**
 * A machine that serves one port with all its cores: a supervisor, and workers that are started again when they end. Then
 * clients that call them, a worker that is killed, and the metrics of all in one.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Context, Effect, Layer, Queue, Schedule } from "effect"
import { Protocol, Transport } from "effect-rpcudp"
import { ChildProcess } from "effect/process"
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { supervise, type Worker } from "./all-cores/supervisor.ts"
import { Tally, Watched } from "./all-cores/Tally.ts"

const address = "127.0.0.1"

const workerOf = (port: number) =>
  ChildProcess.make(process.execPath, [workerFile, String(port)], {
    stdin: "ignore",
    stderr: "inherit",
    detached: false,
    forceKillAfter: "10 seconds"
  })

const workerFile = fileURLToPath(new URL("all-cores/worker.ts", import.meta.url))

/** What all workers have counted, added up. */
const total = Effect.fn("total")(function*(workers: ReadonlyArray<Worker>) {
  const watched = yield* Protocol.client(Watched)
  const sum = new Map<string, number>()
  for (const { own } of workers) {
    for (const [outcome, count] of Object.entries(yield* watched(own).requests())) {
      sum.set(outcome, (sum.get(outcome) ?? 0) + count)
    }
  }
  return sum
})

/** A socket of its own, so that the kernel chooses a worker for it. It sends each request again until it is answered. */
const Client = Layer.fresh(Protocol.layer({ timeout: "1 minute", retransmit: Schedule.spaced("1 millis") })).pipe(
  Layer.provide(Transport.layer({ address }))
)

/** So many clients with so many calls each. Returns the workers that have answered them. */
const load = (port: number, clients: number, calls: number) => {
  const client = Effect.gen(function*() {
    const tally = (yield* Protocol.client(Tally))(`${address}:${port}`)
    return yield* Effect.all(Array.from({ length: calls }, () => tally.count()), { concurrency: 8 })
  }).pipe(Effect.provide(Client))
  return Effect.map(
    Effect.all(Array.from({ length: clients }, () => client), { concurrency: "unbounded" }),
    (answers) => new Set(answers.flat())
  )
}

/** A port that nobody has. */
const free = Layer.build(Transport.layer({ address })).pipe(
  Effect.map((context) => Context.get(context, Transport.Transport).address.port),
  Effect.scoped
)

const program = Effect.gen(function*() {
  const port = yield* free
  const count = Math.max(2, availableParallelism())
  const serving = yield* Queue.unbounded<Worker>()
  yield* supervise(workerOf(port), count, serving)
  const workers = yield* Queue.takeN(serving, count)
  yield* Console.log(`${count} workers serve ${address}:${port}`)

  const clients = 32
  const calls = 50
  const answered = yield* load(port, clients, calls)
  const before = yield* total(workers)
  yield* Console.log(`${clients * calls} calls were answered, by ${answered.size} workers`)
  yield* Console.log(
    `${before.get("success")} were run; ${
      (before.get("repeated") ?? 0) > 0 ? "what came again was not" : "none came again"
    }`
  )

  const [killed, ...others] = workers
  yield* killed!.process.kill({ killSignal: "SIGKILL" })
  const next = yield* Queue.take(serving)
  yield* Console.log("a worker was killed, and another serves in its place")
  const after = yield* load(port, clients, calls)
  yield* Console.log(
    `${clients * calls} more calls were answered, ${after.has(next.process.pid) ? "some" : "none"} by the new one`
  )
  const run = (yield* total([next, ...others])).get("success")
  yield* Console.log(`those that serve now have run ${run}; what the killed one had counted is gone`)
})

program.pipe(
  Effect.provide(Protocol.layer().pipe(Layer.provide(Transport.layer({ address })))),
  Effect.scoped,
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain
)
