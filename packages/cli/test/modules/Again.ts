/** Serves a method that another module serves, too. */
import { Effect, Layer, Schema } from "effect"
import { Handlers, Protocol } from "../../../../src/index.ts"

class Again extends Handlers.Service<Again>()("test/Again", {
  sayhi: { args: [Schema.String], success: Schema.String }
}) {}

export default Protocol.serve(Again).pipe(Layer.provide(Again.toLayer({ sayhi: Effect.succeed })))
