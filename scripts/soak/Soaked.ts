/** What the soaked server serves, and what its clients call. */
import { Schema } from "effect"
import { Handlers } from "../../src/index.ts"

export class Refused extends Schema.TaggedError<Refused>()("Refused", { number: Schema.Int }) {}

/** `number` is that of the call: an answer to another call is told by it. */
export class Soaked extends Handlers.Service<Soaked>()("soak/Soaked", {
  echo: { args: [Schema.Int, Schema.Uint8Array], success: Schema.Tuple([Schema.Int, Schema.Uint8Array]) },
  slow: { args: [Schema.Int, Schema.Int], success: Schema.Int },
  refuse: { args: [Schema.Int], success: Schema.Int, error: Refused },
  die: { args: [Schema.Int], success: Schema.Int },
  bytes: { args: [Schema.Int, Schema.Int], success: Schema.Uint8Array }
}) {}
