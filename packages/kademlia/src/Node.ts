/** A Kademlia node: finds the nodes that are closest to an id, keeps what is stored near its own, and hands it on. */
import type { Duration, Stream } from "effect"
import { Clock, Context, Effect, FiberSet, Layer, Option, Random } from "effect"
import { Protocol } from "effect-rpcudp"
import type { NetAddress } from "effect/net"
import { Core } from "./core/Core.ts"
import type * as Lookup from "./core/Lookup.ts"
import type { Bucket } from "./core/RoutingTable.ts"
import type * as Values from "./core/Values.ts"
import type { Event } from "./Event.ts"
import * as Id from "./Id.ts"
import { Driver } from "./internal/driver.ts"
import { Events } from "./internal/events.ts"
import { handlers } from "./internal/serving.ts"
import { settingsOf } from "./internal/settings.ts"
import { unsendable } from "./internal/unsendable.ts"
import type { Value } from "./Messages.ts"
import { Kademlia } from "./Messages.ts"
import { NotStored } from "./NotStored.ts"
import { Storage } from "./Storage.ts"

// ---------------------------------------------------------------------------------------------------------------------
// service
// ---------------------------------------------------------------------------------------------------------------------

export class Node extends Context.Service<Node, {
  readonly id: Id.Id
  readonly address: NetAddress.InetAddress

  /**
   * Joins the network of these nodes: several, for who knows only one, and a hostile one, will know none but hostile ones.
   * Returns how many of them were there. A node that has fewer than ten contacts tries them again by itself.
   */
  readonly bootstrap: (addresses: ReadonlyArray<NetAddress.InetAddress>) => Effect.Effect<number>

  /**
   * Stores a value at the nodes closest to its key, and here, from where it is published again each day. Returns how many of
   * those nodes took it.
   */
  readonly set: (key: string, value: Value) => Effect.Effect<number, NotStored>

  /** The value of a key, if it can be found. */
  readonly get: (key: string) => Effect.Effect<Option.Option<Value>>

  /** As `get`, and returns what it took, too. */
  readonly find: (key: string) => Effect.Effect<Search>

  /** The nodes closest to an id. */
  readonly lookup: (target: Id.Id) => Effect.Effect<Lookup.Result>

  /**
   * Whether strangers can call it, by those that have called and those that have not: none where there is too little to tell by.
   * A node that can't be called asks and publishes as ever, and keeps nothing for others. It finds out anew every four hours.
   */
  readonly isReachable: Effect.Effect<Option.Option<boolean>>

  /** The contacts that it has, by bucket, as they are now. */
  readonly buckets: Effect.Effect<ReadonlyArray<Bucket>>

  /** What happens from now on, to whoever reads it. Whoever is 16,384 events behind misses the oldest. */
  readonly events: Stream.Stream<Event>
}>()("effect-kademlia/Node") {}

export { NotStored }

/** What looking for a value came to. */
export interface Search {
  readonly value: Option.Option<Value>
  /** How many nodes were asked one after the other; 0 if this one had it. */
  readonly hops: number
  /** How many nodes were asked in all. */
  readonly asked: number
}

