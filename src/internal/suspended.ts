/**
 * The requests that take their time: found by their id, and counted by their sender. One that is answered at once needs no
 * place here, as nothing can repeat it meanwhile. No clock, no socket.
 */
import type { Peer } from "../Transport.ts"
import { idAt, sameIds, wordAt } from "./ids.ts"
import type { Sender } from "./senders.ts"

export interface Suspendable {
  readonly id: Uint8Array
  /** Of its id, and such that strangers can't compute it. */
  readonly hash: number
  readonly from: Peer
  readonly sender: Sender
  /** Whether it is here. */
  suspended: boolean
  /** Whether its sender had proven its address when it came here. */
  proven: boolean
}

export class Suspended<R extends Suspendable> {
  readonly #requests = new Map<number, R>()
  readonly #perSender = new Map<string, number>()
  #unproven = 0

  /** How many are here of senders that had proven nothing: those may all be one's inventions. */
  get unproven(): number {
    return this.#unproven
  }

  /** How many of this sender's are here. */
  of(sender: Sender): number {
    return this.#requests.size === 0 ? 0 : this.#perSender.get(sender.name) ?? 0
  }

  /** Whether this datagram, a request whose id has this hash, asks again for what is here. */
  isRepeated(hash: number, datagram: Uint8Array, from: Peer): boolean {
    if (this.#requests.size === 0) return false
    const known = this.#requests.get(keyOf(hash, datagram, idAt))
    return known !== undefined && sameIds(known.id, 0, datagram, idAt) && known.from.equals(from)
  }

  add(request: R, proven: boolean): void {
    const { hash, id, sender: { name } } = request
    request.suspended = true
    request.proven = proven
    if (!proven) this.#unproven++
    this.#requests.set(keyOf(hash, id, 0), request)
    this.#perSender.set(name, (this.#perSender.get(name) ?? 0) + 1)
  }

  /** Does nothing if it is not here. */
  remove({ hash, id, proven, sender: { name }, suspended }: R): void {
    if (!suspended) return
    if (!proven) this.#unproven--
    this.#requests.delete(keyOf(hash, id, 0))
    const left = (this.#perSender.get(name) ?? 1) - 1
    if (left === 0) this.#perSender.delete(name)
    else this.#perSender.set(name, left)
  }
}

/**
 * 52 bits of an id, 32 of them its hash: strangers choose ids, and would choose those that a `Map` puts into one place. The
 * rest is compared.
 */
const keyOf = (hash: number, bytes: Uint8Array, start: number): number =>
  (hash >>> 0) * 2 ** 20 + (wordAt(bytes, start) >>> 12)
