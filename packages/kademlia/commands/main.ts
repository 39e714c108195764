/** The commands: `node` stays up, `set` and `get` join a network, do it, and leave. Values go to stdout, all else to stderr. */
// One by one: all of the package would load Redis, HTTP and more, for a command that shall be quick.
import * as NodeAddressResolver from "@effect/platform-node/NodeAddressResolver"
import * as NodeDns from "@effect/platform-node/NodeDns"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import {
  Cause,
  Console,
  Effect,
  Exit,
  Layer,
  Option,
  References,
  Runtime,
  Schedule,
  Schema,
  Stdio,
  Stream
} from "effect"
import { Protocol, Transport } from "effect-rpcudp"
import { Argument, CliError, Command, Flag } from "effect/cli"
import { AddressResolver, NetAddress } from "effect/net"
import type { Value } from "../src/Messages.ts"
import * as Node from "../src/Node.ts"
import * as State from "../src/State.ts"
import * as Storage from "../src/Storage.ts"
import * as StorageLevel from "../src/StorageLevel.ts"
import { endingWithin } from "./ending.ts"

/** What a user is told when a command fails. */
class Failed extends Schema.TaggedError<Failed>()("Failed", { message: Schema.String }) {
  override get [CliError.userMessage]() {
    return this.message
  }
}

const asFailed = <A, E extends Error, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, Failed, R> =>
  Effect.mapError(effect, (error) => error instanceof Failed ? error : new Failed({ message: error.message }))

// ---------------------------------------------------------------------------------------------------------------------
// node
// ---------------------------------------------------------------------------------------------------------------------

const port = Flag.Int("port").pipe(
  Flag.withDescription("The UDP port; 0 lets the system choose"),
  Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 })))
)

const address = Flag.String("address").pipe(
  Flag.withDescription("The address of this machine to bind; :: is every one of both families"),
  Flag.withDefault("0.0.0.0")
)

const gate = Flag.String("bootstrap").pipe(
  Flag.withDescription("HOST:PORT of a node of the network to join")
)

const node = Command.make(
  "node",
  {
    port: port.pipe(Flag.withDefault(8468)),
    address,
    bootstrap: gate.pipe(Flag.atLeast(0)),
    state: Flag.String("state").pipe(
      Flag.withDescription("A file for the node's id and contacts, with which it comes back"),
      Flag.optional
    ),
    data: Flag.String("data").pipe(
      Flag.withDescription("A directory for what it keeps, which is else in memory"),
      Flag.optional
    )
  },
  Effect.fn(function*({ address, bootstrap, data, port, state }) {
    // To be told to stop is how a node ends: that is no failure.
    process.exitCode = 0
    const saved = Option.isSome(state) ? yield* State.load(state.value) : Option.none()
    const gates = [
      ...yield* resolve(bootstrap),
      ...Option.match(saved, { onNone: () => [], onSome: State.addressesOf })
    ]
    const keeping = Option.match(state, { onNone: () => Layer.empty, onSome: (file) => State.layer(file) })
    const storage = Option.match(data, {
      onNone: () => Storage.layerMemory(),
      onSome: (directory) => StorageLevel.layer(directory)
    })
    const live = keeping.pipe(
      Layer.provideMerge(nodeOn({ address, port }, storage, { id: Option.getOrUndefined(saved)?.id }))
    )
    yield* run(gates).pipe(Effect.provide(live))
  }, asFailed)
).pipe(Command.withDescription("Runs a node until it is told to stop, and shows its table now and then"))

const run = Effect.fnUntraced(function*(gates: ReadonlyArray<NetAddress.InetAddress>) {
  const node = yield* Node.Node
  yield* Console.log(`node ${node.id} on ${NetAddress.formatInet(node.address)}`)
  if (gates.length > 0 && (yield* node.bootstrap(gates)) === 0) {
    yield* Console.error("nobody to join has answered; the node goes on trying")
  }
  let shown = ""
  yield* Effect.gen(function*() {
    const table = describe(yield* node.buckets)
    if (table === shown) return
    shown = table
    yield* Console.log(table)
  }).pipe(Effect.repeat(Schedule.spaced("10 seconds")))
})

/** One line: how many contacts, and how many bits of the own id those of each bucket share. */
const describe = (buckets: Effect.Success<Node.Node["Service"]["buckets"]>): string => {
  const contacts = buckets.reduce((sum, { entries }) => sum + entries.length, 0)
  const waiting = buckets.reduce((sum, { cache }) => sum + cache.length, 0)
  const each = buckets.map(({ depth, entries }) => `${entries.length} at depth ${depth}`).join(", ")
  return `${counted(contacts, "contact")} and ${waiting} that wait; ${counted(buckets.length, "bucket")}: ${each}`
}

// ---------------------------------------------------------------------------------------------------------------------
// set and get
// ---------------------------------------------------------------------------------------------------------------------

const key = Argument.String("key").pipe(Argument.withDescription("The key, any text"))

