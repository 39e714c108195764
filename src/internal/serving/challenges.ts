/**
 * Asks senders to prove that they are where their requests come from, and keeps what waits for it. A request that may be
 * forged is not refused for that: it runs once its own challenge is answered (RFC 9000, 8.1).
 */
import * as Result from "effect/Result"
import * as Codec from "../../Codec.ts"
import type { Peer } from "../../Transport.ts"
import type { Held } from "./held.ts"
import { HeldRequests } from "./held.ts"
import type { Budget, Senders } from "./senders.ts"
import type { Sizes } from "../sizes.ts"
import type { Wire } from "../endpoint.ts"

export class Challenges {
  readonly #wire: Wire
  readonly #senders: Senders
  readonly #held: HeldRequests
  /** How many were sent: each has a number of its own. */
  #sent = 0

  constructor(wire: Wire, senders: Senders, sizes: Pick<Sizes, "heldBytes" | "heldRequests">) {
    this.#wire = wire
    this.#senders = senders
    this.#held = new HeldRequests({ maxRequests: sizes.heldRequests, maxBytes: sizes.heldBytes })
  }

  /**
   * Challenges the sender of the request with this id, within its budget. Returns whether a challenge was sent. If it was,
   * what is to wait for the proof is resumed when that comes.
   */
  ask(id: Uint8Array, to: Peer, budget: Budget, at: number, held?: Held): boolean {
    if (!this.#senders.spendChallenge(budget, challengeBytes, at)) return false
    const number = ++this.#sent
    if (held !== undefined) this.#held.add(number, held, budget.hash)
    const token = this.#senders.token(budget, number, at)
    this.#wire.metrics.challenged("sent")
    this.#wire.send(Codec.encodeChallenge(id, token), to)
    return true
  }

  onProof(datagram: Uint8Array, from: Peer): void {
    const proof = Codec.decodeProof(datagram)
    if (Result.isFailure(proof)) return this.#wire.drop(proof.failure, from)
    const at = this.#wire.now()
    const number = this.#senders.answered(from.host, Codec.idOf(datagram), at)
    if (number === undefined) return this.#wire.drop("UnknownId", from)
    this.#wire.metrics.challenged("proven")
    const held = this.#held.take(number)
    held?.resume(held.bytes, at)
  }
}

const challengeBytes = Codec.headerBytes + 2 + Codec.idBytes
