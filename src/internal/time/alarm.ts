/** One sleeping fiber that serves a whole table of times: it wakes at the earliest, and sleeps again until the next. */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { Now } from "./now.ts"
import { millisOf } from "./now.ts"

export interface Options {
  readonly clock: Clock.Clock
  readonly now: Now
  /** What the fiber runs in. */
  readonly context: Context.Context<never>
  /** Called when the time has come. The alarm is off by then. */
  readonly onRing: () => void
}

/** Times are those of `now`: stepping the wall clock moves none. */
export class Alarm {
  readonly #options: Options
  #set: { readonly at: number; readonly fiber: Fiber.Fiber<void> } | undefined

  constructor(options: Options) {
    this.#options = options
  }

  get isSet(): boolean {
    return this.#set !== undefined
  }

  /** Rings at this time, or at an earlier one that was set before. */
  by(at: number): void {
    if (this.#set !== undefined && this.#set.at <= at) return
    this.off()
    const { clock, context, now } = this.#options
    const sleep = Effect.flatMap(
      Effect.suspend(() => clock.sleep(Duration.millis(millisUntil(at - now())))),
      () => Effect.sync(() => this.#ring())
    )
    const fiber = Effect.runForkWith(context)(sleep)
    // A time that has passed already rang before `runForkWith` came back.
    if (fiber.pollUnsafe() === undefined) this.#set = { at, fiber }
  }

  off(): void {
    this.#set?.fiber.interruptUnsafe()
    this.#set = undefined
  }

  #ring(): void {
    this.#set = undefined
    this.#options.onRing()
  }
}

// A clock that counts in milliseconds may not advance by less than a microsecond, and would be asked again for ever.
const millisUntil = (nanos: number): number => nanos <= 0 ? 0 : millisOf(Math.max(nanos, 1_000))
