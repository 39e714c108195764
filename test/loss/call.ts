/**
 * Calls `ping` at once at each of so many ports from 1001 on, round after round, each once the last is over:
 * `node call.ts HOST FROM PORTS CALLS IN_FLIGHT`, calls and calls in flight by port. Writes a line of JSON for each round.
 */
import { Context, Effect, Exit, Layer, Schedule } from "effect"
import { Protocol, Transport } from "../../src/index.ts"

const [host = "", from = "", ...numbers] = process.argv.slice(2)
const [ports = 0, calls = 0, inFlight = 0] = numbers.map(Number)

/** A node of its own: it has met nobody. */
const rounds = (name: string, names: ReadonlyArray<string>, options: Protocol.Options) =>
  Effect.scoped(Effect.gen(function*() {
    const protocol = Context.get(
      yield* Layer.build(Protocol.layer(options).pipe(Layer.provide(Transport.layer({ address: from })))),
      Protocol.Protocol
    )
    for (const round of names) {
      const ends = yield* Effect.all(
        Array.from(
          { length: ports },
          (_, i) =>
            Effect.all(
              Array.from({ length: calls }, () => Effect.exit(protocol.call(`${host}:${1001 + i}`, "ping", []))),
              {
                concurrency: inFlight
              }
            )
        ),
        { concurrency: "unbounded" }
      )
      const answered = ends.flat().filter(Exit.isSuccess).length
      console.log(JSON.stringify({ name: `${name}${round}`, calls: ports * calls, answered }))
    }
  }))

await Effect.runPromise(Effect.gen(function*() {
  yield* rounds("single", [""], { timeout: "1 second" })
  yield* rounds("exponential", [""], { retransmit: Schedule.exponential("50 millis") })
  yield* rounds("adaptive, ", ["first met", "afterwards"], { retransmit: Protocol.adaptive })
}))
