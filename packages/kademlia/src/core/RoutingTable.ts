/**
 * The contacts of a node in a tree of k-buckets, dense near its own id and sparse far away (sections 2.2, 2.4 and 4.1 of
 * the paper). No network; time is told by its callers, in milliseconds.
 */
import type { Contact } from "../Contact.ts"
import type { Id } from "./distance.ts"
import * as Distance from "./distance.ts"

export interface Options {
  readonly self: Id
  /** How many contacts a bucket holds, and its replacement cache. */
  readonly k: number
  /**
   * A bucket away from the own id splits until its depth is a multiple of this many bits (section 4.2: more contacts,
   * fewer hops). 1 is the plain table; Python's is 5.
   */
  readonly bits: number
  /** After how many calls in a row without an answer a contact may be replaced. The paper has 5. */
  readonly staleAfter: number
}

/** What became of a contact that was heard from. */
export type Seen =
  | "added"
  /** It was there. */
  | "known"
  /** Its bucket is full: it waits in the replacement cache. */
  | "cached"
  /** Its id is known at another address. */
  | "elsewhere"
  /** Another id has a place at its address. */
  | "taken"
  /** Its network has as many places as one may have. */
  | "crowded"
  | "self"

export interface Entry {
  readonly contact: Contact
  /** The contact's: it is looked at again and again. */
  readonly head: number
  /** When it last answered, or got its place. That it calls shows nothing: anybody may call in its name. */
  answeredAt: number
  /** Calls in a row that it has not answered. */
  failures: number
  /** Whether it has answered a call when nothing had come from it for so long that no NAT was open for the caller. */
  isReachable: boolean
  /** When it was last asked whether it is there, since somebody else wants its place, id or address. */
  questioned: number
}

export interface Bucket {
  readonly _tag: "Bucket"
  /** How many leading bits its ids share: those of `prefix`. */
  readonly depth: number
  readonly prefix: Id
  /** Whoever answered longest ago first. */
  entries: Array<Entry>
  /** Contacts that wait for a place, whoever was heard from longest ago first. */
  cache: Array<Entry>
  /** When an id of its range was last looked up. */
  lookedUp: number
  /** When its first contact was last asked whether it is still there. */
  questioned: number
}

interface Branch {
  readonly _tag: "Branch"
  readonly depth: number
  readonly children: [Tree, Tree]
}

type Tree = Bucket | Branch

export class RoutingTable {
  readonly options: Options
  /**
   * By how many leading bits their ids share with the own id, but for those in its bucket. A tree from the root would be walked
   * through one branch for each of these bits, and few of the branches are in the processor's caches.
   */
  readonly #far: Array<Tree> = []
  /** That of the own id. */
  #own: Bucket
  /** Those that have a place, by id. */
  readonly #entries = new Map<Id, Entry>()
  /** Those that have a place, by address: one id each. */
  readonly #names = new Map<string, Entry>()
  /** How many places each network has. */
  readonly #networks = new Map<string, number>()

