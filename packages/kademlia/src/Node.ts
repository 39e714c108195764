/** A Kademlia node: finds the nodes that are closest to an id, keeps what is stored near its own, and hands it on. */
import { Clock, Context, Duration, Effect, Layer, Option, PubSub, Random, Schedule, Stream } from "effect"
import { Handlers, Protocol } from "effect-rpcudp"
import { NetAddress } from "effect/net"
import { Contact, mayName } from "./Contact.ts"
import type { Event } from "./Event.ts"
import * as Id from "./Id.ts"
import * as Lookup from "./Lookup.ts"
import type { Value } from "./Messages.ts"
import { Kademlia } from "./Messages.ts"
import type { Bucket, Entry as TableEntry } from "./RoutingTable.ts"
import { RoutingTable } from "./RoutingTable.ts"
import type { Entry } from "./Storage.ts"
import { Storage } from "./Storage.ts"

// ---------------------------------------------------------------------------------------------------------------------
// service
// ---------------------------------------------------------------------------------------------------------------------

export class Node extends Context.Service<Node, {
  readonly id: Id.Id
  readonly address: NetAddress.InetAddress

  /**
   * Joins the network of these nodes, and answers how many of them were there. A node that has lost all its contacts
   * tries them again by itself.
   */
  readonly bootstrap: (addresses: ReadonlyArray<NetAddress.InetAddress>) => Effect.Effect<number>

  /** Has a value stored at the nodes closest to its key, and answers how many of them took it. This node keeps it, too. */
  readonly set: (key: string, value: Value) => Effect.Effect<number>

  /** The value of a key, if it can be found. */
  readonly get: (key: string) => Effect.Effect<Option.Option<Value>>

  /** As `get`, and answers what it took, too. */
  readonly find: (key: string) => Effect.Effect<Search>

  /** The nodes closest to an id. */
  readonly lookup: (target: Id.Id) => Effect.Effect<Lookup.Result>

  /** The contacts that it has, by bucket, as they are now. */
  readonly buckets: Effect.Effect<ReadonlyArray<Bucket>>

  /** What happens from now on, to whoever reads it. */
  readonly events: Stream.Stream<Event>
}>()("example/kademlia/Node") {}

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

const millis = (input: Duration.Input | undefined, otherwise: Duration.Input): number =>
  Duration.toMillis(Duration.fromInputUnsafe(input ?? otherwise))

// Pings that are under way to contacts which want a place: what strangers can make a node do has a bound.
const maxPings = 64

