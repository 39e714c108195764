/**
 * A program drawn from a seed: two to twenty nodes that call and serve each other on a simulated network, while links
 * fail, hosts stop, nodes close and callers lose interest. It runs under TestClock and answers what happened.
 */
import type { Duration } from "effect"
import { Clock, Context, Effect, Exit, Fiber, Layer, Logger, Metric, Random, Schedule, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Handlers, Protocol, Transport } from "../../src/index.ts"
import { SimulatedNetwork } from "../../src/testing/index.ts"
import { metrics } from "../support/nodes.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { number: Schema.Int }) {}

/** What every node serves. `number` is that of the call. */
export class Peer extends Handlers.Service<Peer>()("laws/Peer", {
  echo: { args: [Schema.Int, Schema.Uint8Array], success: Schema.Tuple([Schema.Int, Schema.Uint8Array]) },
  slow: { args: [Schema.Int, Schema.Int], success: Schema.Int },
  refuse: { args: [Schema.Int], success: Schema.Int, error: Refused },
  die: { args: [Schema.Int], success: Schema.Int },
  bytes: { args: [Schema.Int, Schema.Int], success: Schema.Uint8Array },
  never: { args: [Schema.Int], success: Schema.Int },
  relay: { args: [Schema.Int, Schema.String], success: Schema.Int }
}) {}

/** What a call was, and how it ended. Times are in nanoseconds. */
export interface CallRecord {
  readonly number: number
  readonly caller: number
  readonly method: keyof typeof Peer.procedures
  readonly startedAt: number
  readonly timeout: number
  readonly interrupted: boolean
  ends: number
  endedAt: number
  exit: Exit.Exit<unknown, unknown> | undefined
  /** Whether a success is what this call had to be answered with. */
  right: boolean | undefined
}

/** What happened. */
export interface Outcome {
  readonly seed: number
  readonly description: string
  readonly virtualMillis: number
  readonly calls: ReadonlyArray<CallRecord>
  /** When nodes closed, in nanoseconds. */
  readonly closings: ReadonlyArray<{ readonly node: number; readonly at: number }>
  /** How often a handler ran for a call, by the call and the node. A relayed call is another. */
  readonly runs: ReadonlyMap<string, number>
  /** Whether nodes remember what they have answered. */
  readonly remembers: boolean
  readonly stats: SimulatedNetwork.Stats
  readonly trace: ReadonlyArray<SimulatedNetwork.TraceEntry>
  /** The sums of all nodes, by name and label. One that is left out is 0. */
  readonly metrics: Readonly<Record<string, number>>
  readonly faults: Readonly<Record<string, number>>
  /** What is left once everything has ended. */
  readonly left: { readonly sleepers: number; readonly inFlight: number }
}

type RandomService = typeof Random.Random.Service

/** The choices of a scenario, in the order in which they are made. */
const choices = (seed: number) => {
  const random: RandomService = Effect.runSync(Random.withSeed(Random.Random, `${seed} scenario`))
  const below = (n: number): number => Math.floor(random.nextDoubleUnsafe() * n)
  return {
    below,
    between: (min: number, max: number): number => min + below(max - min + 1),
    chance: (p: number): boolean => random.nextDoubleUnsafe() < p,
    pick: <A>(from: ReadonlyArray<A>): A => from[below(from.length)]!,
    bytes: (length: number): Uint8Array => Uint8Array.from({ length }, () => below(256))
  }
}

type Choices = ReturnType<typeof choices>

const presets = {
  lan: SimulatedNetwork.lan,
  wifi: SimulatedNetwork.wifi,
  mobile: SimulatedNetwork.mobile,
  satellite: SimulatedNetwork.satellite,
  hostile: SimulatedNetwork.hostile
}

