/**
 * A program drawn from a seed: two to twenty nodes that call and serve each other on a simulated network, while links
 * fail, hosts stop, nodes close, callers lose interest and attackers do what they can: the storm. Then comes the calm, in
 * which faults cease, attackers go on, and some callers keep calling until they are answered. It runs under TestClock and
 * returns what happened.
 */
import { Deferred, Effect, Fiber, Logger } from "effect"
import { TestClock } from "effect/testing"
import type { Sizes } from "../../src/internal/sizes.ts"
import { SimulatedNetwork } from "../../src/testing/index.ts"
import type { Attackers, Done, Forged } from "./attackers.ts"
import { makeAttackers } from "./attackers.ts"
import type { Limits } from "./bounds.ts"
import { drawKeys, drawLimits, drawMemory, drawSizes, evenChance, knowsAll, leavesRoom, memoryOf } from "./bounds.ts"
import type { CallRecord, HonestCall } from "./calls.ts"
import { callUntilAnswered, planCall } from "./calls.ts"
import type { Choices } from "./choices.ts"
import { choices } from "./choices.ts"
import type { CountingClock } from "./clock.ts"
import { countingClock } from "./clock.ts"
import { calm, drawSettings, planFault } from "./faults.ts"
import type { NodeRecord, Nodes } from "./nodes.ts"
import { makeNodes, sumOf } from "./nodes.ts"

/** What happened. Times are in nanoseconds. */
export interface Outcome {
  readonly seed: number
  readonly description: string
  readonly virtualMillis: number
  readonly calls: ReadonlyArray<CallRecord>
  /** Those of the calm. */
  readonly honestCalls: ReadonlyArray<HonestCall>
  readonly closings: ReadonlyArray<{ readonly node: number; readonly at: number }>
  readonly addresses: ReadonlyArray<string>
  readonly nodes: ReadonlyArray<NodeRecord>
  readonly limits: Limits
  readonly sizes: Sizes
  readonly isSealed: boolean
  /** What nodes remember of what they have answered. */
  readonly memory: { readonly windowNanos: number; readonly requests: number } | undefined
  readonly stats: SimulatedNetwork.Stats
  readonly trace: ReadonlyArray<SimulatedNetwork.TraceEntry>
  /** The sums of all nodes, by name and label. One that is left out is 0. */
  readonly metrics: Readonly<Record<string, number>>
  readonly faults: Readonly<Record<string, number>>
  readonly attackers: ReadonlyArray<string>
  readonly attacked: Readonly<Done>
  /** What is left once everything has ended. */
  readonly left: { readonly sleepers: number; readonly inFlight: number }
}

/** Runs the scenario of this seed. */
export const scenario = (seed: number, options?: { readonly trace?: boolean }): Effect.Effect<Outcome> => {
  const choose = choices(`${seed} scenario`)
  const [preset, settings] = drawSettings(choose)
  return run(seed, choose, preset).pipe(
    Effect.provide(SimulatedNetwork.layer({ ...settings, seed, trace: options?.trace })),
    Effect.scoped,
    Effect.provide([TestClock.layer(), Logger.layer([])])
  )
}

const run = Effect.fnUntraced(function*(seed: number, choose: Choices, preset: string) {
  const network = yield* SimulatedNetwork.SimulatedNetwork
  const clock = yield* countingClock
  const hosts = drawHosts(choose)
  const addresses = hosts.map((host) => `${host}:${choose.between(1000, 1003)}`)
  const timeout = choose.between(200, 5000)
  const gracePeriod = choose.pick([0, 0, 200, 5000])
  const limits = drawLimits(choose)
  const memory = drawMemory(choose)
  const sizes = drawSizes(choose)
  const keys = drawKeys(choose)
  const length = choose.between(2_000, 30_000)
  const isCalm = yield* Deferred.make<void>()
  const recorded: Array<Forged> = []
  const latest: Array<Forged> = []
  const nodes = yield* makeNodes({
    addresses,
    options: { timeout, gracePeriod, limits, memory, keys, propagate: choices(`${seed} propagate`).chance(0.5) },
    sizes,
    clock,
    isCalm,
    onSent: (index, payload, to) => {
      const sent = { from: addresses[index]!, to, payload }
      if (recorded.length < mostRecorded) recorded.push(sent)
      if (latest.push(sent) > mostLatest) latest.shift()
    }
  })
  let numbers = firstForgedNumber
  const field = { network, addresses, recorded, latest, nextNumber: () => numbers++ }
  const attackers = yield* makeAttackers(`${seed} attackers`, field, length)
  const scene: Scene = {
    choose,
    clock,
    network,
    hosts,
    addresses,
    timeout,
    length,
    isSealed: keys !== undefined,
    nodes,
    attackers
  }

  const { calls, faults } = yield* runStorm(scene)
  // Faults have ceased.
  yield* network.set(calm, {})
  yield* Deferred.succeed(isCalm, undefined)
  // Half of the time nobody has proven anything to anybody yet.
  if (choose.chance(0.5)) yield* nodes.reopenAll
  // Where a node does not know all sessions, newcomers have to wait.
  const honestCalls = keys === undefined || knowsAll(sizes)
    ? yield* runCalm(scene, leavesRoom(limits, sizes) ? evenChance(limits) : 0)
    : []
  yield* nodes.closeAll

  const records = yield* nodes.records
  return {
    seed,
    description: `${hosts.length} nodes, ${preset}${keys === undefined ? "" : ", sealed"}, ${calls.length} calls, ${
      attackers.names.join(", ")
    }`,
    virtualMillis: length + leadMillis + Math.max(0, ...honestCalls.map(millisOf)),
    calls,
    honestCalls,
    closings: nodes.closings,
    addresses,
    nodes: records,
    limits,
    sizes,
    isSealed: keys !== undefined,
    memory: memoryOf(memory),
    stats: yield* network.stats,
    trace: yield* network.trace,
    metrics: sumOf(records.map(({ metrics }) => metrics)),
    faults,
    attackers: attackers.names,
    attacked: attackers.done,
    left: { sleepers: clock.sleepers(), inFlight: yield* network.inFlight }
  } satisfies Outcome
})

