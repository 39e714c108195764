/**
 * How large the tables are that strangers can fill. Nobody sets these but a simulation, which draws them small, so that
 * eviction and overflow are the usual case (the "knobs" of FoundationDB's simulation).
 */
import * as Context from "effect/Context"

export interface Sizes {
  /** Places in each of the two rows of a table of buckets. A power of two. */
  readonly buckets: number
  /** Senders of which a proof is kept, at least; at most twice as many. */
  readonly provenSenders: number
  /** Hosts whose place in all other tables is remembered. */
  readonly knownHosts: number
  /** Senders of which it is known when they were challenged last. A power of two. */
  readonly challengedSenders: number
  /** Requests that wait for the proof of their sender, and bytes of them. */
  readonly heldRequests: number
  readonly heldBytes: number
  /** Peers whose round trips are estimated, at least; at most twice as many. */
  readonly measuredPeers: number
  /** Sessions of others in a closed network: all, those of one sender, and those of one network. */
  readonly sessions: number
  readonly sessionsPerSender: number
  readonly sessionsPerNetwork: number
  /** Sessions of a node's own that it still knows for its own. */
  readonly ownSessions: number
  /** Counters of a session that are known one by one. A multiple of 32. */
  readonly replayWindow: number
}

export const Sizes = Context.Reference<Sizes>("effect-rpcudp/internal/Sizes", {
  defaultValue: () => ({
    buckets: 4096,
    provenSenders: 8192,
    knownHosts: 1024,
    challengedSenders: 1024,
    heldRequests: 4096,
    heldBytes: 2 ** 20,
    measuredPeers: 4096,
    sessions: 16_384,
    sessionsPerSender: 1024,
    sessionsPerNetwork: 4096,
    ownSessions: 256,
    replayWindow: 8192
  })
})
