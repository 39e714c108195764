/** A network of nodes in this process, each on a UDP socket of its own on loopback, and what can be done to it. */
import type { Duration } from "effect"
import {
  Clock,
  Context,
  Effect,
  Exit,
  Layer,
  Metric,
  Option,
  PubSub,
  Random,
  Schedule,
  Schema,
  Scope,
  Stream
} from "effect"
import { Protocol, Transport } from "effect-rpcudp"
import { NetAddress } from "effect/net"
import type { DatagramSocket } from "effect/socket"
import * as Id from "../src/Id.ts"
import type { Value } from "../src/Messages.ts"
import * as Node from "../src/Node.ts"
import * as Storage from "../src/Storage.ts"
import * as Lossy from "./Lossy.ts"
import type * as Message from "./Message.ts"

/** It was not done, and the message says why. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", { message: Schema.String }) {}

export class Network extends Context.Service<Network, {
  readonly state: Effect.Effect<Message.State>
  /** What happens from the first pull on. Nodes look things up by themselves only while somebody reads it. */
  readonly happenings: Stream.Stream<Message.Happening>
  readonly set: (asked: typeof Message.Set.Type) => Effect.Effect<Message.Searched, Refused>
  readonly get: (asked: typeof Message.Get.Type) => Effect.Effect<Message.Searched, Refused>
  /** Starts a node, which joins by way of another. Returns its id. */
  readonly start: Effect.Effect<Id.Id, Refused>
  /** Stops a node, one by chance if none is named, without a word to the others. Returns its id. */
  readonly stop: (id: Id.Id | undefined) => Effect.Effect<Id.Id, Refused>
  /** None of a node that has stopped. */
  readonly contactsOf: (id: Id.Id) => Effect.Effect<ReadonlyArray<Id.Id>>
  readonly setLoss: (chance: number) => Effect.Effect<void>
  /** Whether nodes look things up by themselves. */
  readonly setTraffic: (traffic: boolean) => Effect.Effect<void>
}>()("effect-kademlia/Network") {}

export interface Options {
  readonly nodes: number
  readonly traffic: boolean
  /** How long a call waits for its answer. Half a second by default: all are on this machine. */
  readonly timeout?: Duration.Input | undefined
}

export const maxNodes = 200

export const layer = (
  options: Options
): Layer.Layer<Network, Refused | Protocol.DuplicateMethod | DatagramSocket.DatagramSocketError> =>
  Layer.effect(Network, make(options))

// ---------------------------------------------------------------------------------------------------------------------
// implementation
// ---------------------------------------------------------------------------------------------------------------------

// Of tens of nodes each would know every other with the paper's 20, and no lookup would take a second hop.
const k = 3

const alpha = 2

const maxKeys = 100

interface Member {
  readonly node: Node.Node["Service"]
  readonly storage: Storage.Storage["Service"]
  readonly close: Effect.Effect<void>
}

