/** Sends a request again, the same bytes under the same id, for as long as its call waits and its schedule goes on. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Pull from "effect/Pull"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type { Peer } from "../Transport.ts"
import { Deadline } from "./deadlines.ts"
import { run } from "./exit.ts"
import type { Now } from "./now.ts"
import { RoundTrips } from "./roundTrips.ts"
import { Timetable } from "./timetable.ts"
import { logDefect } from "./watch.ts"

/**
 * What a schedule of retransmissions is asked with.
 *
 * @category models
 * @since 0.1.0
 */
export interface Transmission {
  readonly peer: NetAddress.InetAddress
  /** How often the request has been sent: 1 after the first time. */
  readonly transmissions: number
  /**
   * How long an answer of this peer may take before it is overdue: RFC 6298's RTO, from the round trips of earlier calls
   * to this peer that were made with retransmission and needed none (Karn's rule). A second for a peer of which nothing
   * is known, at least 50 ms and at most a minute.
   */
  readonly timeout: Duration.Duration
}

/**
 * Says when a request is sent again. Its outputs are ignored; when it is done, nothing is sent any more and the call
 * still waits for its answer.
 *
 * @category models
 * @since 0.1.0
 */
export type RetransmitSchedule = Schedule.Schedule<unknown, Transmission>

export interface Options {
  readonly now: Now
  /** What the sleeping fiber runs in. */
  readonly context: Context.Context<never>
  readonly send: (datagram: Uint8Array, to: Peer) => void
}

type Step = (now: number, input: Transmission) => Pull.Pull<[unknown, Duration.Duration], never, unknown>

/** A request that may be sent again. */
export class Retransmission extends Deadline<Retransmission> {
  readonly datagram: Uint8Array
  readonly peer: Peer
  /** The fiber of the caller: its services are those of the schedule. */
  readonly fiber: Fiber.Fiber<unknown, unknown>
  /** When it was last sent. */
  sentAt: number
  step: Step | undefined
  transmissions = 1
  /** Nanoseconds that the schedule lets pass between the last transmission and the next, before they are spread. */
  wait = 0
  /** What the schedule is doing, where that takes time. */
  running: Fiber.Fiber<unknown, unknown> | undefined
  stopped = false

  constructor(datagram: Uint8Array, peer: Peer, fiber: Fiber.Fiber<unknown, unknown>, sentAt: number) {
    super()
    this.datagram = datagram
    this.peer = peer
    this.fiber = fiber
    this.sentAt = sentAt
  }
}

export interface Retransmitter {
  /** For a request that has just been sent. */
  readonly start: (
    schedule: RetransmitSchedule,
    datagram: Uint8Array,
    peer: Peer,
    fiber: Fiber.Fiber<unknown, unknown>
  ) => Retransmission
  /** The call has ended. */
  readonly stop: (retransmission: Retransmission) => void
  /** The call was answered at this time. */
  readonly answered: (retransmission: Retransmission, at: number) => void
  /** Sleeps no longer if nothing is to be sent again: to be called after both. */
  readonly rest: () => void
}

// Enough for the routing table of a Kademlia node: about 100 bytes each.
const minPeers = 4096

export const make = (options: Options): Retransmitter => {
  const { context, now, send } = options
  const clock = Context.get(context, Clock.Clock)
  const roundTrips = new RoundTrips(minPeers)
  const timetable = new Timetable<Retransmission>({
    clock,
    now,
    context,
    onDue: (due) => {
      for (const retransmission of due) repeat(retransmission)
    }
  })

  const repeat = (retransmission: Retransmission) => {
    const { datagram, peer } = retransmission
    // An answer to a datagram before this one in the list may have ended this call.
    if (retransmission.stopped) return
    roundTrips.overdue(keyOf(peer), retransmission.wait, retransmission.sentAt)
    retransmission.transmissions++
    retransmission.sentAt = now()
    send(datagram, peer)
    if (retransmission.step !== undefined) next(retransmission, retransmission.step)
  }

  const take = <A, E>(
    retransmission: Retransmission,
    effect: Effect.Effect<A, E>,
    onSuccess: (value: A) => void
  ) => {
    const settle = (exit: Exit.Exit<A, E>) => {
      retransmission.running = undefined
      if (retransmission.stopped) return
      if (exit._tag === "Success") return onSuccess(exit.value)
      if (Cause.hasDies(exit.cause)) {
        logDefect(context, "rpcudp: a schedule of retransmissions died", exit.cause, {})
      }
    }
    run(effect, retransmission.fiber.context, settle, (fiber) => {
      retransmission.running = fiber
    })
  }

  const next = (retransmission: Retransmission, step: Step) => {
    const { peer, transmissions } = retransmission
    const timeout = Duration.millis(roundTrips.timeoutOf(keyOf(peer)) / 1_000_000)
    const input: Transmission = { peer: peer.address, transmissions, timeout }
    take(retransmission, step(clock.currentTimeMillisUnsafe(), input), ([, delay]) => {
      if (!Duration.isFinite(delay)) return
      const random = Context.get(retransmission.fiber.context, Random.Random)
      const spread = 1 + (maxSpread - 1) * random.nextDoubleUnsafe()
      retransmission.wait = Math.max(Duration.toMillis(delay) * 1_000_000, minWait)
      timetable.add(retransmission, Math.round(retransmission.wait * spread), now())
    })
  }

  return {
    start: (schedule, datagram, peer, fiber) => {
      const retransmission = new Retransmission(datagram, peer, fiber, now())
      take(retransmission, Schedule.toStep(schedule), (step) => {
        retransmission.step = step
        next(retransmission, step)
      })
      return retransmission
    },
    stop: (retransmission) => {
      retransmission.stopped = true
      retransmission.running?.interruptUnsafe()
      timetable.remove(retransmission)
    },
    answered: ({ peer, sentAt, transmissions }, at) => {
      // Karn's rule: of two transmissions, nobody knows which one was answered.
      if (transmissions === 1) roundTrips.measured(keyOf(peer), at - sentAt, at)
    },
    rest: () => timetable.rest()
  }
}

// Callers whose datagrams were lost together must not send again together (RFC 7252, 4.2: ACK_RANDOM_FACTOR).
const maxSpread = 1.5

// A schedule without delays would send without end.
const minWait = 1_000_000

const keyOf = (peer: Peer): string => `${peer.host} ${peer.address.port}`

/**
 * Waits for as long as RFC 6298 does: the peer's `timeout` first, and twice as long each time after.
 */
export const adaptive: RetransmitSchedule = Schedule.fromStep(
  Effect.sync(() => {
    let wait = 0
    return (_now: number, { timeout }: Transmission) => {
      wait = Math.max(Duration.toMillis(timeout), 2 * wait)
      const delay = Duration.millis(wait)
      return Effect.succeed<[Duration.Duration, Duration.Duration]>([delay, delay])
    }
  })
)
