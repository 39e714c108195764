/**
 * What every node of a scenario serves. Its handlers run as a stranger's would: they hang, die, call others and answer too
 * much.
 */
import { Clock, Deferred, Effect, Exit, Schema } from "effect"
import { Handlers, Protocol } from "../../src/index.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { number: Schema.Int }) {}

/** `number` is that of the call. */
export class Peer extends Handlers.Service<Peer>()("laws/Peer", {
  echo: { args: [Schema.Int, Schema.Uint8Array], success: Schema.Tuple([Schema.Int, Schema.Uint8Array]) },
  slow: { args: [Schema.Int, Schema.Int], success: Schema.Int },
  refuse: { args: [Schema.Int], success: Schema.Int, error: Refused },
  die: { args: [Schema.Int], success: Schema.Int },
  bytes: { args: [Schema.Int, Schema.Int], success: Schema.Uint8Array },
  never: { args: [Schema.Int], success: Schema.Int },
  relay: { args: [Schema.Int, Schema.String], success: Schema.Int }
}) {}

export type Method = keyof typeof Peer.procedures

/** Told that a handler begins, it gives what is to be called when it has ended, and whether it was interrupted. */
export type OnRun = (method: Method, number: number) => (isInterrupted: boolean) => void

/** `calm` ends what would never end, so that a node which hung handlers have filled has room again. */
export const handlers = (onRun: OnRun, calm: Deferred.Deferred<void>) =>
  Peer.toLayer(Effect.gen(function*() {
    const peer = yield* Protocol.client(Peer)
    /** Of a handler that is done as soon as it has begun. */
    const ran = (method: Method, number: number) => onRun(method, number)(false)
    const running = <A, E, R>(method: Method, number: number, effect: Effect.Effect<A, E, R>) => {
      const ended = onRun(method, number)
      return Effect.onExit(effect, (exit) => Effect.sync(() => ended(Exit.hasInterrupts(exit))))
    }
    return Peer.of({
      echo: (number, bytes) => {
        ran("echo", number)
        return Effect.succeed([number, bytes] as const)
      },
      slow: (number, millis) => running("slow", number, Effect.as(Effect.sleep(millis), number)),
      refuse: (number) => {
        ran("refuse", number)
        return new Refused({ number })
      },
      die: (number) => {
        ran("die", number)
        return Effect.die(number)
      },
      bytes: (number, length) => {
        ran("bytes", number)
        return Effect.succeed(new Uint8Array(length))
      },
      never: (number) => running("never", number, Effect.as(Deferred.await(calm), number)),
      relay: (number, to) =>
        running(
          "relay",
          number,
          // Where it is to be relayed to may be damaged, and no address any more.
          Effect.flatMap(
            Clock.currentTimeMillis,
            // A relay that runs again makes another call, which is to be told from the first where all is sealed.
            (now) => peer(to).echo(number + relaySpan * Math.floor(now), Uint8Array.from([number & 0xff]))
          ).pipe(
            Protocol.withTimeout("1 second"),
            Effect.orDie,
            Effect.map(([relayed]) => relayed % relaySpan)
          )
        )
    })
  }))

// More than there are calls in a scenario.
const relaySpan = 10_000
