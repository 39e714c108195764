/** The way back to a sender. Whatever answers a request goes through here, within the budget of its receiver. */
import * as Result from "effect/Result"
import * as Codec from "../../Codec.ts"
import type { Peer } from "../../Transport.ts"
import type { Challenges } from "./challenges.ts"
import { PerSecond } from "./rates.ts"
import type { Budget, Senders } from "./senders.ts"
import type { Wire } from "../endpoint.ts"

/** A request, as far as an answer to it needs to know. */
export interface Asked {
  readonly id: Uint8Array
  /** The length of its datagram. */
  readonly bytes: number
  readonly from: Peer
  readonly budget: Budget
  /** Whether it was sent to a group: then nothing but its result is sent, and that only if there is a budget for it. */
  readonly isGather: boolean
}

export class Replies {
  readonly #wire: Wire
  readonly #senders: Senders
  readonly #challenges: Challenges
  readonly #refusals = new PerSecond(1000)

  constructor(wire: Wire, senders: Senders, challenges: Challenges) {
    this.#wire = wire
    this.#senders = senders
    this.#challenges = challenges
  }

  /** Sends an answer if the budget of its receiver has room. If not, sends it once the receiver has proven that it asked. */
  send(answer: Uint8Array, asked: Omit<Asked, "bytes">, at: number): void {
    const { budget, from, id, isGather } = asked
    // If the socket refuses it, the caller's time-out comes. Nothing here could do more about it.
    if (this.#senders.spend(budget, answer.length, at)) return this.#wire.sendOnce(answer, from)
    this.#wire.metrics.withheld()
    if (isGather) return
    const resume = (copy: Uint8Array, at: number) =>
      this.send(copy, { id: Codec.idOf(copy), from, budget, isGather }, at)
    this.#challenges.ask(id, from, budget, at, { bytes: answer, resume })
  }

  /** Answers a request that was not run. */
  refuse(failure: Codec.FailureReason, asked: Asked, at: number): void {
    if (asked.isGather) return
    const encoded = Codec.encodeFailure(asked.id, failure, asked.bytes)
    if (Result.isSuccess(encoded)) this.send(encoded.success, asked, at)
  }

  /**
   * Says that there is no room. A sender that has proven nothing is told only if the answer is no longer than its request, and
   * only so many are told in a second: a flood is not answered one by one.
   */
  refuseOverloaded(asked: Asked, at: number): void {
    const { bytes, id, budget } = asked
    if (asked.isGather) return
    const encoded = Codec.encodeFailure(id, { kind: "Overloaded" }, bytes)
    if (Result.isFailure(encoded)) return
    const answer = encoded.success
    if (this.#senders.hasCredit(budget, answer.length, at)) return this.send(answer, asked, at)
    if (bytes < answer.length || !this.#refusals.hasRoom(at)) return
    if (!this.#senders.spend(budget, answer.length, at)) return this.#wire.metrics.withheld()
    this.#refusals.count()
    this.#wire.send(answer, asked.from)
  }
}
