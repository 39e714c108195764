/**
 * Matches answers to calls, times calls out, serves handlers: one socket that both calls and serves. The only module
 * with a clock.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import { WebCrypto } from "effect/crypto/WebCrypto"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as AddressResolver from "effect/net/AddressResolver"
import type * as Dns from "effect/net/Dns"
import type * as Host from "effect/net/Host"
import * as NetAddress from "effect/net/NetAddress"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Codec from "./Codec.ts"
import type * as Handlers from "./Handlers.ts"
import * as Caller from "./internal/calling/caller.ts"
import { Deadline, timeLeftOf } from "./internal/deadline.ts"
import type { CallError, DuplicateMethod, GatherError, NoResponse } from "./internal/errors.ts"
import type { Limits, Memory } from "./internal/limits.ts"
import { durationOf, limitsOf, memoryOf } from "./internal/limits.ts"
import * as Ids from "./internal/wire/ids.ts"
import * as KeyedHash from "./internal/serving/keyedHash.ts"
import { PerSecond } from "./internal/serving/rates.ts"
import { gathered } from "./internal/calling/gather.ts"
import { peerAddress } from "./internal/calling/peerAddress.ts"
import { Peers as EqualPeers } from "./internal/calling/peers.ts"
import type { Hear } from "./internal/calling/pendingCall.ts"
import type { RetransmitSchedule } from "./internal/calling/retransmission.ts"
import { adaptive as adaptiveSchedule } from "./internal/calling/retransmission.ts"
import * as Cipher from "./internal/sealing/cipher.ts"
import type { KeyRing } from "./internal/sealing/keyRing.ts"
import type { MethodDescription } from "./internal/reflection.ts"
import { maxPages, pagesOf, Reflection } from "./internal/reflection.ts"
import * as Seal from "./internal/sealing/seal.ts"
import * as Server from "./internal/serving/server.ts"
import { Sizes } from "./internal/sizes.ts"
import * as Now from "./internal/time/now.ts"
import { closedError } from "./internal/socket/errors.ts"
import { logDefect } from "./internal/watching/logs.ts"
import type { RemoteSpans } from "./internal/watching/spans.ts"
import * as Wire from "./internal/endpoint.ts"
import * as Transport from "./Transport.ts"

export type { CallError, GatherError } from "./internal/errors.ts"
export type { MethodDescription } from "./internal/reflection.ts"
export { Reflection } from "./internal/reflection.ts"
export {
  DuplicateMethod,
  InvalidResponse,
  isNoResponse,
  NoResponse,
  Oversize,
  Rejected,
  TooManyCalls
} from "./internal/errors.ts"
export type { Limits, Memory } from "./internal/limits.ts"
export type { Hear } from "./internal/calling/pendingCall.ts"
export type { RetransmitSchedule, Transmission } from "./internal/calling/retransmission.ts"
export type { RemoteSpans } from "./internal/watching/spans.ts"
export type { Key, KeyRing } from "./internal/sealing/keyRing.ts"

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

  /** How long a call waits for its answer, unless `withTimeout` says otherwise. */
  readonly timeout: Duration.Duration

  /**
   * Calls any method, without a contract: the result is what the peer's MessagePack holds. The peer is an address, or a
   * string that parses as one; any other is a defect.
   */
  readonly call: (
    peer: NetAddress.InetAddressInput,
    method: string,
    args: ReadonlyArray<unknown>
  ) => Effect.Effect<unknown, CallError>

  /**
   * Calls a procedure: `client` makes this typed. It fails with the declared error, too. With `hear` the peer is a group: then
   * this hears each answer until the deadline, and `gather` makes it typed.
   */
  readonly callProcedure: (
    peer: NetAddress.InetAddress,
    procedure: Handlers.CompiledProcedure,
    args: ReadonlyArray<unknown>,
    hear?: Hear
  ) => Effect.Effect<unknown, unknown>

  /**
   * Serves the handlers of all these groups for as long as the scope is open; then those that still run have the grace period
   * to end, and are interrupted.
   */
  readonly serve: (
    ...implementations: ReadonlyArray<Handlers.Implementation>
  ) => Effect.Effect<void, DuplicateMethod, Scope.Scope>

  /** The procedures that are served. The same list until that changes. */
  readonly served: Effect.Effect<ReadonlyArray<Handlers.CompiledProcedure>>

  /** Changes the keys of a protocol that has some: see `Keys`. */
  readonly rekey: (ring: KeyRing) => Effect.Effect<void>
}>()("effect-rpcudp/Protocol") {}

