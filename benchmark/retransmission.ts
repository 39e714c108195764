/**
 * What retransmission brings at a loss of 20% each way, and what it costs a peer that loses nothing, over a simulated
 * network: `node benchmark/retransmission.ts`. `node benchmark/retransmission-real.ts` is the same over the kernel's UDP.
 */
import { Context, Effect, Exit, Fiber, Layer, Metric, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { Handlers, Protocol, Transport } from "../src/index.ts"
import { SimulatedNetwork } from "../src/testing/index.ts"

const seeds = [1, 2, 3, 4, 5]

const schedules = {
  "single": undefined,
  "exponential": Schedule.exponential("50 millis"),
  "adaptive": Protocol.adaptive
}

class Pinged extends Handlers.Service<Pinged>()("benchmark/Pinged", { ping: {} }) {}

const node = (address: string, options?: Protocol.Options) =>
  Effect.flatMap(Effect.scope, (scope) =>
    Layer.buildWithMemoMap(
      Protocol.serve(Pinged).pipe(
        Layer.provide(Pinged.toLayer({ ping: () => Effect.void })),
        Layer.provideMerge(Protocol.layer(options)),
        Layer.provide(Transport.layerSocket()),
        Layer.provide(SimulatedNetwork.socket(address))
      ),
      Layer.makeMemoMapUnsafe(),
      scope
    ))

const retransmissions = Effect.map(
  Metric.snapshot,
  (metrics) =>
    metrics.flatMap((of) => of.type === "Counter" && of.id === "rpcudp_retransmissions_total" ? [of] : [])
      .reduce((sum, { state }) => sum + Number(state.count), 0)
)

interface Round {
  readonly answered: number
  readonly calls: number
  readonly again: number
}

/** Rounds of calls by one node to one peer, each round once the one before is over, on a network that the round sets. */
const rounds = (
  seed: number,
  retransmit: Protocol.RetransmitSchedule | undefined,
  inFlight: number,
  calls: number,
  settings: ReadonlyArray<SimulatedNetwork.Settings>
) =>
  Effect.gen(function*() {
    const { call } = Context.get(yield* node("10.0.0.1:1", { retransmit }), Protocol.Protocol)
    yield* node("10.0.0.2:2")
    const network = yield* SimulatedNetwork.SimulatedNetwork
    const ping = Effect.exit(call("10.0.0.2:2", "ping", []))
    const measured: Array<Round> = []
    for (const of of settings) {
      yield* network.set(of)
      const before = yield* retransmissions
      const running = yield* Effect.forkChild(Effect.all(Array.from({ length: calls }, () => ping), {
        concurrency: inFlight
      }))
      while (running.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
      const ends = yield* Fiber.join(running)
      const again = (yield* retransmissions) - before
      measured.push({ answered: ends.filter(Exit.isSuccess).length, calls, again })
    }
    return measured
  }).pipe(
    Effect.provide(SimulatedNetwork.layer({ seed })),
    Effect.provideService(Metric.MetricRegistry, new Map()),
    Effect.scoped,
    Effect.provide(TestClock.layer())
  )

const row = (name: string, all: ReadonlyArray<Round>) => {
  const sum = (key: keyof Round) => all.reduce((sum, round) => sum + round[key], 0)
  const calls = sum("calls")
  console.log(
    `${name}: ${(100 * sum("answered") / calls).toFixed(2)}% of ${calls} answered, ` +
      `${(sum("again") / calls).toFixed(2)} retransmissions a call`
  )
}

const program = Effect.gen(function*() {
  console.log("20% lost each way")
  const lossy = (millis: number): SimulatedNetwork.Settings => ({ loss: 0.2, delay: [millis / 2, millis] })
  for (const [name, schedule] of Object.entries(schedules)) {
    for (const [inFlight, calls] of [[100, 9000], [1, 1000]] as const) {
      for (const millis of schedule === Protocol.adaptive ? [5, 20, 50, 100] : [5]) {
        const all = yield* Effect.forEach(
          seeds,
          (seed) => rounds(seed, schedule, inFlight, calls, [lossy(millis), lossy(millis)])
        )
        const of = `${name}, ${inFlight} in flight, round trips of ${millis} to ${2 * millis} ms`
        row(`${of}, first met`, all.map(([first]) => first!))
        row(`${of}, afterwards`, all.map(([, second]) => second!))
      }
    }
  }
  for (const millis of [5, 50]) {
    const all = yield* Effect.forEach(
      Array.from({ length: 1000 }, (_, i) => i),
      (seed) => rounds(seed, Protocol.adaptive, 1, 1, [lossy(millis)])
    )
    row(`adaptive, the only call to a peer, round trips of ${millis} to ${2 * millis} ms`, all.flat())
  }

  console.log("nothing lost: what is sent again is too much")
  const slow: SimulatedNetwork.Settings = { delay: ["390 millis", "410 millis"] }
  const fast: SimulatedNetwork.Settings = { delay: ["5 millis", "10 millis"] }
  // Some 64 bytes a request: 100 in flight take 0.8 s.
  const narrow: SimulatedNetwork.Settings = { delay: "5 millis", bandwidth: 8000 }
  for (const inFlight of [100, 1]) {
    const calls = inFlight === 1 ? 200 : 2000
    for (
      const [name, settings] of [
        ["800 ms from the first", [slow]],
        ["15 ms, then 800 ms", [fast, slow]],
        ["30 ms, then as its link is narrow, up to 800 ms", [{ delay: "15 millis" }, narrow]]
      ] as const
    ) {
      const all = yield* Effect.forEach(seeds, (seed) => rounds(seed, Protocol.adaptive, inFlight, calls, settings))
      row(`adaptive, ${inFlight} in flight, ${name}`, all.map((rounds) => rounds.at(-1)!))
    }
  }
})

await Effect.runPromise(program)
