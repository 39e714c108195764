/** What a node keeps, and has others keep: who takes a pair, for how long, and when it is stored again. */
import { Effect, Option, Random, Semaphore, Stream } from "effect"
import type { Contact } from "../Contact.ts"
import * as Id from "../Id.ts"
import type { Value } from "../Messages.ts"
import type { Entry } from "../Storage.ts"
import type { Contacts } from "./contacts.ts"
import type { NodeContext } from "./context.ts"
import { peerOf } from "./events.ts"
import type { Lookups } from "./lookups.ts"

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

export class Values {
  readonly #node: NodeContext
  readonly #contacts: Contacts
  readonly #lookups: Lookups
  readonly #one = Semaphore.makeUnsafe(1)
  /** Whoever writes what depends on what was there reads and writes in one step. */
  readonly #writing = Semaphore.makeUnsafe(1)
  #waiting = 0

  constructor(node: NodeContext, contacts: Contacts, lookups: Lookups) {
    this.#node = node
    this.#contacts = contacts
    this.#lookups = lookups
  }

  /** Publishes a pair of this node's own. Returns how many nodes took it. */
  set(key: string, value: Value): Effect.Effect<number> {
    const { now, self, settings, storage } = this.#node
    return Effect.gen({ self: this }, function*() {
      const id = Id.ofKey(key)
      yield* this.#writing.withPermit(storage.put(id, {
        value,
        own: true,
        from: self,
        expiresAt: Infinity,
        republishAt: now() + settings.publishAfter
      }))
      return yield* this.#spread(id, value)
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
  keep(key: Id.Id, value: Value, from: Id.Id): Effect.Effect<boolean> {
    const { events, now, settings, storage, table } = this.#node
    return this.#writing.withPermit(Effect.gen({ self: this }, function*() {
      const kept = yield* this.kept(key)
      const isSame = kept !== undefined && sameValue(kept.value, value)
      if (kept?.own === true) return isSame
      const isCopy = isSame && from !== kept.from && table.countCloser(key, from) < settings.k
      const taken = yield* storage.put(key, {
        value,
        own: false,
        from: isCopy ? kept.from : from,
        expiresAt: isCopy ? kept.expiresAt : now() + this.#lifeOf(key),
        republishAt: now() + (yield* jittered(settings.republishAfter))
      })
      if (taken) events.emit(() => ({ _tag: "Kept", key, from }))
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
    const { now, self, settings, storage, table } = this.#node
    return Effect.suspend(() => {
      let handed = 0
      let silent = 0
      return storage.all.pipe(
        Stream.filter(([key, entry]) => {
          if (entry.expiresAt <= now()) return false
          const closest = table.closest(key, settings.k)
          if (!closest.includes(contact)) return false
          const rival = closest.find((other) => other !== contact)
          return rival === undefined || Id.isCloser(key, self, rival.id)
        }),
        // It may have changed since it was listed, or be gone.
        Stream.mapEffect(([key]) => Effect.map(this.kept(key), (kept) => ({ key, kept }))),
        Stream.mapEffect(({ kept, key }) =>
          kept === undefined ? Effect.succeed(true) : this.#storeAt(contact, key, kept.value)
        ),
        Stream.takeWhile((taken) => {
          handed++
          silent = taken ? 0 : silent + 1
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
  #mayBeKeeper({ id }: Contact): boolean {
    const { self, settings: { k }, table } = this.#node
    const shared = Id.sharedBits(self, id)
    const others = table.contacts.filter((other) => other.id !== id).map((other) => Id.sharedBits(self, other.id))
    const below = new Set(others.filter((bits) => bits <= shared))
    return others.filter((bits) => bits > shared).length < k || below.size <= shared
  }

  /** Drops a pair whose time has come, and stores one at the closest nodes again that is due. */
  renew(key: Id.Id): Effect.Effect<void> {
    return Effect.flatMap(
      this.#writing.withPermit(this.#claim(key)),
      (isDue) => isDue ? Effect.asVoid(this.#spread(key)) : Effect.void
    )
  }

  /** Whether a pair is to be stored at others now; the next time is noted. */
  #claim(key: Id.Id): Effect.Effect<boolean> {
    const { events, now, self, settings: { k, publishAfter, republishAfter }, storage, table } = this.#node
    return Effect.gen({ self: this }, function*() {
      // It may have changed since it was listed, or be gone.
      const entry = Option.getOrUndefined(yield* storage.get(key))
      if (entry === undefined) return false
      if (entry.expiresAt <= now()) {
        yield* storage.remove(key)
        events.emit(() => ({ _tag: "Expired", key }))
        return false
      }
      if (entry.republishAt > now()) return false
      yield* storage.put(key, {
        ...entry,
        republishAt: now() + (entry.own ? publishAfter : yield* jittered(republishAfter))
      })
      // A copy far from its key just ages, and one that is about to go does not start another life elsewhere.
      return entry.own || (table.countCloser(key, self) < k && entry.expiresAt - now() > republishAfter)
    })
  }

  /**
   * Stores what is kept for a key at the k nodes closest to it, this one apart; `otherwise`, if this node does not keep it.
   * Returns how many took it.
   */
  #spread(key: Id.Id, otherwise?: Value): Effect.Effect<number> {
    const { self, settings: { k } } = this.#node
    return Effect.gen({ self: this }, function*() {
      const { closest } = yield* this.#lookups.run("node", key)
      // Meanwhile a newer one may have been set, and have reached them before.
      const value = (yield* this.kept(key))?.value ?? otherwise
      if (value === undefined) return 0
      const closer = closest.length < k
        ? closest
        : closest.filter(({ id }, i) => i < k - 1 || Id.isCloser(key, id, self))
      const taken = yield* Effect.forEach(
        closer,
        (contact) => this.#storeAt(contact, key, value),
        { concurrency: "unbounded" }
      )
      return taken.filter(Boolean).length
    })
  }

  #storeAt(contact: Contact, key: Id.Id, value: Value): Effect.Effect<boolean> {
    const { client, events, self } = this.#node
    return client(contact.address).store(self, key, value).pipe(
      Effect.matchEffect({
        onSuccess: (taken) => {
          if (taken) events.emit(() => ({ _tag: "Stored", ...peerOf(contact), key }))
          return Effect.as(this.#contacts.heard(contact), taken)
        },
        onFailure: () => Effect.as(this.#contacts.lost(contact, "store"), false)
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

// Of the nodes that keep a pair the first to store it again saves the others from doing so.
const jittered = (duration: number) => Effect.map(Random.next, (random) => duration * (1 + random / 4))

const sameValue = (a: Value, b: Value): boolean =>
  a === b || (a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0)