/**
 * Settings of a protocol.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * How long a call waits for its answer, unless `withTimeout` says otherwise. 5 seconds by default, as in Python. A negative
   * one is a defect.
   */
  readonly timeout?: Duration.Input | undefined
  /**
   * Whether an answer counts only from the address that was called, IPv4-mapped IPv6 addresses compared by their IPv4
   * form. True by default; false is for peers that answer from another address, and lets anyone who learns a call's id
   * answer it.
   */
  readonly matchSender?: boolean | undefined
  /**
   * When the request of a call is sent again, unless `withRetransmit` says otherwise. Never by default: a Python peer
   * would run it again.
   */
  readonly retransmit?: RetransmitSchedule | undefined
  /**
   * Whether the peer is told when a call is interrupted, so that its handler is, too: a datagram of 22 bytes, sent once. True by
   * default. A Python peer ignores it. Nothing is sent at a deadline.
   */
  readonly cancel?: boolean | undefined
  /**
   * Whether requests say how long their caller waits, and which span it is in: up to 35 bytes behind the request, where there is
   * room. False by default: then requests are, byte for byte, what Python sends. A Python peer does not look at it. A peer with
   * this library interrupts the handler at the deadline, and the calls that the handler makes wait no longer.
   */
  readonly propagate?: boolean | undefined
  /**
   * What the span of a request has to do with the span that its caller says it is in. `"link"` by default, as whoever sends a
   * request may write any span into it; `"parent"` is for a network whose members are known, and `"none"` ignores it.
   */
  readonly remoteSpans?: RemoteSpans | undefined
  /** How long handlers may go on when they are no longer served. 5 seconds by default: after that nobody waits for them. */
  readonly gracePeriod?: Duration.Input | undefined
  /**
   * Within which time a gather is answered, after a delay drawn from it: its group must not answer at once (RFC 7252, section 8.2).
   * 250 milliseconds by default, and at most half of what its caller says that it waits.
   */
  readonly leisure?: Duration.Input | undefined
  readonly limits?: Limits | undefined
  /** What is remembered of requests, so that a repeated one is not run again. `false`: nothing. */
  readonly memory?: Memory | false | undefined
  /** Closes the network to all who do not hold a key. Python peers are such. Off by default. */
  readonly keys?: Keys | undefined
}

/**
 * The keys of a closed network: datagrams are encrypted and authenticated, and whatever is not is dropped in silence.
 *
 * To change keys without a pause, first add the new one behind the old one at every node, then put it first at every node,
 * then remove the old one at every node: `protocol.rekey` does a step without closing the socket.
 *
 * Each socket reads a datagram once. A datagram does not say for whom it was made, nor by which holder of the key: whoever can
 * record datagrams and forge addresses may replay one node's request to another. A node does not read what it has sealed
 * itself, so with keys it cannot call itself.
 *
 * A socket seals in a session, and begins another one when it opens or changes its keys. A node reads at most 1,024 sessions of
 * one sender at a time, 4,096 of one network (IPv4 /24, IPv6 /48) and 16,384 of all. One of them makes room once it was silent
 * for twice `maxAge`; until then a datagram of another one is dropped as `TooManySessions`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Keys {
  readonly ring: KeyRing
  /**
   * How old a datagram may be when it is read. Half a minute by default. Its age is the time of the reader's clock less that of
   * the sender's clock, so the two clocks must not differ by more either.
   *
   * A datagram that was sealed before this socket opened is not read. A node whose clock is behind by ten seconds is therefore
   * not heard in the first ten seconds after this one has started. If its clock is ahead by ten seconds, what it sent in the
   * ten seconds before this node restarted can be read a second time.
   */
  readonly maxAge?: Duration.Input | undefined
}

