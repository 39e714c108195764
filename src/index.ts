/**
 * Typed RPC over UDP for Effect, wire-compatible with Python's rpcudp.
 *
 * @since 0.1.0
 */
export * as Codec from "./Codec.ts"
export * as Handlers from "./Handlers.ts"
export * as Protocol from "./Protocol.ts"
export * as Transport from "./Transport.ts"
