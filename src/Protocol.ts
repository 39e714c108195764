/**
 * Matches answers to calls, times calls out, serves handlers: one socket that both calls and serves. The only module
 * with a clock.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import * as Codec from "./Codec.ts"
import type * as Handlers from "./Handlers.ts"
import * as Caller from "./internal/caller.ts"
import type { CallError, DuplicateMethod } from "./internal/errors.ts"
import * as Server from "./internal/server.ts"
import { closedError } from "./internal/socketError.ts"
import { logDefect } from "./internal/watch.ts"
import * as Wire from "./internal/wire.ts"
import * as Transport from "./Transport.ts"

export type { CallError } from "./internal/errors.ts"
export { DuplicateMethod, InvalidResponse, NoResponse, Oversize, Rejected } from "./internal/errors.ts"

// ---------------------------------------------------------------------------------------------------------------------
// service
// ---------------------------------------------------------------------------------------------------------------------

/**
 * One socket that both calls and serves: peers see one port.
 *
 * It does not depend on handlers, so a handler may itself call through it, back to its sender for one.
 *
 * @category services
 * @since 0.1.0
 */
export class Protocol extends Context.Service<Protocol, {
  /** The bound address. */
  readonly address: NetAddress.InetAddress

  /**
   * Calls any method, without a contract: the result is what the peer's MessagePack holds. The peer is an address, or a
   * string that parses as one; any other is a defect.
   */
  readonly call: (
    peer: NetAddress.InetAddressInput,
    method: string,
    args: ReadonlyArray<unknown>
  ) => Effect.Effect<unknown, CallError>

  /** Calls a procedure: `client` makes this typed. It fails with the declared error, too. */
  readonly callProcedure: (
    peer: NetAddress.InetAddress,
    procedure: Handlers.CompiledProcedure,
    args: ReadonlyArray<unknown>
  ) => Effect.Effect<unknown, unknown>

  /** Serves the handlers for as long as the scope is open; then those that still run are interrupted. */
  readonly serve: (implementation: Handlers.Implementation) => Effect.Effect<void, DuplicateMethod, Scope.Scope>
}>()("effect-rpcudp/Protocol") {}

/**
 * Settings of a protocol.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How long a call waits for its answer, unless `withTimeout` says otherwise. 5 seconds by default, as in Python. */
  readonly timeout?: Duration.Input | undefined
  /**
   * Whether an answer counts only from the address that was called, IPv4-mapped IPv6 addresses compared by their IPv4
   * form. True by default; false is for peers that answer from another address, and lets anyone who learns a call's id
   * answer it.
   */
  readonly matchSender?: boolean | undefined
  /** How many handlers may run at once; over it, requests are refused as `Overloaded`. 16,384 by default. */
  readonly maxHandlers?: number | undefined
}

/**
 * Calls and serves over the transport, for as long as the layer.
 *
 * When its scope closes, requests are no longer accepted, handlers that still run are interrupted, and calls in flight
 * fail with a `DatagramSocketError` whose reason is `DatagramSocketClosedError`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Protocol, never, Transport.Transport> =>
  Layer.effect(Protocol, make(options))

/**
 * How long the calls of this fiber wait for their answer. Undefined, the default, leaves it to the layer.
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentTimeout = Context.Reference<Duration.Duration | undefined>(
  "effect-rpcudp/Protocol/CurrentTimeout",
  {
    defaultValue: () => undefined
  }
)

/**
 * Sets how long each call inside waits for its answer.
 *
 * ```ts
 * import { Effect, Schedule } from "effect"
 * import { Protocol } from "effect-rpcudp"
 *
 * const call = Effect.gen(function*() {
 *   const protocol = yield* Protocol.Protocol
 *   return yield* protocol.call("127.0.0.1:8468", "stun", [])
 * }).pipe(
 *   Protocol.withTimeout("300 millis"),
 *   Effect.retry({ schedule: Schedule.exponential("50 millis"), times: 3, while: (e) => e._tag === "NoResponse" })
 * )
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withTimeout: {
  (timeout: Duration.Input): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, timeout: Duration.Input): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, timeout: Duration.Input): Effect.Effect<A, E, R> =>
    Effect.provideService(self, CurrentTimeout, Duration.fromInputUnsafe(timeout))
)

/**
 * The procedures of a group as functions that call one peer.
 *
 * @category models
 * @since 0.1.0
 */
export type Client<P extends Handlers.Procedures> = {
  readonly [M in keyof P]: (
    ...args: Handlers.Args<P[M]>
  ) => Effect.Effect<Handlers.Success<P[M]>, Handlers.Error<P[M]> | CallError>
}

