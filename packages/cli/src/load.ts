/** `rpcudp load`: how many calls a peer answers, and how soon. */
import { Clock, Console, Duration, Effect, FiberSet, FileSystem, Option, Result, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { NetAddress } from "effect/net"
import { Protocol } from "effect-rpcudp"
import * as Calling from "./calling.ts"
import { Failure, usage } from "./Failure.ts"
import * as Node from "./node.ts"
import * as Output from "./output.ts"
import { plot } from "./plot.ts"
import { RoundTrips } from "./roundTrips.ts"

const positive = Schema.Int.check(Schema.isGreaterThan(0))

export const load = Command.make(
  "load",
  {
    host: Calling.peer,
    method: Calling.method,
    args: Calling.args,
    contract: Calling.contract,
    inFlight: Flag.Int("in-flight").pipe(
      Flag.withDescription("How many calls wait at once, each followed by the next as soon as it has ended"),
      Flag.withSchema(positive),
      Flag.withDefault(64)
    ),
    rate: Flag.Int("rate").pipe(
      Flag.withDescription("Calls a second instead, however long they take: each is timed from when it was due"),
      Flag.withSchema(positive),
      Flag.optional
    ),
    duration: Node.duration("duration", "10s", "How long new calls are made"),
    timeout: Node.timeout,
    retransmit: Node.retransmit,
    keys: Node.keys,
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Prints one line of JSON, times in milliseconds"),
      Flag.withDefault(false)
    ),
    svg: Flag.String("svg").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("Writes a plot of the time that each share of the calls took"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function*({ duration, host, inFlight, json, rate, retransmit, svg, ...typed }) {
    const peer = yield* Node.resolve(host)
    const results = new Results()
    const [elapsed] = yield* Effect.gen(function*() {
      const { run } = yield* Calling.prepare(peer, typed)
      const call = retransmit ? Protocol.withRetransmit(run, Protocol.adaptive) : run
      const calls = Option.isSome(rate)
        ? atRate(call, rate.value, duration, results)
        : inParallel(call, inFlight, duration, results)
      return yield* Effect.timed(watched(calls, results))
    }).pipe(Effect.provide(Node.caller(peer, typed, Node.noTraffic())))
    const seconds = Duration.toMillis(elapsed) / 1000
    const title = `${typed.method} at ${NetAddress.formatInet(peer)}, ${
      Option.match(rate, { onNone: () => `${inFlight} in flight`, onSome: (rate) => `${rate} a second` })
    }`
    if (json) {
      yield* Output.json({
        calls: results.count,
        seconds,
        perSecond: results.answered.count / seconds,
        failures: Object.fromEntries(results.failures),
        ms: results.answered.count === 0 ? null : results.answered.summary
      })
    } else {
      yield* Console.log(`${title}\n${results.show(seconds)}`)
    }
    if (Option.isSome(svg) && results.answered.count > 0) {
      const fs = yield* FileSystem.FileSystem
      yield* fs.writeFileString(svg.value, plot(title, results.answered)).pipe(
        Effect.mapError((error) => usage(`${svg.value}: ${error.message}`))
      )
    }
    const [worst] = results.failures.keys()
    if (results.answered.count === 0 && worst !== undefined) {
      return yield* new Failure({ kind: worst, message: `none of ${results.count} calls was answered` })
    }
  })
).pipe(
  Command.withDescription(
    "Calls a peer as often as it can, or at a rate, and says how many calls were answered, and how soon"
  ),
  Command.withExamples([
    { command: "rpcudp load localhost:1234 echo 1 --in-flight 512", description: "As many as 512 at once bring" },
    { command: "rpcudp load localhost:1234 echo 1 --rate 1000 --svg load.svg", description: "A thousand a second" }
  ])
)

class Results {
  readonly answered = new RoundTrips()
  readonly failures = new Map<Failure["kind"], number>()

  record(elapsed: Duration.Duration, result: Result.Result<unknown, Failure>): void {
    if (Result.isSuccess(result)) return this.answered.record(elapsed)
    const { kind } = result.failure
    this.failures.set(kind, (this.failures.get(kind) ?? 0) + 1)
  }

  get count(): number {
    return [...this.failures.values()].reduce((sum, count) => sum + count, this.answered.count)
  }

  show(seconds: number): string {
    const { answered, count } = this
    const failed = [...this.failures].map(([kind, failed]) =>
      `, ${failed} ${kind} (${(100 * failed / count).toFixed(2)}%)`
    )
    const rate = Math.round(answered.count / seconds)
    return [
      `${count} calls in ${seconds.toFixed(1)} s, ${rate} answered a second${failed.join("")}`,
      ...answered.count === 0 ? [] : [answered.show("min", "avg", "p50", "p90", "p99", "p999", "max")]
    ].join("\n")
  }
}

/** Each call is followed by the next. */
const inParallel = (
  call: Effect.Effect<unknown, Failure>,
  inFlight: number,
  duration: Duration.Duration,
  results: Results
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const end = (yield* Clock.monotonicTimeNanos) + Duration.toNanosUnsafe(duration)
    const one = Effect.gen(function*() {
      while ((yield* Clock.monotonicTimeNanos) < end) {
        const [elapsed, result] = yield* Effect.timed(Effect.result(call))
        results.record(elapsed, result)
      }
    })
    yield* Effect.all(Array.from({ length: inFlight }, () => one), { concurrency: "unbounded", discard: true })
  })

/**
 * Calls are made when they are due, however many still wait. One that could only be made late is timed from when it was due:
 * else a peer that stands still for a second would spoil one call and not a thousand.
 */
const atRate = (
  call: Effect.Effect<unknown, Failure>,
  rate: number,
  duration: Duration.Duration,
  results: Results
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const calls = yield* FiberSet.make()
    const begin = yield* Clock.monotonicTimeNanos
    const count = Math.round(rate * Duration.toSeconds(duration))
    for (let made = 0; made < count;) {
      const due = begin + BigInt(Math.round(made * 1e9 / rate))
      const now = yield* Clock.monotonicTimeNanos
      if (now < due) {
        yield* Effect.sleep(Duration.nanos(due - now))
        continue
      }
      made++
      yield* FiberSet.run(
        calls,
        Effect.gen(function*() {
          const result = yield* Effect.result(call)
          results.record(Duration.nanos((yield* Clock.monotonicTimeNanos) - due), result)
        })
      )
    }
    yield* FiberSet.awaitEmpty(calls)
  }).pipe(Effect.scoped)

/** Shows how it goes, each second, to who sits at a terminal. */
const watched = <A>(calls: Effect.Effect<A>, results: Results): Effect.Effect<A> => {
  if (!process.stderr.isTTY) return calls
  const clear = "\r\u001b[K"
  let before = 0
  const line = Effect.sync(() => {
    const { answered } = results
    const rate = answered.count - before
    before = answered.count
    const times = answered.count === 0 ? "" : `; ${answered.show("p50", "p99", "max")}`
    process.stderr.write(`${clear}${rate} answered in the last second${times}`)
  })
  return Effect.raceFirst(calls, Effect.forever(Effect.delay(line, "1 second"))).pipe(
    Effect.ensuring(Effect.sync(() => process.stderr.write(clear)))
  )
}
