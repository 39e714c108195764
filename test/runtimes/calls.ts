/**
 * Typed calls over loopback to a node in the same process, until they have taken a second of the processor: how many, how many
 * in a second that passes, and how many had no answer.
 *
 *     node test/runtimes/calls.ts inFlight [receiveBufferBytes]
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Context, Effect, Layer } from "effect"
import { Protocol, Transport } from "../../src/index.ts"
import { Greeter, greeterLive } from "../support/Contract.ts"

const [inFlight = "1", buffer = ""] = process.argv.slice(2)

const transport = (): Layer.Layer<Transport.Transport> =>
  Layer.orDie(
    Transport.layer({ address: "127.0.0.1", receiveBufferBytes: buffer === "" ? undefined : Number(buffer) })
  )

const serving = Protocol.serve(Greeter).pipe(
  Layer.provide(greeterLive()),
  Layer.provideMerge(Protocol.layer()),
  Layer.provide(transport())
)

const program = Effect.gen(function*() {
  const { address } = Context.get(yield* Layer.build(serving), Protocol.Protocol)
  const calling = yield* Layer.build(Protocol.layer({ timeout: "1 second" }).pipe(Layer.provide(transport())))
  const greeter = (yield* Effect.provideContext(Protocol.client(Greeter), calling))(address)
  let [calls, lost] = [0, 0]
  const callUntil = (cpuMicros: number) =>
    Effect.gen(function*() {
      while (usedMicros() < cpuMicros) {
        for (let i = 0; i < 8; i++) {
          yield* greeter.sayhi("Ada").pipe(Effect.catchTag("NoResponse", () => Effect.sync(() => lost++)))
          calls++
        }
      }
    })
  const callFor = (cpuMicros: number) =>
    Effect.all(Array.from({ length: Number(inFlight) }, () => callUntil(cpuMicros)), {
      concurrency: "unbounded",
      discard: true
    })
  // The compilers of all are done by then.
  yield* callFor(usedMicros() + 1_000_000)
  ;[calls, lost] = [0, 0]
  const [began, used] = [performance.now(), usedMicros()]
  yield* callFor(used + 1_000_000)
  yield* Console.log(JSON.stringify({
    aSecond: 1000 * calls / (performance.now() - began),
    aSecondOfCpu: 1_000_000 * calls / (usedMicros() - used),
    lost
  }))
})

const usedMicros = (): number => {
  const { system, user } = process.cpuUsage()
  return system + user
}

program.pipe(Effect.scoped, NodeRuntime.runMain)
