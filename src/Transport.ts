/**
 * Datagrams in, datagrams out: the scoped edge to a UDP socket. It knows nothing of what the datagrams say, and keeps
 * no time.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import type { GroupSocket, Options, Socket } from "./internal/socket/contract.ts"
import * as EffectSocket from "./internal/socket/effect.ts"
import * as Node from "./internal/socket/node.ts"
import * as NodePeer from "./internal/socket/nodePeer.ts"

export type { Group, GroupSocket, Options, Peer, Socket } from "./internal/socket/contract.ts"
// For whoever writes a transport: the same errors and the same addresses as here.
export { closedError, openErrorOf, writeErrorOf } from "./internal/socket/errors.ts"
export { reachable, toBind } from "./internal/socket/family.ts"
export { defaultReceiveBufferBytes } from "./internal/socket/node.ts"

/**
 * One UDP socket, open for as long as its layer.
 *
 * @category services
 * @since 0.1.0
 */
export class Transport extends Context.Service<Transport, Socket>()("effect-rpcudp/Transport") {}

/**
 * Node's UDP socket, tuned for calls.
 *
 * One layer is one socket, as layers are shared by identity, and carries one `Protocol`.
 *
 * It fails with a `DatagramSocketError` whose reason is a `DatagramSocketOpenError`: `AddressInUse`,
 * `AddressNotAvailable` (not an address of this machine, or no address at all), `PermissionDenied` or `Unknown`.
 *
 * ```ts
 * import { Layer } from "effect"
 * import { Protocol, Transport } from "effect-rpcudp"
 *
 * const Node = Protocol.layer().pipe(
 *   Layer.provide(Transport.layer({ address: "::", port: 8468 })) // both families
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Transport, DatagramSocket.DatagramSocketError> =>
  Layer.effect(
    Transport,
    Effect.map(
      Effect.acquireRelease(Node.open(options ?? {}), (socket) => socket.close),
      NodePeer.make
    )
  )

/**
 * Whatever `DatagramSocket` is provided: another runtime's, or a simulated one. It is opened when the layer is built
 * and closes with it.
 *
 * A function, as layers are shared by identity: with a constant, two nodes of one program would share one socket.
 *
 * ```ts
 * import { Layer } from "effect"
 * import { Transport } from "effect-rpcudp"
 * import { SimulatedNetwork } from "effect-rpcudp/testing"
 *
 * const transport = Transport.layerSocket({
 *   multicast: [{ group: "239.1.2.3:9999", socket: SimulatedNetwork.socket("10.0.0.1:9999") }]
 * }).pipe(Layer.provide(SimulatedNetwork.socket("10.0.0.1:1234")))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSocket = <E = never, R = never>(options?: {
  /** The groups whose gathers are answered. */
  readonly multicast?: ReadonlyArray<GroupSocket<E, R>> | undefined
}): Layer.Layer<Transport, DatagramSocket.DatagramSocketError | E, DatagramSocket.DatagramSocket | R> =>
  Layer.effect(Transport, EffectSocket.make(options?.multicast ?? []))
