/** Kademlia nodes on the simulated network of a test. */
import { Context, Effect, Exit, Fiber, Layer, Queue, Scope, Stream } from "effect"
import { Protocol, Transport } from "effect-rpcudp"
import { SimulatedNetwork } from "effect-rpcudp/testing"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import { Core } from "../src/core/Core.ts"
import type { Event, Id } from "../src/index.ts"
import { Node, Storage } from "../src/index.ts"
import { settingsOf } from "../src/internal/settings.ts"
import { Kademlia } from "../src/Messages.ts"

export interface Member {
  readonly node: Node.Node["Service"]
  readonly storage: Storage.Storage["Service"]
  /** What has happened since it was last asked. */
  readonly events: Effect.Effect<ReadonlyArray<Event.Event>>
  readonly close: Effect.Effect<void>
}

export const inet = NetAddress.inetAddressFromStringUnsafe

/** A node without fibers, at time 0, for which chance always says the same. */
export const coreOf = (self: Id.Id, randomId: () => Id.Id = () => self, address = "10.0.0.1:1"): Core =>
  new Core({
    self,
    address: inet(address),
    settings: settingsOf({ k: 4, alpha: 2 }),
    bits: 1,
    staleAfter: 5,
    random: () => 0,
    randomId,
    now: 0
  })

/** A node at an address of the network. */
export const start = Effect.fnUntraced(function*(
  address: string,
  options?: Node.Options,
  storage: Layer.Layer<Storage.Storage> = Storage.layerMemory()
) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const live = Node.layer(options).pipe(
    Layer.provideMerge(storage),
    Layer.provide(Protocol.layer({ timeout: "1 second", gracePeriod: 0 })),
    Layer.provide(Transport.layerSocket()),
    Layer.provide(SimulatedNetwork.socket(address))
  )
  const context = yield* Layer.buildWithMemoMap(live, Layer.makeMemoMapUnsafe(), scope)
  const node = Context.get(context, Node.Node)
  const queue = yield* Queue.unbounded<Event.Event>()
  yield* node.events.pipe(
    Stream.runForEach((event) => Queue.offer(queue, event)),
    Effect.forkIn(scope, { startImmediately: true })
  )
  const member: Member = {
    node,
    storage: Context.get(context, Storage.Storage),
    events: Queue.clear(queue),
    close: Scope.close(scope, Exit.void)
  }
  return member
})

/** Whoever calls a node, the first by default, from this address, and answers nothing. */
export const caller = Effect.fnUntraced(function*(address: string, to = addressOf(1)) {
  const live = Protocol.layer({ timeout: "1 second", gracePeriod: 0 }).pipe(
    Layer.provide(Transport.layerSocket()),
    Layer.provide(SimulatedNetwork.socket(address))
  )
  const context = yield* Layer.buildWithMemoMap(live, Layer.makeMemoMapUnsafe(), yield* Effect.scope)
  return (yield* Effect.provideContext(Protocol.client(Kademlia), context))(inet(to))
})

/** Lets time pass until it is done, a second at a time and ten minutes at most. */
export const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    for (let second = 0; second < 600 && fiber.pollUnsafe() === undefined; second++) yield* TestClock.adjust("1 second")
    const exit = fiber.pollUnsafe()
    if (exit === undefined) return yield* Effect.die(new Error("it takes more than ten minutes"))
    return yield* Fiber.join(fiber)
  })

export const addressOf = (number: number) => `10.0.${number >> 8}.${number & 255}:8468`

/** Nodes that have joined one after the other, each by way of the first. */
export const network = Effect.fnUntraced(function*(count: number, options?: Node.Options) {
  const members: Array<Member> = []
  for (let i = 1; i <= count; i++) members.push(yield* join(i, options))
  return members
})

/** The node of that number joins by way of the first. */
export const join = Effect.fnUntraced(function*(number: number, options?: Node.Options) {
  const member = yield* start(addressOf(number), options)
  if (number > 1) yield* inTime(member.node.bootstrap([inet(addressOf(1))]))
  return member
})

export const contactsOf = (member: Member) =>
  Effect.map(member.node.buckets, (buckets) => buckets.flatMap(({ entries }) => entries.map(({ contact }) => contact)))
