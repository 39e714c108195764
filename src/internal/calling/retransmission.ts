/** Sends requests again, the same bytes under the same id, while the call waits and its schedule goes on. No socket. */
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
import type { Peer } from "../../Transport.ts"
import { Deadline } from "../time/deadlines.ts"
import { run } from "../eager.ts"
import type { Now } from "../time/now.ts"
import { durationOf, millisecond, nanosOf } from "../time/now.ts"
import { Sizes } from "../sizes.ts"
import { RoundTrips } from "./roundTrips.ts"
import { Timetable } from "../time/timetable.ts"
import { logDefect } from "../watching/logs.ts"

/**
 * What a schedule of retransmissions is asked with.
 *
 * @category models
 * @since 0.1.0
 */
export interface Transmission {
  readonly peer: NetAddress.InetAddress
  /** How many times the request has been sent: 1 after the first. */
  readonly transmissions: number
  /**
   * How long an answer of this peer may take before it is overdue: RFC 6298's RTO. It comes from the round trips of earlier
   * calls to this peer that had a schedule and were answered before it sent again (Karn's rule). It is at least 50 ms and at
   * most a minute, and a second for a peer of which nothing is known. It doubles while answers are overdue, until a round trip
   * is measured.
   */
  readonly timeout: Duration.Duration
  /** The same without the doubling: a second until a round trip is measured. */
  readonly measuredTimeout: Duration.Duration
}

/**
 * Says when a request is sent again. Its outputs are ignored. When it is done, the request is sent no more, and the call still
 * waits for its answer.
 *
 * @category models
 * @since 0.1.0
 */
export type RetransmitSchedule = Schedule.Schedule<unknown, Transmission>

/**
 * Waits for the peer's `timeout` first, then for 2, 4, 8 times its `measuredTimeout`. No wait is shorter than the shortest
 * `timeout` that was seen. Each wait takes the peer's timeouts as they are by then: if another call has measured the peer
 * since, that counts, and the waits of this call do not (RFC 8961, 4: back-off ends when an answer comes at once).
 */
export const adaptive: RetransmitSchedule = Schedule.fromStep(
  Effect.sync(() => {
    let least = Infinity
    let times = 1
    return (_now: number, { measuredTimeout, timeout }: Transmission) => {
      least = Math.min(least, Duration.toMillis(timeout))
      const delay = Duration.millis(Math.max(least, times * Duration.toMillis(measuredTimeout)))
      times *= 2
      return Effect.succeed<[Duration.Duration, Duration.Duration]>([delay, delay])
    }
  })
)

export interface Options {
  readonly now: Now
  /** What the sleeping fiber runs in. */
  readonly context: Context.Context<never>
  readonly send: (datagram: Uint8Array, to: Peer) => void
}

export class Retransmitter {
  readonly #options: Options
  readonly #clock: Clock.Clock
  readonly #roundTrips: RoundTrips
  readonly #timetable: Timetable<Retransmission>

