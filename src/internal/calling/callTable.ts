/** The calls in flight: found by their id, ended by their deadline. No bytes, no socket. */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import { Deadline } from "../time/deadlines.ts"
import type { Ids } from "../wire/ids.ts"
import { wordAt } from "../wire/ids.ts"
import type { Now } from "../time/now.ts"
import { Timetable } from "../time/timetable.ts"

/** A call in flight. */
export abstract class Call<Self extends Call<Self>> extends Deadline<Self> {
  /** In nanoseconds, as `now` counts them. */
  readonly startedAt: number
  // Its id, once it has been in the table. As bytes it would be another object: to make, and to find in memory when the
  // answer comes, long after the processor has forgotten it.
  id0 = 0
  id1 = 0
  id2 = 0
  id3 = 0
  id4 = 0
  /** Which one of the table's calls it was, while it is in the table. */
  serial: number | undefined = undefined
  nextInSlot: Self | undefined = undefined

  constructor(startedAt: number) {
    super()
    this.startedAt = startedAt
  }

  readId(bytes: Uint8Array, start: number): void {
    this.id0 = wordAt(bytes, start)
    this.id1 = wordAt(bytes, start + 4)
    this.id2 = wordAt(bytes, start + 8)
    this.id3 = wordAt(bytes, start + 12)
    this.id4 = wordAt(bytes, start + 16)
  }

  hasId(bytes: Uint8Array, start: number): boolean {
    return this.id0 === wordAt(bytes, start) && this.id1 === wordAt(bytes, start + 4) &&
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
  /** Called with each call that reaches its deadline, earliest first, when all of them have left the table. */
  readonly onExpire: (call: C) => void
}

// A power of two.
const minSlots = 128

export class CallTable<C extends Call<C>> {
  readonly #ids: Ids
  // By some bits of their ids, which are random already: a `Map` would hash them, and takes four times as long. At least
  // twice as many as calls, as each call that stands in the way of another is one more look into memory.
  #slots: Array<C | undefined> = emptySlots(minSlots)
  #size = 0
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
    return this.#size
  }

  /**
   * Gives the call an id that no other in the table has, which it writes into `request` from `start` on. `timeout` is in
   * nanoseconds from the start of the call; infinite, the call waits until it is removed.
   */
  add(call: C, request: Uint8Array, start: number, timeout: number): void {
    do this.#ids.write(request, start)
    while (this.find(request, start) !== undefined)
    call.readId(request, start)
    if (2 * this.#size === this.#slots.length) this.#grow()
    this.#put(call)
    call.serial = this.#added++
    this.#size++
    if (timeout !== Infinity) this.#deadlines.add(call, timeout, call.startedAt)
  }

  /** The call whose id stands in `bytes`, from `start` on. */
  find(bytes: Uint8Array, start: number): C | undefined {
    let call = this.#slots[wordAt(bytes, start) & (this.#slots.length - 1)]
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
    const calls: Array<C> = []
    for (let call of this.#slots) {
      for (; call !== undefined; call = call.nextInSlot) calls.push(call)
    }
    calls.sort((a, b) => a.serial! - b.serial!)
    for (const call of calls) this.remove(call)
    return calls
  }

  #put(call: C): void {
    const slot = call.id0 & (this.#slots.length - 1)
    call.nextInSlot = this.#slots[slot]
    this.#slots[slot] = call
  }

  #take(call: C): void {
    const slot = call.id0 & (this.#slots.length - 1)
    let before = this.#slots[slot]
    if (before === call) this.#slots[slot] = call.nextInSlot
    else {
      while (before !== undefined && before.nextInSlot !== call) before = before.nextInSlot
      if (before !== undefined) before.nextInSlot = call.nextInSlot
    }
    call.nextInSlot = undefined
    call.serial = undefined
    this.#size--
  }

  #grow(): void {
    const slots = this.#slots
    this.#slots = emptySlots(2 * slots.length)
    for (let call of slots) {
      while (call !== undefined) {
        const next: C | undefined = call.nextInSlot
        this.#put(call)
        call = next
      }
    }
  }
}

const emptySlots = (length: number): Array<undefined> => Array.from({ length }, () => undefined)
