/** `rpcudp serve`: an echo, or what a module serves, over a network as bad as one likes. */
import { Console, Duration, Effect, Layer, Option, Random, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { NetAddress } from "effect/net"
import { Handlers, Protocol, Transport } from "effect-rpcudp"
import * as Contract from "./contract.ts"
import type { Failure } from "./Failure.ts"
import { usage } from "./Failure.ts"
import * as Node from "./node.ts"

/** From one duration to another, in milliseconds. */
interface Range {
  readonly least: number
  readonly most: number
}

/** 20ms, 20ms..50ms */
const rangeOf = (text: string): Option.Option<Range> => {
  const [least = "", most = least, ...others] = text.split("..")
  return Option.flatMap(
    Option.all([Node.durationOf(least), Node.durationOf(most)]),
    ([least, most]) =>
      others.length > 0 || Duration.isGreaterThan(least, most)
        ? Option.none()
        : Option.some({ least: Duration.toMillis(least), most: Duration.toMillis(most) })
  )
}

export const serve = Command.make(
  "serve",
  {
    modules: Argument.String("MODULE#NAME").pipe(
      Argument.withDescription(
        "A layer that a module exports, made by Protocol.serve with its handlers; without one, a method \"echo\" is served"
      ),
      Argument.variadic()
    ),
    address: Flag.String("address").pipe(
      Flag.withDescription("The address of this machine to bind; :: is every one of both families"),
      Flag.withDefault("127.0.0.1")
    ),
    port: Flag.Int("port").pipe(
      Flag.withDescription("The UDP port; 0 lets the system choose"),
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))),
      Flag.withDefault(0)
    ),
    groups: Flag.String("group").pipe(
      Flag.withMetavar("GROUP:PORT"),
      Flag.withDescription("A multicast group, or a broadcast address, to be a member of; repeat it for several"),
      Flag.atLeast(0)
    ),
    interface: Node.groupInterface,
    keys: Node.keys,
    reflection: Flag.Boolean("reflection").pipe(
      Flag.withDescription("Says what is served to whoever asks, as describe does"),
      Flag.withDefault(false)
    ),
    loss: Flag.Finite("loss").pipe(
      Flag.withDescription("The chance from 0 to 1 that a datagram is lost, each way"),
      Flag.withSchema(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))),
      Flag.withDefault(0)
    ),
    delay: Flag.String("delay").pipe(
      Flag.withDescription("How long a datagram takes, each way: 20ms, or anything from 20ms..50ms"),
      Flag.withDefault("0ms"),
      Flag.filterMap(rangeOf, () => "a duration such as 20ms, or a range such as 20ms..50ms")
    )
  },
  Effect.fnUntraced(function*({ address, delay, groups, interface: at, keys, loss, modules, port, reflection }) {
    const random = yield* Random.Random
    const [first = { server: Echo }, ...others] = yield* Effect.forEach(modules, layerOf)
    const socket = Node.over(
      Transport.layer({ address, port, multicast: groups.map((group) => ({ group, interface: at })) }),
      (socket) => impaired(socket, loss, delay, () => random.nextDoubleUnsafe())
    )
    const node = Node.asFailure(Node.protocol({ keys }).pipe(Layer.provide(socket)))
    if (reflection) others.push({ server: Reflection })
    return yield* Layer.launch(
      announced(modules).pipe(
        Layer.provide(Layer.mergeAll(first.server, ...others.map(({ server }) => server))),
        Layer.provide(node)
      )
    )
  })
).pipe(
  Command.withDescription("Serves an echo, or what modules serve, until it is told to stop"),
  Command.withExamples([
    { command: "rpcudp serve --port 1234", description: "An echo" },
    { command: "rpcudp serve --group 239.1.2.3:9999", description: "Answers gather, too" },
    { command: "rpcudp serve ./server.ts --loss 0.2 --delay 20ms..50ms", description: "A module's default export" }
  ])
)

/** Says where, once all is served. */
const announced = (modules: ReadonlyArray<string>) =>
  Layer.effectDiscard(
    Effect.flatMap(Protocol.Protocol, ({ address }) =>
      Console.log(`serving ${modules.length === 0 ? "echo" : modules.join(", ")} on ${NetAddress.formatInet(address)}`))
  )

class EchoGroup extends Handlers.Service<EchoGroup>()("rpcudp/Echo", {
  echo: { args: [Schema.Unknown], success: Schema.Unknown }
}) {}

const Echo: Server<Failure> = Layer.orDie(
  Protocol.serve(EchoGroup).pipe(Layer.provide(EchoGroup.toLayer({ echo: Effect.succeed })))
)

const Reflection: Server<Failure> = Layer.catch(
  Protocol.serveReflection(),
  (error) => Layer.effectDiscard(usage(error.message))
)

type Server<E = unknown> = Layer.Layer<never, E, Protocol.Protocol>

const layerOf = Effect.fnUntraced(
  function*(named: string): Effect.fn.Return<{ readonly server: Server<Failure> }, Failure> {
    const server = yield* Contract.load(named)
    if (!isServer(server)) return yield* usage(`${named} is no layer made by Protocol.serve`)
    return {
      server: Layer.catch(
        server,
        (error) => Layer.effectDiscard(usage(`${named}: ${error instanceof Error ? error.message : String(error)}`))
      )
    }
  }
)

// What a layer requires cannot be seen. One that requires more than the protocol is a defect that says so.
const isServer = (value: unknown): value is Server => Layer.isLayer(value)

/** A socket at which datagrams are lost and late, both ways. */
const impaired = (socket: Transport.Socket, loss: number, delay: Range, random: () => number): Transport.Socket => {
  if (loss === 0 && delay.most === 0) return socket
  const pass = (deliver: () => void): void => {
    if (random() < loss) return
    const late = delay.least + random() * (delay.most - delay.least)
    if (late === 0) deliver()
    else setTimeout(deliver, late)
  }
  return {
    ...socket,
    send: (datagram, to, onFailure) => pass(() => socket.send(datagram, to, onFailure)),
    run: (onDatagram) => socket.run((datagram, from, toGroup) => pass(() => onDatagram(datagram, from, toGroup)))
  }
}
