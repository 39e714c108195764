/** What a node keeps, and has others keep: who takes a pair, for how long, and when it is stored again. */
import type { Contact } from "../Contact.ts"
import type { Value } from "../Messages.ts"
import type { Entry } from "../Storage.ts"
import type { Contacts } from "./Contacts.ts"
import type { Id } from "./distance.ts"
import { isCloser } from "./distance.ts"
import { HandOver } from "./HandOver.ts"
import type { Holding } from "./Holdings.ts"
import { Holdings } from "./Holdings.ts"
import { inTurn } from "./inTurn.ts"
import type { Lookups } from "./Lookups.ts"
import type { Shared } from "./Shared.ts"
import { peerOf } from "./Shared.ts"
import type { Holder } from "./Shares.ts"
import { holderOf, Turns } from "./Turns.ts"

/** What looking for a value came to. */
export interface Search {
  readonly value: Value | undefined
  /** How many nodes were asked one after the other; 0 if this one had it. */
  readonly hops: number
  /** How many nodes were asked in all. */
  readonly asked: number
}

// How many calls a second renewing may cost in the long run: 65,536 pairs, at 20 nodes each, are gone through within a day.
const callsPerSecond = 16

// For how many milliseconds without a call it may make up later.
const maxArrears = 600_000

// How much longer a node may wait than it has to.
const maxJitter = 1.25

/** One writes after the other, and so many others wait, each with a value of up to 8 KiB. */
export const writingLimits = { atOnce: 1, waiting: 2_048 }

// What a pair counts that is looked at without a call.
const leastCalls = 1 / 4

// How many pairs are renewed at once: whoever is silent takes the time of one of them.
const renewedAtOnce = 8

// After how many pairs others have their turn, for how many milliseconds: 256 are looked at in one go, as they are at once.
const pauseEach = 32

const pause = 10

// After how many milliseconds a pair is looked at again of which nothing came.
const retryAfter = 600_000

export class Values {
  readonly #shared: Shared
  readonly #contacts: Contacts
  readonly #lookups: Lookups
  /** Whoever writes what depends on what was there reads and writes in one turn. */
  readonly #writing = new Turns(writingLimits)
  readonly #holdings: Holdings
  readonly #handOver: HandOver
  /** How many calls renewing may cost now, and since when it has grown. */
  #calls = 0
  #since: number

