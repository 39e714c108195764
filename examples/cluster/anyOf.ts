/**
 * A call to whichever of several equal front nodes answers. This is all that the example knows of having more than one.
 */
import { Effect, Ref } from "effect"
import type { NetAddress } from "effect/net"

/**
 * Asks the fronts one after another, the one that answered last first. `call` must be one that may come twice, as a front
 * that did not answer may have done what it was asked. Fails as the last one did once each has been asked.
 */
export const make = (fronts: ReadonlyArray<NetAddress.InetAddress>, first: number) =>
  Effect.map(
    Ref.make(first),
    (preferred) => <A, E>(call: (front: NetAddress.InetAddress) => Effect.Effect<A, E>) =>
      Effect.flatMap(Ref.get(preferred), (first) => {
        const ask = (i: number): Effect.Effect<A, E> => {
          const index = (first + i) % fronts.length
          return call(fronts[index]!).pipe(
            Effect.tap(() => Ref.set(preferred, index)),
            Effect.catch((error) => i + 1 < fronts.length ? ask(i + 1) : Effect.fail(error))
          )
        }
        return ask(0)
      })
  )
