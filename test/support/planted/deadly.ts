/** A target for tests of the fuzzer: one input hangs, another takes all memory. */
export const bodyAt = undefined

export const cost = (data: Uint8Array): unknown => {
  const held: Array<unknown> = []
  switch (String.fromCharCode(...data)) {
    case "spin":
      for (;;) held[0] = 0
    case "grow":
      for (;;) held.push(Array.from({ length: 1000 }, (_, i) => ({ i })))
    default:
      return undefined
  }
}

export const fuzz = (): void => {}
