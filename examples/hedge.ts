/**
 * A hedged request: the first replica is asked, and where it takes too long, the next one. The first answer counts, and
 * whoever still works on the question stops: `Effect.raceAll` interrupts the calls that lose, and an interrupted call
 * interrupts its handler on the other side.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Context, Deferred, Duration, Effect, Layer, Schema } from "effect"
import { Handlers, Protocol, Transport } from "effect-rpcudp"
import type { NetAddress } from "effect/net"

class Search extends Handlers.Service<Search>()("example/Search", {
  find: { args: [Schema.String], success: Schema.String }
}) {}

/** A replica on a socket of its own. Answers its address. */
const replica = Effect.fn("replica")(function*(find: (text: string) => Effect.Effect<string>) {
  const node = Protocol.serve(Search).pipe(
    Layer.provide(Search.toLayer({ find })),
    Layer.provideMerge(Protocol.layer()),
    Layer.provide(Transport.layer({ address: "127.0.0.1" }))
  )
  return Context.get(yield* Layer.build(node), Protocol.Protocol).address
})

/** Asks the first peer at once, and each further one if there is no answer after another `delay`. */
const hedged = Effect.fn("hedged")(
  function*(peers: ReadonlyArray<NetAddress.InetAddress>, delay: Duration.Duration, text: string) {
    const search = yield* Protocol.client(Search)
    return yield* Effect.raceAll(
      peers.map((peer, i) => Effect.delay(search(peer).find(text), Duration.times(delay, i)))
    )
  }
)

const program = Effect.gen(function*() {
  const stopped = yield* Deferred.make<void>()
  const stuck = yield* replica((text) =>
    Console.log(`the first looks for ${text}`).pipe(
      Effect.andThen(Effect.never),
      Effect.onInterrupt(() => Effect.andThen(Console.log("the first stops"), Deferred.succeed(stopped, undefined)))
    )
  )
  const quick = yield* replica((text) => Effect.succeed(`the second has found ${text}`))
  const unasked = yield* replica(() => Effect.die("nobody asks the third"))
  yield* Console.log(yield* hedged([stuck, quick, unasked], Duration.millis(200), "Ada"))
  yield* Deferred.await(stopped)
})

const Client = Protocol.layer().pipe(Layer.provide(Transport.layer({ address: "127.0.0.1" })))

program.pipe(Effect.scoped, Effect.provide(Client), NodeRuntime.runMain)
