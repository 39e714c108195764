/** `rpcudp ping`: whether a peer is there, and how far. Whatever it answers, it is. */
import { Console, Duration, Effect, Option, Result, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { NetAddress } from "effect/net"
import * as Calling from "./calling.ts"
import { Failure } from "./Failure.ts"
import * as Node from "./node.ts"
import * as Output from "./output.ts"
import { RoundTrips } from "./roundTrips.ts"
import * as Value from "./value.ts"

export const ping = Command.make(
  "ping",
  {
    host: Calling.peer,
    method: Calling.method.pipe(Argument.withDefault("ping")),
    args: Calling.args,
    count: Flag.Int("count").pipe(
      Flag.withDescription("How many calls are made"),
      Flag.withSchema(Schema.Int.check(Schema.isGreaterThan(0))),
      Flag.withDefault(4)
    ),
    interval: Node.duration("interval", "1s", "From one call to the next, or longer if that takes longer"),
    timeout: Node.duration("timeout", "2s", "How long a call waits for its answer"),
    keys: Node.keys
  },
  Effect.fnUntraced(function*({ count, host, interval, ...typed }) {
    const peer = yield* Node.resolve(host)
    const address = NetAddress.formatInet(peer)
    const answered = new RoundTrips()
    let sent = 0
    yield* Effect.gen(function*() {
      const { run } = yield* Calling.prepare(peer, { ...typed, contract: Option.none() })
      while (sent < count) {
        sent++
        const [elapsed, result] = yield* Effect.timed(Effect.result(run))
        const sign = yield* signOfLife(result)
        if (Option.isSome(sign)) answered.record(elapsed)
        const took = Output.millis(Duration.toMillis(elapsed))
        yield* Console.log(
          Option.match(sign, {
            onNone: () => `${address}: no answer`,
            onSome: (sign) => `${address}: ${took}, ${Value.visible(sign)}`
          })
        )
        if (sent < count) yield* Effect.sleep(Duration.subtract(interval, elapsed))
      }
    }).pipe(
      // Also when it is interrupted.
      Effect.ensuring(Effect.suspend(() => sent === 0 ? Effect.void : Console.log(summaryOf(sent, answered)))),
      Effect.provide(Node.caller(peer, typed, Node.noTraffic()))
    )
    if (answered.count === 0) {
      return yield* new Failure({ kind: "NoResponse", message: `${address} answered none of ${sent} calls` })
    }
  })
).pipe(
  Command.withDescription("Calls a peer again and again, and says how long it takes to answer anything"),
  Command.withExamples([
    { command: "rpcudp ping localhost:1234", description: "That it has no method \"ping\" is an answer, too" },
    {
      command: "rpcudp ping localhost:8468 ping '{\"$bytes\": \"000102030405060708090a0b0c0d0e0f10111213\"}'",
      description: "Python answers only methods that it has: here Kademlia's, with the caller's id"
    }
  ])
)

/** What an answer says, if one came. What would fail each time is a failure at once. */
const signOfLife = (result: Result.Result<unknown, Failure>): Effect.Effect<Option.Option<string>, Failure> => {
  if (Result.isSuccess(result)) return Effect.succeedSome("it answered")
  const { failure } = result
  switch (failure.kind) {
    case "NoResponse":
      return Effect.succeedNone
    case "Rejected":
    case "Failed":
    case "InvalidResponse":
      return Effect.succeedSome(failure.message)
    default:
      return Effect.fail(failure)
  }
}

const summaryOf = (sent: number, answered: RoundTrips): string => {
  const lost = sent - answered.count
  const counts = `${sent} sent, ${answered.count} answered, ${Math.round(100 * lost / sent)}% lost`
  return answered.count === 0 ? counts : `${counts}; ${answered.show("min", "avg", "p99", "max")}`
}