/**
 * Calls and serves over the transport, for as long as the layer.
 *
 * When the scope closes, it goes in this order: requests are no longer accepted; handlers that run have the grace period
 * to end, and their answers are sent; those that still run are interrupted and awaited; calls in flight fail with a
 * `DatagramSocketError` whose reason is `DatagramSocketClosedError`; the socket closes. A program under `TestClock` must let
 * the grace period pass, or set it to 0, where handlers do not end by themselves.
 *
 * A setting that makes no sense is a defect of the build.
 *
 * ```ts
 * import { Layer } from "effect"
 * import { Protocol, Transport } from "effect-rpcudp"
 *
 * const Node = Protocol.layer({
 *   timeout: "2 seconds",
 *   retransmit: Protocol.adaptive,
 *   limits: { handlersPerSender: 64 }
 * }).pipe(Layer.provide(Transport.layer({ port: 8468 })))
 * ```
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
 *   Effect.retry({ schedule: Schedule.exponential("50 millis"), times: 3, while: Protocol.isNoResponse })
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
 * When the requests of this fiber's calls are sent again. Undefined, the default, leaves it to the layer.
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentRetransmit = Context.Reference<RetransmitSchedule | undefined>(
  "effect-rpcudp/Protocol/CurrentRetransmit",
  {
    defaultValue: () => undefined
  }
)

/**
 * Sends the request of each call inside again while its answer is missing: the same bytes under the same id, so that a peer
 * with this library runs it once. A Python peer runs it each time that it arrives.
 *
 * The schedule's delays pass between transmissions, each stretched at random by up to half (RFC 7252, section 4.2), and at
 * least a millisecond. All stay under the one deadline of the call, and end with its answer, its deadline or its
 * interruption. With `Effect.retry` around it, each attempt is a call with its own id and deadline.
 *
 * ```ts
 * import { Effect, Schedule } from "effect"
 * import { Protocol } from "effect-rpcudp"
 *
 * const call = Effect.gen(function*() {
 *   const protocol = yield* Protocol.Protocol
 *   return yield* protocol.call("127.0.0.1:8468", "stun", [])
 * }).pipe(
 *   Protocol.withRetransmit(Schedule.exponential("50 millis")),
 *   Protocol.withTimeout("5 seconds")
 * )
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withRetransmit: {
  (schedule: RetransmitSchedule): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, schedule: RetransmitSchedule): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, schedule: RetransmitSchedule): Effect.Effect<A, E, R> =>
    Effect.provideService(self, CurrentRetransmit, schedule)
)

/**
 * Waits as long as the peer's answers take, and some more: RFC 6298's retransmission timeout, doubled each time.
 *
 * It is estimated for each of the 4,096 peers called last, from calls that were made with any retransmission and were
 * answered without one (Karn's rule). A peer of which nothing is known is given a second. Unlike the RFC's, whose peers
 * put off what they acknowledge, the least is not a second but 50 ms. Each wait is for the peer as other calls have
 * measured it by then. What a call waits beyond its first wait is its own: for others, the timeout doubles once.
 *
 * @category schedules
 * @since 0.1.0
 */
