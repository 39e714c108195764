/** `rpcudp watch`: what a node does, read from the metrics that it serves to a Prometheus. */
import { Clock, Console, Effect, Schema, Stdio } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { Failure, usage } from "./Failure.ts"
import * as Node from "./node.ts"
import * as Rates from "./rates.ts"

/** How many rows a terminal shows below one header. */
const rowsOfHeader = 20

export const watch = Command.make(
  "watch",
  {
    url: Argument.String("URL").pipe(
      Argument.withDescription("Where the node serves its metrics; HOST:PORT is http://HOST:PORT/metrics")
    ),
    interval: Node.duration("interval", "1s", "From one row to the next"),
    count: Flag.Int("count").pipe(
      Flag.withDescription("How many rows are printed; without it, until it is told to stop"),
      Flag.withSchema(Schema.Int.check(Schema.isGreaterThan(0))),
      Flag.withDefault(Infinity)
    )
  },
  Effect.fnUntraced(function*({ count, interval, url: typed }) {
    const url = yield* urlOf(typed)
    const { stdoutIsTerminal } = yield* Stdio.Stdio
    const isTerminal = yield* stdoutIsTerminal
    let before = yield* read(url)
    for (let rows = 0; rows < count; rows++) {
      if (rows === 0 || (isTerminal && rows % rowsOfHeader === 0)) yield* Console.log(Rates.header)
      yield* Effect.sleep(interval)
      const after = yield* read(url)
      yield* Console.log(Rates.rowOf(before.reading, after.reading, Number(after.at - before.at) / 1e9))
      before = after
    }
  })
).pipe(
  Command.withDescription("Prints each second what a node does, from the metrics that it serves to a Prometheus"),
  Command.withExamples([{ command: "rpcudp watch 127.0.0.1:9464", description: "A row a second, until Ctrl-C" }])
)

const urlOf = (typed: string): Effect.Effect<URL, Failure> => {
  const url = URL.parse(typed.includes("://") ? typed : `http://${typed}/metrics`)
  return url === null ? Effect.fail(usage(`${typed} is neither a URL nor HOST:PORT`)) : Effect.succeed(url)
}

const read = Effect.fnUntraced(function*(url: URL) {
  const text = yield* Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(5000)]) })
      if (!response.ok) throw new Error(`its status is ${response.status}`)
      return response.text()
    },
    catch: (error) => unreadable(url, error)
  })
  const at = yield* Clock.monotonicTimeNanos
  const reading = Rates.parse(text)
  if (!Rates.isOurs(reading)) return yield* unreadable(url, "it has no metrics of effect-rpcudp")
  return { at, reading }
})

const unreadable = (url: URL, error: unknown): Failure => {
  // What fetch throws says no more than that it failed.
  const reason = error instanceof Error ? error.cause ?? error : error
  return new Failure({
    kind: "Unreadable",
    message: `${url.href}: ${reason instanceof Error ? reason.message : String(reason)}`
  })
}
