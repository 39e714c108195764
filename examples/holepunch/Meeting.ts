/**
 * How nodes behind NATs find each other by a third that all can reach: two ordinary groups on the one socket. Each node tells the
 * third its name, the third says where it sees who, and then both send to each other, so that both NATs let the other in.
 */
import { Context, Deferred, Effect, Layer, Schedule, Schema } from "effect"
import { Handlers, Protocol } from "effect-rpcudp"
import { NetAddress } from "effect/net"

export class Unknown extends Schema.TaggedError<Unknown>()("Unknown", { name: Schema.String }) {}

/** What the third does for the others. Addresses are texts: `host:port`. */
export class Meeting extends Handlers.Service<Meeting>()("example/Meeting", {
  /** Takes the caller's name, and answers where it sees the caller: outside of its NAT. */
  seenAs: { args: [Schema.String], success: Schema.String },
  /** Answers where it sees the node of this name, and has told that node by then where it sees the caller. */
  meet: { args: [Schema.String], success: Schema.String, error: Unknown }
}) {}

/** What those who meet do for each other. */
export class Peer extends Handlers.Service<Peer>()("example/Peer", {
  /** Says that somebody there is about to call. */
  punch: { args: [Schema.String] },
  greet: { success: Schema.String }
}) {}

const MeetingLive = Meeting.toLayer(Effect.gen(function*() {
  const peers = yield* Protocol.client(Peer)
  const seen = new Map<string, string>()
  return Meeting.of({
    seenAs: Effect.fn("seenAs")(function*(name) {
      const sender = NetAddress.formatInet(yield* Handlers.Sender)
      seen.set(name, sender)
      return sender
    }),
    meet: Effect.fn("meet")(function*(name) {
      const sender = NetAddress.formatInet(yield* Handlers.Sender)
      const peer = seen.get(name)
      if (peer === undefined) return yield* new Unknown({ name })
      yield* Effect.ignore(peers(peer).punch(sender))
      return peer
    })
  })
}))

/** The third, over a transport. */
export const third = Protocol.serve(Meeting).pipe(
  Layer.provide(MeetingLive),
  Layer.provideMerge(Layer.fresh(Protocol.layer()))
)

/** The way to a peer, once there is one. */
export class Way extends Context.Service<Way, {
  /** Calls the peer at this address, until it answers or it has been for long enough. Returns at once. */
  readonly punch: (address: string) => Effect.Effect<void>
  /** The address at which the peer has answered. */
  readonly found: Effect.Effect<string>
}>()("example/Way") {}

// Whose port depends on whom it sends to may be seen at many, one after the other.
const mostAddresses = 8

const WayLive = Layer.effect(
  Way,
  Effect.gen(function*() {
    const peers = yield* Protocol.client(Peer)
    const scope = yield* Effect.scope
    const found = yield* Deferred.make<string>()
    const tried = new Set<string>()
    return Way.of({
      found: Deferred.await(found),
      punch: Effect.fnUntraced(function*(address) {
        if (tried.has(address) || tried.size === mostAddresses) return
        tried.add(address)
        yield* peers(address).greet().pipe(
          // What the peer's NAT does not let in yet has opened ours, and what comes after it is let in.
          Protocol.withRetransmit(Schedule.spaced("100 millis")),
          Protocol.withTimeout("2 seconds"),
          Effect.andThen(Deferred.succeed(found, address)),
          Effect.ignore,
          Effect.forkIn(scope)
        )
      })
    })
  })
)

const PeerLive = (name: string, thirdAt: string) =>
  Peer.toLayer(Effect.gen(function*() {
    const way = yield* Way
    return Peer.of({
      punch: Effect.fn("punch")(function*(address) {
        // Whoever may say this has the node send to anybody.
        if (NetAddress.formatInet(yield* Handlers.Sender) === thirdAt) yield* way.punch(address)
      }),
      greet: Effect.fn("greet")(function*() {
        // Where the peer's port depends on whom it sends to, this is another one than the third saw.
        yield* way.punch(NetAddress.formatInet(yield* Handlers.Sender))
        return name
      })
    })
  }))

/** A node that meets others by the third at this address, over a transport. */
export const node = (name: string, thirdAt: string) =>
  Protocol.serve(Peer).pipe(
    Layer.provide(PeerLive(name, thirdAt)),
    Layer.provideMerge(WayLive),
    Layer.provideMerge(Layer.fresh(Protocol.layer()))
  )

/** Becomes known to the third. Whoever stays must do so again every 15 to 30 seconds, or its NAT forgets it. */
export const register = Effect.fn("register")(function*(name: string, thirdAt: string) {
  return yield* (yield* Protocol.client(Meeting))(thirdAt).seenAs(name)
})

/** Finds a way to the node of this name, if there is one. */
export const meet = Effect.fn("meet")(function*(name: string, thirdAt: string) {
  const way = yield* Way
  yield* way.punch(yield* (yield* Protocol.client(Meeting))(thirdAt).meet(name))
  return yield* Effect.timeoutOption(way.found, "3 seconds")
})