export const adaptive: RetransmitSchedule = adaptiveSchedule

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
 * Calls the procedures of a group at any peer: an address, a string that parses as one, or the peers of `anyOf`. Any other throws:
 * `resolve` looks host names up. Arguments that do not fit their schema are a defect of the caller.
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Handlers, Protocol } from "effect-rpcudp"
 *
 * class Greeter extends Handlers.Service<Greeter>()("example/Greeter", {
 *   sayhi: { args: [Schema.String], success: Schema.String }
 * }) {}
 *
 * const program = Effect.gen(function*() {
 *   const greeter = yield* Protocol.client(Greeter)
 *   return yield* greeter("127.0.0.1:1234").sayhi("Ada")
 * })
 * ```
 *
 * @category clients
 * @since 0.1.0
 */
export const client = <P extends Handlers.Procedures>(
  group: Handlers.AnyGroup & { readonly procedures: P }
): Effect.Effect<(peer: NetAddress.InetAddressInput | Peers) => Client<P>, never, Protocol> =>
  Effect.map(Protocol, (protocol) => (peer) => {
    const call = callTo(protocol, peer, group.idempotent)
    const methods = Array.from(group.contract.values(), (procedure) => [
      procedure.method,
      (...args: ReadonlyArray<unknown>) => call(procedure, args)
    ])
    // The contract was compiled from these very procedures, without their types.
    return Object.fromEntries(methods) as Client<P>
  })

type Call = (procedure: Handlers.CompiledProcedure, args: ReadonlyArray<unknown>) => Effect.Effect<unknown, unknown>

const callTo = (
  protocol: Protocol["Service"],
  peer: NetAddress.InetAddressInput | Peers,
  isIdempotent: boolean
): Call => {
  // By what it has: a client that never calls `anyOf` is not to bundle its class.
  if (!Predicate.hasProperty(peer, "call")) {
    const address = peerAddress(peer)
    return (procedure, args) => protocol.callProcedure(address, procedure, args)
  }
  return (procedure, args) =>
    Effect.withFiber((fiber) =>
      peer.call(
        (address, timeout) => withTimeout(protocol.callProcedure(address, procedure, args), timeout),
        timeoutOf(fiber, protocol.timeout),
        isIdempotent
      )
    )
}

/**
 * Several equal peers: see `anyOf`.
 *
 * @category models
 * @since 0.1.0
 */
export type Peers = EqualPeers

/**
 * How several equal peers are called.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnyOfOptions {
  /**
   * Whether the next peer may be asked although the request may have run at one that has not answered. By default the group says
   * so, by its `idempotent`.
   */
  readonly mayRunTwice?: boolean | undefined
  /**
   * How long a peer is waited for before the next one is asked, too, where it may be. By default each has an equal share of the
   * time-out: with three peers and 5 seconds, the next is asked after 1.67 seconds.
   */
  readonly hedgeAfter?: Duration.Input | undefined
  /** How long a peer is passed over that has let a call wait for so long, or that the socket does not reach. 10 seconds by default. */
  readonly avoidFor?: Duration.Input | undefined
}

/**
 * Several equal peers, which a client calls as if they were one. Made once, and shared by all who call them: it knows who has not
 * answered lately.
 *
 * Each call begins with the next peer of the list, and passes over who has not answered lately while others are left. Where a
 * request may run twice, a peer that does not answer in time, or is overloaded, is followed by the next one, and the first answer
 * counts: the others are interrupted, and so are their handlers. Otherwise another peer is asked only if the socket has refused
 * to send, so that nothing has run. All that a call does stays under its one deadline.
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Handlers, Protocol } from "effect-rpcudp"
 *
 * class Search extends Handlers.Service<Search>()("example/Search", {
 *   find: { args: [Schema.String], success: Schema.String }
 * }, { idempotent: true }) {}
 *
 * const program = Effect.gen(function*() {
 *   const replicas = yield* Protocol.anyOf(["10.0.0.1:1234", "10.0.0.2:1234"], { hedgeAfter: "50 millis" })
 *   const search = (yield* Protocol.client(Search))(replicas)
 *   return yield* search.find("Ada")
 * })
 * ```
 *
 * @category clients
 * @since 0.1.0
 */
export const anyOf = (
  peers: ReadonlyArray<NetAddress.InetAddressInput>,
  options: AnyOfOptions = {}
): Effect.Effect<Peers> =>
  Effect.clockWith((clock) =>
    Effect.sync(() =>
      new EqualPeers(peers.map(peerAddress), {
        now: Now.make(clock),
        hedgeAfter: options.hedgeAfter === undefined ? undefined : durationOf("hedgeAfter", options.hedgeAfter),
        avoidFor: durationOf("avoidFor", options.avoidFor ?? defaultAvoidFor),
        mayRunTwice: options.mayRunTwice
      })
    )
  )

const defaultAvoidFor = Duration.seconds(10)

/**
 * What a group has answered.
 *
 * @category models
 * @since 0.1.0
 */
export interface Gathered<A> {
  /** Where the answer came from. Anybody who hears a gather can forge it. */
  readonly sender: NetAddress.InetAddress
  readonly value: A
}

/**
 * The procedures of a group as streams of what all answer.
 *
 * @category models
 * @since 0.1.0
 */
export type Gatherer<P extends Handlers.Procedures> = {
  readonly [M in keyof P]: (
    ...args: Handlers.Args<P[M]>
  ) => Stream.Stream<Gathered<Handlers.Success<P[M]>>, GatherError, Protocol>
}

/**
 * How answers are gathered.
 *
 * @category models
 * @since 0.1.0
 */
export interface GatherOptions {
  /** How many answers end the stream. 256 by default: whoever forges senders can give as many. */
  readonly answers?: number | undefined
}

