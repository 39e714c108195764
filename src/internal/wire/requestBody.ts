/** What a request asks for, and what it takes to hold that. No id, no address. */
import * as Frame from "./frame.ts"
import { maxDepth as deepest } from "./heap.ts"
import type { Malformed } from "./malformed.ts"
import type { Trailer } from "./trailer.ts"
import { readTrailer } from "./trailer.ts"
import { unpackFirst } from "./unpack.ts"

export interface RequestBody {
  readonly method: string
  readonly args: ReadonlyArray<unknown>
  /** An estimate of what the method and the arguments take, as they are decoded, by a schema, too. */
  readonly heapBytes: number
  readonly trailer: Trailer | undefined
}

// The array of the method and the arguments, and the array of the arguments.
const aroundArguments = 2

/** How deep an argument may nest: a scalar has depth 0. */
export const maxArgumentDepth = deepest - aroundArguments

/** Reads a datagram whose type is `Request`. Its arguments may nest `maxDepth` deep, and never over `maxArgumentDepth`. */
export const readRequest = (datagram: Uint8Array, maxDepth: number): RequestBody | Malformed => {
  if (datagram.length > Frame.maxDatagramBytes) return "TooLong"
  const unpacked = unpackFirst(datagram, Frame.headerBytes, maxDepth + aroundArguments)
  if (typeof unpacked === "string") return unpacked
  const { end, heapBytes, indexHeapBytes, value } = unpacked
  const trailer = end === datagram.length ? undefined : readTrailer(datagram, end)
  if (end !== datagram.length && trailer === undefined) return "TrailingBytes"
  if (!Array.isArray(value) || value.length !== 2) return "Shape"
  const method: unknown = value[0]
  const args: unknown = value[1]
  if (typeof method !== "string" || !Array.isArray(args)) return "Shape"
  return { method, args, heapBytes: heapBytes + indexHeapBytes, trailer }
}
