/** A node over a transport without a network: what arrives is handed in, what is sent is kept. */
import { Context, Effect, Layer, Schema } from "effect"
import { Codec, Handlers, Protocol, Transport } from "../../src/index.ts"
import * as Injected from "./injected.ts"

/** May be poked. */
export class Poked extends Handlers.Service<Poked>()("limits/Service", {
  poke: { args: [Schema.optionalKey(Schema.String)] },
  never: { args: [Schema.optionalKey(Schema.String)] }
}) {}

/** A node that may be poked, and pauses before it counts. */
export const poked = Effect.fnUntraced(function*(
  options: Protocol.Options = {},
  pause: Effect.Effect<void> = Effect.void
) {
  const injected = Injected.make()
  let runs = 0
  const live = Poked.toLayer({
    poke: () => Effect.andThen(pause, Effect.sync(() => void runs++)),
    never: () => Effect.never
  })
  const context = yield* Layer.build(
    Protocol.serve(Poked).pipe(
      Layer.provide(live),
      Layer.provideMerge(Protocol.layer({ gracePeriod: 0, ...options })),
      Layer.provide(injected.layer)
    )
  )
  return { ...injected, protocol: Context.get(context, Protocol.Protocol), runs: () => runs }
})

/** Throws at each send. */
export const throwingTransport = (injected: Injected.Injected) =>
  Layer.effect(
    Transport.Transport,
    Effect.map(Transport.Transport, (transport) => ({
      ...transport,
      send: () => {
        throw new Error("as the test says")
      }
    }))
  ).pipe(Layer.provide(injected.layer))

export const typesSent = (sent: Injected.Injected["sent"]) => sent.map(({ datagram }) => Codec.typeOf(datagram))
