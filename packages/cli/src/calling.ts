/** A call as commands make it: arguments as they were typed, values of the wire out, one kind of failure. */
import { Effect, Option, Result, SchemaIssue } from "effect"
import { Argument, Flag } from "effect/cli"
import type { NetAddress } from "effect/net"
import { DatagramSocket } from "effect/socket"
import type { Handlers } from "effect-rpcudp"
import { Codec, Protocol } from "effect-rpcudp"
import * as Contract from "./contract.ts"
import { Failure, usage } from "./Failure.ts"
import * as Value from "./value.ts"

export const peer = Argument.String("HOST:PORT").pipe(
  Argument.withDescription("The peer: a name or an address, and its UDP port")
)

export const method = Argument.String("METHOD").pipe(Argument.withDescription("The method, as the peer serves it"))

export const args = Argument.String("ARG").pipe(
  Argument.withDescription(
    "An argument in JSON; what is no JSON is a text. {\"$bytes\": \"00ff\"}, {\"$bigint\": \"7\"} and {\"$date\": \"2026-11-26\"} are what JSON lacks"
  ),
  Argument.variadic()
)

export const contract = Flag.String("contract").pipe(
  Flag.withMetavar("MODULE#NAME"),
  Flag.withDescription("The contract to check arguments and result by, such as ./Greeter.ts#Greeter"),
  Flag.optional
)

export interface Typed {
  readonly method: string
  readonly args: ReadonlyArray<string>
  readonly contract: Option.Option<string>
}

/** The call that was typed, to be run as often as one likes. What can be known to fail beforehand fails at once. */
export const prepare = Effect.fnUntraced(function*(peer: NetAddress.InetAddress, typed: Typed) {
  const { call, callProcedure } = yield* Protocol.Protocol
  const { method } = typed
  const args = yield* parse(typed.args)
  if (Option.isNone(typed.contract)) {
    yield* encodable(method, args)
    return { run: Effect.mapError(call(peer, method, args), asFailure) }
  }
  const procedure = yield* Contract.procedure(typed.contract.value, method)
  const decoded = yield* decode(procedure, args)
  const run = callProcedure(peer, procedure, decoded).pipe(
    Effect.catch((error) => isCallError(error) ? Effect.fail(asFailure(error)) : declared(procedure, error)),
    // What was decoded by a schema has a form.
    Effect.flatMap((value) => Effect.orDie(procedure.success.encode(value)))
  )
  return { run }
})

/** What was typed, as values of the wire. */
export const parse = (args: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<unknown>, Failure> =>
  Effect.forEach(args, (arg) => Effect.mapError(Effect.fromResult(Value.parse(arg)), usage))

/** The arguments as a contract has them. */
export const decode = (
  { args: schema, method }: Handlers.CompiledProcedure,
  args: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyArray<unknown>, Failure> =>
  Effect.mapError(
    schema.decode(args),
    (issue) => usage(`the arguments of "${method}" do not fit: ${formatIssue(issue)}`)
  )

const encodable = (method: string, args: ReadonlyArray<unknown>): Effect.Effect<void, Failure> => {
  const request = Codec.encodeRequest(new Uint8Array(Codec.idBytes), method, args)
  // One that is too long fails as a call does.
  return Result.isFailure(request) && request.failure._tag === "Unencodable"
    ? Effect.fail(usage(request.failure.message))
    : Effect.void
}

const declared = (procedure: Handlers.CompiledProcedure, error: unknown): Effect.Effect<never, Failure> =>
  Effect.flatMap(
    procedure.error === undefined ? Effect.succeed(error) : Effect.orDie(procedure.error.encode(error)),
    (detail) => Effect.fail(failed(procedure.method, detail))
  )

const failed = (method: string, detail: unknown): Failure =>
  new Failure({ kind: "Failed", message: `"${method}" failed with ${Value.format(detail)}`, detail })

const callErrors = [
  Protocol.NoResponse,
  Protocol.Oversize,
  Protocol.Rejected,
  Protocol.InvalidResponse,
  Protocol.TooManyCalls,
  DatagramSocket.DatagramSocketError
]

const isCallError = (error: unknown): error is Protocol.CallError => callErrors.some((each) => error instanceof each)

export const asFailure = (error: Protocol.CallError): Failure => {
  if (error._tag === "Rejected" && error.reason === "Failed") return failed(error.method, error.detail)
  return new Failure({ kind: error._tag, message: error.message })
}

const formatIssue = SchemaIssue.makeFormatterDefault()