/**
 * Asks all who serve a procedure and have joined a group of IP multicast, or are reached by a broadcast: `Transport.layer` has
 * `multicast` and `broadcast` for it. The stream has the first answer of each address and port, and ends at the deadline, which
 * is that of a call: `withTimeout` around what runs it sets another one. Whoever has nothing to say, fails, or is too busy is
 * silent. Arguments that do not fit their schema are a defect.
 *
 * ```ts
 * import { Console, Effect, Schema, Stream } from "effect"
 * import { Handlers, Protocol } from "effect-rpcudp"
 *
 * class Services extends Handlers.Service<Services>()("example/Services", {
 *   find: { args: [Schema.String], success: Schema.Struct({ name: Schema.String, load: Schema.Number }) }
 * }) {}
 *
 * const program = Protocol.gather(Services)("239.1.2.3:9999").find("printer").pipe(
 *   Stream.runForEach(({ sender, value }) => Console.log(sender, value.name, value.load)),
 *   Protocol.withTimeout("1 second")
 * )
 * ```
 *
 * @category clients
 * @since 0.1.0
 */
export const gather = <P extends Handlers.Procedures>(
  group: Handlers.AnyGroup & { readonly procedures: P },
  { answers = defaultAnswers }: GatherOptions = {}
): (address: NetAddress.InetAddressInput) => Gatherer<P> => {
  if (!(answers >= 1)) throw new RangeError("a gather takes at least one answer")
  return (input) => {
    const address = peerAddress(input)
    const methods = Array.from(group.contract.values(), (procedure) => [
      procedure.method,
      (...args: ReadonlyArray<unknown>) =>
        Stream.unwrap(Effect.map(Protocol, (protocol) =>
          gathered(procedure, answers, (hear) =>
            // No failure of a peer ends it.
            protocol.callProcedure(address, procedure, args, hear) as Effect.Effect<
              unknown,
              GatherError | NoResponse
            >)))
    ])
    // As in `client`.
    return Object.fromEntries(methods) as Gatherer<P>
  }
}

const defaultAnswers = 256

/**
 * The address of a peer that is known by a host name, `"example.org:4577"`: the first one that this socket reaches. A socket that
 * is bound to an IPv4 address reaches no IPv6 address.
 *
 * ```ts
 * import { NodeAddressResolver, NodeDns } from "@effect/platform-node"
 * import { Effect, Layer } from "effect"
 * import { Protocol } from "effect-rpcudp"
 *
 * const program = Effect.gen(function*() {
 *   const protocol = yield* Protocol.Protocol
 *   return yield* protocol.call(yield* Protocol.resolve("localhost:8468"), "stun", [])
 * }).pipe(Effect.provide(NodeAddressResolver.layer.pipe(Layer.provide(NodeDns.layer))))
 * ```
 *
 * @category clients
 * @since 0.1.0
 */
export const resolve = (
  peer: Host.HostPortInput
): Effect.Effect<
  NetAddress.InetAddress,
  Dns.DnsError | NetAddress.NetAddressError,
  AddressResolver.AddressResolver | Protocol
> =>
  Effect.gen(function*() {
    const { address } = yield* Protocol
    const resolver = yield* AddressResolver.AddressResolver
    const family = NetAddress.familyOf(address) === "IPv4" ? "IPv4" : undefined
    const [first] = yield* resolver.resolve(peer, { family })
    return first
  })

