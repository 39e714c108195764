/**
 * Two nodes, each client and server at once on a socket of its own. A node that is greeted asks back, at the address that
 * the greeting came from, who it was: both calls see one port a node.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Context, Effect, Layer, Schema } from "effect"
import { Handlers, Protocol, Transport } from "effect-rpcudp"
import { NetAddress } from "effect/net"

class Node extends Handlers.Service<Node>()("example/Node", {
  greet: { success: Schema.String },
  whoami: { success: Schema.String }
}) {}

// Handlers may call through the Protocol that serves them: it becomes a requirement of their layer.
const nodeHandlers = (name: string) =>
  Node.toLayer(Effect.gen(function*() {
    const nodes = yield* Protocol.client(Node)
    return Node.of({
      greet: Effect.fn("greet")(function*() {
        const sender = yield* Handlers.Sender
        const caller = yield* nodes(sender).whoami().pipe(Effect.orDie)
        return `${name} greets ${caller} at ${NetAddress.formatInet(sender)}`
      }),
      whoami: () => Effect.succeed(name)
    })
  }))

const node = (name: string) =>
  Protocol.serve(Node).pipe(
    Layer.provide(nodeHandlers(name)),
    Layer.provideMerge(Protocol.layer()),
    Layer.provide(Transport.layer({ address: "127.0.0.1" }))
  )

const greet = Effect.fn("greet")(function*(peer: NetAddress.InetAddress) {
  const { address } = yield* Protocol.Protocol
  const nodes = yield* Protocol.client(Node)
  yield* Console.log(`from ${NetAddress.formatInet(address)}: ${yield* nodes(peer).greet()}`)
})

const program = Effect.gen(function*() {
  const ada = yield* Layer.build(node("Ada"))
  const bob = yield* Layer.build(node("Bob"))
  yield* greet(Context.get(bob, Protocol.Protocol).address).pipe(Effect.provideContext(ada))
  yield* greet(Context.get(ada, Protocol.Protocol).address).pipe(Effect.provideContext(bob))
})

program.pipe(Effect.scoped, NodeRuntime.runMain)
