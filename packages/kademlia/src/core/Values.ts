/** What a node keeps, and has others keep: who takes a pair, for how long, and when it is stored again. */
import { Effect, Option, Random, Result, Semaphore, Stream } from "effect"
import { Codec } from "effect-rpcudp"
import type { Contact } from "../Contact.ts"
import * as Id from "../Id.ts"
import type { Value } from "../Messages.ts"
import { NotStored } from "../NotStored.ts"
import { Holdings } from "./Holdings.ts"
import type { Holding } from "./Holdings.ts"
import type { Entry } from "../Storage.ts"
import type { Contacts } from "./Contacts.ts"
import type { NodeContext } from "../internal/context.ts"
import { peerOf } from "../internal/events.ts"
import type { Lookups } from "./Lookups.ts"

/** What looking for a value came to. */
export interface Search {
  readonly value: Option.Option<Value>
  /** How many nodes were asked one after the other; 0 if this one had it. */
  readonly hops: number
  /** How many nodes were asked in all. */
  readonly asked: number
}

// How many newcomers wait to be handed what they are to keep, how many pairs one is handed, and after how many in a row
// that it did not take it is handed no more.
const maxWaiting = 32

const maxHanded = 1_000

const maxSilent = 3

// How many calls a second renewing may cost in the long run: 65,536 pairs, at 20 nodes each, are gone through within a day.
const callsPerSecond = 16

// For how many milliseconds without a call it may make up later.
const maxArrears = 600_000

// How many pairs are renewed at once: whoever is silent takes the time of one of them.
const renewedAtOnce = 8

export class Values {
  readonly #node: NodeContext
  readonly #contacts: Contacts
  readonly #lookups: Lookups
  readonly #one = Semaphore.makeUnsafe(1)
  /** Whoever writes what depends on what was there reads and writes in one step. */
  readonly #writing = Semaphore.makeUnsafe(1)
  readonly #holdings: Holdings
  #waiting = 0
  /** How many calls renewing may cost now, and since when it has grown. */
  #calls = 0
  #since: number

  constructor(node: NodeContext, contacts: Contacts, lookups: Lookups) {
    this.#node = node
    this.#holdings = new Holdings(node.self)
    this.#since = node.now() - 60_000
    this.#contacts = contacts
    this.#lookups = lookups
  }

