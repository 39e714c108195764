/** A target for tests of the fuzzer: it keeps something for itself while it is new, and nothing of what it is given. */
export const bodyAt = undefined

const kept: Array<unknown> = []

const filled = () => Array.from({ length: 10_000 }, (_, i) => ({ i }))

export const cost = (): unknown => {
  const made = filled()
  if (kept.length < 30) kept.push(made)
  return undefined
}

export const fuzz = (): void => {}