const make = Effect.fnUntraced(function*(options: Options) {
  const scope = yield* Effect.scope
  const happenings = yield* PubSub.sliding<Message.Happening>(16_384)
  const members = new Map<Id.Id, Member>()
  const published = new Map<Id.Id, { readonly key: string; readonly value: string }>()
  const loss = Lossy.none()
  // Of this network alone, also where a process has several.
  const metrics = Effect.provideService(Metric.MetricRegistry, new Map())
  let traffic = options.traffic
  let watchers = 0
  let searches = 0
  let lookups = 0

  // -------------------------------------------------------------------------------------------------------------------
  // nodes
  // -------------------------------------------------------------------------------------------------------------------

  const open = Effect.gen(function*() {
    if (members.size >= maxNodes) return yield* new Refused({ message: `${maxNodes} nodes are enough for a map` })
    const own = yield* Scope.fork(scope)
    const live = Node.layer({ id: yield* roomyId([...members.keys()]), k, alpha }).pipe(
      Layer.provideMerge(Storage.layerMemory()),
      Layer.provide(Protocol.layer({ timeout: options.timeout ?? "500 millis" })),
      Layer.provide(Lossy.layer(loss, Transport.layer({ address: "127.0.0.1" })))
    )
    const context = yield* Layer.buildWithMemoMap(live, Layer.makeMemoMapUnsafe(), own)
    const node = Context.get(context, Node.Node)
    yield* node.events.pipe(
      Stream.runForEach((event) => {
        if (event._tag === "LookupEnded") lookups++
        return PubSub.publish(happenings, { _tag: "Happened", node: node.id, event })
      }),
      Effect.forkIn(own, { startImmediately: true })
    )
    const others = [...members.values()]
    members.set(node.id, {
      node,
      storage: Context.get(context, Storage.Storage),
      close: Effect.suspend(() => {
        members.delete(node.id)
        return Scope.close(own, Exit.void)
      })
    })
    if (others.length > 0) yield* node.bootstrap([(yield* oneOf(others)).node.address])
    return node.id
  }).pipe(metrics)

  const start = Effect.catchTags(open, {
    DatagramSocketError: (error) => new Refused({ message: error.message }),
    DuplicateMethod: (error) => new Refused({ message: error.message })
  })

  const member = (id: Id.Id): Effect.Effect<Member, Refused> => {
    const found = members.get(id)
    return found === undefined ? Effect.fail(new Refused({ message: "that node has stopped" })) : Effect.succeed(found)
  }

  const anybody = Effect.suspend(() => oneOf([...members.values()]))

  const stop = Effect.fnUntraced(function*(id: Id.Id | undefined) {
    const { close, node } = id === undefined ? yield* anybody : yield* member(id)
    if (members.size === 1) return yield* new Refused({ message: "this is the last node" })
    yield* close
    return node.id
  })

  // -------------------------------------------------------------------------------------------------------------------
  // keys
  // -------------------------------------------------------------------------------------------------------------------

  /** Has a node do it, and tells of its beginning and its end. */
  const search = Effect.fnUntraced(function*(
    doing: "set" | "get",
    { by, key }: typeof Message.Get.Type,
    { node }: Member,
    run: (
      node: Node.Node["Service"]
    ) => Effect.Effect<Pick<Message.Searched, "value" | "hops" | "asked" | "taken">, Refused>
  ) {
    const common = { search: ++searches, by, doing, key, target: Id.ofKey(key), node: node.id }
    yield* PubSub.publish(happenings, { _tag: "Searching", ...common })
    const begun = yield* Clock.currentTimeMillis
    const outcome = yield* run(node)
    const searched: Message.Searched = {
      _tag: "Searched",
      ...common,
      ...outcome,
      millis: (yield* Clock.currentTimeMillis) - begun
    }
    yield* PubSub.publish(happenings, searched)
    return searched
  })

  const set = Effect.fnUntraced(function*(asked: typeof Message.Set.Type) {
    const id = Id.ofKey(asked.key)
    if (!published.has(id) && published.size >= maxKeys) {
      return yield* new Refused({ message: `${maxKeys} keys are enough for a map` })
    }
    const setter = asked.node === undefined ? yield* anybody : yield* member(asked.node)
    published.set(id, { key: asked.key, value: asked.value })
    return yield* search(
      "set",
      asked,
      setter,
      (node) =>
        node.set(asked.key, asked.value).pipe(
          Effect.map((taken) => ({ value: asked.value, taken })),
          Effect.mapError(({ message }) => new Refused({ message }))
        )
    )
  })

  const get = Effect.fnUntraced(function*(asked: typeof Message.Get.Type) {
    const getter = asked.node === undefined ? yield* strangerTo(Id.ofKey(asked.key)) : yield* member(asked.node)
    return yield* search("get", asked, getter, (node) =>
      Effect.map(node.find(asked.key), ({ asked, hops, value }) => ({
        value: Option.getOrNull(Option.map(value, textOf)),
        hops,
        asked
      })))
  })

  const keepsNow = Effect.fnUntraced(function*({ storage }: Member) {
    const now = yield* Clock.currentTimeMillis
    return (yield* Stream.runCollect(storage.all)).filter(([, { expiresAt }]) => expiresAt > now)
  })

  /** A node that has to ask others for the key, if there is any. */
  const strangerTo = Effect.fnUntraced(function*(key: Id.Id) {
    const strangers = yield* Effect.filter(
      [...members.values()],
      (member) => Effect.map(keepsNow(member), (kept) => kept.every(([id]) => id !== key))
    )
    return strangers.length > 0 ? yield* oneOf(strangers) : yield* anybody
  })

  // -------------------------------------------------------------------------------------------------------------------
  // watching
  // -------------------------------------------------------------------------------------------------------------------

  const callsByOutcome = Effect.map(Metric.snapshot, (snapshots) => {
    const calls = { answered: 0, lost: 0, other: 0, waiting: 0 }
    for (const { attributes, id, state, type } of snapshots) {
      if (id === "rpcudp_calls_in_flight" && type === "Gauge") calls.waiting += Number(state.value)
      if (id !== "rpcudp_calls_total" || type !== "Counter") continue
      const outcome = attributes?.["outcome"]
      calls[outcome === "success" ? "answered" : outcome === "no_response" ? "lost" : "other"] += Number(state.count)
    }
    return calls
  })

  const state = Effect.gen(function*() {
    const holders = new Map<Id.Id, Array<Id.Id>>([...published.keys()].map((id) => [id, []]))
    const nodes: Array<Message.State["nodes"][number]> = []
    for (const member of members.values()) {
      const { address, buckets, id } = member.node
      const kept = yield* keepsNow(member)
      for (const [key] of kept) holders.get(key)?.push(id)
      const contacts = (yield* buckets).reduce((sum, { entries }) => sum + entries.length, 0)
      nodes.push({ id, address: NetAddress.formatInet(address), contacts, keeps: kept.length })
    }
    const state: Message.State = {
      _tag: "State",
      k,
      alpha,
      nodes,
      pairs: [...published].map(([id, { key, value }]) => ({ id, key, value, holders: holders.get(id) ?? [] })),
      loss: loss.chance,
      traffic,
      calls: yield* callsByOutcome,
      lookups,
      datagrams: { sent: loss.sent, lost: loss.lost }
    }
    return state
  }).pipe(metrics)

  const watched = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.suspend((): Effect.Effect<unknown, E, R> => traffic && watchers > 0 ? effect : Effect.void)

  const idleLookup = Effect.flatMap(anybody, ({ node }) => Effect.flatMap(Id.random, node.lookup))

  const idleSearch = Effect.suspend(() => {
    const pairs = [...published.values()]
    return pairs.length === 0
      ? Effect.void
      : Effect.flatMap(oneOf(pairs), ({ key }) => get({ key, by: "" }))
  })

  // -------------------------------------------------------------------------------------------------------------------
  // beginning
  // -------------------------------------------------------------------------------------------------------------------

  for (let i = 0; i < options.nodes; i++) yield* open
  for (const [key, value] of [["river", "Danube"], ["colour", "green"], ["answer", "42"]] as const) {
    yield* set({ key, value, by: "" })
  }
  for (const [effect, every] of [[idleLookup, "400 millis"], [idleSearch, "6 seconds"]] as const) {
    yield* watched(effect).pipe(
      Effect.catchCause((cause) => Effect.logError("a node could not look something up", cause)),
      Effect.schedule(Schedule.spaced(every)),
      Effect.forkScoped
    )
  }

  return Network.of({
    state,
    happenings: Stream.unwrap(
      Effect.as(
        Effect.acquireRelease(Effect.sync(() => watchers++), () => Effect.sync(() => watchers--)),
        Stream.fromPubSub(happenings)
      )
    ),
    set,
    get,
    start,
    stop,
    contactsOf: Effect.fnUntraced(function*(id) {
      const found = members.get(id)
      if (found === undefined) return []
      return (yield* found.node.buckets).flatMap(({ entries }) => entries.map(({ contact }) => contact.id))
    }),
    setLoss: (chance) => Effect.sync(() => void (loss.chance = chance)),
    setTraffic: (on) => Effect.sync(() => void (traffic = on))
  })
})

const oneOf = <A>(candidates: ReadonlyArray<A>): Effect.Effect<A, Refused> =>
  Effect.mapError(Random.choice(candidates), () => new Refused({ message: "there is none" }))

/** Of ten ids by chance the one with the most room around it on the ring: dots that overlap cannot be read. */
const roomyId = Effect.fnUntraced(function*(others: ReadonlyArray<Id.Id>) {
  const candidates = yield* Effect.replicateEffect(Id.random, 10)
  const room = (id: Id.Id) => Math.min(...others.map((other) => gap(placeOf(id), placeOf(other))))
  return candidates.reduce((best, id) => room(id) > room(best) ? id : best)
})

/** Where an id is on a ring of length 1. */
const placeOf = (id: Id.Id): number => parseInt(id.slice(0, 8), 16) / 2 ** 32

const gap = (a: number, b: number): number => {
  const apart = Math.abs(a - b)
  return Math.min(apart, 1 - apart)
}

const textOf = (value: Value): string => value instanceof Uint8Array ? `${value.length} bytes` : String(value)
