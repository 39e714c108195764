/** A node that greets and one that calls it, over a network in memory. */
import { Context, Effect, Layer } from "effect"
import { Protocol, Transport } from "../../src/index.ts"
import { Greeter, greeterLive } from "./Contract.ts"
import * as MemoryNetwork from "./MemoryNetwork.ts"
import { caller, node } from "./nodes.ts"

export const network = () => {
  const memory = MemoryNetwork.make()
  return { transport: (host: string) => Transport.layerSocket().pipe(Layer.provide(memory.socket(host))), memory }
}

export const pair = Effect.gen(function*() {
  const { memory, transport } = network()
  const server = yield* node(Protocol.serve(Greeter).pipe(Layer.provide(greeterLive())), transport("10.0.0.1"))
  const address = Context.get(server, Protocol.Protocol).address
  const context = yield* caller(transport("10.0.0.2"))
  const protocol = Context.get(context, Protocol.Protocol)
  const greeter = (yield* Effect.provideContext(Protocol.client(Greeter), context))(address)
  return { address, greeter, memory, protocol, transport }
})