const make = Effect.fnUntraced(function*(options: Options) {
  const self = options.id ?? (yield* Id.random)
  const k = options.k ?? 20
  const alpha = options.alpha ?? 3
  const questionAfter = millis(options.questionAfter, "15 minutes")
  const refreshAfter = millis(options.refreshAfter, "1 hour")
  const republishAfter = millis(options.republishAfter, "1 hour")
  const publishAfter = millis(options.publishAfter, "24 hours")
  const expireAfter = millis(options.expireAfter, "25 hours")

  const protocol = yield* Protocol.Protocol
  const client = yield* Protocol.client(Kademlia)
  const storage = yield* Storage
  const clock = yield* Clock.Clock
  const scope = yield* Effect.scope
  const pubsub = yield* PubSub.unbounded<Event>()
  const table = new RoutingTable(
    { self, k, bits: options.bits ?? 1, staleAfter: options.staleAfter ?? 5 },
    clock.currentTimeMillisUnsafe()
  )
  const ownAddresses = new Set([NetAddress.formatInet(protocol.address)])
  const pinging = new Set<string>()
  let seeds: ReadonlyArray<NetAddress.InetAddress> = []
  let lookups = 0
  let watchers = 0

  const now = () => clock.currentTimeMillisUnsafe()
  // Most nodes are watched by nobody.
  const emit = (event: () => Event) => {
    if (watchers > 0) PubSub.publishUnsafe(pubsub, event())
  }
  const inBackground = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkIn(effect, scope, { startImmediately: true })
  const peerOf = (contact: Contact) => ({ id: contact.id, address: contact.name })

  // -------------------------------------------------------------------------------------------------------------------
  // contacts
  // -------------------------------------------------------------------------------------------------------------------

  /** Takes note of a node that called, or answered a call. Its id is its own word, or somebody's, until a ping tells. */
  const heard = (contact: Contact): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (contact.id === self) return Effect.void
      const known = table.find(contact.id)
      if (known !== undefined) {
        if (known.contact.name === contact.name) table.seen(contact, now())
        // Somebody else goes by its id, or it has moved: it shall tell itself.
        else return question(known.contact)
        return Effect.void
      }
      if (table.hasRoom(contact.id)) return admit(contact)
      table.seen(contact, now())
      const other = table.questionable(contact.id, now(), questionAfter)
      return other === undefined ? Effect.void : question(other)
    })

  /** Gives a contact a place if it answers at its address with its id. */
  const admit = (contact: Contact) => ping(contact, (answer) => answer === contact.id ? place(contact) : Effect.void)

  /** Takes a contact's place away unless it answers with its id. */
  const question = (contact: Contact) =>
    ping(contact, (answer) =>
      Effect.suspend(() => {
        if (answer !== contact.id) return remove(contact, table.evict(contact.id))
        table.seen(contact, now())
        return Effect.void
      }))

  const lost = (contact: Contact, method: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      emit(() => ({ _tag: "CallLost", method, address: contact.name }))
      const next = table.failed(contact.id)
      return next === undefined ? Effect.void : remove(contact, next)
    })

  /** One that waited takes the place, and has to show that it is there. */
  const remove = (contact: Contact, next: Contact | undefined): Effect.Effect<void> =>
    Effect.suspend(() => {
      emit(() => ({ _tag: "ContactRemoved", ...peerOf(contact) }))
      if (next === undefined) return Effect.void
      emit(() => ({ _tag: "ContactAdded", ...peerOf(next) }))
      return question(next)
    })

  /** Pings in the background, each address once at a time, and once more if the first is lost. */
  const ping = (contact: Contact, then: (answer: Id.Id | undefined) => Effect.Effect<void>) =>
    Effect.suspend(() => {
      const address = contact.name
      if (pinging.has(address) || pinging.size >= maxPings) return Effect.void
      pinging.add(address)
      const lost = Effect.sync(() => emit(() => ({ _tag: "CallLost", method: "ping", address })))
      return client(contact.address).ping(self).pipe(
        Effect.tapError(() => lost),
        Effect.retry({ times: 1, while: ({ _tag }) => _tag === "NoResponse" }),
        Effect.orElseSucceed(() => undefined),
        Effect.ensuring(Effect.sync(() => pinging.delete(address))),
        Effect.flatMap(then),
        inBackground
      )
    })

  /** A contact that has answered with its id gets its place, and what it is to keep. */
  const place = (contact: Contact) =>
    Effect.suspend(() => {
      if (table.seen(contact, now()) !== "added") return Effect.void
      emit(() => ({ _tag: "ContactAdded", ...peerOf(contact) }))
      return handOver(contact)
    })

  /** The contacts of a stranger's list that may be called. */
  const callable = (from: Contact, contacts: ReadonlyArray<Contact>) =>
    contacts.filter((contact) =>
      contact.id !== self && mayName(from.address, contact.address) &&
      !ownAddresses.has(contact.name)
    )

  // -------------------------------------------------------------------------------------------------------------------
  // lookups
  // -------------------------------------------------------------------------------------------------------------------

  const lookup = Effect.fnUntraced(function*(kind: "node" | "value", target: Id.Id) {
    const number = ++lookups
    table.lookedUp(target, now())
    emit(() => ({ _tag: "LookupStarted", lookup: number, kind, target }))
    const method = kind === "node" ? "find_node" : "find_value"
    const result = yield* Lookup.run({
      target,
      k,
      alpha,
      from: startingPoints(target),
      scope,
      ask: ({ contact, hop }) => {
        emit(() => ({ _tag: "Asked", lookup: number, ...peerOf(contact), hop }))
        return client(contact.address)[method](self, target).pipe(
          Effect.matchEffect({
            onSuccess: (answer) => {
              const told: Lookup.Answer = "value" in answer
                ? { _tag: "Value", value: answer.value }
                : { _tag: "Contacts", contacts: callable(contact, answer) }
              const found = told._tag === "Value"
              const contacts = told._tag === "Contacts" ? told.contacts.length : 0
              emit(() => ({ _tag: "Answered", lookup: number, ...peerOf(contact), hop, contacts, found }))
              return Effect.as(heard(contact), told)
            },
            onFailure: (): Effect.Effect<Lookup.Answer> => Effect.as(lost(contact, method), { _tag: "Lost" })
          })
        )
      }
    })
    const { asked, closest, hops, value } = result
    emit(() => ({
      _tag: "LookupEnded",
      lookup: number,
      target,
      found: value !== undefined,
      hops,
      asked,
      closest: closest.map(({ id }) => id)
    }))
    return result
  })

  /** Contacts that have gone silent only if there are no others. */
  const startingPoints = (target: Id.Id) => {
    const live = table.closest(target, k, isStale)
    return live.length > 0 ? live : table.closest(target, k)
  }

  const isStale = ({ failures }: TableEntry) => failures >= table.options.staleAfter

  const hasFailed = ({ failures }: TableEntry) => failures > 0

  // -------------------------------------------------------------------------------------------------------------------
  // values
  // -------------------------------------------------------------------------------------------------------------------

  const storeAt = (contact: Contact, key: Id.Id, value: Value) =>
    client(contact.address).store(self, key, value).pipe(
      Effect.matchEffect({
        onSuccess: (taken) => {
          if (taken) emit(() => ({ _tag: "Stored", ...peerOf(contact), key }))
          return Effect.as(heard(contact), taken)
        },
        onFailure: () => Effect.as(lost(contact, "store"), false)
      })
    )

  /** Stores a pair at the k nodes closest to its key, this one apart, and answers how many took it. */
  const spread = Effect.fnUntraced(function*(key: Id.Id, value: Value) {
    const { closest } = yield* lookup("node", key)
    const closer = closest.length < k ? closest : closest.filter(({ id }, i) => i < k - 1 || Id.isCloser(key, id, self))
    const taken = yield* Effect.forEach(closer, (contact) => storeAt(contact, key, value), { concurrency: "unbounded" })
    return taken.filter(Boolean).length
  })

  const set = Effect.fnUntraced(function*(key: string, value: Value) {
    const id = Id.ofKey(key)
    yield* storage.put(id, {
      value,
      own: true,
      from: self,
      expiresAt: Infinity,
      republishAt: now() + publishAfter
    })
    return yield* spread(id, value)
  })

  const find = Effect.fnUntraced(function*(key: string): Effect.fn.Return<Search> {
    const id = Id.ofKey(key)
    const kept = yield* keptFor(id)
    if (kept !== undefined) return { value: Option.some(kept.value), hops: 0, asked: 0 }
    const { asked, closest, hops, value } = yield* lookup("value", id)
    const nearest = closest[0]
    // Whoever looks for it next meets it earlier (section 2.3).
    if (value !== undefined && nearest !== undefined) yield* inBackground(storeAt(nearest, id, value))
    return { value: Option.fromUndefinedOr(value), hops, asked }
  })

  const keptFor = (key: Id.Id) =>
    Effect.map(
      storage.get(key),
      (entry) => Option.isSome(entry) && entry.value.expiresAt > now() ? entry.value : undefined
    )

  /**
   * Takes a pair from a peer. The wire does not say how old it is, nor whether its publisher sends it or one that keeps
   * it, too: the same value from another node near the key counts as a mere copy, and does not live longer for it.
   */
  const keep = Effect.fnUntraced(function*(key: Id.Id, value: Value, from: Id.Id) {
    const kept = yield* keptFor(key)
    const isCopy = kept !== undefined && sameValue(kept.value, value) && from !== kept.from &&
      table.countCloser(key, from) < k
    if (kept?.own === true && sameValue(kept.value, value)) return true
    const taken = yield* storage.put(key, {
      value,
      own: false,
      from: isCopy ? kept.from : from,
      expiresAt: isCopy ? kept.expiresAt : now() + lifeOf(key),
      republishAt: now() + (yield* jittered(republishAfter))
    })
    if (taken) emit(() => ({ _tag: "Kept", key, from }))
    return taken
  })

  /** The further beyond the k closest nodes a pair is cached, the sooner it goes: half for each node between. */
  const lifeOf = (key: Id.Id) => {
    const between = Math.max(0, table.countCloser(key, self) - k + 1)
    return Math.max(expireAfter * 2 ** -between, 60_000)
  }

  // Of the nodes that keep a pair the first to store it again saves the others from doing so.
  const jittered = (duration: number) => Effect.map(Random.next, (random) => duration * (1 + random / 4))

  /** Hands the pairs to a new contact that it is to keep, if no other node is closer to them than this (section 2.5). */
  const handOver = Effect.fnUntraced(function*(contact: Contact) {
    for (const [key, entry] of yield* storage.all) {
      if (entry.expiresAt <= now()) continue
      const closest = table.closest(key, k)
      if (!closest.includes(contact)) continue
      const rival = closest.find((other) => other !== contact)
      if (rival === undefined || Id.isCloser(key, self, rival.id)) yield* storeAt(contact, key, entry.value)
    }
  })

  // -------------------------------------------------------------------------------------------------------------------
  // what is due
  // -------------------------------------------------------------------------------------------------------------------

  const refresh = (buckets: ReadonlyArray<Bucket>) =>
    Effect.forEach(
      buckets,
      ({ depth, prefix }) =>
        Effect.flatMap(Id.random, (random) => lookup("node", Id.withPrefix(prefix, depth, random))),
      { discard: true }
    )

  const renew = Effect.fnUntraced(function*(key: Id.Id, entry: Entry) {
    if (entry.expiresAt <= now()) {
      yield* storage.remove(key)
      emit(() => ({ _tag: "Expired", key }))
      return
    }
    if (entry.republishAt > now()) return
    yield* storage.put(key, {
      ...entry,
      republishAt: now() + (entry.own ? publishAfter : yield* jittered(republishAfter))
    })
    // A copy far from its key just ages, and one that is about to go does not start another life elsewhere.
    const isHolder = table.countCloser(key, self) < k && entry.expiresAt - now() > republishAfter
    if (entry.own || isHolder) yield* spread(key, entry.value)
  })

  const maintain = Effect.gen(function*() {
    if (table.size === 0 && seeds.length > 0) yield* bootstrap(seeds)
    yield* refresh(table.buckets.filter(({ lookedUp }) => lookedUp <= now() - refreshAfter))
    for (const [key, entry] of yield* storage.all) yield* renew(key, entry)
  })

  // -------------------------------------------------------------------------------------------------------------------
  // joining
  // -------------------------------------------------------------------------------------------------------------------

  const bootstrap = Effect.fnUntraced(function*(addresses: ReadonlyArray<NetAddress.InetAddress>) {
    seeds = addresses
    const met = yield* Effect.forEach(addresses, meet, { concurrency: "unbounded" })
    const count = met.filter(Boolean).length
    if (count === 0) return 0
    yield* lookup("node", self)
    // The own bucket aside, each is further away than the closest neighbour (section 2.3).
    const own = table.bucketOf(self)
    yield* inBackground(refresh(table.buckets.filter((bucket) => bucket !== own)))
    return count
  })

  const meet = (address: NetAddress.InetAddress) =>
    Effect.gen(function*() {
      const peer = client(address)
      const id = yield* peer.ping(self).pipe(Effect.retry({ times: 2, while: (error) => error._tag === "NoResponse" }))
      if (id === self) return false
      yield* place(new Contact(id, address))
      // Behind a NAT, and on a socket for all addresses, only others know where they see this node.
      const seenAt = yield* Effect.option(peer.stun())
      if (Option.isSome(seenAt)) {
        const [ip, port] = seenAt.value
        ownAddresses.add(ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`)
      }
      return true
    }).pipe(Effect.orElseSucceed(() => false))

  // -------------------------------------------------------------------------------------------------------------------
  // serving
  // -------------------------------------------------------------------------------------------------------------------

  const caller = (id: Id.Id) => Effect.map(Handlers.Sender, (address) => new Contact(id, address))

  const neighbours = (contact: Contact, target: Id.Id) =>
    table.closest(target, k, (entry) => hasFailed(entry) || entry.contact.id === contact.id)

  const handlers = Kademlia.of({
    ping: Effect.fnUntraced(function*(id) {
      yield* heard(yield* caller(id))
      return self
    }),
    stun: () => Effect.map(Handlers.Sender, ({ address, port }) => [NetAddress.formatIp(address), port] as const),
    store: Effect.fnUntraced(function*(id, key, value) {
      yield* heard(yield* caller(id))
      return yield* keep(key, value, id)
    }),
    find_node: Effect.fnUntraced(function*(id, target) {
      const contact = yield* caller(id)
      const found = neighbours(contact, target)
      yield* heard(contact)
      return found
    }),
    find_value: Effect.fnUntraced(function*(id, key) {
      const contact = yield* caller(id)
      const kept = yield* keptFor(key)
      const answer = kept === undefined ? neighbours(contact, key) : { value: kept.value }
      yield* heard(contact)
      return answer
    })
  })

  if (options.serve !== false) {
    yield* Layer.build(Protocol.serve(Kademlia).pipe(Layer.provide(Kademlia.toLayer(handlers))))
  }
  yield* maintain.pipe(
    Effect.catchCause((cause) => Effect.logError("kademlia: what is due could not be done", cause)),
    Effect.schedule(Schedule.spaced(options.every ?? "1 minute")),
    Effect.forkIn(scope)
  )

  return Node.of({
    id: self,
    address: protocol.address,
    bootstrap,
    set,
    get: (key) => Effect.map(find(key), ({ value }) => value),
    find,
    lookup: (target) => lookup("node", target),
    buckets: Effect.sync(() => table.buckets),
    events: Stream.unwrap(
      Effect.as(
        Effect.acquireRelease(Effect.sync(() => watchers++), () => Effect.sync(() => watchers--)),
        Stream.fromPubSub(pubsub)
      )
    )
  })
})

const sameValue = (a: Value, b: Value): boolean =>
  a === b || (a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0)
