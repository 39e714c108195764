/** `rpcudp describe`: what a node serves, as it says itself. */
import { Console, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { NetAddress } from "effect/net"
import { Protocol } from "effect-rpcudp"
import * as Calling from "./calling.ts"
import { Failure } from "./Failure.ts"
import * as Node from "./node.ts"
import * as Output from "./output.ts"
import * as Signature from "./signature.ts"

export const describe = Command.make(
  "describe",
  {
    host: Calling.peer,
    timeout: Node.timeout,
    retransmit: Node.retransmit,
    keys: Node.keys,
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Prints the JSON Schema of each method, in a line of JSON for each"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function*({ host, json, retransmit, ...settings }) {
    const peer = yield* Node.resolve(host)
    const asked = Protocol.describe(peer).pipe(Effect.mapError((error) => failureOf(error, peer)))
    const methods = yield* (retransmit ? Protocol.withRetransmit(asked, Protocol.adaptive) : asked).pipe(
      Effect.provide(Node.caller(peer, settings, Node.noTraffic()))
    )
    if (json) return yield* Effect.forEach(methods, Output.json, { discard: true })
    for (const [group, members] of Map.groupBy(methods, ({ group }) => group)) {
      yield* Console.log(Signature.nameOf(group))
      for (const line of members.flatMap(Signature.linesOf)) yield* Console.log(`  ${line}`)
    }
  })
).pipe(
  Command.withDescription("Prints the methods that a node serves, if it says so"),
  Command.withExamples([
    { command: "rpcudp describe localhost:1234", description: "A line for each method" },
    { command: "rpcudp describe localhost:1234 --json", description: "For programs" }
  ])
)

const failureOf = (error: Protocol.CallError, peer: NetAddress.InetAddress): Failure =>
  error._tag === "Rejected" && error.reason === "UnknownMethod"
    ? new Failure({ kind: "Rejected", message: `${NetAddress.formatInet(peer)} does not say what it serves` })
    : Calling.asFailure(error)
