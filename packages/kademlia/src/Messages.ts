/** What nodes say to each other: the methods of Python's `kademlia` 2.2.3, as a contract. */
import { Schema } from "effect"
import { Handlers } from "effect-rpcudp"
import { Contacts } from "./Contact.ts"
import { Id } from "./Id.ts"

/** What can be stored: Python's str, bytes, bool, int and float. */
export const Value = Schema.Union([
  Schema.String,
  Schema.Uint8Array,
  Schema.Boolean,
  Schema.Number,
  Schema.BigInt
])

export type Value = typeof Value.Type

/** A value that was found. */
export const Found = Schema.Struct({ value: Value })

/** The node that is called wants no place in tables: strangers cannot call it. Python's nodes hear nothing. */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", {}) {}

/** The first argument of most methods is the id of the node that calls. */
export class Kademlia extends Handlers.Service<Kademlia>()("effect-kademlia/Kademlia", {
  /** Answers the id of the node that is called. */
  ping: { args: [Id], success: Id, error: Unreachable },
  /** Answers where the call came from. */
  stun: { success: Schema.Tuple([Schema.String, Schema.Int]) },
  /** Has a value stored under the id of its key. */
  store: { args: [Id, Id, Value], success: Schema.Boolean },
  /** Answers the contacts that are closest to an id. */
  find_node: { args: [Id, Id], success: Contacts },
  /** Answers the value of a key, or as `find_node` does. */
  find_value: { args: [Id, Id], success: Schema.Union([Found, Contacts]) }
}) {}
