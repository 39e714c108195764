/** What is judged of a request before it runs, and in which order: what costs least comes first. */
import * as Codec from "../../Codec.ts"
import type { Peer } from "../../Transport.ts"
import type { Challenges } from "./challenges.ts"
import type { Groups } from "./groups.ts"
import type { Handling } from "./handling.ts"
import { idAt } from "../wire/ids.ts"
import type { KeyedHash } from "./keyedHash.ts"
import type { Memory } from "./memory.ts"
import { forgotten } from "./memory.ts"
import type { Replies } from "./replies.ts"
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
  readonly suspended: Suspended
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

  /** Takes a datagram whose header says that it is a request. `proven` if it has answered a challenge of its own. */
  judge(datagram: Uint8Array, from: Peer, proven: boolean): void {
    const { groups, handling, hash: { ofId }, maxDepth, memory, senders, suspended, wire } = this.#parts
    const { metrics } = wire

    // A node that serves nothing does not know yet, or no longer, what it will: silence is what callers try again on.
    if (groups.size === 0) return metrics.requestRefused("unserved")
    // Nothing could be sent back.
    if (from.address.port === 0) return wire.drop("PortZero", from)

    // A repeated request is not run again, and has its answer, if there is one yet. Before all that it could be refused for:
    // a refusal would say that it was not run.
    const at = wire.now()
    const budget = senders.of(from.host)
    const hash = ofId(datagram, idAt) ^ originOf(budget, from)
    if (suspended.isRepeated(hash, datagram, idAt)) return metrics.requestRefused("repeated")
    const known = memory?.find(hash, datagram, idAt, at)
    if (known !== undefined) return this.#repeat(known, datagram, from, budget, at, proven)

    // Its rate, before any work is done for it.
    if (!this.#isWithinRate(budget, at, proven)) {
      metrics.requestRefused("throttled")
      return this.#proveFirst(datagram, from, budget, at, proven)
    }

    const request = readRequest(datagram, maxDepth)
    if (typeof request === "string") return wire.drop(request, from)
    const id = Codec.idOf(datagram)
    const asked = { id, bytes: datagram.length, from, budget }
    const method = groups.method(request.method)
    if (method === undefined) {
      metrics.requestRefused("unknown_method")
      return this.#parts.replies.refuse({ kind: "UnknownMethod" }, asked, at)
    }
    // Its group closes. Whoever takes over the port gets the next try.
    if (!method.served.accepting) return metrics.requestRefused("unserved")

    // What others may have sent in its name keeps out only what has proven nothing.
    const room = suspended.roomFor(budget)
    if (room === "none" || (room === "proven" && !proven)) {
      metrics.requestRefused("overloaded")
      if (room === "none") return this.#parts.replies.refuseOverloaded(asked, at)
      return this.#proveFirst(datagram, from, budget, at, proven)
    }

    // It runs. Its sender should have proven its address before it is refused for the lack of it.
    if (senders.isDoubted(budget, at)) this.#parts.challenges.ask(id, from, budget, at)
    handling.start(
      {
        id,
        hash,
        at,
        bytes: datagram.length,
        from,
        budget,
        method,
        heapBytes: request.heapBytes,
        proven,
        suspended: false,
        nextInSlot: undefined
      },
      request.args
    )
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
    if (this.#isWithinRate(budget, at, proven)) return replies.send(known, { id, from, budget }, at)
    if (!proven) this.#hold(id, datagram, from, budget, at)
  }

  /** What is refused for want of a proof is taken up again with it. Where it can't be asked for, there is no room. */
  #proveFirst(datagram: Uint8Array, from: Peer, budget: Budget, at: number, proven: boolean): void {
    const id = Codec.idOf(datagram)
    if (!proven && this.#hold(id, datagram, from, budget, at)) return
    this.#parts.replies.refuseOverloaded({ id, bytes: datagram.length, from, budget }, at)
  }

  #hold(id: Uint8Array, datagram: Uint8Array, from: Peer, budget: Budget, at: number): boolean {
    const { challenges, wire } = this.#parts
    return challenges.ask(id, from, budget, at, () => {
      // A view could keep a whole batch of datagrams in memory.
      const copy = new Uint8Array(datagram)
      const resume = () => {
        wire.metrics.challenged("resumed")
        this.judge(copy, from, true)
      }
      return { bytes: copy.length, resume }
    })
  }
}

/** Whose request it is, by address and port, in 32 bits: the id that goes with it has 160. */
const originOf = (budget: Budget, from: Peer): number => Math.imul(budget.hostHash, 0x9e3779b1) ^ from.address.port
