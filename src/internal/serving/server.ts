/** Serves: a request in, at most one answer out. Builds the parts; what they decide is theirs. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Codec from "../../Codec.ts"
import type { CompiledProcedure, Implementation } from "../../Handlers.ts"
import type { Peer } from "../../Transport.ts"
import { Admission } from "./admission.ts"
import { Challenges } from "./challenges.ts"
import type { DuplicateMethod } from "../errors.ts"
import { Groups } from "./groups.ts"
import { Handling } from "./handling.ts"
import type { Ids } from "../wire/ids.ts"
import type { KeyedHash } from "./keyedHash.ts"
import { Memory } from "./memory.ts"
import { Replies } from "./replies.ts"
import { Senders } from "./senders.ts"
import type { Admitted } from "./request.ts"
import type { Sizes } from "../sizes.ts"
import type { Bound } from "./suspended.ts"
import { Suspended } from "./suspended.ts"
import type { RemoteSpans } from "../watching/spans.ts"
import type { Wire } from "../endpoint.ts"

export interface Options {
  readonly limits: {
    /** What handlers may have at once: all, and those of one sender. */
    readonly all: Bound
    readonly sender: Bound
    readonly requestsPerSecond: number
    readonly replyBytesPerSecond: number
    readonly totalReplyBytesPerSecond: number
    /** How deep an argument may nest. */
    readonly depth: number
  }
  /** What is remembered of requests, so that a repeated one is not run again. Undefined: nothing. */
  readonly memory: { readonly window: number; readonly maxEntries: number; readonly maxBytes: number } | undefined
  /** How long handlers may go on once their group is no longer served. */
  readonly gracePeriod: Duration.Duration
  /** Within how many nanoseconds a gather is answered. */
  readonly leisure: number
  readonly remoteSpans: RemoteSpans
  readonly sizes: Sizes
  readonly hash: () => KeyedHash
  readonly ids: Ids
}

export interface Server {
  readonly serve: (
    ...implementations: ReadonlyArray<Implementation>
  ) => Effect.Effect<void, DuplicateMethod, Scope.Scope>
  /** What is served: the same list until that changes. */
  readonly served: Effect.Effect<ReadonlyArray<CompiledProcedure>>
  /** Takes a datagram whose header says that it is a request. */
  readonly onRequest: (datagram: Uint8Array, from: Peer) => void
  /** Takes a datagram whose header says that it is a gather, and that came to a group. */
  readonly onGather: (datagram: Uint8Array, from: Peer) => void
  /** Takes a datagram whose header says that it answers a challenge. */
  readonly onProof: (datagram: Uint8Array, from: Peer) => void
  /** Takes a datagram whose header says that the caller of a request waits no longer. */
  readonly onCancel: (datagram: Uint8Array, from: Peer) => void
  /** This peer has sent back an id that only it can have received. */
  readonly onAddressProven: (from: Peer, at: number) => void
}

/** What is there as soon as something is served. A node that only calls needs none of it. */
interface Parts {
  readonly senders: Senders
  readonly challenges: Challenges
  readonly admission: Admission
}

export const make = (wire: Wire, options: Options): Server => {
  const { gracePeriod, remoteSpans } = options
  const groups = new Groups({ context: wire.context, metrics: wire.metrics, gracePeriod, remoteSpans })
  let parts: Parts | undefined
  return {
    serve: (...implementations) =>
      Effect.suspend(() => {
        parts ??= makeParts(wire, groups, options)
        return groups.serve(implementations)
      }),
    served: Effect.sync(() => groups.procedures),
    onRequest: (datagram, from) => {
      if (parts === undefined) return wire.metrics.requestRefused("unserved")
      parts.admission.judge(datagram, from)
    },
    onGather: (datagram, from) => {
      if (parts === undefined) return wire.metrics.requestRefused("unserved")
      parts.admission.judge(datagram, from, undefined, true)
    },
    onProof: (datagram, from) => {
      if (parts === undefined) return wire.drop("UnknownId", from)
      parts.challenges.onProof(datagram, from)
    },
    onCancel: (datagram, from) => {
      if (parts === undefined) return wire.drop("UnknownId", from)
      parts.admission.cancel(datagram, from)
    },
    onAddressProven: (from, at) => parts?.senders.prove(from.host, at)
  }
}

const makeParts = (wire: Wire, groups: Groups, options: Options): Parts => {
  const { limits, sizes } = options
  const hash = options.hash()
  const secret = new Uint8Array(Codec.idBytes)
  options.ids.write(secret, 0)
  const senders = new Senders({ hash, secret, sizes, ...limits })
  const challenges = new Challenges(wire, senders, sizes)
  const replies = new Replies(wire, senders, challenges)
  const suspended = new Suspended<Admitted>(limits)
  const memory = options.memory === undefined
    ? undefined
    : new Memory({ ...options.memory, senders: sizes.buckets, onEarly: wire.metrics.forgotten })
  const handling = new Handling({ wire, replies, suspended, memory, leisure: options.leisure })
  const admission = new Admission({
    wire,
    hash,
    senders,
    challenges,
    replies,
    suspended,
    memory,
    groups,
    handling,
    maxDepth: limits.depth
  })
  return { senders, challenges, admission }
}