  constructor(options: Options, now: number) {
    this.options = options
    this.#own = {
      _tag: "Bucket",
      depth: 0,
      prefix: options.self,
      entries: [],
      cache: [],
      lookedUp: now,
      questioned: -Infinity
    }
  }

  /** How many contacts have a place. */
  get size(): number {
    return this.#entries.size
  }

  /** The furthest first, that of the own id last. */
  get buckets(): ReadonlyArray<Bucket> {
    const found: Array<Bucket> = []
    const collect = (tree: Tree): void => {
      if (tree._tag === "Branch") tree.children.forEach(collect)
      else found.push(tree)
    }
    this.#far.forEach(collect)
    found.push(this.#own)
    return found
  }

  /** How many contacts, but for one, share exactly so many leading bits with the own id, by the number of bits. */
  sharing(but: Contact): ReadonlyMap<number, number> {
    const counts = new Map(this.#far.map((tree, bits) => [bits, sizeOf(tree)]))
    const add = (id: Id, count: number) => {
      const bits = Distance.sharedBits(id, this.options.self)
      counts.set(bits, (counts.get(bits) ?? 0) + count)
    }
    for (const { contact } of this.#own.entries) add(contact.id, 1)
    if (this.find(but.id) !== undefined) add(but.id, -1)
    return counts
  }

  get contacts(): ReadonlyArray<Contact> {
    return this.buckets.flatMap(({ entries }) => entries.map(({ contact }) => contact))
  }

  find(id: Id): Entry | undefined {
    return this.#entries.get(id)
  }

  /** Who has a place at this address. */
  holderOf(name: string): Entry | undefined {
    return this.#names.get(name)
  }

  /** Whether its address has a place already, or its network as many as one may have. */
  isBarred(contact: Contact): boolean {
    return this.#names.has(contact.name) || this.#isCrowded(contact)
  }

  /** The bucket whose range holds an id. */
  bucketOf(id: Id): Bucket {
    let tree = this.#treeAt(this.#indexOf(id))
    while (tree._tag === "Branch") tree = tree.children[Distance.bit(id, tree.depth)]
    return tree
  }

  /** Up to `count` contacts, the closest to `target` first. `unless` leaves some out. */
  closest(target: Id, count: number, unless?: (entry: Entry) => boolean): Array<Contact> {
    const found: Array<Entry> = []
    const head = Distance.headOf(target)
    const order = Distance.byDistance(target)
    // Hot path (simulate:kademlia --events): each find_node comes here. A bucket is small, so its contacts are inserted one by
    // one; and of a large network's tables little is in the processor's caches, so nothing but the entries is looked at.
    const insert = (entry: Entry): void => {
      const distance = (entry.head ^ head) >>> 0
      let index = found.length
      while (index > 0) {
        const other = found[index - 1]!
        const difference = distance - ((other.head ^ head) >>> 0)
        if (difference > 0 || (difference === 0 && order(other.contact.id, entry.contact.id) < 0)) break
        found[index] = other
        index--
      }
      found[index] = entry
    }
    // All ids on the target's side of a branch are closer to it than any on the other.
    const collect = (tree: Tree): void => {
      if (tree._tag === "Branch") {
        const near = Distance.bit(target, tree.depth)
        collect(tree.children[near])
        if (found.length < count) collect(tree.children[near === 0 ? 1 : 0])
        return
      }
      for (const entry of tree.entries) if (unless === undefined || !unless(entry)) insert(entry)
    }
    for (const index of this.#order(target)) {
      collect(this.#treeAt(index))
      if (found.length >= count) break
    }
    if (found.length > count) found.length = count
    return found.map(({ contact }) => contact)
  }

  /**
   * As `closest`, of those that others may be told of: they have answered their last call, and are known to be reachable. As
   * long as there are fewer than `count` of these, others that have answered do. `unless` leaves some out.
   */
  callable(target: Id, count: number, unless?: (contact: Contact) => boolean): ReadonlyArray<Contact> {
    const isOut = ({ contact, failures }: Entry) => failures > 0 || unless?.(contact) === true
    const reachable = this.closest(target, count, (entry) => !entry.isReachable || isOut(entry))
    return reachable.length === count ? reachable : this.closest(target, count, isOut)
  }

  /** How many contacts are closer to `target` than `id` is. */
  countCloser(target: Id, id: Id): number {
    const place = this.#indexOf(id)
    let count = 0
    for (const index of this.#order(target)) {
      if (index === place) break
      count += sizeOf(this.#treeAt(index))
    }
    let tree = this.#treeAt(place)
    while (tree._tag === "Branch") {
      const side = Distance.bit(id, tree.depth)
      // All on the other side differ from the id in this bit first: they are closer, or none is.
      if (side !== Distance.bit(target, tree.depth)) count += sizeOf(tree.children[side === 0 ? 1 : 0])
      tree = tree.children[side]
    }
    const order = Distance.byDistance(target)
    for (const { contact } of tree.entries) if (order(contact.id, id) < 0) count++
    return count
  }

  /** Whether a contact of this id, were it seen, would get a place at once, or must wait in the cache. */
  hasRoom(id: Id): boolean {
    if (id === this.options.self) return false
    const bucket = this.bucketOf(id)
    return bucket.entries.length < this.options.k || this.#maySplit(bucket) || this.#stale(bucket) !== -1
  }

  /** Takes note of a contact that was heard from: it has called, or answered, or by its answer shown that it can be reached. */
  seen(contact: Contact, now: number, by: "call" | "answer" | "proof" = "answer"): Seen {
    if (contact.id === this.options.self) return "self"
    const entry = this.find(contact.id)
    if (entry !== undefined) {
      if (entry.contact.name !== contact.name) return "elsewhere"
      if (by === "call") return "known"
      const { entries } = this.bucketOf(contact.id)
      entries.splice(entries.indexOf(entry), 1)
      entry.answeredAt = now
      entry.failures = 0
      if (by === "proof") entry.isReachable = true
      entries.push(entry)
      return "known"
    }
    while (true) {
      const bucket = this.bucketOf(contact.id)
      const { cache, entries } = bucket
      if (this.#names.has(contact.name)) return "taken"
      if (this.#isCrowded(contact)) return "crowded"
      const waiting = cache.findIndex((other) => other.contact.id === contact.id || other.contact.name === contact.name)
      if (waiting !== -1) cache.splice(waiting, 1)
      if (entries.length < this.options.k) {
        this.#place(bucket, newEntry(contact, now, by === "proof"))
        return "added"
      }
      if (this.#maySplit(bucket)) {
        this.#split(bucket)
        continue
      }
      const stale = this.#stale(bucket)
      if (stale !== -1) {
        this.#unplace(bucket, entries[stale]!)
        this.#place(bucket, newEntry(contact, now, by === "proof"))
        return "added"
      }
      cache.push(newEntry(contact, now))
      if (cache.length > this.options.k) cache.shift()
      return "cached"
    }
  }

  /**
   * Takes note of a call that was not answered. Returns whether another may have the place of the contact, which stays until then,
   * so that a node that loses its own network for a while does not lose its table.
   */
  failed({ id, name }: Contact, calls = 1): boolean {
    const bucket = this.bucketOf(id)
    const entry = this.find(id)
    if (entry === undefined) {
      const waiting = bucket.cache.findIndex(({ contact }) => contact.id === id && contact.name === name)
      if (waiting !== -1) bucket.cache.splice(waiting, 1)
      return false
    }
    // Somebody has named another address for its id.
    if (entry.contact.name !== name) return false
    entry.failures += calls
    if (this.isStale(entry)) entry.isReachable = false
    return this.isStale(entry)
  }

  /** Whether a contact has failed so often that another may have its place, or its id. */
  isStale({ failures }: Entry): boolean {
    return failures >= this.options.staleAfter
  }

  /** Whether a contact may be asked if it is there. Then it may not be again for `pause`: others make a node ask. */
  mayQuestion(id: Id, now: number, pause: number): boolean {
    const entry = this.find(id)
    if (entry === undefined || entry.questioned > now - pause) return false
    entry.questioned = now
    return true
  }

  /** Takes a contact out. */
  evict(id: Id): void {
    const entry = this.find(id)
    if (entry !== undefined) this.#unplace(this.bucketOf(id), entry)
  }

  /** Who may have a place next to an id: of those that wait the one that was seen last, which waits no longer. */
  takeWaiting(id: Id): Contact | undefined {
    const bucket = this.bucketOf(id)
    for (let entry = bucket.cache.pop(); entry !== undefined; entry = bucket.cache.pop()) {
      if (!this.#names.has(entry.contact.name) && !this.#isCrowded(entry.contact)) return entry.contact
    }
    return undefined
  }

  /** Whose place a contact of this id would have, were it seen; nobody's if there is a place that is free, or none. */
  replaceable(id: Id): Contact | undefined {
    const bucket = this.bucketOf(id)
    if (bucket.entries.length < this.options.k || this.#maySplit(bucket)) return undefined
    return bucket.entries[this.#stale(bucket)]?.contact
  }

  /**
   * Whom to ping so that a contact of the cache may have its place: one that did not answer last time, or else whoever
   * answered longest ago, if that was `silence` ago and nobody of its bucket was pinged for as long.
   */
  questionable(id: Id, now: number, silence: number): Contact | undefined {
    const bucket = this.bucketOf(id)
    const failing = bucket.entries.find(({ failures }) => failures > 0)
    if (failing !== undefined) return failing.contact
    const oldest = bucket.entries[0]
    if (oldest === undefined || oldest.answeredAt > now - silence || bucket.questioned > now - silence) return undefined
    bucket.questioned = now
    return oldest.contact
  }

  /** Takes note of a lookup: the bucket of its target needs no refresh. */
  lookedUp(target: Id, now: number): void {
    this.bucketOf(target).lookedUp = now
  }

  /** Which of the trees holds an id. */
  #indexOf(id: Id): number {
    return Math.min(Distance.sharedBits(id, this.options.self), this.#far.length)
  }

  /** The own bucket comes after all others. */
  #treeAt(index: number): Tree {
    return this.#far[index] ?? this.#own
  }

  /** The trees by how close they are to `target`: all ids of one are closer to it than any of those that follow. */
  #order(target: Id): ReadonlyArray<number> {
    const before: Array<number> = []
    const after: Array<number> = []
    for (let index = 0; index < this.#far.length; index++) {
      const isBefore = Distance.bit(target, index) !== Distance.bit(this.options.self, index)
      if (isBefore) before.push(index)
      else after.unshift(index)
    }
    return [...before, this.#far.length, ...after]
  }

  #place(bucket: Bucket, entry: Entry): void {
    const { id, name, network } = entry.contact
    bucket.entries.push(entry)
    this.#entries.set(id, entry)
    this.#names.set(name, entry)
    if (network !== "") this.#networks.set(network, (this.#networks.get(network) ?? 0) + 1)
  }

  #unplace(bucket: Bucket, entry: Entry): void {
    const { id, name, network } = entry.contact
    bucket.entries.splice(bucket.entries.indexOf(entry), 1)
    this.#entries.delete(id)
    this.#names.delete(name)
    if (network === "") return
    const left = this.#networks.get(network)! - 1
    if (left === 0) this.#networks.delete(network)
    else this.#networks.set(network, left)
  }

  /** A private network has no bound: all of it may be one's own. */
  #isCrowded({ id, network }: Contact): boolean {
    if (network === "") return false
    const { k } = this.options
    if ((this.#networks.get(network) ?? 0) >= Math.max(1, k >> 1)) return true
    let count = 0
    for (const { contact } of this.bucketOf(id).entries) if (contact.network === network) count++
    return count >= Math.max(1, Math.floor(k / 10))
  }

  #maySplit(bucket: Bucket): boolean {
    return bucket.depth < Distance.bits - 1 && (bucket === this.#own || bucket.depth % this.options.bits !== 0)
  }

  #split(bucket: Bucket): void {
    const { depth, entries, lookedUp, prefix, questioned } = bucket
    const half = (side: 0 | 1): Bucket => ({
      _tag: "Bucket",
      depth: depth + 1,
      prefix: Distance.bit(prefix, depth) === side ? prefix : Distance.flip(prefix, depth),
      entries: entries.filter(({ contact }) => Distance.bit(contact.id, depth) === side),
      // Nobody waits in a bucket that may split.
      cache: [],
      lookedUp,
      questioned
    })
    const children: [Bucket, Bucket] = [half(0), half(1)]
    if (bucket === this.#own) {
      const side = Distance.bit(this.options.self, depth)
      this.#own = children[side]
      this.#far.push(children[side === 0 ? 1 : 0])
    } else this.#replace(bucket, { _tag: "Branch", depth, children })
  }

  #replace(bucket: Bucket, by: Branch): void {
    const index = this.#indexOf(bucket.prefix)
    let parent = this.#treeAt(index)
    if (parent === bucket) this.#far[index] = by
    while (parent._tag === "Branch") {
      const side = Distance.bit(bucket.prefix, parent.depth)
      const child = parent.children[side]
      if (child === bucket) parent.children[side] = by
      parent = child
    }
  }

  #stale({ entries }: Bucket): number {
    return entries.findIndex((entry) => this.isStale(entry))
  }
}

const newEntry = (contact: Contact, now: number, isReachable = false): Entry => ({
  contact,
  head: contact.head,
  answeredAt: now,
  failures: 0,
  isReachable,
  questioned: -Infinity
})

const sizeOf = (tree: Tree): number =>
  tree._tag === "Bucket" ? tree.entries.length : sizeOf(tree.children[0]) + sizeOf(tree.children[1])
