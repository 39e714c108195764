/** How far ids are from each other. Nothing but arithmetic: no schema, no Effect. */
import type { Brand } from "effect"

/** An id of a node or a key as 40 hexadecimal digits. */
export type Id = string & Brand.Brand<"kademlia/Id">

/** The number of bits of an id. */
export const bits = 160

/** A bit of an id, the most significant first. */
export const bit = (id: Id, index: number): 0 | 1 => ((digit(id, index >> 2) >> (3 - (index & 3))) & 1) === 1 ? 1 : 0

/** How many leading bits two ids share: the more, the closer they are. */
export const sharedBits = (a: Id, b: Id): number => {
  for (let i = 0; i < a.length; i++) {
    const difference = digit(a, i) ^ digit(b, i)
    if (difference !== 0) return 4 * i + Math.clz32(difference) - 28
  }
  return bits
}

/** Orders ids by their distance to `target`, which is their exclusive or read as a number. */
export const byDistance = (target: Id) => (a: Id, b: Id): number => {
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)]
    // Where they differ first decides.
    if (x !== y) return (digit(a, i) ^ digit(target, i)) - (digit(b, i) ^ digit(target, i))
  }
  return 0
}

/** The first 32 bits of an id, as a signed number. */
export const headOf = (id: Id): number => Number.parseInt(id.slice(0, 8), 16) | 0

/** Whether `a` is closer to `target` than `b`. */
export const isCloser = (target: Id, a: Id, b: Id): boolean => byDistance(target)(a, b) < 0

/** `prefix` in its first `length` bits, `rest` in those that follow. */
export const withPrefix = (prefix: Id, length: number, rest: Id): Id => {
  const whole = length >> 2
  if (whole === prefix.length) return prefix
  const mask = 0xf << (4 - (length & 3)) & 0xf
  const mixed = (digit(prefix, whole) & mask) | (digit(rest, whole) & ~mask & 0xf)
  return idOf(prefix.slice(0, whole) + mixed.toString(16) + rest.slice(whole + 1))
}

/** The id with one bit turned over. */
export const flip = (id: Id, index: number): Id => {
  const at = index >> 2
  const turned = digit(id, at) ^ (8 >> (index & 3))
  return idOf(id.slice(0, at) + turned.toString(16) + id.slice(at + 1))
}

// Made of digits of ids alone, so it is one.
const idOf = (hex: string): Id => hex as Id

const digit = (id: Id, index: number): number => {
  const code = id.charCodeAt(index)
  return code < 58 ? code - 48 : code - 87
}
