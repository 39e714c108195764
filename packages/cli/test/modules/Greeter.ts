/** A contract and its server, as users of the tool write them: over a copy of the library that is not the tool's. */
import { Effect, Layer, Schema } from "effect"
import { Handlers, Protocol } from "../../../../src/index.ts"

export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { key: Schema.String }) {}

export class Greeter extends Handlers.Service<Greeter>()("test/Greeter", {
  sayhi: { args: [Schema.String], success: Schema.String },
  lookup: { args: [Schema.String], success: Schema.Uint8Array, error: NotFound },
  later: { args: [Schema.Date, Schema.BigInt], success: Schema.Option(Schema.Date) },
  dies: {},
  hangs: {}
}) {}

/** Says that it answers numbers, which it does not. */
export class Mistaken extends Handlers.Service<Mistaken>()("test/Mistaken", {
  sayhi: { args: [Schema.String], success: Schema.Number }
}) {}

const GreeterLive = Greeter.toLayer({
  sayhi: (name) => Effect.succeed(`Hello ${name}`),
  lookup: (key) => key === "k" ? Effect.succeed(Uint8Array.of(0, 255)) : Effect.fail(new NotFound({ key })),
  later: (date, ms) => Effect.succeedSome(new Date(date.getTime() + Number(ms))),
  dies: () => Effect.die("a defect"),
  hangs: () => Effect.never
})

export default Protocol.serve(Greeter).pipe(Layer.provide(GreeterLive))

export const notALayer = 1
