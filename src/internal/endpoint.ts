/** What calling and serving share: the way out, and what is seen of the way in. */
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type { Peer, Transport } from "../Transport.ts"
import type { DropReason } from "./watching/metrics.ts"
import * as Metrics from "./watching/metrics.ts"
import * as Now from "./time/now.ts"
import { logDrops } from "./watching/logs.ts"
import { release } from "./wire/packSmall.ts"

export interface Wire {
  /** What the protocol was built in. */
  readonly context: Context.Context<never>
  readonly metrics: Metrics.Metrics
  readonly now: Now.Now
  readonly peer: Transport["Service"]["peer"]
  readonly send: (
    datagram: Uint8Array,
    to: Peer,
    onFailure?: (error: DatagramSocket.DatagramSocketError) => void
  ) => void
  /** The same for a datagram that nobody holds any longer: if the transport copies it, the next one has its room. */
  readonly sendOnce: Wire["send"]
  /** Counts and logs a datagram that goes no further. */
  readonly drop: (reason: DropReason, from: Peer) => void
}

/** `seal` is for a closed network. It is handed the peer, as what seals may hold something for each. */
export const make = (
  transport: Transport["Service"],
  context: Context.Context<never>,
  seal: (datagram: Uint8Array, to: Peer) => Uint8Array = (datagram) => datagram
): Wire => {
  const metrics = Metrics.make(context)
  const log = logDrops(context)
  const send: Wire["send"] = (datagram, to, onFailure) => {
    const sealed = seal(datagram, to)
    metrics.sent(sealed.length)
    transport.send(sealed, to, onFailure)
  }
  return {
    context,
    metrics,
    now: Now.make(Context.get(context, Clock.Clock)),
    peer: transport.peer,
    send,
    sendOnce: transport.copies === true
      ? (datagram, to, onFailure) => {
        send(datagram, to, onFailure)
        release(datagram)
      }
      : send,
    drop: (reason, from) => {
      metrics.dropped(reason)
      log(reason, from)
    }
  }
}