  constructor(shared: Shared, contacts: Contacts, lookups: Lookups) {
    this.#shared = shared
    this.#holdings = new Holdings(shared.self)
    this.#since = shared.now - 60_000
    this.#contacts = contacts
    this.#lookups = lookups
    this.#handOver = new HandOver(shared, {
      holdings: this.#holdings,
      kept: (key, then) => this.kept(key, then),
      storeAt: (contact, key, value, then) => this.#storeAt(contact, key, value, then)
    })
  }

  /** Learns what the storage holds from before. Newcomers wait until it has been told to `start`. */
  learn(key: Id, entry: Entry): void {
    if (this.#holdings.get(key) !== undefined) return
    const { now, settings: { expireAfter, publishAfter, republishAfter } } = this.#shared
    const holding = holdingOf(key, entry)
    // The clock may have been set back since: no pair waits longer for it than a new one would.
    this.#holdings.add({
      ...holding,
      expiresAt: holding.own ? Infinity : Math.min(holding.expiresAt, now + expireAfter),
      republishAt: Math.min(holding.republishAt, now + (holding.own ? publishAfter : republishAfter * maxJitter))
    })
  }

  start(): void {
    this.#handOver.start()
  }

  /**
   * Publishes a pair of this node's own. `then` is told how many nodes took it; nothing if this one has no room. Returns what
   * gives that up, if it has not begun.
   */
  set(key: Id, value: Value, then: (taken: number | undefined) => void): () => void {
    const { self, settings } = this.#shared
    const spread = () =>
      this.#lookups.run("node", key, ({ closest }) => this.#spread(key, closest, ({ taken }) => then(taken)))
    return this.#writing.takeFirst((done) => {
      const entry: Entry = {
        value,
        own: true,
        from: self,
        sender: "",
        network: "",
        expiresAt: Infinity,
        republishAt: this.#shared.now + settings.publishAfter
      }
      this.#put(key, entry, (isKept) => {
        done()
        if (isKept) spread()
        else then(undefined)
      })
    })
  }

  find(key: Id, then: (search: Search) => void): void {
    this.kept(key, (kept) => {
      if (kept !== undefined) return then({ value: kept.value, hops: 0, asked: 0 })
      this.#lookups.run("value", key, ({ asked, closest: [nearest], hops, value }) => {
        // Whoever looks for it next meets it earlier (section 2.3).
        if (value !== undefined && nearest !== undefined) this.#storeAt(nearest, key, value, () => {})
        then({ value, hops, asked })
      })
    })
  }

  /** What is kept here for a key, has not expired, and can be read. */
  kept(key: Id, then: (kept: Entry | undefined) => void): void {
    this.#shared.read(key, (entry) => then(entry === "failed" ? undefined : this.#unexpired(entry)))
  }

  #unexpired(entry: Entry | undefined): Entry | undefined {
    return entry !== undefined && entry.expiresAt > this.#shared.now ? entry : undefined
  }

  /**
   * Takes a pair from a peer. The wire does not say how old it is, nor whether its publisher sends it or one that keeps
   * it, too: the same value from another node near the key counts as a mere copy, and does not live longer for it. What
   * this node published stays as it is. Returns what gives that up, if it has not begun.
   */
  keep(key: Id, value: Value, from: Contact, then: (taken: boolean) => void): () => void {
    const { settings, table } = this.#shared
    return this.#writing.take(holderOf(from), (done) => {
      const end = (taken: boolean) => {
        done()
        then(taken)
      }
      this.#shared.read(key, (entry) => {
        // It may be this node's own.
        if (entry === "failed") return end(false)
        const kept = this.#unexpired(entry)
        const { now } = this.#shared
        const isSame = kept !== undefined && sameValue(kept.value, value)
        if (kept?.own === true) return end(isSame)
        const isCopy = isSame && from.id !== kept.from && table.countCloser(key, from.id) < settings.k
        const { network, sender } = holderOf(from)
        this.#put(key, {
          value,
          own: false,
          from: isCopy ? kept.from : from.id,
          sender: isCopy ? kept.sender : sender,
          network: isCopy ? kept.network : network,
          expiresAt: isCopy ? kept.expiresAt : now + this.#lifeOf(key),
          republishAt: now + this.#jittered(settings.republishAfter)
        }, (taken) => {
          if (taken) this.#shared.emit(() => ({ _tag: "Kept", key, from: from.id }))
          end(taken)
        })
      })
    }, () => then(false))
  }

  /** Hands the pairs to a new contact that it is to keep. */
  handOver(contact: Contact): void {
    this.#handOver.to(contact)
  }

  /** Drops the pairs whose time has come, and stores those at the closest nodes again that are due, as far as calls go. */
  renew(then: () => void): void {
    const { now } = this.#shared
    const waited = Math.max(0, Math.min(maxArrears, now - this.#since))
    this.#since = now
    this.#calls = Math.min(this.#calls, 0) + waited / 1000 * callsPerSecond
    let count = 0
    const renew = (key: Id, done: () => void) => {
      if (++count % pauseEach === 0) this.#shared.sleep(pause, () => this.#renew(key, done))
      else this.#renew(key, done)
    }
    inTurn(this.#due(now), renew, then, renewedAtOnce)
  }

  *#due(now: number): Iterable<Id> {
    while (this.#calls > 0) {
      const key = this.#holdings.takeDue(now, now + retryAfter)
      if (key === undefined) return
      yield key
    }
  }

  #renew(key: Id, then: () => void): void {
    const { reachability, settings: { k }, table } = this.#shared
    const end = (calls: number, due?: Entry) => {
      this.#calls -= Math.max(calls, leastCalls)
      // Whoever cannot be called keeps nothing for others, once they have it.
      if (reachability.verdict === "unreachable" && due?.own === false) this.#release(key, then)
      else then()
    }
    this.#claim(key, (due) => {
      if (due === undefined) return end(0)
      const lookUp = (before: number) =>
        this.#lookups.run(
          "node",
          key,
          ({ asked, closest }) => this.#spread(key, closest, ({ called }) => end(before + asked + called, due))
        )
      if (due.own) return lookUp(0)
      // A node that keeps a pair for others is close to it, and knows who else is, as long as all of those are there.
      this.#spread(key, table.callable(key, k), ({ called, silent }) => {
        if (called > 0 && silent === 0) end(called, due)
        else lookUp(called)
      })
    })
  }

  /** A pair that is to be stored at others now, if it is; the next time is noted. */
  #claim(key: Id, then: (due: Entry | undefined) => void): void {
    const { self, settings: { k, publishAfter, republishAfter }, table } = this.#shared
    this.#writing.take(nobody, (done) => {
      const end = (due?: Entry) => {
        done()
        then(due)
      }
      const { now } = this.#shared
      const holding = this.#holdings.get(key)
      if (holding === undefined) return end()
      const { expiresAt } = holding
      if (expiresAt <= now) return this.#drop(key, end)
      // It has changed since it was due.
      if (holding.republishAt > now) return end()
      this.#shared.read(key, (entry) => {
        // It stays what it is, and is due again.
        if (entry === "failed") return end()
        // It is damaged, and would have its place for ever.
        if (entry === undefined) return this.#drop(key, end)
        const { now } = this.#shared
        const republishAt = now + (entry.own ? publishAfter : this.#jittered(republishAfter))
        this.#put(key, { ...entry, expiresAt, republishAt }, () => {
          // A copy far from its key just ages, and one that is about to go does not start another life elsewhere.
          const isHolder = table.countCloser(key, self) < k && expiresAt - this.#shared.now > republishAfter
          end(entry.own || isHolder ? entry : undefined)
        })
      })
    }, () => then(undefined))
  }

  /** Drops a pair, unless this node has published it meanwhile. */
  #release(key: Id, then: () => void): void {
    this.#writing.take(nobody, (done) => {
      const end = () => {
        done()
        then()
      }
      if (this.#holdings.get(key)?.own === false) this.#drop(key, end)
      else end()
    }, then)
  }

  /** Where all places are taken another pair makes room, if this one has the better claim. Tells whether it is kept. */
  #put(key: Id, entry: Entry, then: (isKept: boolean) => void): void {
    const holding = holdingOf(key, entry)
    const write = (ifFull: () => void) =>
      this.#shared.write(key, entry, (written) => {
        if (written === "full") return ifFull()
        if (written === "kept") this.#holdings.add(holding)
        then(written === "kept")
      })
    write(() => {
      const victim = this.#holdings.victimFor(holding)
      if (victim === undefined) then(false)
      else this.#drop(victim, () => write(() => then(false)))
    })
  }

  /** Whatever the storage does not let go of keeps its place. */
  #drop(key: Id, then: () => void): void {
    this.#shared.remove(key, (removed) => {
      if (removed !== "failed") {
        this.#holdings.delete(key)
        this.#shared.emit(() => ({ _tag: "Expired", key }))
      }
      then()
    })
  }

  /**
   * Stores what is kept for a key at these nodes, as far as they are closer than this one or there are less than k. Tells
   * how many were called, took it, and did not answer.
   */
  #spread(key: Id, closest: ReadonlyArray<Contact>, then: (spread: Spread) => void): void {
    const { reachability, self, settings: { k } } = this.#shared
    // While they were looked for a newer one may have been set, and have reached them before.
    this.kept(key, (kept) => {
      if (kept === undefined) return then({ called: 0, taken: 0, silent: 0 })
      const closer = closest.length < k || reachability.verdict === "unreachable"
        ? closest
        : closest.filter(({ id }, i) => i < k - 1 || isCloser(key, id, self))
      let taken = 0
      let silent = 0
      const storeAt = (contact: Contact, done: () => void) =>
        this.#storeAt(contact, key, kept.value, (isTaken) => {
          if (isTaken === undefined) silent++
          else if (isTaken) taken++
          done()
        })
      inTurn(closer, storeAt, () => then({ called: closer.length, taken, silent }), Infinity)
    })
  }

  /** Tells whether the contact took the pair, if it answered. */
  #storeAt(contact: Contact, key: Id, value: Value, then: (taken: boolean | undefined) => void): void {
    this.#shared.store(contact, key, value, (answer) => {
      if (answer._tag === "Lost") {
        this.#contacts.lost(contact, "store", answer)
        return then(undefined)
      }
      if (answer.taken) this.#shared.emit(() => ({ _tag: "Stored", ...peerOf(contact), key }))
      this.#contacts.responded(contact)
      then(answer.taken)
    })
  }

  /** The further beyond the k closest nodes a pair is cached, the sooner it goes: half for each node between. */
  #lifeOf(key: Id): number {
    const { self, settings: { expireAfter, k }, table } = this.#shared
    const between = Math.max(0, table.countCloser(key, self) - k + 1)
    return Math.max(expireAfter * 2 ** -between, 60_000)
  }

  // Of the nodes that keep a pair the first to store it again saves the others from doing so.
  #jittered(duration: number): number {
    return duration * (1 + this.#shared.random() * (maxJitter - 1))
  }
}

/** Whose turn it is when what is kept is looked after. */
const nobody: Holder = { network: "", sender: "" }

interface Spread {
  readonly called: number
  readonly taken: number
  readonly silent: number
}

const holdingOf = (key: Id, { expiresAt, network, own, republishAt, sender }: Entry): Holding => ({
  key,
  own,
  sender,
  network,
  expiresAt,
  republishAt
})

const sameValue = (a: Value, b: Value): boolean =>
  Object.is(a, b) || a === b || (a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0)