const settingsOf = (choose: Choices): readonly [string, SimulatedNetwork.Settings] => {
  const name = choose.pick(["lan", "wifi", "mobile", "satellite", "hostile", "none", "drawn"] as const)
  if (name === "none") return [name, {}]
  if (name !== "drawn") return [name, presets[name]]
  return [name, {
    delay: [choose.below(50), 50 + choose.below(2000)],
    loss: choose.below(50) / 100,
    duplicate: choose.below(30) / 100,
    corrupt: choose.chance(0.5) ? 0 : choose.below(10) / 100,
    mtu: choose.chance(0.5) ? Infinity : choose.between(100, 9000),
    ...(choose.chance(0.3) ? { bandwidth: choose.between(200, 20_000), queue: choose.between(200, 4_000) } : {}),
    ...(choose.chance(0.3) ? { receiveBuffer: choose.between(300, 5_000) } : {})
  }]
}

/**
 * The handlers of a node. They run as a stranger's would: they hang, die, call others and answer too much. `ran` is told of
 * each.
 */
const handlers = (ran: (method: string, number: number) => void) =>
  Peer.toLayer(Effect.gen(function*() {
    const peer = yield* Protocol.client(Peer)
    return Peer.of({
      echo: (number, bytes) => {
        ran("echo", number)
        return Effect.succeed([number, bytes] as const)
      },
      slow: (number, millis) => {
        ran("slow", number)
        return Effect.as(Effect.sleep(millis), number)
      },
      refuse: (number) => {
        ran("refuse", number)
        return new Refused({ number })
      },
      die: (number) => {
        ran("die", number)
        return Effect.die(number)
      },
      bytes: (number, length) => {
        ran("bytes", number)
        return Effect.succeed(new Uint8Array(length))
      },
      never: (number) => {
        ran("never", number)
        return Effect.never
      },
      relay: Effect.fnUntraced(function*(number, to) {
        ran("relay", number)
        const bytes = Uint8Array.from([number & 0xff])
        const [relayed] = yield* peer(to).echo(number, bytes).pipe(Protocol.withTimeout("1 second"), Effect.orDie)
        return relayed
      })
    })
  }))

/** Runs the scenario of this seed. */
export const scenario = (seed: number, options?: { readonly trace?: boolean }): Effect.Effect<Outcome> => {
  const choose = choices(seed)
  const [preset, settings] = settingsOf(choose)
  return run(seed, choose, preset).pipe(
    Effect.provide(SimulatedNetwork.layer({ ...settings, seed, trace: options?.trace })),
    Effect.provideService(Metric.MetricRegistry, new Map()),
    Effect.scoped,
    Effect.provide([TestClock.layer(), Logger.layer([])])
  )
}

