/** A transport that loses some of what is sent. It wraps any other, as `Transport` is a service. */
import { Effect, Layer, Random } from "effect"
import { Transport } from "effect-rpcudp"

/** The chance that a datagram is lost, from 0 to 1, which may change at any time, and what has become of them. */
export interface Loss {
  chance: number
  sent: number
  lost: number
}

export const none = (): Loss => ({ chance: 0, sent: 0, lost: 0 })

/** Loses on the way out: of nodes that all send through it each datagram runs the risk once. */
export const layer = <E, R>(
  loss: Loss,
  transport: Layer.Layer<Transport.Transport, E, R>
): Layer.Layer<Transport.Transport, E, R> =>
  Layer.effect(
    Transport.Transport,
    Effect.gen(function*() {
      const inner = yield* Transport.Transport
      const random = yield* Random.Random
      return Transport.Transport.of({
        ...inner,
        send: (datagram, to, onFailure) => {
          loss.sent++
          if (random.nextDoubleUnsafe() < loss.chance) loss.lost++
          else inner.send(datagram, to, onFailure)
        }
      })
    })
  ).pipe(Layer.provide(transport))