/**
 * Serves the handlers of one or more groups, for as long as the layer. It compiles only once every group's handlers are
 * provided, and fails with `DuplicateMethod` where two of them, or one that is served already, share a method's name.
 *
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { Handlers, Protocol, Transport } from "effect-rpcudp"
 *
 * class Greeter extends Handlers.Service<Greeter>()("example/Greeter", {
 *   sayhi: { args: [Schema.String], success: Schema.String }
 * }) {}
 *
 * const Server = Protocol.serve(Greeter).pipe(
 *   Layer.provide(Greeter.toLayer({ sayhi: (name) => Effect.succeed(`Hello ${name}`) })),
 *   Layer.provide(Protocol.layer()),
 *   Layer.provide(Transport.layer({ port: 1234 }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const serve = <const Groups extends readonly [Handlers.AnyGroup, ...ReadonlyArray<Handlers.AnyGroup>]>(
  ...groups: Groups
): Layer.Layer<never, DuplicateMethod, Protocol | Handlers.Identifier<Groups[number]>> =>
  Layer.effectDiscard(
    Effect.flatMap(Protocol, (protocol) =>
      Effect.flatMap(
        Effect.forEach(groups, (group: Groups[number]) => implementationOf(group)),
        (implementations) => protocol.serve(...implementations)
      ))
  )

/**
 * Says of each method that the node serves what it takes, returns and fails with, as JSON Schema, to whoever asks. Nothing does
 * so unless this layer is there.
 *
 * It serves `Reflection`, whose one method is called `rpc.reflection.describe`. Its answers come in pages: a page has at most
 * 1,200 bytes, or one method that takes more. A method whose schemas are over the 8,192 bytes of an answer is named without them.
 * `describe` reads all pages.
 *
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { Handlers, Protocol, Transport } from "effect-rpcudp"
 *
 * class Greeter extends Handlers.Service<Greeter>()("example/Greeter", {
 *   sayhi: { args: [Schema.String], success: Schema.String }
 * }) {}
 *
 * const Server = Layer.merge(Protocol.serve(Greeter), Protocol.serveReflection()).pipe(
 *   Layer.provide(Greeter.toLayer({ sayhi: (name) => Effect.succeed(`Hello ${name}`) })),
 *   Layer.provide(Protocol.layer()),
 *   Layer.provide(Transport.layer({ port: 1234 }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
// A function: as a value it would be built once, for the first node of several.
// @effect-diagnostics-next-line lazyEffect:off
export const serveReflection = (): Layer.Layer<never, DuplicateMethod, Protocol> =>
  serve(Reflection).pipe(
    Layer.provide(Reflection.toLayer(
      Effect.map(Protocol, ({ served }) => ({
        "rpc.reflection.describe": (page: number) =>
          Effect.map(served, (procedures) => {
            const pages = pagesOf(procedures)
            return { pages: pages.length, methods: pages[page] ?? [] }
          })
      }))
    ))
  )

/**
 * The methods that a peer serves, if it serves `Reflection`; else it is `Rejected`, or a Python peer does not answer. Reads page
 * after page, at most 128, each with the time of a call: a peer that means harm can have it take that long, and some 64 MiB. What
 * the peer begins or ceases to serve meanwhile may be missing, or come twice.
 *
 * ```ts
 * import { Console, Effect } from "effect"
 * import { Protocol } from "effect-rpcudp"
 *
 * const program = Effect.gen(function*() {
 *   for (const { args, method, success } of yield* Protocol.describe("127.0.0.1:1234")) {
 *     yield* Console.log(method, args, success)
 *   }
 * })
 * ```
 *
 * @category clients
 * @since 0.1.0
 */
export const describe = (
  peer: NetAddress.InetAddressInput
): Effect.Effect<ReadonlyArray<MethodDescription>, CallError, Protocol> =>
  Effect.gen(function*() {
    const { "rpc.reflection.describe": read } = (yield* client(Reflection))(peer)
    const first = yield* read(0)
    const others = Array.from({ length: Math.min(first.pages, maxPages) - 1 }, (_, i) => i + 1)
    const pages = yield* Effect.forEach(others, (page) => read(page))
    return [first, ...pages].flatMap(({ methods }) => methods)
  })

// What a group requires is known of the group itself, but not of a member of a list of groups.
const implementationOf = <G extends Handlers.AnyGroup>(group: G) =>
  group.implementation as Effect.Effect<Handlers.Implementation, never, Handlers.Identifier<G>>

// ---------------------------------------------------------------------------------------------------------------------
// implementation
// ---------------------------------------------------------------------------------------------------------------------

const defaultTimeout = Duration.seconds(5)
const defaultGracePeriod = Duration.seconds(5)
const defaultLeisure = Duration.millis(250)
const defaultMaxAge = Duration.seconds(30)

/** How long a call of this fiber waits: no longer than somebody waits for the fiber. */
const timeoutOf = (fiber: Fiber.Fiber<unknown, unknown>, usual: Duration.Duration): Duration.Duration => {
  const own = fiber.getRef(CurrentTimeout) ?? usual
  return fiber.getRef(Deadline) === undefined ? own : Duration.min(own, timeLeftOf(fiber))
}

