/**
 * What holds of gathers on any network: nodes that have joined one group, or another, or none, ask it at once, while datagrams
 * are lost, doubled, damaged and overtaken, as the seed draws it.
 */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Layer, Metric, Schedule, Schema, Scope, Stream } from "effect"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import { Codec, Handlers, Protocol, Transport } from "../../src/index.ts"
import { SimulatedNetwork } from "../../src/testing/index.ts"
import { metrics, node } from "../support/nodes.ts"
import { choices } from "./choices.ts"
import { drawSettings } from "./faults.ts"

class Who extends Handlers.Service<Who>()("laws/Who", {
  /** Answers with its own address, after so many milliseconds, to the gather of this number; or fails. */
  who: { args: [Schema.Int, Schema.Int], success: Schema.Tuple([Schema.Int, Schema.String]), error: Schema.String }
}) {}

/** A gather, and what was heard of it. Times are in milliseconds. */
interface Record {
  readonly number: number
  readonly startedAt: number
  readonly timeout: number
  readonly answers: Array<{ readonly at: number; readonly sender: string; readonly value: readonly [number, string] }>
  endedAt: number
  exit: Exit.Exit<unknown, unknown> | undefined
}

interface Outcome {
  readonly description: string
  readonly members: ReadonlySet<string>
  readonly gathers: ReadonlyArray<Record>
  /** By node and gather, how often a handler has run. */
  readonly runs: ReadonlyMap<string, number>
  /** The types of what members have sent. */
  readonly sent: ReadonlySet<string>
  readonly isDamaged: boolean
  readonly metrics: Readonly<{ [name: string]: number }>
}

const groups = ["239.1.2.3:9999", "239.4.5.6:9999"] as const

const scenario = (seed: number) => {
  const choose = choices(`${seed} gathering`)
  const [preset, settings] = drawSettings(choose)
  return run(seed, preset).pipe(
    Effect.scoped,
    Effect.provide(SimulatedNetwork.layer({ ...settings, seed })),
    Effect.provideService(Metric.MetricRegistry, new Map()),
    Effect.provide(TestClock.layer())
  )
}

const run = Effect.fnUntraced(function*(seed: number, preset: string) {
  const choose = choices(`${seed} gatherers`)
  const network = Layer.succeedContext(yield* Effect.context<SimulatedNetwork.SimulatedNetwork>())
  const scope = yield* Scope.make()
  const runs = new Map<string, number>()
  const sent = new Set<string>()
  const members = new Set<string>()
  const options: Protocol.Options = {
    leisure: choose.pick([0, 10, 250, 3000]),
    propagate: choose.chance(0.5)
  }
  const callers = yield* Effect.forEach(Array.from({ length: choose.between(2, 12) }), (_, i) => {
    const host = `10.0.${choose.below(2)}.${i + 1}`
    const joined = choose.pick([groups[0], groups[0], groups[0], groups[1], undefined])
    const address = `${host}:${1000 + i}`
    if (joined === groups[0]) members.add(address)
    const note = (number: number) =>
      Effect.sync(() => runs.set(`${address} ${number}`, (runs.get(`${address} ${number}`) ?? 0) + 1))
    const handlers = Who.toLayer({
      who: (number, millis) =>
        Effect.andThen(
          note(number),
          millis % 3 === 2 ? Effect.fail("not here") : Effect.delay(Effect.succeed([number, address] as const), millis)
        )
    })
    const socket = Layer.fresh(SimulatedNetwork.socket(`${host}:9999`))
    const multicast = joined === undefined ? [] : [{ group: joined, socket }]
    return node(
      Protocol.serve(Who).pipe(Layer.provide(handlers)),
      seen(sent).pipe(
        Layer.provide(Transport.layerSocket({ multicast })),
        Layer.provide(SimulatedNetwork.socket(address)),
        Layer.provide(network)
      ),
      options
    ).pipe(Scope.provide(scope))
  })
  const gathers: Array<Record> = []
  const plans = Array.from({ length: choose.between(1, 10) }, (_, number) => {
    const begins = choose.below(2000)
    const caller = choose.pick(callers)
    const timeout = choose.pick([50, 400, choose.between(1, 4000)])
    const millis = choose.pick([0, 1, 2, choose.below(timeout), choose.below(2 * timeout)])
    const interruptAfter = choose.chance(0.2) ? choose.below(2 * timeout) : undefined
    const isRepeated = choose.chance(0.5)
    return Effect.gen(function*() {
      yield* Effect.sleep(begins)
      const startedAt = yield* Clock.currentTimeMillis
      const gather: Record = { number, startedAt, timeout, answers: [], endedAt: Number.NaN, exit: undefined }
      gathers.push(gather)
      const fiber = yield* Protocol.gather(Who)(groups[0]).who(number, millis).pipe(
        Stream.runForEach(({ sender, value }) =>
          Effect.map(
            Clock.currentTimeMillis,
            (at) => gather.answers.push({ at, sender: NetAddress.formatInet(sender), value })
          )
        ),
        Protocol.withTimeout(timeout),
        (gather) => isRepeated ? Protocol.withRetransmit(gather, Schedule.spaced("30 millis")) : gather,
        Effect.onExit((exit) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            gather.endedAt = now
            gather.exit = exit
          })
        ),
        Effect.provideContext(caller),
        Effect.forkChild({ startImmediately: true })
      )
      if (interruptAfter === undefined) return yield* Fiber.await(fiber)
      yield* Effect.sleep(interruptAfter)
      return yield* Fiber.interrupt(fiber)
    })
  })
  const running = yield* Effect.forkChild(Effect.all(plans, { concurrency: "unbounded", discard: true }))
  yield* TestClock.adjust("1 minute")
  yield* Fiber.join(running)
  const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
  yield* TestClock.adjust("1 minute")
  yield* Fiber.join(closing)
  const { stats } = yield* SimulatedNetwork.SimulatedNetwork
  return {
    description: `${preset}, ${callers.length} nodes, ${members.size} members, ${gathers.length} gathers`,
    members,
    gathers,
    runs,
    sent,
    isDamaged: (yield* stats).corrupted > 0,
    metrics: yield* metrics
  } satisfies Outcome
})

