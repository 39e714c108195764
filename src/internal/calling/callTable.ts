/** The calls in flight: found by their id, ended by their deadline. No bytes, no socket. */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import { Deadline } from "../time/deadlines.ts"
import type { Slotted } from "../slots.ts"
import { Slots } from "../slots.ts"
import { idBytes } from "../wire/frame.ts"
import type { Ids } from "../wire/ids.ts"
import { wordAt } from "../wire/ids.ts"
import type { Now } from "../time/now.ts"
import { Timetable } from "../time/timetable.ts"

/** A call in flight. */
export abstract class Call<Self extends Call<Self>> extends Deadline<Self> implements Slotted<Self> {
  /** In nanoseconds, as `now` counts them. */
  readonly startedAt: number
  // Its id, once it has been in the table, as five numbers. As bytes it would be one more object, which is no longer in the
  // processor's cache when the answer comes.
  /** The first word of its id, which is random. */
  hash = 0
  id1 = 0
  id2 = 0
  id3 = 0
  id4 = 0
  /** How many calls were added to the table before it. Undefined while it is not in the table. */
  serial: number | undefined = undefined
  nextInSlot: Self | undefined = undefined

  constructor(startedAt: number) {
    super()
    this.startedAt = startedAt
  }

  readId(bytes: Uint8Array, start: number): void {
    this.hash = wordAt(bytes, start)
    this.id1 = wordAt(bytes, start + 4)
    this.id2 = wordAt(bytes, start + 8)
    this.id3 = wordAt(bytes, start + 12)
    this.id4 = wordAt(bytes, start + 16)
  }

  /** A copy of its id, once it has been in the table. */
  get id(): Uint8Array {
    const id = new DataView(new ArrayBuffer(idBytes))
    const words = [this.hash, this.id1, this.id2, this.id3, this.id4]
    words.forEach((word, i) => id.setInt32(4 * i, word))
    return new Uint8Array(id.buffer)
  }

  hasId(bytes: Uint8Array, start: number): boolean {
    return this.hash === wordAt(bytes, start) && this.id1 === wordAt(bytes, start + 4) &&
      this.id2 === wordAt(bytes, start + 8) && this.id3 === wordAt(bytes, start + 12) &&
      this.id4 === wordAt(bytes, start + 16)
  }
}

export interface Options<C> {
  readonly clock: Clock.Clock
  readonly now: Now
  /** What the sleeping fiber runs in. */
  readonly context: Context.Context<never>
  readonly ids: Ids
  /** Called for each call that has reached its deadline, the earliest first. All of them have left the table by then. */
  readonly onExpire: (call: C) => void
}

export class CallTable<C extends Call<C>> {
  readonly #ids: Ids
  readonly #calls = new Slots<C>()
  #added = 0
  readonly #deadlines: Timetable<C>

  constructor(options: Options<C>) {
    this.#ids = options.ids
    this.#deadlines = new Timetable({
      ...options,
      onDue: (expired) => {
        for (const call of expired) this.#take(call)
        for (const call of expired) options.onExpire(call)
      }
    })
  }

  /** How many calls are in flight. */
  get size(): number {
    return this.#calls.size
  }

  /**
   * Adds a call under an id that no other in the table has, and writes this id into `request` from `start` on. The call is due
   * `timeout` nanoseconds after it started. If that is infinite, it waits until it is removed.
   */
  add(call: C, request: Uint8Array, start: number, timeout: number): void {
    do this.#ids.write(request, start)
    while (this.find(request, start) !== undefined)
    call.readId(request, start)
    this.#calls.add(call)
    call.serial = this.#added++
    if (timeout !== Infinity) this.#deadlines.add(call, timeout, call.startedAt)
  }

  /** The call whose id stands in `bytes`, from `start` on. */
  find(bytes: Uint8Array, start: number): C | undefined {
    let call = this.#calls.first(wordAt(bytes, start))
    while (call !== undefined && !call.hasId(bytes, start)) call = call.nextInSlot
    return call
  }

  /** Whether this very call is in flight. */
  has(call: C): boolean {
    return call.serial !== undefined
  }

  /** Forgets a call. Returns whether it was here. Call `disarmIfIdle` once its caller has been resumed. */
  remove(call: C): boolean {
    if (!this.has(call)) return false
    this.#take(call)
    this.#deadlines.remove(call)
    return true
  }

  /** Turns the alarm off if no call is left that has a deadline. */
  disarmIfIdle(): void {
    this.#deadlines.disarmIfIdle()
  }

  /** Forgets all calls. Returns them in the order in which they began. */
  clear(): ReadonlyArray<C> {
    const calls = this.#calls.all().sort((a, b) => a.serial! - b.serial!)
    for (const call of calls) this.remove(call)
    return calls
  }

  #take(call: C): void {
    this.#calls.remove(call)
    call.serial = undefined
  }
}
