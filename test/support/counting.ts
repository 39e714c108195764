/** A node that counts, and peers that speak bytes to it. */
import { Context, Deferred, Effect, Layer, Result, Schema } from "effect"
import { NetAddress } from "effect/net"
import { Codec, Handlers, Protocol, Transport } from "../../src/index.ts"
import * as MemoryNetwork from "./MemoryNetwork.ts"
import { node, raw } from "./nodes.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { number: Schema.Int }) {}

const procedures = {
  /** Answers how often any handler has run. */
  count: { success: Schema.Int },
  /** Answers that once it may. */
  slow: { success: Schema.Int },
  refuse: { success: Schema.Int, error: Refused },
  die: { success: Schema.Int },
  bytes: { args: [Schema.Int], success: Schema.Uint8Array },
  number: { args: [Schema.Int], success: Schema.Int },
  any: { args: [Schema.Unknown], success: Schema.Int }
} as const

export class Counter extends Handlers.Service<Counter>()("test/Counter", procedures) {}

export class Idempotent extends Handlers.Service<Idempotent>()("test/Idempotent", procedures, { idempotent: true }) {}

/** A node that counts, on a network in memory, and peers that speak bytes to it. */
export const counting = Effect.fnUntraced(function*(
  options?: Protocol.Options,
  group: typeof Counter | typeof Idempotent = Counter
) {
  const network = MemoryNetwork.make()
  const transport = (host: string, port?: number) =>
    Transport.layerSocket().pipe(Layer.provide(network.socket(host, port)))
  let runs = 0
  const go = yield* Deferred.make<void>()
  const run = Effect.sync(() => ++runs)
  const handlers = {
    count: () => run,
    slow: () => Effect.andThen(Deferred.await(go), run),
    refuse: () => Effect.flatMap(run, (number) => new Refused({ number })),
    die: () => Effect.andThen(run, Effect.die("as it should")),
    bytes: (length: number) => Effect.as(run, new Uint8Array(length)),
    number: () => run,
    any: () => run
  }
  const served = group === Counter
    ? Protocol.serve(Counter).pipe(Layer.provide(Counter.toLayer(handlers)))
    : Protocol.serve(Idempotent).pipe(Layer.provide(Idempotent.toLayer(handlers)))
  const protocol = Context.get(yield* node(served, transport("10.0.0.1"), options), Protocol.Protocol)
  const peer = (host: string, port?: number) =>
    Effect.map(raw(transport(host, port)), (peer) => ({
      ...peer,
      /** Sends all of them, and returns what has come back by the time that everything has settled. */
      ask: Effect.fnUntraced(function*(...requests: ReadonlyArray<Uint8Array>) {
        const name = NetAddress.formatInet(peer.address)
        const before = network.sent.length
        for (const request of requests) peer.send(protocol.address, request)
        yield* settled
        return network.sent.slice(before).filter(({ to }) => to === name).map(({ payload }) => payload)
      })
    }))
  return { go: Deferred.succeed(go, undefined), network, peer, protocol, runs: () => runs, transport }
})

// Datagrams arrive within microtasks, and fibers go on within a few turns.
export const settled = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, { discard: true })

export const value = (datagram: Uint8Array | undefined): unknown => Result.getOrThrow(Codec.decode(datagram!))
