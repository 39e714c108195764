/** What is due when, and one sleeping fiber for all of it: an entry in a table costs less than a timer. */
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

  /** Forgets it. Does nothing if it is not there. Call `disarmIfIdle` once whoever waited for it has been resumed. */
  remove(item: A): void {
    this.#deadlines.remove(item)
  }

  /**
   * Turns the alarm off if nothing is due, as a process that waits for nothing must be able to end. Looks only after a yield:
   * a caller that has its answer often calls again at once, and to set the alarm anew costs more than the call.
   */
  disarmIfIdle(): void {
    if (this.#deadlines.earliest !== undefined || this.#idleCheck || !this.#alarm.isSet) return
    this.#idleCheck = true
    Effect.runForkWith(this.#options.context)(Effect.map(Effect.yieldNow, () => {
      this.#idleCheck = false
      if (this.#deadlines.earliest === undefined) this.#alarm.off()
    }))
  }

  // The alarm is not set anew when its deadline is removed: that would cost as much as a timer a call. It rings too early then,
  // finds nothing due, and is set again.
  #watch(): void {
    if (this.#deadlines.earliest !== undefined) this.#alarm.by(this.#deadlines.earliest)
  }

  #ring(): void {
    const due = this.#deadlines.expire(this.#options.now())
    if (due.length > 0) this.#options.onDue(due)
    this.#watch()
  }
}
