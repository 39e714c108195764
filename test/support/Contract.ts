/** The contract that the tests serve. */
import { Deferred, Effect, Schema } from "effect"
import { NetAddress } from "effect/net"
import { Handlers, Protocol } from "../../src/index.ts"

export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { key: Schema.String }) {}

export class Greeter extends Handlers.Service<Greeter>()("test/Greeter", {
  sayhi: { args: [Schema.String], success: Schema.String },
  lookup: { args: [Schema.String], success: Schema.Uint8Array, error: NotFound },
  poke: {},
  /** Replies with this many bytes. */
  bytes: { args: [Schema.Int], success: Schema.Uint8Array },
  /** Calls the sender's own `sayhi` before it answers. */
  callBack: { success: Schema.String },
  never: {},
  dies: {},
  throws: {},
  /** Answers what is not an Int. */
  lies: { success: Schema.Int },
  /** Fails with an error that it does not declare. */
  undeclared: {},
  /** Fails with an error too long to send. */
  longError: { error: NotFound }
}) {}

/** The handlers. `interrupted` is done once a `never` has been interrupted. */
export const greeterLive = (interrupted?: Deferred.Deferred<void>) =>
  Greeter.toLayer(Effect.gen(function*() {
    const protocol = yield* Protocol.Protocol
    const greeter = yield* Protocol.client(Greeter)
    return Greeter.of({
      sayhi: Effect.fn("sayhi")(function*(name) {
        const sender = yield* Handlers.Sender
        return `Hello ${name} you live at ${NetAddress.formatInet(sender)}`
      }),
      lookup: (key) => key === "there" ? Effect.succeed(Uint8Array.from([1, 2])) : Effect.fail(new NotFound({ key })),
      poke: () => Effect.void,
      bytes: (length) => Effect.succeed(new Uint8Array(length)),
      callBack: () =>
        Effect.gen(function*() {
          const sender = yield* Handlers.Sender
          return yield* Effect.orDie(greeter(sender).sayhi(`from ${protocol.address.port}`))
        }),
      never: () =>
        Effect.never.pipe(
          Effect.onInterrupt(() => interrupted === undefined ? Effect.void : Deferred.succeed(interrupted, undefined))
        ),
      dies: () => Effect.die(new Error("secret")),
      throws: () => {
        throw new Error("secret")
      },
      lies: () => Effect.succeed(1.5),
      undeclared: () => Effect.fail(new NotFound({ key: "secret" })) as unknown as Effect.Effect<void>,
      longError: () => Effect.fail(new NotFound({ key: "k".repeat(9000) }))
    })
  }))