const run = Effect.fnUntraced(function*(seed: number, choose: Choices, preset: string) {
  const network = yield* SimulatedNetwork.SimulatedNetwork
  const real = yield* Clock.Clock
  const scope = yield* Effect.scope
  let sleepers = 0
  const counting: Clock.Clock = Object.assign(Object.create(real), {
    sleep: (duration: Duration.Duration) =>
      Effect.suspend(() => {
        sleepers++
        return Effect.ensuring(real.sleep(duration), Effect.sync(() => sleepers--))
      })
  })
  // To the nanosecond: TestClock's milliseconds add up with rounding errors.
  const now = () => Number(real.monotonicTimeNanosUnsafe())

  const hosts = Array.from(
    { length: choose.between(2, 20) },
    (_, i) => choose.chance(0.2) ? `[2001:db8::${(i + 1).toString(16)}]` : `10.0.0.${i + 1}`
  )
  const addresses = hosts.map((host) => `${host}:${choose.between(1000, 1003)}`)
  const usualTimeout = choose.between(200, 5000)
  const remembers = choose.pick([false, {}, {}, { requests: 16, bytes: 1000 }] as const)
  const protocolOptions: Protocol.Options = {
    timeout: usualTimeout,
    gracePeriod: choose.pick([0, 0, 200, 5000]),
    limits: {
      handlers: choose.pick([2, 20, 16_384]),
      handlersPerSender: choose.pick([3, 1024]),
      requestsPerSecond: choose.pick([5, 20_000]),
      replyBytesPerSecond: choose.pick([3000, 65_536])
    },
    memory: remembers
  }
  const length = choose.between(2_000, 30_000)
  const bursts = Array.from({ length: 3 }, () => choose.below(length))
  const calls: Array<CallRecord> = []
  const closings: Array<{ readonly node: number; readonly at: number }> = []
  const faults: Record<string, number> = {}
  const runs = new Map<string, number>()
  let opens = 0
  const note = (fault: string) => {
    faults[fault] = (faults[fault] ?? 0) + 1
  }

  interface Node {
    readonly scope: Scope.Closeable
    readonly protocol: Protocol.Protocol["Service"]
    readonly peer: (address: string) => Protocol.Client<typeof Peer.procedures>
  }
  const nodes: Array<Node | undefined> = []

  const open = Effect.fnUntraced(function*(index: number) {
    const child = yield* Scope.fork(scope)
    const opened = ++opens
    const layer = Protocol.serve(Peer).pipe(
      Layer.provide(handlers((method, number) => {
        const run = `${method} ${number} at ${addresses[index]}, opened ${opened}`
        runs.set(run, (runs.get(run) ?? 0) + 1)
      })),
      Layer.provideMerge(Protocol.layer(protocolOptions)),
      Layer.provide(Transport.layerSocket()),
      Layer.provide(SimulatedNetwork.socket(addresses[index]!))
    )
    const context = yield* Effect.orDie(Layer.buildWithMemoMap(layer, Layer.makeMemoMapUnsafe(), child))
    const peer = yield* Effect.provideContext(Protocol.client(Peer), context)
    nodes[index] = { scope: child, protocol: Context.get(context, Protocol.Protocol), peer }
  })

  const close = Effect.fnUntraced(function*(index: number) {
    const node = nodes[index]
    if (node === undefined) return
    nodes[index] = undefined
    yield* Scope.close(node.scope, Exit.void)
    closings.push({ node: index, at: now() })
  })

  const counted = Effect.provideService(Clock.Clock, counting)
  for (let i = 0; i < hosts.length; i++) yield* counted(open(i))

  // Each call is drawn whole before it begins, so that what happens to one changes nothing for the others.
  const planCall = (number: number) => {
    const at = choose.chance(0.3) ? choose.pick(bursts) : choose.below(length)
    const caller = choose.below(hosts.length)
    const callee = choose.below(hosts.length)
    const other = addresses[choose.below(hosts.length)]!
    const method = choose.pick(["echo", "echo", "echo", "slow", "refuse", "die", "bytes", "never", "relay"] as const)
    const timeout = choose.pick([usualTimeout, 1, 50, 300, choose.between(1, 10_000)])
    const size = choose.pick([0, 10, 100, 1000, 8100, 8190, 9000])
    const bytes = choose.bytes(Math.min(size, 8100))
    const slow = choose.below(2 * timeout)
    const retransmit = choose.pick([
      undefined,
      Protocol.adaptive,
      Schedule.exponential(choose.between(5, 200)),
      Schedule.spaced(choose.between(1, 50)).pipe(Schedule.upTo({ times: 5 }))
    ])
    const interruptAfter = choose.chance(0.2) ? choose.below(2 * timeout) : undefined
    return Effect.gen(function*() {
      yield* Effect.sleep(at)
      const node = nodes[caller]
      if (node === undefined) return
      const peer = node.peer(addresses[callee]!)
      const call = (): Effect.Effect<boolean, unknown> => {
        switch (method) {
          case "echo":
            return Effect.map(peer.echo(number, bytes), ([n, b]) => n === number && Buffer.compare(b, bytes) === 0)
          case "slow":
            return Effect.map(peer.slow(number, slow), (n) => n === number)
          case "bytes":
            return Effect.map(peer.bytes(number, size), (b) => b.length === size)
          case "relay":
            return Effect.map(peer.relay(number, other), (n) => n === number)
          default:
            // These never succeed.
            return Effect.as(peer[method](number), false)
        }
      }
      const record: CallRecord = {
        number,
        caller,
        method,
        startedAt: now(),
        timeout: timeout * 1_000_000,
        interrupted: interruptAfter !== undefined,
        ends: 0,
        endedAt: Number.NaN,
        exit: undefined,
        right: undefined
      }
      calls.push(record)
      const fiber = yield* call().pipe(
        Protocol.withTimeout(timeout),
        (call) => retransmit === undefined ? call : Protocol.withRetransmit(call, retransmit),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            record.ends++
            record.endedAt = now()
            record.exit = exit
            record.right = Exit.isSuccess(exit) ? exit.value : undefined
          })
        ),
        Effect.exit,
        Effect.forkChild({ startImmediately: true })
      )
      if (interruptAfter !== undefined) {
        yield* Effect.sleep(interruptAfter)
        yield* Fiber.interrupt(fiber)
      } else yield* Fiber.join(fiber)
    })
  }

  const planFault = () => {
    const at = choose.below(length)
    const lasts = choose.between(1, 5000)
    const index = choose.below(hosts.length)
    const other = choose.below(hosts.length)
    const link = choose.chance(0.5) ? undefined : { from: hosts[index]!, to: hosts[other]! }
    const kind = choose.pick(["partition", "one way", "stop", "close", "settings", "refuse", "rebind", "rule"] as const)
    const [, settings] = settingsOf(choose)
    const port = choose.between(2000, 60_000)
    return Effect.gen(function*() {
      yield* Effect.sleep(at)
      note(kind)
      switch (kind) {
        case "partition":
        case "one way": {
          const cut = network.partition(hosts.slice(0, index + 1), hosts.slice(index + 1), {
            oneWay: kind === "one way"
          })
          return yield* Effect.scoped(Effect.andThen(cut, Effect.sleep(lasts)))
        }
        case "stop":
          yield* network.stop(hosts[index]!)
          yield* Effect.sleep(lasts)
          return yield* network.start(hosts[index]!)
        case "close":
          // Another fault has it closed, and opens it again once it is.
          if (nodes[index] === undefined) return
          yield* close(index)
          yield* Effect.sleep(lasts)
          return yield* open(index)
        case "settings":
          return yield* network.set(settings, link)
        case "refuse":
          yield* network.set({ refuse: "Unreachable" }, { from: hosts[index]!, to: hosts[other]! })
          yield* Effect.sleep(lasts)
          return yield* network.set({ refuse: false }, { from: hosts[index]!, to: hosts[other]! })
        case "rebind": {
          // Its peers know it by its old address until it has that back. It may be closed by then, or rebound already.
          const rebound = `${hosts[index]}:${port}`
          if (Exit.isFailure(yield* Effect.exit(network.rebind(addresses[index]!, rebound)))) return
          yield* Effect.sleep(lasts)
          return yield* Effect.ignoreCause(network.rebind(rebound, addresses[index]!))
        }
        case "rule":
          yield* network.set({ rule: ({ payload }) => payload.length % 3 === 0 ? [] : [payload.length, 5] }, link)
          yield* Effect.sleep(lasts)
          return yield* network.set({ rule: false }, link)
      }
    })
  }

  const plans = [
    ...Array.from({ length: choose.between(10, 150) }, (_, i) => planCall(i)),
    ...Array.from({ length: choose.below(8) }, planFault)
  ]
  const running = yield* Effect.forkChild(
    counted(Effect.all(plans, { concurrency: "unbounded", discard: true }))
  )
  // Longer than anything lasts: a call, a fault, a delay, a queue.
  yield* TestClock.adjust("5 minutes")
  yield* Fiber.join(running)
  const closed = yield* Effect.forkChild(Effect.forEach(nodes.keys(), close, { concurrency: "unbounded" }))
  yield* TestClock.adjust("1 minute")
  yield* Fiber.join(closed)
  return {
    seed,
    description: `${hosts.length} nodes, ${preset}, ${calls.length} calls`,
    virtualMillis: length,
    calls,
    closings,
    runs,
    remembers: remembers !== false,
    stats: yield* network.stats,
    trace: yield* network.trace,
    metrics: yield* metrics,
    faults,
    left: { sleepers, inFlight: yield* network.inFlight }
  } satisfies Outcome
})
