/** Makes an input smaller for as long as it stays what it is. */
import { array, bytesOf, map, parse, pick, replaceAt } from "./value.ts"

/** Tries at most so many smaller ones, each of which `holds` says whether it will do. */
export const shrink = async (
  input: Uint8Array,
  bodyAt: number | undefined,
  holds: (smaller: Uint8Array) => Promise<boolean>,
  tries: number
): Promise<Uint8Array> => {
  let smallest = input
  let left = tries
  for (let shrunk = true; shrunk;) {
    shrunk = false
    for (const smaller of smallerOnes(smallest, bodyAt)) {
      if (left-- <= 0) return smallest
      if (!await holds(smaller)) continue
      smallest = smaller
      shrunk = true
      break
    }
  }
  return smallest
}

/** The boldest first. */
function* smallerOnes(input: Uint8Array, bodyAt: number | undefined): Iterable<Uint8Array> {
  if (bodyAt !== undefined && input.length > bodyAt) yield* withoutValues(input, bodyAt)
  for (let length = Math.ceil(input.length / 2); length >= 1; length = length === 1 ? 0 : Math.ceil(length / 2)) {
    for (let at = 0; at < input.length; at += length) {
      yield Uint8Array.from([...input.subarray(0, at), ...input.subarray(at + length)])
    }
  }
}

function* withoutValues(input: Uint8Array, bodyAt: number): Iterable<Uint8Array> {
  const { end, value } = parse(input, bodyAt)
  for (let at = 0; at < value.nodes; at++) {
    const { items, kind } = pick(value, at)
    const width = kind === "map" ? 2 : 1
    const make = kind === "map" ? map : array
    // Each of what it holds in its place; then without half of that, a quarter, and so on.
    const smaller = [...new Set(items)].slice(0, 4)
    for (let count = Math.floor(items.length / width / 2); count >= 1; count = Math.floor(count / 2)) {
      smaller.push(make(items.slice(count * width)), make(items.slice(0, -count * width)))
    }
    for (const by of smaller) {
      const body = bytesOf(replaceAt(value, at, by))
      if (body.length < end - bodyAt) yield Buffer.concat([input.subarray(0, bodyAt), body, input.subarray(end)])
    }
  }
}
