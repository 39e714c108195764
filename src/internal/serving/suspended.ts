/**
 * The requests whose handlers take their time. They are found by sender and id, and counted, with the heap that they hold,
 * for their sender, for its network and for all. A request that is answered at once is never here: nothing can repeat it
 * meanwhile. No clock, no socket.
 */
import type { Slotted } from "../slots.ts"
import { Slots } from "../slots.ts"
import { sameIds } from "../wire/ids.ts"
import type { Budget } from "./senders.ts"
import { networkShare } from "./senders.ts"

export interface Suspendable<Self> extends Slotted<Self> {
  readonly id: Uint8Array
  /** Of its id, its sender and its port. Strangers must not be able to compute it. */
  readonly hash: number
  readonly budget: Budget
  /** About how many bytes of heap its arguments take. */
  readonly heapBytes: number
  /** Whether a challenge of its own was answered. */
  readonly proven: boolean
  /** Whether it is here. */
  suspended: boolean
}

/** How many requests may be here, and how many bytes of heap their arguments may take together. */
export interface Bound {
  readonly requests: number
  readonly bytes: number
}

/**
 * For which requests there is room: for any, for none, or only for one that is proven. That is so while most of what is here
 * is not proven, and may all be forged by one stranger.
 */
export type Room = "any" | "proven" | "none"

export class Suspended<Request extends Suspendable<Request>> {
  readonly #ofSender: Bound
  readonly #ofNetwork: Bound
  readonly #all: Share
  /** The room of a sender that has nothing here. */
  readonly #fresh: Room
  // By the hash of their names, which strangers can't compute. Those that collide have one share together.
  readonly #senders = new Map<number, Share>()
  readonly #networks = new Map<number, Share>()
  readonly #requests = new Slots<Request>()

  constructor(options: { readonly all: Bound; readonly sender: Bound }) {
    const { all, sender } = options
    this.#all = new Share(all)
    this.#ofSender = sender
    this.#ofNetwork = { requests: networkShare * sender.requests, bytes: networkShare * sender.bytes }
    this.#fresh = new Share(sender).room
  }

  /** How many are here. */
  get size(): number {
    return this.#all.requests
  }

  /** Of how many senders and networks something is here. */
  get shares(): number {
    return this.#senders.size + this.#networks.size
  }

  roomFor({ hash, networkHash }: Budget): Room {
    if (this.#all.requests === 0) return least(this.#all.room, this.#fresh)
    const ofSender = this.#senders.get(hash)?.room ?? this.#fresh
    const ofNetwork = this.#networks.get(networkHash)?.room ?? "any"
    return least(this.#all.room, least(ofNetwork, ofSender))
  }

  /**
   * The request with the id that stands in `datagram` from `start` on. Two requests that have the same id have the same sender
   * if they have the same hash.
   */
  find(hash: number, datagram: Uint8Array, start: number): Request | undefined {
    if (this.#all.requests === 0) return undefined
    let known = this.#requests.first(hash)
    while (known !== undefined && !(known.hash === hash && sameIds(known.id, 0, datagram, start))) {
      known = known.nextInSlot
    }
    return known
  }

  add(request: Request): void {
    const { budget: { hash, networkHash } } = request
    request.suspended = true
    this.#requests.add(request)
    this.#all.add(request)
    shareOf(this.#networks, networkHash, this.#ofNetwork).add(request)
    shareOf(this.#senders, hash, this.#ofSender).add(request)
  }

  /** Does nothing if it is not here. */
  remove(request: Request): void {
    if (!request.suspended) return
    const { budget: { hash, networkHash } } = request
    request.suspended = false
    this.#requests.remove(request)
    this.#all.remove(request)
    removeFrom(this.#networks, networkHash, request)
    removeFrom(this.#senders, hash, request)
  }
}

/** What a request takes up. */
type Weight = Pick<Suspendable<unknown>, "heapBytes" | "proven">

/** What one sender, one network, or all have here. */
class Share {
  readonly #bound: Bound
  requests = 0
  #bytes = 0
  // Of those that have answered no challenge of their own.
  #unproven = 0
  #unprovenBytes = 0

  constructor(bound: Bound) {
    this.#bound = bound
  }

  get room(): Room {
    const { bytes, requests } = this.#bound
    if (this.requests >= requests || this.#bytes >= bytes) return "none"
    // The last quarter is for proven requests. A bound of one request has no quarter, or nobody unproven could ask at all.
    const most = Math.max(1, Math.floor(requests * 0.75))
    return this.#unproven >= most || this.#unprovenBytes >= bytes * 0.75 ? "proven" : "any"
  }

  add({ heapBytes, proven }: Weight): void {
    this.requests++
    this.#bytes += heapBytes
    if (proven) return
    this.#unproven++
    this.#unprovenBytes += heapBytes
  }

  remove({ heapBytes, proven }: Weight): void {
    this.requests--
    this.#bytes -= heapBytes
    if (proven) return
    this.#unproven--
    this.#unprovenBytes -= heapBytes
  }
}

const least = (a: Room, b: Room): Room => a === "none" || b === "any" ? a : b

const shareOf = (shares: Map<number, Share>, hash: number, bound: Bound): Share => {
  let share = shares.get(hash)
  if (share === undefined) shares.set(hash, share = new Share(bound))
  return share
}

const removeFrom = (shares: Map<number, Share>, hash: number, request: Weight): void => {
  const share = shares.get(hash)
  if (share === undefined) return
  share.remove(request)
  if (share.requests === 0) shares.delete(hash)
}
