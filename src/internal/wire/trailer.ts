/** What may follow the body of a request: how long its caller waits, and the trace that it belongs to. No clock. */
import { maxDatagramBytes } from "./frame.ts"

/**
 * What travels behind a request, a second MessagePack value: `{1: uint, 2: bin[25]}`, of which either may be left out. A Python
 * peer does not look at it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Trailer {
  /** How many milliseconds the caller still waited when it sent the request. Under 2^32. */
  readonly millisLeft?: number | undefined
  /** 25 bytes, as W3C's trace context has them: trace id (16), id of the caller's span (8), flags (1). */
  readonly traceparent?: Uint8Array | undefined
}

const traceBytes = 25

const mostMillis = 2 ** 32 - 1

/** Where the milliseconds stand in a trailer that has them: 4 bytes, so that they can be written anew. */
const millisOffset = 3

/** The request with this trailer behind it, or as it is if the trailer says nothing or there is no room. */
export const withTrailer = (request: Uint8Array, { millisLeft, traceparent }: Trailer): Uint8Array => {
  const count = Number(millisLeft !== undefined) + Number(traceparent !== undefined)
  const length = request.length + 1 + (millisLeft === undefined ? 0 : 6) +
    (traceparent === undefined ? 0 : 3 + traceBytes)
  if (count === 0 || length > maxDatagramBytes) return request
  const bytes = new Uint8Array(length)
  bytes.set(request)
  bytes[request.length] = 0x80 | count
  if (millisLeft !== undefined) {
    bytes[request.length + 1] = 1
    bytes[request.length + 2] = 0xce // uint 32
    writeMillisLeft(bytes, request.length, millisLeft)
  }
  if (traceparent !== undefined) {
    const at = length - traceBytes
    bytes[at - 3] = 2
    bytes[at - 2] = 0xc4 // bin 8
    bytes[at - 1] = traceBytes
    bytes.set(traceparent, at)
  }
  return bytes
}

/** Writes the milliseconds anew into a trailer that has them, which begins at `offset`. */
export const writeMillisLeft = (bytes: Uint8Array, offset: number, millisLeft: number): void => {
  const value = Math.min(Math.max(0, Math.floor(millisLeft)), mostMillis)
  for (let i = 0; i < 4; i++) bytes[offset + millisOffset + i] = value >>> (8 * (3 - i))
}

/** Reads the trailer that fills `bytes` from `offset` to the end. Undefined: these bytes are none. */
export const readTrailer = (bytes: Uint8Array, offset: number): Trailer | undefined => {
  const count = bytes[offset]! - 0x80
  let at = offset + 1
  let millisLeft: number | undefined
  let traceparent: Uint8Array | undefined
  if (count !== 1 && count !== 2) return undefined
  if (bytes[at] === 1) {
    const width = widthOf(bytes[at + 1]!)
    if (width === undefined) return undefined
    // A small integer is its own token.
    at += 2
    millisLeft = width === 0 ? bytes[at - 1]! : 0
    for (let end = at + width; at < end; at++) millisLeft = millisLeft * 256 + bytes[at]!
  }
  if (bytes[at] === 2 && bytes[at + 1] === 0xc4 && bytes[at + 2] === traceBytes) {
    at += 3 + traceBytes
    traceparent = new Uint8Array(bytes.subarray(at - traceBytes, at))
  }
  const found = Number(millisLeft !== undefined) + Number(traceparent !== undefined)
  if (found !== count || at !== bytes.length) return undefined
  if (traceparent === undefined) return { millisLeft }
  return millisLeft === undefined ? { traceparent } : { millisLeft, traceparent }
}

/** How many bytes follow the token of an integer that is not negative and has at most 32 bits. */
const widthOf = (token: number): number | undefined => {
  if (token < 0x80) return 0
  if (token === 0xcc) return 1
  if (token === 0xcd) return 2
  return token === 0xce ? 4 : undefined
}
