/**
 * Finds services on a network: whoever looks for one asks a group of IP multicast, and all who have it answer, each from the
 * address where it can be called. Three nodes on this machine, over real multicast on the loopback interface.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Context, Effect, Layer, Schema, Stream } from "effect"
import { Handlers, Protocol, Transport } from "effect-rpcudp"
import { NetAddress } from "effect/net"

class NotHere extends Schema.TaggedError<NotHere>()("NotHere", {}) {}

class Services extends Handlers.Service<Services>()("example/Services", {
  find: { args: [Schema.String], success: Schema.String, error: NotHere },
  print: { args: [Schema.String], success: Schema.String }
}) {}

/** The group. On a real network its port is agreed upon, too; here it is one that is free. */
const groupAt = (port: number) => `239.1.2.3:${port}`

const transport = (multicast: ReadonlyArray<Transport.Group> = []) =>
  Layer.fresh(Transport.layer({ address: "127.0.0.1", multicast }))

/** A node that has one kind of service. */
const node = Effect.fn("node")(function*(name: string, has: string, group: string) {
  const handlers = Services.toLayer({
    // Nobody hears of a failure: whoever does not have it is silent.
    find: (what) => what === has ? Effect.succeed(name) : new NotHere(),
    print: (text) => Effect.succeed(`${name} prints ${text}`)
  })
  yield* Layer.build(
    Protocol.serve(Services).pipe(
      Layer.provide(handlers),
      Layer.provide(Layer.fresh(Protocol.layer())),
      Layer.provide(transport([{ group, interface: "127.0.0.1" }]))
    )
  )
})

const program = Effect.gen(function*() {
  const context = yield* Layer.build(Protocol.layer().pipe(Layer.provide(transport())))
  const group = groupAt(Context.get(context, Protocol.Protocol).address.port)
  yield* node("the printer upstairs", "printer", group)
  yield* node("the printer downstairs", "printer", group)
  yield* node("the scanner", "scanner", group)

  yield* Effect.gen(function*() {
    const found = yield* Protocol.gather(Services)(group).find("printer").pipe(
      Stream.runCollect,
      Protocol.withTimeout("1 second")
    )
    const services = yield* Protocol.client(Services)
    for (const { sender, value } of found.toSorted((a, b) => a.value.localeCompare(b.value))) {
      yield* Console.log(`${value} is at ${NetAddress.formatInet(sender)}`)
      // Who has answered can be called.
      yield* Console.log(yield* services(sender).print("a page"))
    }
  }).pipe(Effect.provideContext(context))
})

program.pipe(
  Effect.scoped,
  // The system joins no group, or has no way to one.
  Effect.catchTag("DatagramSocketError", (error) => Console.log(`skipped: no multicast here. ${error.message}`)),
  NodeRuntime.runMain
)
