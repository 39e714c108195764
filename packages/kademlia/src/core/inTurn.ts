/** A course of several steps, each of which calls back when it is done. No clock, no fibers. */

/** Does something to each, so many at once. Each says by `done` that the next may begin. */
export const inTurn = <A>(
  items: Iterable<A>,
  act: (item: A, done: () => void) => void,
  then: () => void,
  atOnce = 1
): void => {
  const iterator = items[Symbol.iterator]()
  let busy = 0
  let isLast = false
  let isGoing = false
  const done = () => {
    busy--
    goOn()
  }
  const goOn = () => {
    // What is done at once does not call deeper and deeper.
    if (isGoing) return
    isGoing = true
    while (busy < atOnce && !isLast) {
      const next = iterator.next()
      if (next.done === true) isLast = true
      else {
        busy++
        act(next.value, done)
      }
    }
    isGoing = false
    if (isLast && busy === 0) then()
  }
  goOn()
}