  /** Learns what the storage holds from before. Newcomers wait meanwhile: they would be handed what is known by then alone. */
  get load(): Effect.Effect<void> {
    const { storage } = this.#node
    return this.#one.withPermit(Stream.runForEach(storage.all, ([key, entry]) =>
      Effect.sync(() => {
        if (!this.#holdings.has(key)) this.#holdings.add(holdingOf(key, entry))
      })))
  }

  /** Publishes a pair of this node's own. Returns how many nodes took it. */
  set(key: string, value: Value): Effect.Effect<number, NotStored> {
    const { now, self, settings } = this.#node
    return Effect.gen({ self: this }, function*() {
      const id = Id.ofKey(key)
      const problem = problemOf(value)
      if (problem !== undefined) return yield* problem
      const kept = yield* this.#writing.withPermit(this.#put(id, {
        value,
        own: true,
        from: self,
        sender: "",
        network: "",
        expiresAt: Infinity,
        republishAt: now() + settings.publishAfter
      }))
      if (!kept) return yield* new NotStored({ reason: "NoRoom", message: "this node has no room for the value" })
      const { closest } = yield* this.#lookups.run("node", id)
      return (yield* this.#spread(id, closest)).taken
    })
  }

  find(key: string): Effect.Effect<Search> {
    const { inBackground } = this.#node
    return Effect.gen({ self: this }, function*() {
      const id = Id.ofKey(key)
      const kept = yield* this.kept(id)
      if (kept !== undefined) return { value: Option.some(kept.value), hops: 0, asked: 0 }
      const { asked, closest, hops, value } = yield* this.#lookups.run("value", id)
      const nearest = closest[0]
      // Whoever looks for it next meets it earlier (section 2.3).
      if (value !== undefined && nearest !== undefined) yield* inBackground(this.#storeAt(nearest, id, value))
      return { value: Option.fromUndefinedOr(value), hops, asked }
    })
  }

  /** What is kept here for a key, and has not expired. */
  kept(key: Id.Id): Effect.Effect<Entry | undefined> {
    const { now, storage } = this.#node
    return Effect.map(
      storage.get(key),
      (entry) => Option.isSome(entry) && entry.value.expiresAt > now() ? entry.value : undefined
    )
  }

  /**
   * Takes a pair from a peer. The wire does not say how old it is, nor whether its publisher sends it or one that keeps
   * it, too: the same value from another node near the key counts as a mere copy, and does not live longer for it. What
   * this node published stays as it is.
   */
  keep(key: Id.Id, value: Value, from: Contact): Effect.Effect<boolean> {
    const { events, now, settings, table } = this.#node
    return this.#writing.withPermit(Effect.gen({ self: this }, function*() {
      const kept = yield* this.kept(key)
      const isSame = kept !== undefined && sameValue(kept.value, value)
      if (kept?.own === true) return isSame
      const isCopy = isSame && from.id !== kept.from && table.countCloser(key, from.id) < settings.k
      const { sender } = from
      const taken = yield* this.#put(key, {
        value,
        own: false,
        from: isCopy ? kept.from : from.id,
        sender: isCopy ? kept.sender : sender,
        network: isCopy ? kept.network : from.network || sender,
        expiresAt: isCopy ? kept.expiresAt : now() + this.#lifeOf(key),
        republishAt: now() + (yield* jittered(settings.republishAfter))
      })
      if (taken) events.emit(() => ({ _tag: "Kept", key, from: from.id }))
      return taken
    }))
  }

  /**
   * Hands the pairs to a new contact that it is to keep, if no other node is closer to them than this (section 2.5). To
   * one contact after the other, and to none that does not answer.
   */
  handOver(contact: Contact): Effect.Effect<void> {
    const { inBackground } = this.#node
    return Effect.suspend(() => {
      if (this.#waiting >= maxWaiting || !this.#mayBeKeeper(contact)) return Effect.void
      this.#waiting++
      return this.#one.withPermit(this.#handAll(contact)).pipe(
        Effect.ensuring(Effect.sync(() => this.#waiting--)),
        inBackground,
        Effect.asVoid
      )
    })
  }

  #handAll(contact: Contact): Effect.Effect<void> {
    const { self, settings, table } = this.#node
    return Effect.suspend(() => {
      const shared = this.#sharedWith(contact)
      let handed = 0
      let silent = 0
      return Stream.fromIterable(this.#holdings.keys()).pipe(
        Stream.filter((key) => {
          // Whoever shares as many bits with this node as the key does is closer to it.
          if (shared.has(Id.sharedBits(self, key))) return false
          const closest = table.closest(key, settings.k)
          if (!closest.includes(contact)) return false
          const rival = closest.find((other) => other !== contact)
          return rival === undefined || Id.isCloser(key, self, rival.id)
        }),
        Stream.mapEffect((key) => Effect.map(this.kept(key), (kept) => ({ key, kept }))),
        Stream.mapEffect(({ kept, key }) =>
          kept === undefined ? Effect.succeed(true) : this.#storeAt(contact, key, kept.value)
        ),
        Stream.takeWhile((taken) => {
          handed++
          silent = taken === true ? 0 : silent + 1
          return handed < maxHanded && silent < maxSilent
        }),
        Stream.runDrain
      )
    })
  }

  /**
   * Whether there can be a key that this node hands to the contact. This node must be closer to the key than all others are,
   * and the contact among the k closest. Say that the key shares `n` bits with this node. Then no other node shares exactly `n`
   * bits with it, as that one would be closer to the key. And if the contact shares fewer than `n`, then less than k others
   * share more than the contact does.
   */
  #mayBeKeeper(contact: Contact): boolean {
    const { self, settings: { k }, table } = this.#node
    const shared = Id.sharedBits(self, contact.id)
    const others = table.contacts.filter(({ id }) => id !== contact.id)
    const nearer = others.filter(({ id }) => Id.sharedBits(self, id) > shared)
    const below = [...this.#sharedWith(contact)].filter((bits) => bits <= shared)
    return nearer.length < k || below.length <= shared
  }

  /** How many bits this node shares with each of its contacts but one. */
  #sharedWith(but: Contact): ReadonlySet<number> {
    const { self, table } = this.#node
    return new Set(table.contacts.filter(({ id }) => id !== but.id).map(({ id }) => Id.sharedBits(self, id)))
  }

  /** Drops the pairs whose time has come, and stores those at the closest nodes again that are due, as far as calls go. */
  renew(): Effect.Effect<void> {
    const { now } = this.#node
    return Effect.suspend(() => {
      const at = now()
      const waited = Math.max(0, Math.min(maxArrears, at - this.#since))
      this.#since = at
      this.#calls = Math.min(this.#calls, 0) + waited / 1000 * callsPerSecond
      return Effect.forEach(
        this.#holdings.due(at),
        (key) => this.#calls > 0 ? this.#renew(key) : Effect.void,
        { concurrency: renewedAtOnce, discard: true }
      )
    })
  }

  #renew(key: Id.Id): Effect.Effect<void> {
    const { settings: { k }, table } = this.#node
    return Effect.gen({ self: this }, function*() {
      const due = yield* this.#writing.withPermit(this.#claim(key))
      if (due === undefined) return
      if (!due.own) {
        // A node that keeps a pair for others is close to it, and knows who else is, as long as all of those are there.
        const { called, silent } = yield* this.#spread(key, table.closest(key, k, ({ failures }) => failures > 0))
        this.#calls -= called
        if (called > 0 && silent === 0) return
      }
      const { asked, closest } = yield* this.#lookups.run("node", key)
      const { called } = yield* this.#spread(key, closest)
      this.#calls -= asked + called
    })
  }

  /** A pair that is to be stored at others now; the next time is noted. */
  #claim(key: Id.Id): Effect.Effect<Entry | undefined> {
    const { now, self, settings: { k, publishAfter, republishAfter }, storage, table } = this.#node
    return Effect.gen({ self: this }, function*() {
      // It may have changed since it was listed, or be gone.
      const entry = Option.getOrUndefined(yield* storage.get(key))
      if (entry === undefined) {
        this.#holdings.delete(key)
        return undefined
      }
      if (entry.expiresAt <= now()) return yield* this.#drop(key)
      if (entry.republishAt > now()) return undefined
      yield* this.#put(key, {
        ...entry,
        republishAt: now() + (entry.own ? publishAfter : yield* jittered(republishAfter))
      })
      // A copy far from its key just ages, and one that is about to go does not start another life elsewhere.
      const isHolder = table.countCloser(key, self) < k && entry.expiresAt - now() > republishAfter
      return entry.own || isHolder ? entry : undefined
    })
  }

  /** Where all places are taken another pair makes room, if this one has the better claim. */
  #put(key: Id.Id, entry: Entry): Effect.Effect<boolean> {
    const { storage } = this.#node
    return Effect.gen({ self: this }, function*() {
      const holding = holdingOf(key, entry)
      if (!(yield* storage.put(key, entry))) {
        const victim = this.#holdings.victimFor(holding)
        if (victim === undefined) return false
        yield* this.#drop(victim)
        if (!(yield* storage.put(key, entry))) return false
      }
      this.#holdings.add(holding)
      return true
    })
  }

  #drop(key: Id.Id): Effect.Effect<undefined> {
    const { events, storage } = this.#node
    return Effect.map(storage.remove(key), () => {
      this.#holdings.delete(key)
      events.emit(() => ({ _tag: "Expired", key }))
      return undefined
    })
  }

  /**
   * Stores what is kept for a key at these nodes, as far as they are closer than this one or there are less than k. Returns
   * how many were called, took it, and did not answer.
   */
  #spread(key: Id.Id, closest: ReadonlyArray<Contact>): Effect.Effect<Spread> {
    const { self, settings: { k } } = this.#node
    return Effect.gen({ self: this }, function*() {
      // While they were looked for a newer one may have been set, and have reached them before.
      const kept = yield* this.kept(key)
      if (kept === undefined) return { called: 0, taken: 0, silent: 0 }
      const closer = closest.length < k
        ? closest
        : closest.filter(({ id }, i) => i < k - 1 || Id.isCloser(key, id, self))
      const answers = yield* Effect.forEach(
        closer,
        (contact) => this.#storeAt(contact, key, kept.value),
        { concurrency: "unbounded" }
      )
      return {
        called: closer.length,
        taken: answers.filter((taken) => taken === true).length,
        silent: answers.filter((taken) => taken === undefined).length
      }
    })
  }

  /** Returns whether the contact took the pair, if it answered. */
  #storeAt(contact: Contact, key: Id.Id, value: Value): Effect.Effect<boolean | undefined> {
    const { client, events, self } = this.#node
    return client(contact.address).store(self, key, value).pipe(
      Effect.matchEffect({
        onSuccess: (taken) => {
          if (taken) events.emit(() => ({ _tag: "Stored", ...peerOf(contact), key }))
          return Effect.as(this.#contacts.heard(contact), taken)
        },
        onFailure: () => Effect.as(this.#contacts.lost(contact, "store"), undefined)
      })
    )
  }

  /** The further beyond the k closest nodes a pair is cached, the sooner it goes: half for each node between. */
  #lifeOf(key: Id.Id): number {
    const { self, settings: { expireAfter, k }, table } = this.#node
    const between = Math.max(0, table.countCloser(key, self) - k + 1)
    return Math.max(expireAfter * 2 ** -between, 60_000)
  }
}

interface Spread {
  readonly called: number
  readonly taken: number
  readonly silent: number
}

const holdingOf = (key: Id.Id, { expiresAt, network, own, republishAt, sender }: Entry): Holding => ({
  key,
  own,
  sender,
  network,
  expiresAt,
  republishAt
})

/** Why no `store` can carry a value, if that is so. Keys and ids have one length. */
const problemOf = (value: Value): NotStored | undefined => {
  const encoded = Codec.encodeRequest(noId, "store", [noId, noId, value])
  if (Result.isSuccess(encoded)) return undefined
  const { failure } = encoded
  return failure._tag === "Unencodable"
    ? new NotStored({ reason: "Unencodable", message: `the value cannot be sent: ${failure.problem}` })
    : new NotStored({
      reason: "TooLarge",
      message:
        `the value is too large: with its key it takes ${failure.size} bytes, and a datagram has room for ${Codec.maxBodyBytes}`
    })
}

// As long as any.
const noId = new Uint8Array(Codec.idBytes)

// Of the nodes that keep a pair the first to store it again saves the others from doing so.
const jittered = (duration: number) => Effect.map(Random.next, (random) => duration * (1 + random / 4))

const sameValue = (a: Value, b: Value): boolean =>
  a === b || (a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0)
