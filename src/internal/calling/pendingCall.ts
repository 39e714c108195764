/** A call that waits for its answer, and all of them: each ends once, by whatever comes first. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import type { CompiledProcedure } from "../../Handlers.ts"
import type { Peer } from "../../Transport.ts"
import { isDone } from "../eager.ts"
import type { Wire } from "../endpoint.ts"
import { NoResponse, TooManyCalls } from "../errors.ts"
import type { Now } from "../time/now.ts"
import { durationOf } from "../time/now.ts"
import type { CallOutcome, DropReason, Metrics } from "../watching/metrics.ts"
import type { Ids } from "../wire/ids.ts"
import { idOffset } from "../wire/frame.ts"
import type { Answer, Called } from "./answer.ts"
import { outcomeOf } from "./answer.ts"
import { Call, CallTable } from "./callTable.ts"
import type { Retransmission, RetransmitSchedule } from "./retransmission.ts"
import { Retransmitter } from "./retransmission.ts"

/**
 * Takes a response to a gather. Returns whether it was the last, or why it does not count.
 *
 * @category models
 * @since 0.1.0
 */
export type Hear = (datagram: Uint8Array, from: Peer) => boolean | DropReason

export class PendingCall extends Call<PendingCall> implements Called {
  readonly peer: Peer
  readonly method: string
  readonly procedure: CompiledProcedure | undefined
  readonly resume: (answer: Answer) => void
  /** Of a gather: it hears all answers that come until its deadline. */
  readonly hear: Hear | undefined
  isHeard = false
  retransmission: Retransmission | undefined = undefined

  constructor(
    startedAt: number,
    peer: Peer,
    method: string,
    procedure: CompiledProcedure | undefined,
    resume: (answer: Answer) => void,
    hear?: Hear
  ) {
    super(startedAt)
    this.peer = peer
    this.method = method
    this.procedure = procedure
    this.resume = resume
    this.hear = hear
  }
}

export interface Options {
  /** How many calls may be in flight. */
  readonly maxCalls: number
  readonly ids: Ids
}

export class PendingCalls {
  readonly #maxCalls: number
  readonly #metrics: Metrics
  readonly #now: Now
  readonly #calls: CallTable<PendingCall>
  readonly #retransmitter: Retransmitter
  #closed: DatagramSocket.DatagramSocketError | undefined

  constructor(wire: Wire, { ids, maxCalls }: Options) {
    const { context, metrics, now } = wire
    this.#maxCalls = maxCalls
    this.#metrics = metrics
    this.#now = now
    this.#calls = new CallTable<PendingCall>({
      clock: Context.get(context, Clock.Clock),
      now,
      context,
      ids,
      onExpire: (call) => this.end(call, call.isHeard ? Exit.void : Exit.fail(noResponse(call)))
    })
    this.#retransmitter = new Retransmitter({
      now,
      context,
      // A repeated request that the socket refuses ends nothing: the first one may still be answered.
      send: (datagram, to) => {
        metrics.retransmitted()
        wire.send(datagram, to)
      }
    })
  }

  /** Why no call may begin now, if that is so. */
  refusalOf(call: PendingCall): DatagramSocket.DatagramSocketError | TooManyCalls | undefined {
    if (this.#closed !== undefined) return this.#closed
    return this.#calls.size < this.#maxCalls ? undefined : tooMany(call, this.#maxCalls)
  }

  /** Gives the call an id, which is written into `request`, and a deadline: `timeout` nanoseconds after its start. */
  add(call: PendingCall, request: Uint8Array, timeout: number): void {
    this.#calls.add(call, request, idOffset, timeout)
  }

  /** Sends the request of a call again while the call waits. The caller's fiber has the services of the schedule. */
  retransmit(
    call: PendingCall,
    request: Uint8Array,
    schedule: RetransmitSchedule,
    fiber: Fiber.Fiber<unknown, unknown>,
    refresh?: () => void
  ): void {
    call.retransmission = this.#retransmitter.start(schedule, request, call.peer, fiber, refresh)
  }

  has(call: PendingCall): boolean {
    return this.#calls.has(call)
  }

  /** The call that a datagram belongs to. */
  find(datagram: Uint8Array): PendingCall | undefined {
    return this.#calls.find(datagram, idOffset)
  }

  /** Ends a call with what its peer has answered at this time. */
  answer(call: PendingCall, answer: Answer, at: number): void {
    if (call.retransmission !== undefined) this.#retransmitter.answered(call.retransmission, at)
    this.#end(call, answer, at, true)
  }

  /** Takes note of an answer to a gather, which ends with the last one. */
  heard(call: PendingCall, isLast: boolean): void {
    call.isHeard = true
    if (isLast) this.end(call, Exit.void)
  }

  /** Ends a call that its peer has not answered. */
  end(call: PendingCall, exit: Exit.Exit<unknown, unknown>): void {
    this.#end(call, exit, this.#now(), false)
  }

  /** The caller waits no longer. Returns whether the call still waited. */
  interrupt(call: PendingCall): boolean {
    if (!this.has(call)) return false
    this.#remove(call)
    this.#count(call, "interrupted", this.#now(), false)
    this.#disarmIfIdle()
    return true
  }

  /** Ends all calls with this error, and lets none begin. */
  close(error: DatagramSocket.DatagramSocketError): void {
    this.#closed = error
    for (const call of this.#calls.clear()) this.end(call, Exit.fail(error))
  }

  #end(call: PendingCall, answer: Answer, at: number, answered: boolean): void {
    // Before its caller goes on, which may call again at once.
    this.#remove(call)
    if (isDone(answer)) {
      this.#count(call, outcomeOf(answer), at, answered)
      resume(call, answer)
    } else {
      // A schema takes its time. The caller's fiber waits for it.
      const count = (exit: Exit.Exit<unknown, unknown>) => this.#count(call, outcomeOf(exit), at, answered)
      resume(call, Effect.onExit(answer, (exit) => Effect.sync(() => count(exit))))
    }
    this.#disarmIfIdle()
  }

  #count(call: PendingCall, outcome: CallOutcome, at: number, answered: boolean): void {
    this.#metrics.callEnded(call.procedure, outcome, at - call.startedAt, answered)
  }

  #remove(call: PendingCall): void {
    this.#calls.remove(call)
    if (call.retransmission !== undefined) this.#retransmitter.stop(call.retransmission)
  }

  #disarmIfIdle(): void {
    this.#calls.disarmIfIdle()
    this.#retransmitter.disarmIfIdle()
  }
}

/** An observer of the caller's fiber may throw. That must break neither the socket's loop nor the end of the next call. */
const resume = (call: PendingCall, answer: Answer): void => {
  try {
    call.resume(answer)
  } catch (defect) {
    queueMicrotask(() => {
      throw defect
    })
  }
}

const noResponse = (call: PendingCall): NoResponse =>
  new NoResponse({
    peer: call.peer.address,
    method: call.method,
    elapsed: durationOf(call.due - call.startedAt)
  })

const tooMany = (call: PendingCall, limit: number): TooManyCalls =>
  new TooManyCalls({ peer: call.peer.address, method: call.method, limit })
