/** `rpcudp call`: one call. Its value goes to stdout, and what it took to stderr. */
import { Duration, Effect, Exit, Schedule } from "effect"
import { Command, Flag } from "effect/cli"
import { NetAddress } from "effect/net"
import { Protocol } from "effect-rpcudp"
import * as Calling from "./calling.ts"
import type { Failure } from "./Failure.ts"
import * as Node from "./node.ts"
import * as Output from "./output.ts"

export const call = Command.make(
  "call",
  {
    host: Calling.peer,
    method: Calling.method,
    args: Calling.args,
    contract: Calling.contract,
    timeout: Node.timeout,
    retransmit: Node.retransmit,
    keys: Node.keys,
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Prints one line of JSON with the value, or the error, and what it took"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function*({ host, json, retransmit, ...typed }) {
    const peer = yield* Node.resolve(host)
    const traffic = Node.noTraffic()
    const tries = { count: 1 }
    const [elapsed, exit] = yield* Effect.gen(function*() {
      const { run } = yield* Calling.prepare(peer, typed)
      return yield* Effect.timed(Effect.exit(retransmit ? Protocol.withRetransmit(run, counted(tries)) : run))
    }).pipe(Effect.provide(Node.caller(peer, typed, traffic)))
    const ms = Duration.toMillis(elapsed)
    const address = NetAddress.formatInet(peer)
    if (json) {
      yield* Output.json({
        ...outcomeOf(exit),
        peer: address,
        ms,
        tries: tries.count,
        bytesSent: traffic.sentBytes,
        bytesReceived: traffic.receivedBytes
      })
    } else {
      if (Exit.isSuccess(exit)) yield* Output.value(exit.value)
      const sent = `${tries.count} ${tries.count === 1 ? "try" : "tries"}`
      yield* Output.note(
        `${address}, ${Output.millis(ms)}, ${sent}, ${traffic.sentBytes} B sent, ${traffic.receivedBytes} B received`
      )
    }
    // It may have failed; then the process says so and exits with its code.
    yield* exit
  })
).pipe(
  Command.withDescription("Calls a method, and prints what it returns"),
  Command.withExamples([
    { command: "rpcudp call localhost:1234 sayhi Ada", description: "A text needs no quotes" },
    {
      command: "rpcudp call localhost:1234 store '{\"$bytes\": \"00ff\"}' '{\"a\": [1, true, null]}'",
      description: "Bytes, and a map"
    },
    { command: "rpcudp call localhost:1234 lookup k --contract ./Greeter.ts#Greeter", description: "By a contract" }
  ])
)

const outcomeOf = (exit: Exit.Exit<unknown, Failure>): object => {
  if (Exit.isSuccess(exit)) return { value: exit.value }
  const failure = exit.cause.reasons.flatMap((reason) => reason._tag === "Fail" ? [reason.error] : [])[0]
  return failure === undefined
    ? { error: { kind: "Defect", message: String(exit.cause) } }
    : { error: { kind: failure.kind, message: failure.message, detail: failure.detail ?? null } }
}

/** Sends again when an answer is overdue, and says how often. */
const counted = (tries: { count: number }): Protocol.RetransmitSchedule =>
  Schedule.fromStep(
    Effect.map(Schedule.toStep(Protocol.adaptive), (step) => (now: number, transmission: Protocol.Transmission) => {
      tries.count = transmission.transmissions
      return step(now, transmission)
    })
  )
