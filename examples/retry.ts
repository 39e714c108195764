/**
 * Retries with a Schedule: the server never answers its first two requests, as if the network had lost them. Each attempt
 * is a call of its own with a deadline of its own, so a handler may run more than once: retry what may be repeated.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Ref, Schedule, Schema } from "effect"
import { Handlers, Protocol, Transport } from "effect-rpcudp"
import type { NetAddress } from "effect/net"

class Flaky extends Handlers.Service<Flaky>()("example/Flaky", {
  ping: { success: Schema.Finite }
}) {}

const FlakyLive = Flaky.toLayer(Effect.gen(function*() {
  const requests = yield* Ref.make(0)
  return Flaky.of({
    ping: Effect.fn("ping")(function*() {
      const request = yield* Ref.updateAndGet(requests, (n) => n + 1)
      return request <= 2 ? yield* Effect.never : request
    })
  })
}))

const Server = Protocol.serve(Flaky).pipe(
  Layer.provide(FlakyLive),
  Layer.provideMerge(Protocol.layer()),
  Layer.provide(Transport.layer({ address: "127.0.0.1" }))
)

const Client = Protocol.layer().pipe(Layer.provide(Transport.layer({ address: "127.0.0.1" })))

const ping = Effect.fn("ping")(function*(server: NetAddress.InetAddress) {
  const flaky = yield* Protocol.client(Flaky)
  return yield* flaky(server).ping().pipe(
    Protocol.withTimeout("500 millis"),
    Effect.tapErrorTag("NoResponse", (error) => Console.log(error.message)),
    Effect.retry({ schedule: Schedule.exponential("50 millis"), times: 3, while: Protocol.isNoResponse })
  )
})

const program = Effect.gen(function*() {
  const { address } = yield* Protocol.Protocol
  const request = yield* ping(address).pipe(Effect.provide(Client))
  yield* Console.log(`answered request ${request}`)
})

program.pipe(Effect.provide(Server), NodeRuntime.runMain)
