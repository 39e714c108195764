/**
 * Several equal peers as one: who is asked, when the next one is, and who is passed over for a while. It makes calls; it knows
 * neither bytes nor sockets.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as DatagramSocket from "effect/socket/DatagramSocket"
import { isNoResponse, Rejected } from "../errors.ts"
import type { Nanos, Now } from "../time/now.ts"
import { durationOf, nanosOf } from "../time/now.ts"

export interface Options {
  readonly now: Now
  /** How long the next peer is not asked while one has not answered. Undefined: an equal share of the deadline each. */
  readonly hedgeAfter: Duration.Duration | undefined
  /** How long a peer is passed over that has not answered. */
  readonly avoidFor: Duration.Duration
  /** Whether a request may be made to another peer while it may have run at one. Undefined: the group says so. */
  readonly mayRunTwice: boolean | undefined
}

/** A call of one of the peers, which waits for so long. */
export type Attempt = (peer: NetAddress.InetAddress, timeout: Duration.Duration) => Effect.Effect<unknown, unknown>

interface Member {
  readonly address: NetAddress.InetAddress
  avoidedUntil: Nanos
}

export class Peers {
  readonly #options: Options
  readonly #members: ReadonlyArray<Member>
  /** The member that the next call asks first. */
  #next = 0

  constructor(addresses: ReadonlyArray<NetAddress.InetAddress>, options: Options) {
    if (addresses.length === 0) throw new TypeError("there is at least one peer")
    this.#options = options
    this.#members = addresses.map((address) => ({ address, avoidedUntil: -Infinity }))
  }

  /** Calls one peer, and then others, until one has answered or the time is over. Fails as the last of them did. */
  call(attempt: Attempt, timeout: Duration.Duration, isIdempotent: boolean): Effect.Effect<unknown, unknown> {
    return Effect.suspend(() => {
      const { hedgeAfter, mayRunTwice = isIdempotent, now } = this.#options
      const order = this.#order(now())
      const due = now() + nanosOf(timeout)
      const wait = hedgeAfter === undefined ? nanosOf(timeout) / order.length : nanosOf(hedgeAfter)
      const nextAfter = durationOf(mayRunTwice ? wait : Infinity)

      const ask = (member: Member) =>
        Effect.flatMap(
          Effect.exit(Effect.suspend(() => attempt(member.address, durationOf(due - now())))),
          (exit) => this.#judge(member, exit, mayRunTwice)
        )
      /** Succeeds with the first answer of this member and of those behind it, and fails once none has given one. */
      const askFrom = (index: number): Effect.Effect<Exit.Exit<unknown, unknown>, unknown> => {
        const member = order[index]!
        if (index + 1 === order.length) return ask(member)
        return Effect.flatMap(Deferred.make<unknown>(), (failed) =>
          Effect.race(
            Effect.tapError(ask(member), (error) => Deferred.succeed(failed, error)),
            Effect.flatMap(this.#turnOfNext(member, failed, nextAfter), (error) =>
              // At the deadline there is no time for anybody else.
              now() < due ? askFrom(index + 1) : Effect.fail(error))
          ))
      }
      return Effect.matchCauseEffect(askFrom(0), { onFailure: lastOf, onSuccess: (answered) => answered })
    })
  }

  /** Each call begins with the next peer. Those that are passed over come last, in the order in which they will not be any more. */
  #order(at: Nanos): ReadonlyArray<Member> {
    const first = this.#next++ % this.#members.length
    const turned = [...this.#members.slice(first), ...this.#members.slice(0, first)]
    const isAvoided = ({ avoidedUntil }: Member) => avoidedUntil > at
    return [
      ...turned.filter((member) => !isAvoided(member)),
      ...turned.filter(isAvoided).sort((a, b) => a.avoidedUntil - b.avoidedUntil)
    ]
  }

  /** Waits until a member has failed, with which error, or has not answered for so long. */
  #turnOfNext(
    member: Member,
    failed: Deferred.Deferred<unknown>,
    after: Duration.Duration
  ): Effect.Effect<unknown> {
    const isLate = Effect.andThen(Effect.sleep(after), Effect.sync(() => this.#avoid(member)))
    return Effect.raceFirst(Deferred.await(failed), isLate)
  }

  /** Succeeds with how the call ends, or fails if the next peer may be asked. */
  #judge(
    member: Member,
    exit: Exit.Exit<unknown, unknown>,
    mayRunTwice: boolean
  ): Effect.Effect<Exit.Exit<unknown, unknown>, unknown> {
    const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.findErrorOption(exit.cause)) : undefined
    const isRefused = DatagramSocket.isDatagramSocketError(error) && error.reason._tag === "DatagramSocketWriteError"
    const isSilent = isNoResponse(error) || (error instanceof Rejected && error.reason === "Overloaded")
    if (isRefused || isSilent) this.#avoid(member)
    else member.avoidedUntil = -Infinity
    // What the socket has refused was run nowhere.
    return isRefused || (isSilent && mayRunTwice) ? Effect.fail(error) : Effect.succeed(exit)
  }

  #avoid(member: Member): void {
    member.avoidedUntil = this.#options.now() + nanosOf(this.#options.avoidFor)
  }
}

const lastOf = (cause: Cause.Cause<unknown>): Effect.Effect<never, unknown> => {
  const reason = cause.reasons.findLast(Cause.isFailReason)
  return reason === undefined ? Effect.failCause(cause) : Effect.fail(reason.error)
}
