/** A network of nodes that come and go, on a simulated network: what becomes of lookups, and what it costs. */
import { Clock, Context, Effect, Exit, Layer, Logger, Metric, Option, Random, Scope } from "effect"
import { Protocol, Transport } from "effect-rpcudp"
import { SimulatedNetwork } from "effect-rpcudp/testing"
import type { NetAddress } from "effect/net"
import * as Id from "../src/Id.ts"
import * as Node from "../src/Node.ts"
import * as Storage from "../src/Storage.ts"
import type { Figures, Options, Search } from "./figures.ts"
import {
  cpuMicros,
  delay,
  draws,
  every,
  figuresOf,
  hour,
  keysOf,
  rampHours,
  tick,
  timeout,
  valueOf
} from "./figures.ts"
import * as Hostile from "./hostile.ts"
import * as Time from "./Time.ts"

interface Member {
  readonly node: Node.Node["Service"]
  readonly close: Effect.Effect<void>
}

// How often progress is told.
const step = 60_000

export const simulate = (options: Options): Figures =>
  Time.run(
    run(options).pipe(
      Effect.scoped,
      Effect.provide(
        SimulatedNetwork.layer({
          seed: options.seed,
          loss: options.loss,
          tick,
          delay
        })
      ),
      Effect.provideService(Metric.MetricRegistry, new Map()),
      Effect.provide(Logger.layer([]))
    )
  )

const run = Effect.fnUntraced(function*(options: Options) {
  const startedAt = performance.now()
  const network = yield* SimulatedNetwork.SimulatedNetwork
  const random = yield* Random.Random
  const clock = yield* Clock.Clock
  const scope = yield* Effect.scope
  const draw = () => random.nextDoubleUnsafe()
  const { below, exponential, rounded, upTo } = draws(draw)

  const members: Array<Member> = []
  const live = new Set<Id.Id>()
  let addresses = 0
  let left = 0

  const hostile = new Map<Id.Id, NetAddress.InetAddress>()
  const kindOf = (index: number): Hostile.Kind | undefined => Hostile.kindAt(index, options.hostile ?? 0)

  const start = Effect.fnUntraced(function*(kind: Hostile.Kind | undefined) {
    const number = addresses++
    const address = `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}:8468`
    const child = yield* Scope.fork(scope)
    const { alpha, bits, k, staleAfter } = options
    const context = yield* Layer.buildWithMemoMap(
      Layer.unwrap(Effect.gen(function*() {
        const id = yield* Id.random
        const node = Node.layer({ id, k, alpha, bits, staleAfter, every, serve: kind === undefined })
        if (kind === undefined) return node
        return Layer.merge(node, Hostile.serve({ kind, id, k, others: hostile, random: draw }))
      })).pipe(
        Layer.provide(Storage.layerMemory()),
        Layer.provide(Protocol.layer({ timeout })),
        Layer.provide(Transport.layerSocket()),
        Layer.provide(SimulatedNetwork.socket(address))
      ),
      Layer.makeMemoMapUnsafe(),
      child
    ).pipe(Effect.orDie)
    const node = Context.get(context, Node.Node)
    live.add(node.id)
    if (kind !== undefined) hostile.set(node.id, node.address)
    const forget = Effect.sync(() => {
      live.delete(node.id)
      hostile.delete(node.id)
    })
    return { node, close: Effect.andThen(forget, Scope.close(child, Exit.void)) }
  })

  /** Whom a node that joins knows, of so many that are there: what they are, it can't tell. */
  const gatesAmong = (there: number) =>
    Array.from({ length: Math.min(options.gates, there) }, () => members[below(there)]!.node.address)

  /** A place in the network: a node that stays for a while, then another. */
  const place = Effect.fnUntraced(function*() {
    yield* Effect.sleep(upTo(rampHours * 0.5 * hour))
    const index = members.length
    members.push(yield* start(kindOf(index)))
    if (index > 0) yield* members[index]!.node.bootstrap(gatesAmong(index))
    let stay = options.churn.residual(draw)
    while (true) {
      yield* Effect.sleep(rounded(stay * hour))
      yield* members[index]!.close
      left++
      const gates = gatesAmong(members.length)
      members[index] = yield* start(kindOf(index))
      yield* members[index]!.node.bootstrap(gates)
      stay = options.churn.session(draw)
    }
  })

  const advance = Effect.fnUntraced(function*(from: number, hours: number) {
    const steps = hours * hour / step
    for (let i = 0; i < steps; i++) {
      yield* Effect.sleep(step)
      options.progress(
        (from + (i + 1) / steps * hours) / (rampHours + options.hours),
        `${(from + (i + 1) / steps * hours - rampHours).toFixed(1)} h, ${members.length} nodes`
      )
    }
  })

  /** A node that does no harm. */
  const honest = (): Member => {
    while (true) {
      const index = below(members.length)
      if (kindOf(index) === undefined) return members[index]!
    }
  }

  for (let i = 0; i < options.nodes; i++) yield* Effect.forkChild(place())
  yield* advance(0, rampHours)

  // Each key is published once, within the first half hour of the measurement.
  const published: Array<{ readonly key: string; readonly at: number }> = []
  const publish = Effect.fnUntraced(function*(key: string) {
    yield* Effect.sleep(upTo(0.5 * hour))
    if ((yield* honest().node.set(key, valueOf(key))) > 0) published.push({ key, at: clock.currentTimeMillisUnsafe() })
  })
  for (let i = 0; i < keysOf(options.nodes); i++) yield* Effect.forkChild(publish(`key ${i}`))

  const ended: Array<Search> = []
  let wrong = 0
  const search = Effect.fnUntraced(function*() {
    const sought = published[below(published.length)]
    if (sought === undefined) return
    const { at, key } = sought
    const { node } = honest()
    const began = clock.currentTimeMillisUnsafe()
    const found = yield* node.find(key)
    // It has left meanwhile.
    if (!live.has(node.id)) return
    const hops = Option.isSome(found.value) ? found.hops : undefined
    if (Option.isSome(found.value) && found.value.value !== valueOf(key)) wrong++
    ended.push({ age: began - at, millis: clock.currentTimeMillisUnsafe() - began, hops })
  })
  const searches = Effect.gen(function*() {
    yield* Effect.sleep(hour)
    while (true) {
      yield* Effect.sleep(exponential(hour / (options.lookupsPerHour * options.nodes)))
      yield* Effect.forkChild(search())
    }
  })
  yield* Effect.forkChild(searches)

  const before = yield* network.stats
  const cpu = cpuMicros()
  yield* advance(rampHours, options.hours)
  const after = yield* network.stats
  const micros = cpuMicros() - cpu

  return figuresOf(options, {
    left,
    published: published.length,
    searches: ended,
    wrong,
    messages: after.sent - before.sent,
    micros,
    tables: yield* Effect.forEach(members, ({ node }) => node.buckets),
    isThere: (id) => live.has(id),
    startedAt
  })
})
