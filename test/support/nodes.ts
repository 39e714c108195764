/** What the tests build their nodes from. */
import type { Context, Scope } from "effect"
import { Effect, Layer, Metric, Queue } from "effect"
import { NetAddress } from "effect/net"
import { DatagramSocket } from "effect/socket"
import { Codec, Handlers, Protocol, Transport } from "../../src/index.ts"

export type TransportLayer = Layer.Layer<Transport.Transport, DatagramSocket.DatagramSocketError>

/** Builds a layer into the scope of the test and returns its services. */
export const node = <A, E>(
  layer: Layer.Layer<A, E, Protocol.Protocol>,
  transport: TransportLayer,
  options?: Protocol.Options
): Effect.Effect<
  Context.Context<A | Protocol.Protocol>,
  E | DatagramSocket.DatagramSocketError,
  Scope.Scope
> =>
  Layer.build(layer.pipe(
    // Handlers that hang would keep each test waiting.
    Layer.provideMerge(Protocol.layer({ gracePeriod: 0, ...options })),
    Layer.provide(transport)
  ))

/** A node that serves next to nothing: to a request, it says that there is no such method. */
export const caller = (transport: TransportLayer, options?: Protocol.Options) => node(idle, transport, options)

class Idle extends Handlers.Service<Idle>()("test/Idle", { idle: {} }) {}

/** Serves next to nothing. */
export const idle = Protocol.serve(Idle).pipe(Layer.provide(Idle.toLayer({ idle: () => Effect.void })))

/** A peer that speaks bytes: what it receives waits in a queue. */
export interface Raw {
  readonly address: NetAddress.InetAddress
  readonly send: (to: NetAddress.InetAddress, datagram: Uint8Array) => void
  readonly receive: Effect.Effect<{ readonly datagram: Uint8Array; readonly from: NetAddress.InetAddress }>
}

export const raw = (transport: TransportLayer): Effect.Effect<Raw, DatagramSocket.DatagramSocketError, Scope.Scope> =>
  Effect.gen(function*() {
    const queue = yield* Queue.unbounded<{ readonly datagram: Uint8Array; readonly from: NetAddress.InetAddress }>()
    const socket = yield* Effect.map(Layer.build(transport), (context) => context).pipe(
      Effect.flatMap((context) => Effect.provideContext(Transport.Transport, context))
    )
    yield* socket.run((datagram, from) => {
      Queue.offerUnsafe(queue, { datagram: Uint8Array.from(datagram), from: from.address })
    }).pipe(Effect.exit, Effect.forkScoped({ startImmediately: true }))
    return {
      address: socket.address,
      send: (to, datagram) => socket.send(datagram, socket.peer(to)),
      receive: Queue.take(queue)
    }
  })

/** A transport over a socket that hears nothing, and whose writes end as this effect does. */
export const writing = (write: Effect.Effect<void, DatagramSocket.DatagramSocketError>): TransportLayer =>
  Transport.layerSocket().pipe(
    Layer.provide(
      Layer.succeed(
        DatagramSocket.DatagramSocket,
        DatagramSocket.make({
          reader: Effect.succeed({
            pull: Effect.never,
            address: NetAddress.inetAddressFromStringUnsafe("10.0.0.1:1"),
            dropped: () => 0,
            joinMulticast: () => Effect.void
          }),
          writer: Effect.succeed({ write: () => write, writeAll: () => write })
        })
      )
    )
  )

/** A transport over a socket that takes writes and never ends them. */
export const stuck = writing(Effect.never)

/** The answer to a request, as a raw peer would send it. */
export const respond = (request: Uint8Array, value: unknown): Uint8Array => {
  const response = Codec.encodeResponse(Codec.idOf(request), value)
  if (response._tag === "Failure") throw response.failure
  return response.success
}

/** Metrics of its own for one test. */
export const withMetrics = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(self, Metric.MetricRegistry, new Map())

/** The library's own metrics of this test that are not 0, by name and label. Prometheus' suffix of counters is left out. */
export const metrics: Effect.Effect<Record<string, number>> = Effect.map(Metric.snapshot, (snapshots) => {
  const found: Record<string, number> = {}
  for (const { attributes, description, id, state, type } of snapshots) {
    if (description === undefined || description === "") throw new Error(`${id} has no description`)
    if (!id.startsWith("rpcudp_")) continue
    const { unit, ...labels } = attributes ?? {}
    if (unit === undefined) throw new Error(`${id} has no unit`)
    const label = Object.values(labels).join()
    const short = id.replace(/_total$/, "")
    const name = label === "" ? short : `${short}.${label}`
    if (type === "Counter" && Number(state.count) !== 0) found[name] = Number(state.count)
    if (type === "Gauge" && Number(state.value) !== 0) found[name] = Number(state.value)
    if (type === "Histogram" && state.count !== 0) found[name] = state.count
  }
  return found
})
