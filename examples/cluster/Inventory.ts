/** What clients ask a front node for, over UDP. */
import { Schema } from "effect"
import { Handlers } from "effect-rpcudp"

/** Nothing was acknowledged, and the order may or may not have been applied: ask again, with the same key. */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", { reason: Schema.String }) {}

/** The order was not applied, and will not be, however often it is asked for with this key. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", { reason: Schema.String }) {}

// What no database takes would be handled again and again. PostgreSQL has no text with a NUL.
const Name = Schema.String.check(Schema.isPattern(/^[\x20-\x7e]{1,100}$/))
const Quantity = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))

const order = {
  args: [Name, Name, Quantity],
  success: Schema.Int,
  error: Schema.Union([Unavailable, Refused])
} as const

export class Inventory extends Handlers.Service<Inventory>()("example/Inventory", {
  /**
   * Takes a quantity of an item, once for each key of that item however often it is asked. Returns what is left: the key
   * comes first, then the item, then the quantity.
   */
  order,
  /** The control: as `order`, but nobody remembers the key. */
  orderUnremembered: order
}) {}