const mostRecorded = 300
const mostLatest = 10

// Requests have numbers of their own, whoever makes them.
const firstHonestNumber = 100_000
const firstForgedNumber = 1_000_000

interface Scene {
  readonly choose: Choices
  readonly clock: CountingClock
  readonly network: SimulatedNetwork.SimulatedNetwork["Service"]
  readonly hosts: ReadonlyArray<string>
  readonly addresses: ReadonlyArray<string>
  /** Of calls, unless they have one of their own. In milliseconds, as is `length`: how long the storm takes. */
  readonly timeout: number
  readonly length: number
  readonly isSealed: boolean
  readonly nodes: Nodes
  readonly attackers: Attackers
}

/** Calls, faults and attackers, all at once, until all of them have ended. */
const runStorm = Effect.fnUntraced(function*(scene: Scene) {
  const { addresses, attackers, choose, clock, hosts, length, network, nodes, timeout } = scene
  const calls: Array<CallRecord> = []
  const faults: Record<string, number> = {}
  const place = {
    length,
    bursts: Array.from({ length: 3 }, () => choose.below(length)),
    addresses,
    usualTimeout: timeout,
    clientOf: nodes.clientOf,
    now: clock.now,
    record: (call: CallRecord) => calls.push(call)
  }
  const site = {
    network,
    length,
    hosts,
    addresses,
    ...nodes,
    note: (fault: string) => {
      faults[fault] = (faults[fault] ?? 0) + 1
    }
  }
  const plans = [
    ...Array.from({ length: choose.between(10, 150) }, (_, i) => planCall(choose, place, i)),
    ...Array.from({ length: choose.below(8) }, () => planFault(choose, site)),
    ...attackers.inStorm
  ]
  const running = yield* Effect.forkChild(clock.counted(Effect.all(plans, { concurrency: "unbounded", discard: true })))
  // Longer than anything lasts: a call, a fault, a delay, a queue.
  yield* TestClock.adjust("5 minutes")
  yield* Fiber.join(running)
  return { calls, faults }
})

/** Some call until they are answered. If attackers go on, they were there before, and stay until all are answered. */
const runCalm = Effect.fnUntraced(
  function*({ addresses, attackers, choose, clock, isSealed, nodes }: Scene, mostForged: number) {
    let isOver = false
    let numbers = firstHonestNumber
    const attack = attackers.inCalm(leadMillis + calmMillis, () => isOver, mostForged)
    const attacking = yield* Effect.forkChild(clock.counted(attack))
    yield* TestClock.adjust(leadMillis)
    const ways = drawHonest(choose, addresses, attackers.harms).filter((way) => reaches(way, isSealed))
    const calls = ways.map(({ callee, caller }): HonestCall => ({
      callee,
      caller,
      startedAt: clock.now(),
      answeredAt: undefined
    }))
    const all = Effect.forEach(calls, (call) => {
      const client = nodes.clientOf(addresses.indexOf(call.caller))
      return client === undefined ? Effect.void : callUntilAnswered(client, () => numbers++, call, clock.now)
    }, { concurrency: "unbounded", discard: true })
    const calling = yield* Effect.forkChild(
      clock.counted(Effect.timeoutOption(all, calmMillis)).pipe(
        Effect.andThen(Effect.sync(() => {
          isOver = true
        }))
      )
    )
    // Longer than handlers run that attackers have asked for.
    yield* TestClock.adjust("1 minute")
    yield* Fiber.join(calling)
    yield* Fiber.join(attacking)
    return calls
  }
)

/** For how long attackers go on before the first honest call. */
const leadMillis = 1500

/** How long it may take until an honest caller is answered. */
const calmMillis = 10_000

const millisOf = ({ answeredAt, startedAt }: HonestCall): number =>
  answeredAt === undefined ? calmMillis : (answeredAt - startedAt) / 1_000_000

/** IPv4 and IPv6, all in one network or in several. */
const drawHosts = (choose: Choices): ReadonlyArray<string> => {
  const networks = choose.pick([1, 1, 3])
  return Array.from({ length: choose.between(2, 20) }, (_, i) => {
    const network = choose.below(networks)
    return choose.chance(0.2) ? `[2001:db8:${network + 1}::${(i + 1).toString(16)}]` : `10.0.${network}.${i + 1}`
  })
}

type Way = Pick<HonestCall, "caller" | "callee">

/** Those whom attackers harm, and some others. */
const drawHonest = (
  choose: Choices,
  addresses: ReadonlyArray<string>,
  harmed: ReadonlyArray<Way>
): ReadonlyArray<Way> => [
  ...harmed,
  ...Array.from({ length: 3 }, () => ({ caller: choose.pick(addresses), callee: choose.pick(addresses) }))
]

/** A socket on IPv6 reaches no node on IPv4, nor the reverse; and a node with keys does not reach itself. */
const reaches = ({ callee, caller }: Way, isSealed: boolean): boolean =>
  callee.startsWith("[") === caller.startsWith("[") && !(isSealed && callee === caller)