  constructor(options: Options) {
    this.#options = options
    this.#clock = Context.get(options.context, Clock.Clock)
    this.#roundTrips = new RoundTrips(Context.get(options.context, Sizes).measuredPeers)
    this.#timetable = new Timetable<Retransmission>({
      clock: this.#clock,
      now: options.now,
      context: options.context,
      onDue: (due) => {
        for (const retransmission of due) this.#repeat(retransmission)
      }
    })
  }

  /**
   * Begins for a request that has just been sent. The caller's fiber has the services of the schedule. `refresh` is called each
   * time before it is sent again, for what it says of the time.
   */
  start(
    schedule: RetransmitSchedule,
    datagram: Uint8Array,
    peer: Peer,
    fiber: Fiber.Fiber<unknown, unknown>,
    refresh?: () => void
  ): Retransmission {
    const begunWith = this.#roundTrips.timeoutOf(keyOf(peer))
    const retransmission = new Retransmission(datagram, peer, fiber, this.#options.now(), begunWith, refresh)
    this.#take(retransmission, Schedule.toStep(schedule), (step) => {
      retransmission.step = step
      this.#next(retransmission, step)
    })
    return retransmission
  }

  /** Sends it no more, as its call has ended. */
  stop(retransmission: Retransmission): void {
    retransmission.stopped = true
    retransmission.running?.interruptUnsafe()
    this.#timetable.remove(retransmission)
  }

  /** Learns from the round trip of a call that was answered at this time. */
  answered({ begunAt, peer, sentAt, transmissions }: Retransmission, at: number): void {
    // Karn's rule: if there were two transmissions, nobody knows which of them was answered.
    if (transmissions === 1) this.#roundTrips.measured(keyOf(peer), at - sentAt, at)
    else this.#roundTrips.ambiguous(keyOf(peer), begunAt, sentAt, at)
  }

  /** Turns the alarm off if nothing is to be sent again. To be called after `stop`, once the caller has been resumed. */
  disarmIfIdle(): void {
    this.#timetable.disarmIfIdle()
  }

  #repeat(retransmission: Retransmission): void {
    const { begunAt, begunWith, datagram, peer, sentAt } = retransmission
    // What is due at once is in one list. The sending of one before this may have ended this call.
    if (retransmission.stopped) return
    const at = this.#options.now()
    this.#roundTrips.overdue(keyOf(peer), begunAt, begunWith, sentAt, at)
    retransmission.transmissions++
    retransmission.sentAt = at
    retransmission.refresh?.()
    this.#options.send(datagram, peer)
    if (retransmission.step !== undefined) this.#next(retransmission, retransmission.step)
  }

  /** Asks the schedule when the request is sent again. */
  #next(retransmission: Retransmission, step: Step): void {
    const { peer, transmissions } = retransmission
    const input: Transmission = {
      peer: peer.address,
      transmissions,
      timeout: durationOf(this.#roundTrips.timeoutOf(keyOf(peer))),
      measuredTimeout: durationOf(this.#roundTrips.measuredTimeoutOf(keyOf(peer)))
    }
    this.#take(retransmission, step(this.#clock.currentTimeMillisUnsafe(), input), ([, delay]) => {
      if (!Duration.isFinite(delay)) return
      const random = Context.get(retransmission.fiber.context, Random.Random)
      const spread = 1 + (maxSpread - 1) * random.nextDoubleUnsafe()
      const wait = Math.max(nanosOf(delay), minWait)
      this.#timetable.add(retransmission, Math.round(wait * spread), this.#options.now())
    })
  }

  /** Runs what a schedule does, and goes on with its result. `stop` interrupts it. */
  #take<A, E>(retransmission: Retransmission, effect: Effect.Effect<A, E>, onSuccess: (value: A) => void): void {
    const settle = (exit: Exit.Exit<A, E>) => {
      retransmission.running = undefined
      if (exit._tag === "Success") return onSuccess(exit.value)
      if (Cause.hasDies(exit.cause)) {
        logDefect(this.#options.context, "rpcudp: a schedule of retransmissions died", exit.cause, {})
      }
    }
    run(effect, retransmission.fiber.context, settle, (fiber) => {
      retransmission.running = fiber
    })
  }
}

type Step = (now: number, input: Transmission) => Pull.Pull<[unknown, Duration.Duration], never, unknown>

/** A request that may be sent again. */
export class Retransmission extends Deadline<Retransmission> {
  readonly datagram: Uint8Array
  readonly peer: Peer
  /** The fiber of the caller, which has the services of the schedule. */
  readonly fiber: Fiber.Fiber<unknown, unknown>
  /** The peer's timeout when it was first sent, in nanoseconds. */
  readonly begunWith: number
  readonly begunAt: number
  readonly refresh: (() => void) | undefined
  /** When it was last sent. */
  sentAt: number
  step: Step | undefined
  transmissions = 1
  /** What the schedule is doing, if that takes its time. */
  running: Fiber.Fiber<unknown, unknown> | undefined
  stopped = false

  constructor(
    datagram: Uint8Array,
    peer: Peer,
    fiber: Fiber.Fiber<unknown, unknown>,
    begunAt: number,
    begunWith: number,
    refresh: (() => void) | undefined
  ) {
    super()
    this.datagram = datagram
    this.peer = peer
    this.fiber = fiber
    this.begunAt = begunAt
    this.sentAt = begunAt
    this.begunWith = begunWith
    this.refresh = refresh
  }
}

// A random factor: callers whose datagrams were lost together must not send again together (RFC 7252, 4.2).
const maxSpread = 1.5

// A schedule without delays would send without a pause.
const minWait = millisecond

const keyOf = (peer: Peer): string => `${peer.host} ${peer.address.port}`
