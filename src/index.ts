/**
 * Typed RPC over UDP for Effect, wire-compatible with Python's rpcudp. The map of the modules:
 *
 * - `Handlers`: what is called. Declares a group of procedures as a class, and implements it as a layer.
 * - `Protocol`: calls and serves over one socket. Options, clients, deadlines, retransmission, errors.
 * - `Transport`: the socket. Node's UDP, or any `DatagramSocket`.
 * - `Codec`: bytes to messages and back, for programs that speak the wire themselves.
 *
 * `effect-rpcudp/testing` has `SimulatedNetwork`, a network in memory for tests. docs/architecture.md is the map of what is
 * inside.
 *
 * @since 0.1.0
 */
export * as Codec from "./Codec.ts"
export * as Handlers from "./Handlers.ts"
export * as Protocol from "./Protocol.ts"
export * as Transport from "./Transport.ts"