/** Notes the types of what is sent. */
const seen = (sent: Set<string>) =>
  Layer.effect(
    Transport.Transport,
    Effect.map(Transport.Transport, (transport): Transport.Socket => ({
      ...transport,
      send: (datagram, to, onFailure) => {
        sent.add(Codec.typeOf(datagram))
        transport.send(datagram, to, onFailure)
      }
    }))
  )

type Law = (outcome: Outcome) => ReadonlyArray<string>

const each = ({ gathers }: Outcome, problemOf: (gather: Record) => string | false | undefined): ReadonlyArray<string> =>
  gathers.flatMap((gather) => {
    const problem = problemOf(gather)
    return typeof problem === "string" ? [`gather ${gather.number}: ${problem}`] : []
  })

/** The changes of src that break them stand in `test/mutations.ts`. */
const laws: { readonly [name: string]: Law } = {
  "one answer a sender": (outcome) =>
    each(
      outcome,
      ({ answers }) =>
        new Set(answers.map(({ sender }) => sender)).size !== answers.length && "a sender has answered twice"
    ),

  "only of members, and each with its own": (outcome) =>
    outcome.isDamaged ? [] : each(outcome, ({ answers, number }) => {
      const wrong = answers.find(({ sender, value }) =>
        !outcome.members.has(sender) || value[0] !== number || value[1] !== sender
      )
      return wrong !== undefined && `${wrong.sender} has answered ${wrong.value}`
    }),

  "nothing after the deadline, and its end is there": (outcome) =>
    each(outcome, ({ answers, endedAt, exit, startedAt, timeout }) => {
      const due = startedAt + timeout
      if (answers.some(({ at }) => at > due)) return "an answer came after its deadline"
      const isInterrupted = exit !== undefined && Exit.hasInterrupts(exit)
      if (endedAt > due || (endedAt < due && !isInterrupted)) return `it ended at ${endedAt}, and was due at ${due}`
      return exit !== undefined && Exit.isFailure(exit) && !isInterrupted && "it failed"
    }),

  "no handler runs twice for a gather": ({ isDamaged, runs }) =>
    isDamaged ? [] : Array.from(runs).flatMap(([run, times]) => times > 1 ? [`${run} ran ${times} times`] : []),

  "nobody sends anything but gathers and responses": ({ sent }) =>
    Array.from(sent).filter((type) => type !== "Gather" && type !== "Response"),

  "once all has ended, nothing is left": ({ metrics }) =>
    ["rpcudp_calls_in_flight", "rpcudp_requests_in_flight"].filter((name) => metrics[name] !== undefined)
}

const seeds = 90
const perTest = 30

describe("gathers", () => {
  for (let from = 1; from <= seeds; from += perTest) {
    it.live(`keep the laws for the seeds ${from} to ${from + perTest - 1}`, () =>
      Effect.gen(function*() {
        let answers = 0
        for (let seed = from; seed < from + perTest; seed++) {
          const outcome = yield* scenario(seed)
          answers += outcome.gathers.reduce((sum, gather) => sum + gather.answers.length, 0)
          const broken = Object.entries(laws).flatMap(([name, law]) =>
            law(outcome).map((problem) => `${name}: ${problem}`)
          )
          expect(broken, `seed ${seed}: ${outcome.description}`).toStrictEqual([])
        }
        // A law that nothing is said of holds.
        expect(answers).toBeGreaterThan(perTest)
      }))
  }
})
