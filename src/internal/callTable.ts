/** The calls in flight: found by their id, ended by their deadline. No bytes, no socket. */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import { Deadline } from "./deadlines.ts"
import type { Ids } from "./ids.ts"
import { keyOf, sameBytes } from "./ids.ts"
import type { Now } from "./now.ts"
import { Timetable } from "./timetable.ts"

/** A call in flight. */
export abstract class Call<Self extends Call<Self>> extends Deadline<Self> {
  readonly id: Uint8Array
  /** In nanoseconds, as `now` counts them. */
  readonly startedAt: number

  constructor(id: Uint8Array, startedAt: number) {
    super()
    this.id = id
    this.startedAt = startedAt
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

export class CallTable<C extends Call<C>> {
  readonly #ids: Ids
  readonly #calls = new Map<number, C>()
  readonly #deadlines: Timetable<C>

  constructor(options: Options<C>) {
    this.#ids = options.ids
    this.#deadlines = new Timetable({
      ...options,
      onDue: (expired) => {
        for (const call of expired) this.#calls.delete(keyOf(call.id))
        for (const call of expired) options.onExpire(call)
      }
    })
  }

  /** How many calls are in flight. */
  get size(): number {
    return this.#calls.size
  }

  /** An id that no call in the table could be mistaken for. */
  nextId(): Uint8Array {
    while (true) {
      const id = this.#ids.next()
      if (!this.#calls.has(keyOf(id))) return id
    }
  }

  /** `timeout` is in nanoseconds from the start of the call; infinite, the call waits until it is removed. */
  add(call: C, timeout: number): void {
    this.#calls.set(keyOf(call.id), call)
    if (timeout !== Infinity) this.#deadlines.add(call, timeout, call.startedAt)
  }

  find(id: Uint8Array): C | undefined {
    const call = this.#calls.get(keyOf(id))
    return call !== undefined && sameBytes(call.id, id) ? call : undefined
  }

  /** Whether this very call is in flight. */
  has(call: C): boolean {
    return this.#calls.get(keyOf(call.id)) === call
  }

  /** Forgets a call, and answers whether it was there. */
  remove(call: C): boolean {
    if (!this.#calls.delete(keyOf(call.id))) return false
    this.#deadlines.remove(call)
    return true
  }

  /** Forgets all calls and answers them, in the order in which they began. */
  clear(): ReadonlyArray<C> {
    const calls = [...this.#calls.values()]
    for (const call of calls) this.remove(call)
    return calls
  }
}
