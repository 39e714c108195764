/** What happens at a node, for whoever watches: ids are hexadecimal digits, addresses `host:port`. */
import { Schema } from "effect"
import { Hex } from "./Id.ts"

const Peer = { id: Hex, address: Schema.String }

const Lookup = { lookup: Schema.Int }

export const Event = Schema.Union([
  /** `lookup` numbers the lookups of a node; `kind` says whether its value is looked for, too. */
  Schema.TaggedStruct("LookupStarted", { ...Lookup, kind: Schema.Literals(["node", "value"]), target: Hex }),
  /** The lookup asks a node that is so many hops away. */
  Schema.TaggedStruct("Asked", { ...Lookup, ...Peer, hop: Schema.Int }),
  /** It named so many contacts, or had the value. */
  Schema.TaggedStruct("Answered", { ...Lookup, ...Peer, hop: Schema.Int, contacts: Schema.Int, found: Schema.Boolean }),
  /** `closest` are those that answered, the closest to the target first. */
  Schema.TaggedStruct("LookupEnded", {
    ...Lookup,
    target: Hex,
    found: Schema.Boolean,
    hops: Schema.Int,
    asked: Schema.Int,
    closest: Schema.Array(Hex)
  }),
  /** A call was not answered, or not with what it must be. */
  Schema.TaggedStruct("CallLost", { method: Schema.String, address: Schema.String }),
  /** A peer took a pair. */
  Schema.TaggedStruct("Stored", { ...Peer, key: Hex }),
  /** This node keeps a pair, told by `from`. */
  Schema.TaggedStruct("Kept", { key: Hex, from: Hex }),
  /** This node has dropped a pair: its time had come, another needed the place, or nobody can call this node. */
  Schema.TaggedStruct("Expired", { key: Hex }),
  Schema.TaggedStruct("ContactAdded", Peer),
  Schema.TaggedStruct("ContactRemoved", Peer)
])

export type Event = typeof Event.Type
