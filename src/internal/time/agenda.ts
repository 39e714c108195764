/** What is to happen when: any number of actions, in the order of their ticks, and within a tick in that of `add`. */

export class Agenda<A> {
  readonly #actions = new Map<number, Array<A>>()
  // A binary heap of the ticks that have actions.
  readonly #ticks: Array<number> = []

  /** The next tick that has an action. */
  get earliest(): number | undefined {
    return this.#ticks[0]
  }

  add(tick: number, action: A): void {
    const actions = this.#actions.get(tick)
    if (actions !== undefined) {
      actions.push(action)
      return
    }
    this.#actions.set(tick, [action])
    const ticks = this.#ticks
    let index = ticks.length
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (ticks[parent]! <= tick) break
      ticks[index] = ticks[parent]!
      index = parent
    }
    ticks[index] = tick
  }

  /** Removes the actions of the next tick, if that is no later than `now`. */
  take(now: number): ReadonlyArray<A> | undefined {
    const ticks = this.#ticks
    const tick = ticks[0]
    if (tick === undefined || tick > now) return undefined
    const last = ticks.pop()!
    if (ticks.length > 0) {
      let index = 0
      while (true) {
        let child = 2 * index + 1
        if (child >= ticks.length) break
        if (child + 1 < ticks.length && ticks[child + 1]! < ticks[child]!) child++
        if (ticks[child]! >= last) break
        ticks[index] = ticks[child]!
        index = child
      }
      ticks[index] = last
    }
    const actions = this.#actions.get(tick)
    this.#actions.delete(tick)
    return actions
  }
}
