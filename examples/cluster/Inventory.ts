/** What clients ask a front node for, over UDP. */
import { Schema } from "effect"
import { Handlers } from "effect-rpcudp"

/** Nothing was acknowledged, and the order may or may not have been applied: ask again, with the same key. */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", { reason: Schema.String }) {}

export class Inventory extends Handlers.Service<Inventory>()("example/Inventory", {
  /** Takes a quantity of an item, once for each key however often it is asked. Returns what is left. */
  order: { args: [Schema.String, Schema.String, Schema.Int], success: Schema.Int, error: Unavailable },
  /** The control: as `order`, but nobody remembers the key. */
  orderUnremembered: { args: [Schema.String, Schema.String, Schema.Int], success: Schema.Int, error: Unavailable }
}) {}
