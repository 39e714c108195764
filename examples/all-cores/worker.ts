/**
 * One of several processes that serve a port. Prints the address of a socket of its own, where it tells what it has counted.
 *
 *     node examples/all-cores/worker.ts 8468
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Metric } from "effect"
import { Protocol, Transport } from "effect-rpcudp"
import { NetAddress } from "effect/net"
import { Tally, Watched } from "./Tally.ts"

const address = "127.0.0.1"
const port = Number(process.argv[2])

// Long enough for the same request to come again meanwhile.
const TallyLive = Tally.toLayer({ count: () => Effect.as(Effect.sleep("3 millis"), process.pid) })

const Shared = Protocol.serve(Tally).pipe(
  Layer.provide(TallyLive),
  Layer.provide(Protocol.layer()),
  Layer.provide(Transport.layer({ address, port, reusePort: true }))
)

const WatchedLive = Watched.toLayer(Effect.gen(function*() {
  const registry = yield* Metric.MetricRegistry
  const requests = Effect.map(
    Effect.provideService(Metric.snapshot, Metric.MetricRegistry, registry),
    (snapshots) =>
      Object.fromEntries(
        snapshots.flatMap(({ attributes, id, state, type }) =>
          id === "rpcudp_requests_total" && type === "Counter"
            ? [[String(attributes?.["outcome"]), Number(state.count)]]
            : []
        )
      )
  )
  return Watched.of({ requests: () => requests })
}))

// Watching is counted apart from what is watched.
const Own = Protocol.serve(Watched).pipe(
  Layer.provide(WatchedLive),
  Layer.provideMerge(
    Layer.fresh(Protocol.layer()).pipe(
      Layer.provide(Transport.layer({ address })),
      Layer.provide(Layer.succeed(Metric.MetricRegistry, new Map()))
    )
  )
)

const program = Effect.gen(function*() {
  const { address } = yield* Protocol.Protocol
  yield* Console.log(NetAddress.formatInet(address))
  return yield* Effect.never
})

program.pipe(Effect.provide(Layer.merge(Shared, Own)), NodeRuntime.runMain)