const set = Command.make(
  "set",
  { key, value: Argument.String("value").pipe(Argument.withDescription("The value, as text")), bootstrap: gate },
  Effect.fn(function*({ bootstrap, key, value }) {
    const taken = yield* visit(bootstrap, (node) => node.set(key, value))
    if (taken === 0) return yield* new Failed({ message: "no node took the value" })
    yield* Console.error(`${counted(taken, "node")} took the value`)
  }, asFailed)
).pipe(Command.withDescription("Stores a value"))

const get = Command.make(
  "get",
  { key, bootstrap: gate },
  Effect.fn(function*({ bootstrap, key }) {
    const value = yield* visit(bootstrap, (node) => node.get(key))
    if (Option.isNone(value)) return yield* new Failed({ message: "there is no such key" })
    yield* print(value.value)
  }, asFailed)
).pipe(Command.withDescription("Prints a value, and nothing else on stdout; exits with 1 if there is none"))

/** Text in a line of its own; bytes as they are. */
const print = Effect.fnUntraced(function*(value: Value) {
  const { stdout } = yield* Stdio.Stdio
  yield* Stream.make(value instanceof Uint8Array ? value : `${value}\n`).pipe(
    Stream.run(stdout()),
    Effect.catchIf(isClosedPipe, () => Effect.void)
  )
})

// Whoever reads has had enough.
const isClosedPipe = ({ cause }: Error): boolean => cause instanceof Error && "code" in cause && cause.code === "EPIPE"

/** Joins the network for as long as it takes, as one who asks only: nobody is to miss it afterwards. */
const visit = Effect.fnUntraced(
  function*<A, E>(gate: string, visitor: (node: Node.Node["Service"]) => Effect.Effect<A, E>) {
    const gates = yield* resolve([gate])
    return yield* Effect.gen(function*() {
      const node = yield* Node.Node
      if ((yield* node.bootstrap(gates)) === 0) return yield* new Failed({ message: `${gate} does not answer` })
      return yield* visitor(node)
    }).pipe(Effect.provide(nodeOn({ address: bindFor(gates), port: 0 }, Storage.layerMemory(), { serve: false })))
  }
)

// Who speaks to this machine alone need not be heard by others.
const bindFor = (gates: ReadonlyArray<NetAddress.InetAddress>): string => {
  const gate = gates[0]?.address
  if (gate === undefined || NetAddress.isIpv4Address(gate)) {
    return gate !== undefined && NetAddress.isLoopback(gate) ? "127.0.0.1" : "0.0.0.0"
  }
  return NetAddress.isLoopback(gate) ? "::1" : "::"
}

// ---------------------------------------------------------------------------------------------------------------------
// both
// ---------------------------------------------------------------------------------------------------------------------

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`

const nodeOn = <E>(
  options: Transport.Options,
  storage: Layer.Layer<Storage.Storage, E>,
  settings: Node.Options
) =>
  Node.layer(settings).pipe(
    Layer.provide(storage),
    Layer.provide(Protocol.layer({ timeout: "2 seconds", gracePeriod: "1 second" })),
    Layer.provide(Transport.layer(options))
  )

const resolve = (hosts: ReadonlyArray<string>) =>
  Effect.forEach(
    hosts,
    (host) =>
      Effect.flatMap(AddressResolver.AddressResolver, (resolver) => resolver.resolve(host)).pipe(
        Effect.map(([first]) => first),
        Effect.mapError((error) => new Failed({ message: `${host}: ${error.message}` }))
      )
  )

// ---------------------------------------------------------------------------------------------------------------------
// the end
// ---------------------------------------------------------------------------------------------------------------------

// With what it takes to exit that is two seconds.
const limit = "1800 millis"

/** What is under way in the threads of Node.js: an exit would wait for that, though a disk or a resolver never answers. */
const requests = () => process.getActiveResourcesInfo().filter((name) => /^(FSReq|GetAddrInfoReq)/.test(name))

const endOfRequests = Effect.sync(() => requests().length === 0).pipe(
  Effect.repeat({ until: (isOver) => isOver, schedule: Schedule.spaced("5 millis") }),
  Effect.asVoid
)

/** Nothing but a kill ends a process of which a thread hangs. */
const killed = (at = requests().join(", ")) =>
  Console.error(`told to stop two seconds ago, it is still at ${at || "something"}: it is killed`).pipe(
    Effect.andThen(Effect.sync(() => process.kill(process.pid, "SIGKILL")))
  )

Command.make("kademlia").pipe(
  Command.withDescription("A node of a Kademlia network, and what can be asked of one"),
  Command.withSubcommands([node, set, get]),
  Command.run({ version: "0.1.0" }),
  Effect.tapDefect((defect) => Effect.logError(defect)),
  Effect.provide([NodeServices.layer, Layer.provide(NodeAddressResolver.layer, NodeDns.layer)]),
  Effect.provideService(References.LogToStderr, true),
  endingWithin({ limit, rest: endOfRequests, giveUp: killed }),
  NodeRuntime.runMain({
    // It would report on stdout, and everything has been reported by now.
    disableErrorReporting: true,
    teardown: (exit, onExit) => {
      const isInterrupted = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
      Runtime.defaultTeardown(exit, (code) => onExit(isInterrupted ? Number(process.exitCode ?? code) : code))
    }
  })
)
