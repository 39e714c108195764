/** The server of the soak, with the defaults of the library. */
import { Context, Effect, Layer } from "effect"
import { Protocol } from "../../src/index.ts"
import { runChild } from "./child.ts"
import { Refused, Soaked } from "./Soaked.ts"
import { transport } from "./transport.ts"

let died = 0

const SoakedLive = Soaked.toLayer({
  echo: (number, bytes) => Effect.succeed([number, bytes] as const),
  slow: (number, millis) => Effect.as(Effect.sleep(millis), number),
  refuse: (number) => new Refused({ number }),
  die: (number) =>
    Effect.suspend(() => {
      died++
      return Effect.die(new Error(`as call ${number} wants it`))
    }),
  bytes: (_number, length) => Effect.sync(() => new Uint8Array(length))
})

const node = Protocol.serve(Soaked).pipe(
  Layer.provide(SoakedLive),
  Layer.provideMerge(Protocol.layer()),
  Layer.provide(transport({ address: "127.0.0.1" }))
)

await runChild(Effect.gen(function*() {
  const { address } = Context.get(yield* Layer.build(node), Protocol.Protocol)
  return { ports: [address.port], own: () => ({ "handlers that died": died }), stop: Effect.void }
}))
