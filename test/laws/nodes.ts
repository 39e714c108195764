/** The nodes of a scenario, which open and close, and what is known of each. */
import { Effect, Exit, Fiber, Layer, Metric, Scope } from "effect"
import type { Deferred } from "effect"
import { TestClock } from "effect/testing"
import { Protocol, Transport } from "../../src/index.ts"
import { Sizes } from "../../src/internal/sizes.ts"
import { SimulatedNetwork } from "../../src/testing/index.ts"
import { metrics } from "../support/nodes.ts"
import type { Client } from "./calls.ts"
import type { CountingClock } from "./clock.ts"
import type { Reply, Run } from "./observed.ts"
import { Observed } from "./observed.ts"
import { handlers, Peer } from "./peer.ts"

/** What a node did from when it opened until it closed. */
export interface NodeRecord {
  readonly address: string
  readonly runs: ReadonlyArray<Run>
  readonly replies: ReadonlyArray<Reply>
  /** How many cancels it has sent. */
  readonly cancels: number
  readonly metrics: Readonly<Record<string, number>>
}

export interface Options {
  readonly addresses: ReadonlyArray<string>
  readonly options: Protocol.Options
  readonly sizes: Sizes
  readonly clock: CountingClock
  /** Ends what handlers wait for that would never end. */
  readonly isCalm: Deferred.Deferred<void>
  /** Told of each datagram that a node sends, by its number. */
  readonly onSent: (index: number, datagram: Uint8Array, to: string) => void
}

export type Nodes = Effect.Success<ReturnType<typeof makeNodes>>

/** Opens all nodes. Each can be closed, and opened again at the same address. */
export const makeNodes = Effect.fnUntraced(function*({ addresses, clock, isCalm, onSent, options, sizes }: Options) {
  const network = yield* SimulatedNetwork.SimulatedNetwork
  const scope = yield* Effect.scope
  const opened: Array<{
    readonly index: number
    readonly observed: Observed
    readonly registry: Metric.MetricRegistry
  }> = []
  const nodes: Array<{ readonly scope: Scope.Closeable; readonly client: Client } | undefined> = []
  const closings: Array<{ readonly node: number; readonly at: number }> = []

  const open = Effect.fnUntraced(function*(index: number) {
    const child = yield* Scope.fork(scope)
    const observed = new Observed({
      now: clock.now,
      onSent: (datagram, to) => onSent(index, datagram, to),
      isSealed: options.keys !== undefined
    })
    const registry: Metric.MetricRegistry = new Map()
    opened.push({ index, observed, registry })
    const layer = Protocol.serve(Peer).pipe(
      Layer.provide(handlers(observed.onRun, isCalm)),
      Layer.provideMerge(Protocol.layer(options)),
      Layer.provide(observed.layer),
      Layer.provide(Transport.layerSocket()),
      Layer.provide(SimulatedNetwork.socket(addresses[index]!))
    )
    const context = yield* Effect.orDie(Layer.buildWithMemoMap(layer, Layer.makeMemoMapUnsafe(), child)).pipe(
      Effect.provideService(Metric.MetricRegistry, registry),
      Effect.provideService(Sizes, sizes),
      Effect.provideService(SimulatedNetwork.SimulatedNetwork, network)
    )
    nodes[index] = { scope: child, client: yield* Effect.provideContext(Protocol.client(Peer), context) }
  })
  const indexes = addresses.map((_, index) => index)
  const openAll = clock.counted(Effect.forEach(indexes, open, { discard: true }))

  const close = Effect.fnUntraced(function*(index: number) {
    const node = nodes[index]
    if (node === undefined) return
    nodes[index] = undefined
    yield* Scope.close(node.scope, Exit.void)
    closings.push({ node: index, at: clock.now() })
  })
  const closeAll = Effect.gen(function*() {
    const closing = yield* Effect.forkChild(
      Effect.forEach(indexes, close, { concurrency: "unbounded", discard: true })
    )
    yield* TestClock.adjust("1 minute")
    yield* Fiber.join(closing)
  })

  yield* openAll
  return {
    open,
    close,
    closeAll,
    /** Nobody has proven anything to another afterwards, and nothing is remembered. */
    reopenAll: Effect.andThen(closeAll, openAll),
    isOpen: (index: number) => nodes[index] !== undefined,
    clientOf: (index: number) => nodes[index]?.client,
    closings,
    records: Effect.suspend(() =>
      Effect.forEach(opened, ({ index, observed, registry }) =>
        Effect.map(
          Effect.provideService(metrics, Metric.MetricRegistry, registry),
          (metrics): NodeRecord => ({
            address: addresses[index]!,
            runs: observed.runs,
            replies: observed.replies,
            cancels: observed.cancels,
            metrics
          })
        ))
    )
  }
})

/** By name. */
export const sumOf = (all: ReadonlyArray<Readonly<Record<string, number>>>): Record<string, number> => {
  const sums: Record<string, number> = {}
  for (const metrics of all) {
    for (const [name, value] of Object.entries(metrics)) sums[name] = (sums[name] ?? 0) + value
  }
  return sums
}
