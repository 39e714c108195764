/**
 * Services that are found without being known: three printers are members of a multicast group, and whoever asks the group hears
 * of each that has something to say. Here all are on this machine, on loopback. On a network they would be anywhere on it, and
 * would name no interface.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Schema, Stream } from "effect"
import { Handlers, Protocol, Transport } from "effect-rpcudp"

// From those that a site may use as it likes (RFC 2365, section 6.2).
const group = "239.192.45.77:9577"

const loopback = "127.0.0.1"

class CannotDoThat extends Schema.TaggedError<CannotDoThat>()("CannotDoThat", {}) {}

class Printer extends Handlers.Service<Printer>()("example/Printer", {
  /** Answered by those that can print so. */
  find: { args: [Schema.Literals(["colour", "black"])], success: Schema.String, error: CannotDoThat },
  print: { args: [Schema.String], success: Schema.String }
}) {}

const printer = (name: string, colours: ReadonlyArray<"colour" | "black">) =>
  Protocol.serve(Printer).pipe(
    Layer.provide(Printer.toLayer({
      find: (colour) => colours.includes(colour) ? Effect.succeed(name) : new CannotDoThat(),
      print: (text) => Effect.succeed(`${name} has printed "${text}"`)
    })),
    Layer.provide(Protocol.layer()),
    Layer.provide(Transport.layer({ address: loopback, multicast: [{ group, interface: loopback }] }))
  )

const printers = Layer.mergeAll(
  printer("Attic", ["black"]),
  printer("Basement", ["black", "colour"]),
  printer("Cellar", ["colour"])
)

const program = Effect.gen(function*() {
  const all = (yield* Protocol.gather(Printer))(group)
  const one = yield* Protocol.client(Printer)
  // Those that can't say nothing: an answer of each would be many.
  const found = yield* all.find("colour").pipe(Stream.runCollect, Protocol.withTimeout("1 second"))
  for (const { sender, value: name } of found.toSorted((a, b) => a.value.localeCompare(b.value))) {
    yield* Console.log(`${name}: ${yield* one(sender).print("Hello")}`)
  }
  if (found.length === 0) yield* Console.log("skipped: this system carries no multicast on loopback")
})

const Client = Protocol.layer().pipe(
  Layer.provide(Transport.layer({ address: loopback, multicastInterface: loopback }))
)

program.pipe(Effect.provide(Layer.merge(Client, printers)), NodeRuntime.runMain)
