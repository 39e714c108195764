/** What is judged of a request before it runs, and in which order. What costs least comes first. */
import * as Result from "effect/Result"
import * as Codec from "../../Codec.ts"
import type { Peer } from "../../Transport.ts"
import type { Challenges } from "./challenges.ts"
import type { Groups } from "./groups.ts"
import type { Handling } from "./handling.ts"
import { idOffset } from "../wire/frame.ts"
import type { KeyedHash } from "./keyedHash.ts"
import type { Memory } from "./memory.ts"
import { forgotten } from "./memory.ts"
import type { Replies } from "./replies.ts"
import type { Admitted } from "./request.ts"
import { millisecond } from "../time/now.ts"
import { readRequest } from "../wire/requestBody.ts"
import type { Budget, Senders } from "./senders.ts"
import type { Suspended } from "./suspended.ts"
import type { Wire } from "../endpoint.ts"

export interface Parts {
  readonly wire: Wire
  readonly hash: KeyedHash
  readonly senders: Senders
  readonly challenges: Challenges
  readonly replies: Replies
  readonly suspended: Suspended<Admitted>
  /** Undefined: nothing is remembered. */
  readonly memory: Memory | undefined
  readonly groups: Groups
  readonly handling: Handling
  /** How deep an argument may nest. */
  readonly maxDepth: number
}

export class Admission {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /**
   * Takes a datagram whose header says that it is a request. `heldSince`: when it came, if it was held, and a challenge of its
   * own was answered. `isGather`: it came to a group. Then whatever is not run is not answered, as all of the group would
   * (RFC 7252, 8.1), and no proof is asked for.
   */
  judge(datagram: Uint8Array, from: Peer, heldSince?: number, isGather = false): void {
    const { groups, handling, maxDepth, memory, senders, suspended, wire } = this.#parts
    const { metrics } = wire
    const proven = heldSince !== undefined

    // A node that serves nothing may serve something soon. Callers try again after silence, and not after a refusal.
    if (groups.size === 0) return metrics.requestRefused("unserved")
    // Nothing could be sent back.
    if (from.address.port === 0) return wire.drop("PortZero", from)

    // A repeated request is not run again. Its answer is sent again, if there is one yet. This comes before whatever it
    // could be refused for, since a refusal says that the request was not run.
    const at = wire.now()
    const budget = senders.of(from.host)
    const hash = this.#hashOf(datagram, from, budget.hostHash)
    if (suspended.find(hash, datagram, idOffset) !== undefined) return metrics.requestRefused("repeated")
    const known = memory?.find(hash, datagram, idOffset, at)
    if (known !== undefined) return this.#repeat(known, datagram, from, budget, at, proven)

    // The rate comes before the body is read.
    if (!this.#isWithinRate(budget, at, proven)) {
      metrics.requestRefused("throttled")
      return isGather ? undefined : this.#proveFirst(datagram, from, budget, at, proven)
    }

    const request = readRequest(datagram, maxDepth)
    if (typeof request === "string") return wire.drop(request, from)
    const id = Codec.idOf(datagram)
    const asked = { id, bytes: datagram.length, from, budget, isGather }
    const method = groups.method(request.method)
    if (method === undefined) {
      metrics.requestRefused("unknown_method")
      return this.#parts.replies.refuse({ kind: "UnknownMethod" }, asked, at)
    }
    // Its group closes. After silence the caller tries again, and may reach whoever has taken over the port.
    if (!method.served.accepting) return metrics.requestRefused("unserved")

    // Requests that may be forged in the name of this sender use up only the room of those that have proven nothing.
    const room = suspended.roomFor(budget)
    if (room === "none" || (room === "proven" && !proven)) {
      metrics.requestRefused("overloaded")
      if (room === "none") return this.#parts.replies.refuseOverloaded(asked, at)
      return isGather ? undefined : this.#proveFirst(datagram, from, budget, at, proven)
    }

    // It runs. Its sender is asked for a proof in time: before a request of its is refused for want of one.
    if (!isGather && senders.isDoubted(budget, at)) this.#parts.challenges.ask(id, from, budget, at)
    handling.start(
      {
        id,
        hash,
        at,
        bytes: datagram.length,
        from,
        budget,
        isGather,
        method,
        heapBytes: request.heapBytes,
        proven,
        suspended: false,
        span: method.startSpan?.(from, request.trailer?.traceparent),
        expiresAt: (heldSince ?? at) + (request.trailer?.millisLeft ?? Infinity) * millisecond,
        expiry: undefined,
        abandoned: undefined,
        nextInSlot: undefined
      },
      request.args
    )
  }

  /**
   * Takes a datagram whose header says that a caller waits no longer. It counts only from where the request came from, and only
   * while that runs. Nothing is answered, and nothing is kept of one that finds nothing.
   */
  cancel(datagram: Uint8Array, from: Peer): void {
    const { handling, hash, suspended, wire } = this.#parts
    const decoded = Codec.decodeCancel(datagram)
    if (Result.isFailure(decoded)) return wire.drop(decoded.failure, from)
    // No budget: it asks for nothing, and the host of whoever sends without end is hashed more cheaply than it is kept.
    const request = suspended.find(this.#hashOf(datagram, from, hash.ofText(from.host)), datagram, idOffset)
    if (request === undefined || !handling.abandon(request, "cancelled")) wire.drop("UnknownId", from)
  }

  /** A hash of a request: of its id, and of the address and port that it comes from. */
  #hashOf(datagram: Uint8Array, from: Peer, hostHash: number): number {
    return this.#parts.hash.ofId(datagram, idOffset) ^ Math.imul(hostHash, 0x9e3779b1) ^ from.address.port
  }

  #isWithinRate(budget: Budget, at: number, proven: boolean): boolean {
    const { senders } = this.#parts
    return proven ? senders.admitProven(budget, at) : senders.admit(budget, at)
  }

  #repeat(
    known: Uint8Array | typeof forgotten,
    datagram: Uint8Array,
    from: Peer,
    budget: Budget,
    at: number,
    proven: boolean
  ): void {
    const { replies, wire } = this.#parts
    wire.metrics.requestRefused("repeated")
    if (known === forgotten) return
    const id = Codec.idOf(datagram)
    if (this.#isWithinRate(budget, at, proven)) return replies.send(known, { id, from, budget, isGather: false }, at)
    if (!proven) this.#hold(id, datagram, from, budget, at)
  }

  /** Asks for a proof, with which the request is judged again. If no challenge can be sent, the request is refused. */
  #proveFirst(datagram: Uint8Array, from: Peer, budget: Budget, at: number, proven: boolean): void {
    const id = Codec.idOf(datagram)
    if (!proven && this.#hold(id, datagram, from, budget, at)) return
    this.#parts.replies.refuseOverloaded({ id, bytes: datagram.length, from, budget, isGather: false }, at)
  }

  /** Asks for a proof, and keeps the request until it comes. Returns whether a challenge was sent. */
  #hold(id: Uint8Array, datagram: Uint8Array, from: Peer, budget: Budget, at: number): boolean {
    const { challenges, wire } = this.#parts
    const resume = (copy: Uint8Array) => {
      wire.metrics.challenged("resumed")
      this.judge(copy, from, at)
    }
    return challenges.ask(id, from, budget, at, { bytes: datagram, resume })
  }
}
