/**
 * An hour of calls in simulated time: a server and a caller on a network that loses and repeats datagrams. It says for each
 * tenth of the time what a call took, in CPU, and what the heap holds. Exit code 1 if a call ended wrongly, if something is
 * left behind, or if the heap grew.
 *
 *   npm run simulate:hour -- [--minutes 60] [--calls 100] [--seed 1]
 *
 * `--calls` are calls in a simulated second.
 */
import { Effect, Layer, Logger, Schema } from "effect"
import { TestClock } from "effect/testing"
import { parseArgs } from "node:util"
import { Handlers, Protocol, Transport } from "../src/index.ts"
import { SimulatedNetwork } from "../src/testing/index.ts"
import { caller, metrics, node, withMetrics } from "../test/support/nodes.ts"
import { collectedHeap } from "./heap.ts"

const { values: flags } = parseArgs({
  options: {
    minutes: { type: "string", default: "60" },
    calls: { type: "string", default: "100" },
    seed: { type: "string", default: "1" }
  }
})

const parts = 10
const secondsOfPart = 60 * Number(flags.minutes) / parts

/** What a heap may grow from the first tenth, after which all memories are full, to the last. */
const maxGrowthMiB = 4

class Echo extends Handlers.Service<Echo>()("simulate/Echo", {
  echo: { args: [Schema.Int, Schema.Uint8Array], success: Schema.Int },
  slow: { args: [Schema.Int, Schema.Uint8Array], success: Schema.Int }
}) {}

const EchoLive = Echo.toLayer({
  echo: (number) => Effect.succeed(number),
  slow: (number) => Effect.delay(Effect.succeed(number), "20 millis")
})

const transport = Effect.fnUntraced(function*(address: string) {
  const network = yield* Effect.context<SimulatedNetwork.SimulatedNetwork>()
  const socket = SimulatedNetwork.socket(address).pipe(Layer.provide(Layer.succeedContext(network)))
  return Transport.layerSocket().pipe(Layer.provide(socket))
})

const heapMiB = (): number => collectedHeap() / 1_048_576

const hour = Effect.gen(function*() {
  yield* node(Protocol.serve(Echo).pipe(Layer.provide(EchoLive)), yield* transport("10.0.0.1:1"))
  const context = yield* caller(yield* transport("10.0.0.2:2"), { retransmit: Protocol.adaptive })
  const echo = (yield* Effect.provideContext(Protocol.client(Echo), context))("10.0.0.1:1")
  const ends = { right: 0, unanswered: 0, wrong: 0 }
  let made = 0

  const call = Effect.suspend(() => {
    const number = made++
    const method = number % 10 === 0 ? echo.slow : echo.echo
    return Effect.matchCause(method(number, new Uint8Array(number % 1000)), {
      onSuccess: (answer) => void ends[answer === number ? "right" : "wrong"]++,
      onFailure: (cause) => void ends[cause.reasons.every(isNoResponse) ? "unanswered" : "wrong"]++
    })
  })

  const heaps: Array<number> = []
  for (let part = 1; part <= parts; part++) {
    const before = { made, cpu: process.cpuUsage() }
    for (let second = 0; second < secondsOfPart; second++) {
      for (let i = 0; i < Number(flags.calls); i++) yield* Effect.forkChild(call, { startImmediately: true })
      yield* TestClock.adjust("1 second")
    }
    const { system, user } = process.cpuUsage(before.cpu)
    heaps.push(heapMiB())
    console.log(
      `${(part * secondsOfPart / 60).toFixed(1).padStart(5)} min: ${made} calls, ` +
        `${((system + user) / (made - before.made)).toFixed(0)} us of CPU a call, heap ${heaps.at(-1)!.toFixed(1)} MiB`
    )
  }
  yield* TestClock.adjust("1 minute")

  const { rpcudp_calls_in_flight: calls = 0, rpcudp_requests_in_flight: requests = 0 } = yield* metrics
  const { delivered, duplicated, lost } = yield* (yield* SimulatedNetwork.SimulatedNetwork).stats
  const grown = heaps.at(-1)! - heaps[0]!
  console.log(
    `${made} calls: ${ends.right} right, ${ends.unanswered} unanswered, ${ends.wrong} wrong; ${delivered} datagrams ` +
      `delivered, ${duplicated} of them twice, ${lost} lost; ${calls} calls and ${requests} requests left; ` +
      `heap ${grown.toFixed(1)} MiB grown`
  )
  const ended = ends.right + ends.unanswered === made
  return ended && ends.right > 0 && calls === 0 && requests === 0 && grown < maxGrowthMiB
})

const isNoResponse = (reason: { readonly _tag: string; readonly error?: unknown }): boolean =>
  reason._tag === "Fail" && reason.error instanceof Protocol.NoResponse

const isRight = await Effect.runPromise(
  hour.pipe(
    Effect.scoped,
    Effect.provide(SimulatedNetwork.layer({ loss: 0.05, duplicate: 0.05, delay: [1, 40], seed: Number(flags.seed) })),
    Effect.provide([TestClock.layer(), Logger.layer([])]),
    withMetrics
  )
)
process.exitCode = isRight ? 0 : 1
