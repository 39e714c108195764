/** What the workers serve: `Tally` on the port that they share, `Watched` on one of each worker's own. */
import { Schema } from "effect"
import { Handlers } from "effect-rpcudp"

export class Tally extends Handlers.Service<Tally>()("example/Tally", {
  /** Returns the process that has run it. */
  count: { success: Schema.Int }
}) {}

export class Watched extends Handlers.Service<Watched>()("example/Watched", {
  /** How many requests of the shared port have ended, by their outcome. */
  requests: { success: Schema.Record(Schema.String, Schema.Finite) }
}) {}
