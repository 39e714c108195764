/**
 * Whether strangers can call this node. It is judged by what arrives, not by what anybody says: a NAT that lets in only those
 * that were sent to lets in no stranger, whoever would like the node to believe so. No network, no clock: times are told, in
 * milliseconds.
 */
import { setNewest } from "./Recent.ts"

/**
 * After so long without a datagram to a peer, a NAT that lets in nobody else does not let it in either (RFC 4787, REQ-5: a
 * mapping lasts for 2 minutes at least, and better for 5 or more). 10 minutes.
 */
export const holeSpan = 600_000

// So many networks must have called, or have failed to.
const strangersNeeded = 2

const absentNeeded = 5

// A peer looks once in a while whom it is to ask, and asks twice.
const patience = 2 * holeSpan

// After so long the node finds out anew.
const validity = 4 * 3_600_000

// So many networks are remembered, the last that were sent to.
const maxPeers = 1_024

interface Peer {
  sentAt: number
  /** Whether it has pinged this node, as it does for a place: it asks again once it has heard nothing for `holeSpan`. */
  hasPinged: boolean
}

export class Reachability {
  #verdict: "reachable" | "unreachable" | undefined
  #since = 0
  /** By network, whoever was sent to longest ago first. */
  readonly #peers = new Map<string, Peer>()
  readonly #strangers = new Set<string>()

  /** Whether it can be called; nothing where there is too little to tell by. */
  get verdict(): "reachable" | "unreachable" | undefined {
    return this.#verdict
  }

  /** Takes note of a datagram to this network. */
  sent(network: string, now: number): void {
    this.#note(network, now, this.#peers.get(network)?.hasPinged ?? false)
  }

  /** Takes note of a call from this network, which is answered. */
  called(network: string, isPing: boolean, now: number): void {
    const peer = this.#peers.get(network)
    const isStranger = peer === undefined || now - peer.sentAt >= holeSpan
    if (isStranger && this.#strangers.size < strangersNeeded) this.#strangers.add(network)
    this.#note(network, now, !isStranger && (isPing || peer.hasPinged))
  }

  /** Judges by what has come, and by what has not. */
  judge(now: number): void {
    if (this.#verdict !== undefined && now - this.#since >= validity) this.#conclude(undefined, now)
    if (this.#strangers.size >= strangersNeeded) this.#conclude("reachable", now)
    else if (this.#verdict === undefined && this.#absent(now) >= absentNeeded) this.#conclude("unreachable", now)
    // What was sent to them so long ago tells nothing any more.
    for (const [network, { hasPinged, sentAt }] of this.#peers) {
      if (now - sentAt < holeSpan) break
      if (!hasPinged) this.#peers.delete(network)
    }
  }

  /** How many networks gave the node a place, were left alone, and did not ask whether it is still there. */
  #absent(now: number): number {
    let count = 0
    for (const { hasPinged, sentAt } of this.#peers.values()) {
      if (now - sentAt < patience) break
      if (hasPinged) count++
    }
    return count
  }

  #conclude(verdict: "reachable" | "unreachable" | undefined, now: number): void {
    this.#verdict = verdict
    this.#since = now
    this.#strangers.clear()
    for (const peer of this.#peers.values()) peer.hasPinged = false
  }

  #note(network: string, now: number, hasPinged: boolean): void {
    setNewest(this.#peers, network, { sentAt: now, hasPinged }, maxPeers)
  }
}
