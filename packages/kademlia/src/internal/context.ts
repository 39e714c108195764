/** What the parts of a node share: who it is, whom it knows, what it keeps and how it calls. Decides nothing. */
import type { Effect, Fiber, Scope } from "effect"
import type { Protocol } from "effect-rpcudp"
import type { NetAddress } from "effect/net"
import type * as Id from "../Id.ts"
import type { Kademlia } from "../Messages.ts"
import type { RoutingTable } from "../core/RoutingTable.ts"
import type { Storage } from "../Storage.ts"
import type { Events } from "./events.ts"

export interface NodeContext {
  readonly self: Id.Id
  readonly settings: Settings
  readonly table: RoutingTable
  readonly storage: Storage["Service"]
  readonly events: Events
  readonly client: (address: NetAddress.InetAddress) => Protocol.Client<typeof Kademlia.procedures>
  /** Ends with the node. */
  readonly scope: Scope.Scope
  /** In milliseconds. */
  readonly now: () => number
  /** Runs an effect until it ends, or the node does. */
  readonly inBackground: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<Fiber.Fiber<A, E>>
}

/** The options of a node that its parts go by, with their defaults. Times are in milliseconds. */
export interface Settings {
  readonly k: number
  readonly alpha: number
  readonly questionAfter: number
  readonly refreshAfter: number
  readonly republishAfter: number
  readonly publishAfter: number
  readonly expireAfter: number
}
