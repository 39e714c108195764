/** The calls of a scenario, drawn from its seed, and what is known of each. */
import { Effect, Exit, Fiber, Schedule } from "effect"
import { Protocol } from "../../src/index.ts"
import type { Choices } from "./choices.ts"
import type { Method, Peer } from "./peer.ts"

/** What a call was, and how it ended. Times are in nanoseconds. */
export interface CallRecord {
  readonly number: number
  readonly caller: number
  readonly method: Method
  readonly startedAt: number
  readonly timeout: number
  readonly interrupted: boolean
  ends: number
  endedAt: number
  exit: Exit.Exit<unknown, unknown> | undefined
  /** Whether a success is what this call had to be answered with. */
  right: boolean | undefined
}

export type Client = (address: string) => Protocol.Client<typeof Peer.procedures>

/** Where calls are made. */
export interface Place {
  /** When they begin, in milliseconds: some at once. */
  readonly length: number
  readonly bursts: ReadonlyArray<number>
  readonly addresses: ReadonlyArray<string>
  readonly usualTimeout: number
  /** Undefined while it is closed. */
  readonly clientOf: (index: number) => Client | undefined
  readonly now: () => number
  readonly record: (call: CallRecord) => void
}

/** Draws a call, whole before it begins, so that what happens to one changes nothing for the others. */
export const planCall = (choose: Choices, place: Place, number: number): Effect.Effect<void> => {
  const { addresses, usualTimeout } = place
  const at = choose.chance(0.3) ? choose.pick(place.bursts) : choose.below(place.length)
  const caller = choose.below(addresses.length)
  const callee = choose.below(addresses.length)
  const other = addresses[choose.below(addresses.length)]!
  const method = choose.pick(["echo", "echo", "echo", "slow", "refuse", "die", "bytes", "never", "relay"] as const)
  const timeout = choose.pick([usualTimeout, 1, 50, 300, choose.between(1, 10_000)])
  const size = choose.pick([0, 10, 100, 1000, 8100, 8190, 9000])
  const bytes = choose.bytes(Math.min(size, 8100))
  const slow = choose.below(2 * timeout)
  const retransmit = choose.pick([
    undefined,
    Protocol.adaptive,
    Schedule.exponential(choose.between(5, 200)),
    Schedule.spaced(choose.between(1, 50)).pipe(Schedule.upTo({ times: 5 }))
  ])
  const interruptAfter = choose.chance(0.2) ? choose.below(2 * timeout) : undefined
  return Effect.gen(function*() {
    yield* Effect.sleep(at)
    const peer = place.clientOf(caller)?.(addresses[callee]!)
    if (peer === undefined) return
    const call = (): Effect.Effect<boolean, unknown> => {
      switch (method) {
        case "echo":
          return Effect.map(peer.echo(number, bytes), ([n, b]) => n === number && Buffer.compare(b, bytes) === 0)
        case "slow":
          return Effect.map(peer.slow(number, slow), (n) => n === number)
        case "bytes":
          return Effect.map(peer.bytes(number, size), (b) => b.length === size)
        case "relay":
          return Effect.map(peer.relay(number, other), (n) => n === number)
        default:
          // These never succeed.
          return Effect.as(peer[method](number), false)
      }
    }
    const record: CallRecord = {
      number,
      caller,
      method,
      startedAt: place.now(),
      timeout: timeout * 1_000_000,
      interrupted: interruptAfter !== undefined,
      ends: 0,
      endedAt: Number.NaN,
      exit: undefined,
      right: undefined
    }
    place.record(record)
    const fiber = yield* call().pipe(
      Protocol.withTimeout(timeout),
      (call) => retransmit === undefined ? call : Protocol.withRetransmit(call, retransmit),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          record.ends++
          record.endedAt = place.now()
          record.exit = exit
          record.right = Exit.isSuccess(exit) ? exit.value : undefined
        })
      ),
      Effect.exit,
      Effect.forkChild({ startImmediately: true })
    )
    if (interruptAfter !== undefined) {
      yield* Effect.sleep(interruptAfter)
      yield* Fiber.interrupt(fiber)
    } else yield* Fiber.join(fiber)
  })
}

/** Somebody who keeps calling until it is answered. Times are in nanoseconds. */
export interface HonestCall {
  readonly caller: string
  readonly callee: string
  readonly startedAt: number
  /** Undefined: it never was. */
  answeredAt: number | undefined
}

/** Calls as a program does that needs the answer: it sends again, and tries again. */
export const callUntilAnswered = (
  client: Client,
  nextNumber: () => number,
  call: HonestCall,
  now: () => number
): Effect.Effect<void> =>
  Effect.suspend(() => client(call.callee).echo(nextNumber(), new Uint8Array(8))).pipe(
    Protocol.withTimeout("3 seconds"),
    Protocol.withRetransmit(Schedule.exponential("100 millis")),
    Effect.retry(Schedule.spaced("300 millis")),
    Effect.orDie,
    Effect.map(() => {
      call.answeredAt = now()
    })
  )