export interface Options {
  /** Chance chooses one, if there is none yet. */
  readonly id?: Id.Id | undefined
  /** How many nodes keep a value, and how many contacts a bucket holds. 20 by default. */
  readonly k?: number | undefined
  /** How many nodes a lookup asks at once. 3 by default. */
  readonly alpha?: number | undefined
  /** The bits of an id that a hop decides at least (section 4.2). 1 by default. */
  readonly bits?: number | undefined
  /** After how many calls in a row without an answer a contact may be replaced. 5 by default, as in the paper. */
  readonly staleAfter?: number | undefined
  /** How long a contact whose place others want is silent before it is asked whether it is there: 15 minutes. */
  readonly questionAfter?: Duration.Input | undefined
  /** When a bucket is refreshed that no lookup went to: after an hour. */
  readonly refreshAfter?: Duration.Input | undefined
  /** When what is kept for others is stored at the closest nodes again: after an hour, unless somebody else just did. */
  readonly republishAfter?: Duration.Input | undefined
  /** When what this node published is published again: after a day. */
  readonly publishAfter?: Duration.Input | undefined
  /** How long what others published is kept: a day and an hour, so that they can publish it again. */
  readonly expireAfter?: Duration.Input | undefined
  /**
   * After how long without a datagram one is sent, so that a NAT that lets strangers in goes on doing so. Not at all by default;
   * 20 seconds serve behind all NATs (RFC 8085, section 3.5).
   */
  readonly keepAlive?: Duration.Input | undefined
  /** How often the node looks what is due: every minute. */
  readonly every?: Duration.Input | undefined
  /**
   * Whether it answers others. True by default; false is for who asks and soon leaves: those that check whom they take
   * into their tables do not take it.
   */
  readonly serve?: boolean | undefined
}

/**
 * A node on the socket of `Protocol`, for as long as the layer. How long it waits for an answer is up to
 * `Protocol.layer({ timeout })`.
 */
export const layer = (
  options?: Options
): Layer.Layer<Node, Protocol.DuplicateMethod, Protocol.Protocol | Storage> => Layer.effect(Node, make(options ?? {}))

// ---------------------------------------------------------------------------------------------------------------------
// implementation
// ---------------------------------------------------------------------------------------------------------------------

const make = Effect.fnUntraced(function*(options: Options) {
  const { address } = yield* Protocol.Protocol
  const now = yield* monotonic
  const random = yield* Random.Random
  const randomId = yield* Id.generator
  const core = new Core({
    self: options.id ?? randomId(),
    address,
    settings: settingsOf(options),
    bits: options.bits ?? 1,
    staleAfter: options.staleAfter ?? 5,
    random: () => random.nextDoubleUnsafe(),
    randomId,
    now: now()
  })
  const events = yield* Events.make
  const driver = new Driver({
    core,
    client: yield* Protocol.client(Kademlia),
    storage: yield* Storage,
    events,
    now,
    run: yield* FiberSet.makeRuntime()
  })

  if (options.serve !== false) {
    yield* Layer.build(Protocol.serve(Kademlia).pipe(Layer.provide(Kademlia.toLayer(handlers(driver)))))
  }
  yield* Effect.forkScoped(driver.start)

  const find = (key: string) =>
    driver.ask<Values.Search>((core, then, now) => core.find(Id.ofKey(key), then, now)).pipe(
      Effect.map((found): Search => ({ ...found, value: Option.fromUndefinedOr(found.value) }))
    )
  return Node.of({
    id: core.self,
    address,
    bootstrap: (addresses) => driver.ask((core, then, now) => core.bootstrap(addresses, then, now)),
    set: Effect.fnUntraced(function*(key, value) {
      const problem = unsendable(value)
      if (problem !== undefined) return yield* problem
      const taken = yield* driver.ask<number | undefined>((core, then, now) =>
        core.set(Id.ofKey(key), value, then, now)
      )
      if (taken !== undefined) return taken
      return yield* new NotStored({ reason: "NoRoom", message: "this node has no room for the value" })
    }),
    get: (key) => Effect.map(find(key), ({ value }) => value),
    find,
    lookup: (target) => driver.ask((core, then, now) => core.lookup(target, then, now)),
    isReachable: Effect.sync(() => Option.fromUndefinedOr(core.isReachable)),
    buckets: Effect.sync(() => core.table.buckets),
    events: events.stream
  })
})

/** The wall clock may be set while the node is up: that must not end what it keeps, nor stop what is due. In milliseconds. */
const monotonic = Effect.map(Clock.Clock, (clock) => {
  const origin = clock.monotonicTimeNanosUnsafe()
  const start = clock.currentTimeMillisUnsafe()
  return () => start + Number((clock.monotonicTimeNanosUnsafe() - origin) / 1_000_000n)
})
