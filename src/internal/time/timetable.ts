/** What is due when, and one sleeping fiber for all of it. A timer each cost 3.3 us, an entry here costs 0.1. */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Alarm } from "./alarm.ts"
import type { Deadline } from "./deadlines.ts"
import { Deadlines } from "./deadlines.ts"
import type { Now } from "./now.ts"

export interface Options<A> {
  readonly clock: Clock.Clock
  readonly now: Now
  /** What the sleeping fiber runs in. */
  readonly context: Context.Context<never>
  /** Called with all that has come due, earliest first, once it has left the table. */
  readonly onDue: (due: ReadonlyArray<A>) => void
}

export class Timetable<A extends Deadline<A>> {
  readonly #options: Options<A>
  readonly #deadlines = new Deadlines<A>()
  readonly #alarm: Alarm
  #idleCheck = false

  constructor(options: Options<A>) {
    this.#options = options
    this.#alarm = new Alarm({ ...options, onRing: () => this.#ring() })
  }

  /** Makes it due `length` nanoseconds after `from`, which never goes back. */
  add(item: A, length: number, from: number): void {
    this.#deadlines.add(item, length, from)
    this.#watch()
  }

  /** Forgets it. Does nothing if it is not there. `rest` must follow once whoever waited for it had a chance to go on. */
  remove(item: A): void {
    this.#deadlines.remove(item)
  }

  /**
   * Nothing may wake up while nothing is due. But the alarm costs more than a call, and whoever has an answer may call again
   * at once: a fiber has done so by now, a promise will once what runs now has run.
   */
  rest(): void {
    if (this.#deadlines.earliest !== undefined || this.#idleCheck || !this.#alarm.isSet) return
    this.#idleCheck = true
    Effect.runForkWith(this.#options.context)(Effect.map(Effect.yieldNow, () => {
      this.#idleCheck = false
      if (this.#deadlines.earliest === undefined) this.#alarm.off()
    }))
  }

  // The alarm is for the earliest deadline, or for an earlier one that has gone since: setting it anew on each answer
  // would cost as much as a timer a call.
  #watch(): void {
    if (this.#deadlines.earliest !== undefined) this.#alarm.by(this.#deadlines.earliest)
  }

  #ring(): void {
    const due = this.#deadlines.expire(this.#options.now())
    if (due.length > 0) this.#options.onDue(due)
    this.#watch()
  }
}
