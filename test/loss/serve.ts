/** Serves `ping` at so many ports from 1001 on: `node serve.ts HOST PORTS`. Writes a line once it does. */
import { Effect, Layer } from "effect"
import { Handlers, Protocol, Transport } from "../../src/index.ts"

class Pinged extends Handlers.Service<Pinged>()("loss/Pinged", { ping: {} }) {}

const [host = "", ports = ""] = process.argv.slice(2)

const node = (port: number) =>
  Protocol.serve(Pinged).pipe(
    Layer.provide(Pinged.toLayer({ ping: () => Effect.void })),
    Layer.provide(Layer.fresh(Protocol.layer()).pipe(Layer.provide(Transport.layer({ address: host, port }))))
  )

const nodes = Array.from({ length: Number(ports) }, (_, i) => Layer.build(node(1001 + i)))

await Effect.runPromise(Effect.scoped(
  Effect.all(nodes).pipe(
    Effect.andThen(Effect.sync(() => console.log("serving"))),
    Effect.andThen(Effect.never)
  )
))