const make = Effect.fnUntraced(function*(
  options: Options = {}
): Effect.fn.Return<Protocol["Service"], never, Transport.Transport | Scope.Scope> {
  const transport = yield* Transport.Transport
  const context = yield* Effect.context<never>()
  const shared = transport.shared === true
  // Each socket knows only what it has read itself: what is recorded could be played once to each of them.
  if (shared && options.keys !== undefined) throw new TypeError("a socket that shares its port takes no keys")
  const seal = options.keys === undefined ? undefined : Seal.make({
    ring: options.keys.ring,
    cipher: Cipher.make(),
    maxAge: durationOf("maxAge", options.keys.maxAge ?? defaultMaxAge)
  }, context)
  const wire = Wire.make(transport, context, seal?.seal)
  const timeout = durationOf("timeout", options.timeout ?? defaultTimeout)
  const limits = limitsOf(options.limits ?? {})
  const random = Context.get(context, WebCrypto)
  const ids = Ids.make(random)
  const sizes = Context.get(context, Sizes)
  const server = Server.make(wire, {
    limits: {
      ...limits,
      all: { requests: limits.handlers, bytes: limits.waitingBytes },
      sender: { requests: limits.handlersPerSender, bytes: limits.waitingBytesPerSender }
    },
    sizes,
    memory: options.memory === false ? undefined : memoryOf(options.memory ?? {}),
    gracePeriod: durationOf("gracePeriod", options.gracePeriod ?? defaultGracePeriod),
    leisure: Now.nanosOf(durationOf("leisure", options.leisure ?? defaultLeisure)),
    remoteSpans: options.remoteSpans ?? "link",
    hash: () => KeyedHash.make(random),
    ids
  })
  const caller = Caller.make(wire, {
    timeout: (fiber) => timeoutOf(fiber, timeout),
    retransmit: (fiber) => fiber.getRef(CurrentRetransmit) ?? options.retransmit,
    matchSender: options.matchSender ?? true,
    cancel: options.cancel ?? true,
    propagate: options.propagate ?? false,
    maxCalls: limits.calls,
    ids,
    onAddressProven: server.onAddressProven
  })

  const receive = (datagram: Uint8Array, from: Transport.Peer, toGroup: boolean) => {
    wire.metrics.received(datagram.length)
    if (seal === undefined) return dispatch(datagram, from, toGroup)
    const opened = seal.open(datagram, from)
    return typeof opened === "string" ? wire.drop(opened, from) : dispatch(opened, from, toGroup)
  }

  const dispatch = (datagram: Uint8Array, from: Transport.Peer, toGroup: boolean) => {
    // The header decides first: most of what nobody waits for is never unpacked.
    const type = Codec.typeOf(datagram)
    if (toGroup !== (type === "Gather")) return wire.drop("Misaddressed", from)
    switch (type) {
      case "Request":
        return server.onRequest(datagram, from)
      case "Gather":
        return server.onGather(datagram, from)
      case "Response":
      case "Failure":
        return caller.onAnswer(type, datagram, from)
      case "Challenge":
        return caller.onChallenge(datagram, from)
      case "Proof":
        return server.onProof(datagram, from)
      case "Cancel":
        return server.onCancel(datagram, from)
      default:
        return wire.drop(type, from)
    }
  }

  yield* Effect.addFinalizer(() => Effect.sync(() => caller.close(closedError())))
  const defects = new PerSecond(100)
  const receiver = yield* transport.run((datagram, from, toGroup = false) => {
    try {
      receive(datagram, from, toGroup)
    } catch (defect) {
      // A defect of ours. It must not take the socket with it, nor fill the disk.
      const at = wire.now()
      if (!defects.hasRoom(at)) return
      defects.count()
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

  const call: typeof caller.call = shared
    ? () => Effect.die(new TypeError("a socket that shares its port only serves: an answer may reach another socket"))
    : caller.call

  return Protocol.of({
    address: transport.address,
    timeout,
    call: (peer, method, args) =>
      Effect.suspend(() =>
        // Without a procedure there is no declared error.
        call(peerAddress(peer), method, args) as Effect.Effect<unknown, CallError>
      ),
    callProcedure: (peer, procedure, args, hear) => call(peer, procedure.method, args, procedure, hear),
    serve: server.serve,
    served: server.served,
    rekey: (ring) =>
      Effect.sync(() => {
        if (seal === undefined) throw new TypeError("a protocol without keys has none to change")
        seal.rekey(ring)
      })
  })
})
