/** `rpcudp gather`: asks all members of a group. Each answer is a line of JSON, as it comes. */
import { Duration, Effect, Option, Schema, Stream } from "effect"
import { Argument, Command } from "effect/cli"
import { NetAddress } from "effect/net"
import { Handlers, Protocol } from "effect-rpcudp"
import * as Calling from "./calling.ts"
import * as Contract from "./contract.ts"
import { Failure } from "./Failure.ts"
import * as Node from "./node.ts"
import * as Output from "./output.ts"

export const gather = Command.make(
  "gather",
  {
    host: Argument.String("GROUP:PORT").pipe(
      Argument.withDescription("A multicast group, or a broadcast address, and its UDP port")
    ),
    method: Calling.method,
    args: Calling.args,
    contract: Calling.contract,
    timeout: Node.duration("timeout", "2s", "How long answers are waited for"),
    interface: Node.groupInterface,
    keys: Node.keys
  },
  Effect.fnUntraced(function*({ host, interface: at, ...typed }) {
    const group = yield* Node.resolve(host)
    const { ask, procedure } = yield* prepare(group, typed)
    const [elapsed, count] = yield* ask.pipe(
      Stream.mapEffect(({ sender, value }) =>
        // What was decoded by a schema has a form.
        Effect.flatMap(
          Effect.orDie(procedure.success.encode(value)),
          (value) => Output.json({ sender: NetAddress.formatInet(sender), value })
        )
      ),
      Stream.runCount,
      Effect.mapError(Calling.asFailure),
      Effect.timed,
      Effect.provide(Node.gatherer(group, typed, at))
    )
    yield* Output.note(`${count} answered within ${Output.millis(Duration.toMillis(elapsed))}`)
    if (count === 0) return yield* new Failure({ kind: "NoResponse", message: `nobody at ${host} has answered` })
  })
).pipe(
  Command.withDescription("Asks all members of a group, and prints what each answers"),
  Command.withExamples([
    { command: "rpcudp gather 239.1.2.3:9999 find colour", description: "A multicast group" },
    { command: "rpcudp gather 255.255.255.255:9999 find colour", description: "All on this network" }
  ])
)

/** What was typed, to be asked of a group. */
const prepare = Effect.fnUntraced(function*(
  group: NetAddress.InetAddress,
  { args, contract, method }: Calling.Typed
) {
  const parsed = yield* Calling.parse(args)
  const service = Option.isSome(contract) ? yield* Contract.group(contract.value) : untyped(method, parsed.length)
  const procedure = yield* Contract.procedureOf(service, method)
  const decoded = yield* Calling.decode(procedure, parsed)
  // Its contract has decoded these very arguments.
  const ask = Protocol.gather(service)(group)[method] as (...args: ReadonlyArray<unknown>) => Answers
  return { ask: ask(...decoded), procedure }
})

type Answers = Stream.Stream<Protocol.Gathered<unknown>, Protocol.GatherError, Protocol.Protocol>

/** A group with one method, whose arguments and result may be anything. */
const untyped = (method: string, arity: number): Handlers.AnyGroup =>
  class Untyped extends Handlers.Service<Untyped>()("rpcudp/gather", {
    [method]: { args: Array.from({ length: arity }, () => Schema.Unknown), success: Schema.Unknown }
  }) {}