/**
 * Calls the procedures of a group at any peer: an address, or a string that parses as one (any other throws). Arguments
 * that do not fit their schema are a defect of the caller.
 *
 * @category clients
 * @since 0.1.0
 */
export const client = <P extends Handlers.Procedures>(
  group: Handlers.AnyGroup & { readonly procedures: P }
): Effect.Effect<(peer: NetAddress.InetAddressInput) => Client<P>, never, Protocol> =>
  Effect.map(Protocol, (protocol) => (peer) => {
    const address = NetAddress.inetAddressFromInputUnsafe(peer)
    const methods = Array.from(group.contract.values(), (procedure) => [
      procedure.method,
      (...args: ReadonlyArray<unknown>) => protocol.callProcedure(address, procedure, args)
    ])
    // The contract was compiled from these very procedures, whose types it has let go.
    return Object.fromEntries(methods) as Client<P>
  })

/**
 * Serves the handlers of one or more groups, for as long as the layer. It compiles only once every group's handlers are
 * provided, and fails with `DuplicateMethod` where two of them, or one that is served already, share a method's name.
 *
 * @category layers
 * @since 0.1.0
 */
export const serve = <const Groups extends readonly [Handlers.AnyGroup, ...ReadonlyArray<Handlers.AnyGroup>]>(
  ...groups: Groups
): Layer.Layer<never, DuplicateMethod, Protocol | Handlers.Identifier<Groups[number]>> =>
  Layer.effectDiscard(
    Effect.flatMap(Protocol, (protocol) =>
      Effect.forEach(groups, (group: Groups[number]) =>
        Effect.flatMap(implementationOf(group), protocol.serve), { discard: true }))
  )

// What a group requires is known of the group itself, but not of a member of a list of groups.
const implementationOf = <G extends Handlers.AnyGroup>(group: G) =>
  group.implementation as Effect.Effect<Handlers.Implementation, never, Handlers.Identifier<G>>

// ---------------------------------------------------------------------------------------------------------------------
// implementation
// ---------------------------------------------------------------------------------------------------------------------

const defaultTimeout = Duration.seconds(5)

const defaultMaxHandlers = 16_384

const make = Effect.fnUntraced(function*(
  options: Options = {}
): Effect.fn.Return<Protocol["Service"], never, Transport.Transport | Scope.Scope> {
  const transport = yield* Transport.Transport
  const wire = Wire.make(transport, yield* Effect.context<never>())
  const timeout = Duration.fromInputUnsafe(options.timeout ?? defaultTimeout)
  const caller = Caller.make(wire, {
    timeout: (fiber) => fiber.getRef(CurrentTimeout) ?? timeout,
    matchSender: options.matchSender ?? true
  })
  const server = Server.make(wire, { maxHandlers: options.maxHandlers ?? defaultMaxHandlers })

  const dispatch = (datagram: Uint8Array, from: Transport.Peer) => {
    wire.metrics.received(datagram.length)
    // The header decides first: most of what nobody waits for is never unpacked.
    const type = Codec.typeOf(datagram)
    switch (type) {
      case "Request":
        return server.onRequest(datagram, from)
      case "Response":
      case "Failure":
        return caller.onAnswer(type, datagram, from)
      default:
        return wire.drop(type, from)
    }
  }

  yield* Effect.addFinalizer(() => Effect.sync(() => caller.close(closedError())))
  const receiver = yield* transport.run((datagram, from) => {
    try {
      dispatch(datagram, from)
    } catch (defect) {
      // A defect of ours. It must not take the socket with it.
      logDefect(wire.context, "rpcudp: a datagram could not be dealt with", Cause.die(defect), { sender: from })
    }
  }).pipe(
    Effect.catch((error) =>
      Effect.sync(() => {
        logDefect(wire.context, "rpcudp: the socket has failed", Cause.fail(error), {})
        caller.close(error)
      })
    ),
    Effect.forkScoped({ startImmediately: true })
  )
  // Another protocol may receive on this transport already.
  const ended = receiver.pollUnsafe()
  if (ended !== undefined && Exit.isFailure(ended)) return yield* Effect.failCause(ended.cause)

  return Protocol.of({
    address: transport.address,
    call: (peer, method, args) =>
      Effect.suspend(() =>
        // Without a procedure there is no declared error.
        caller.call(NetAddress.inetAddressFromInputUnsafe(peer), method, args) as Effect.Effect<unknown, CallError>
      ),
    callProcedure: (peer, procedure, args) => caller.call(peer, procedure.method, args, procedure),
    serve: server.serve
  })
})
