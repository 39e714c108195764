/** The contract, shared by the server and its clients. */
import { Schema } from "effect"
import { Handlers } from "effect-rpcudp"

export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { key: Schema.String }) {}

export class Greeter extends Handlers.Service<Greeter>()("example/Greeter", {
  sayhi: { args: [Schema.String], success: Schema.String },
  lookup: { args: [Schema.String], success: Schema.Uint8Array, error: NotFound },
  poke: {} // no arguments, replies nil
}) {}
