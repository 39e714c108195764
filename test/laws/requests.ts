/** Requests that attackers make: those that ask for much, and those that are expensive to read. */
import { Result } from "effect"
import { Codec } from "../../src/index.ts"
import type { Choices } from "./choices.ts"

const tastes = ["bytes", "slow", "echo", "any"] as const

/** What draws a request: for much, for long, or for nothing. */
export const drawRequest = (
  choose: Choices,
  nextNumber: () => number,
  from: ReadonlyArray<typeof tastes[number]> = tastes
) => {
  const taste = choose.pick(from)
  const millis = choose.scaled(100, 10_000)
  const size = choose.pick([100, 1000, 8000])
  return (id: Uint8Array): Uint8Array => {
    const number = nextNumber()
    switch (taste === "any" ? choose.pick(["bytes", "slow", "echo", "refuse", "unknown"] as const) : taste) {
      case "bytes":
        return request(id, "bytes", number, size)
      case "slow":
        return request(id, "slow", number, millis)
      case "echo":
        return request(id, "echo", number, new Uint8Array(8))
      case "refuse":
        return request(id, "refuse", number)
      case "unknown":
        return request(id, "unknown", number)
    }
  }
}

const request = (id: Uint8Array, method: string, ...args: ReadonlyArray<unknown>): Uint8Array =>
  Result.getOrThrow(Codec.encodeRequest(id, method, args))

export interface Expensive {
  readonly payload: Uint8Array
  /** Why it is to be dropped, if it says something that no peer would. */
  readonly reason?: Codec.Malformed
}

/** What draws a request that is expensive to read, or to refuse. */
export const drawExpensive = (choose: Choices, nextNumber: () => number) => {
  const shape = choose.pick(
    ["deep key", "too deep", "empty maps", "integer keys", "same key", "long", "too long"] as const
  )
  const depth = choose.below(deepest)
  return (): Expensive => {
    const id = choose.bytes(Codec.idBytes)
    switch (shape) {
      case "deep key":
        // Its key is so many arrays in each other.
        return { payload: rawRequest(id, [0x81, ...times(depth, () => 0x91), 0x90, 0xc0]) }
      case "too deep":
        return { payload: rawRequest(id, times(8000, () => 0x91)), reason: "TooDeep" }
      case "empty maps":
        return { payload: rawRequest(id, [0xdc, ...bytes16(8000), ...times(8000, () => 0x80)]) }
      case "integer keys":
        return {
          payload: rawRequest(id, [0xde, ...bytes16(1300), ...times(1300, integerKey).flat()]),
          reason: "TooMany"
        }
      case "same key":
        return { payload: rawRequest(id, [0xde, ...bytes16(4000), ...times(8000, () => 1)]), reason: "DuplicateKey" }
      case "long":
        return { payload: request(id, "echo", nextNumber(), new Uint8Array(8100)) }
      case "too long":
        return { payload: rawRequest(id, times(9000, () => 1)), reason: "TooLong" }
    }
  }
}

/** With the map and the key itself, as deep as an argument may be. */
const deepest = 28

const times = <A>(count: number, make: (i: number) => A): ReadonlyArray<A> =>
  Array.from({ length: count }, (_, i) => make(i))

/** A key of 32 bits, of which the last 16 are 0, and nil as its value. */
const integerKey = (i: number): ReadonlyArray<number> => [0xce, ...bytes16(i), 0, 0, 0xc0]

/** A request to `echo` whose one argument is these bytes. */
const rawRequest = (id: Uint8Array, argument: ReadonlyArray<number>): Uint8Array =>
  Uint8Array.from([0, ...id, 0x92, 0xa4, ...Buffer.from("echo"), 0x91, ...argument])

const bytes16 = (n: number): ReadonlyArray<number> => [n >> 8, n & 255]
