/** What a fuzzer throws bytes at. Jazzer.js calls `fuzz` and knows no more; our own fuzzer guides itself by the rest, too. */
export interface Target {
  /** Throws where a law is broken. */
  readonly fuzz: (data: Uint8Array) => void
  /** The part of it that a stranger's bytes cost: its time and its heap are limited. What it returns is held meanwhile. */
  readonly cost: (data: Uint8Array) => unknown
  /** Where MessagePack begins in the data, if there is any. */
  readonly bodyAt: number | undefined
}

/** Throws unless the law holds. */
export const law = (holds: boolean, broken: () => string): void => {
  if (!holds) throw new Error(broken())
}

/**
 * Whether two decoded values are the same. Takes time in proportion to them, unlike comparisons of `Map`s by their keys'
 * content. -0 arrives as 0; an object and a `Map` are the same where their keys are.
 */
export const same = (left: unknown, right: unknown): boolean => {
  if (typeof left !== "object" || left === null || typeof right !== "object" || right === null) {
    return Object.is(left, right) || (left === 0 && right === 0)
  }
  if (left instanceof Uint8Array) return right instanceof Uint8Array && Buffer.compare(left, right) === 0
  if (left instanceof Date) return right instanceof Date && Object.is(left.getTime(), right.getTime())
  if (Array.isArray(left)) {
    return Array.isArray(right) && left.length === right.length && left.every((item, i) => same(item, right[i]))
  }
  if (right instanceof Uint8Array || right instanceof Date || Array.isArray(right)) return false
  const [these, those] = [entriesOf(left), entriesOf(right)]
  if (these.length !== those.length) return false
  // Of strings the order is no matter: an object puts those first that look like numbers.
  const named = new Map(those.filter(([key]) => typeof key === "string"))
  const others = those.filter(([key]) => typeof key !== "string")
  let at = 0
  return these.every(([key, item]) => {
    if (typeof key === "string") return named.has(key) && same(item, named.get(key))
    const other = others[at++]
    return other !== undefined && same(key, other[0]) && same(item, other[1])
  })
}

const entriesOf = (value: object): ReadonlyArray<readonly [unknown, unknown]> =>
  value instanceof Map ? [...value] : Object.entries(value)
