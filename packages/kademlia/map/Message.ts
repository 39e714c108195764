/** What the page is told, and what it may ask for. */
import { Schema } from "effect"
import { Event } from "../src/Event.ts"
import { Hex } from "../src/Id.ts"

// ---------------------------------------------------------------------------------------------------------------------
// told
// ---------------------------------------------------------------------------------------------------------------------

/** All there is to draw but what moves: a page that missed something is right again with the next of these. */
export const State = Schema.TaggedStruct("State", {
  /** How many nodes keep a pair, and how many a lookup asks at once. */
  k: Schema.Int,
  alpha: Schema.Int,
  nodes: Schema.Array(Schema.Struct({ id: Hex, address: Schema.String, contacts: Schema.Int, keeps: Schema.Int })),
  pairs: Schema.Array(
    Schema.Struct({ id: Hex, key: Schema.String, value: Schema.String, holders: Schema.Array(Hex) })
  ),
  /** The chance that a datagram is lost, from 0 to 1. */
  loss: Schema.Number,
  traffic: Schema.Boolean,
  calls: Schema.Struct({ answered: Schema.Int, lost: Schema.Int, other: Schema.Int, waiting: Schema.Int }),
  lookups: Schema.Int,
  datagrams: Schema.Struct({ sent: Schema.Int, lost: Schema.Int })
})

export type State = typeof State.Type

const search = {
  /** Numbers the searches of the network. */
  search: Schema.Int,
  /** What the page that asked for it calls itself; empty if the network looks by itself. */
  by: Schema.String,
  doing: Schema.Literals(["set", "get"]),
  key: Schema.String,
  target: Hex,
  node: Hex
}

/** A node begins to look for a key, or for where to store it. */
export const Searching = Schema.TaggedStruct("Searching", search)

/** It has ended. */
export const Searched = Schema.TaggedStruct("Searched", {
  ...search,
  /** What was found or stored; null if there is no such key. */
  value: Schema.NullOr(Schema.String),
  /** How many nodes were asked one after the other, and in all, and how many took the pair. Where it applies. */
  hops: Schema.optionalKey(Schema.Int),
  asked: Schema.optionalKey(Schema.Int),
  taken: Schema.optionalKey(Schema.Int),
  millis: Schema.Number
})

export type Searched = typeof Searched.Type

/** Something happened at a node. */
export const Happened = Schema.TaggedStruct("Happened", { node: Hex, event: Event })

/** What passes, and is not told again. */
export const Happening = Schema.Union([Searching, Searched, Happened])

export type Happening = typeof Happening.Type

// ---------------------------------------------------------------------------------------------------------------------
// asked
// ---------------------------------------------------------------------------------------------------------------------

const text = (max: number) => Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(max))

const asking = {
  key: text(200),
  by: Schema.String.check(Schema.isMaxLength(40)),
  /** Which node shall do it; one by chance if left out. */
  node: Schema.optionalKey(Hex)
}

export const Get = Schema.Struct(asking)

export const Set = Schema.Struct({ ...asking, value: text(1_000) })

export const Stop = Schema.Struct({ node: Schema.optionalKey(Hex) })

export const SetLoss = Schema.Struct({ loss: Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 1 })) })

export const SetTraffic = Schema.Struct({ traffic: Schema.Boolean })

export const NodeParam = Schema.Struct({ id: Hex })
