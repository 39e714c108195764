/** MessagePack to values: bytes are checked as they are decoded, and what they cost is counted. No I/O. */
import {
  arrayHeap,
  bigintHeap,
  bytesHeap,
  dateHeap,
  emptyMapHeap,
  indicesHeap,
  lateIndicesHeap,
  mapHeap,
  maxDepth,
  maxHeapPerByte,
  maxIndexHeap,
  maxKeyPairs,
  numberHeap,
  objectHeap,
  textHeap
} from "./heap.ts"
import { isHashable, isIndex, keyIdentity, placesFor } from "./mapKeys.ts"

/**
 * Why bytes were not decoded.
 *
 * `Truncated`: a declared length runs past the end. `TrailingBytes`: something follows the value. `TooDeep`: more than
 * 32 containers inside each other. `Extension`: an extension type other than a valid timestamp. `InvalidUtf8`: a string
 * that is not UTF-8. `Reserved`: the byte 0xc1, which MessagePack never uses. `DuplicateKey`: a map names a key twice, as
 * Python compares keys. `UnhashableKey`: a map is the key of a map, which Python could not hash. `TooMany`: what it holds
 * would take over 64 bytes of heap for each byte, or its maps have too many keys that are not strings.
 */
export type Reason =
  | "Truncated"
  | "TrailingBytes"
  | "TooDeep"
  | "Extension"
  | "InvalidUtf8"
  | "Reserved"
  | "DuplicateKey"
  | "UnhashableKey"
  | "TooMany"

// One walk both checks and decodes (docs/decisions/messagepack-reader.md).
// The walk's state stands here, and not in an object for each datagram; `read` calls nothing that could come back here.
let source: Uint8Array = new Uint8Array(0)
let position = 0
let end = 0
let deepest = 0
let refusal: Reason | undefined
let heap = 0
let mostHeap = 0
let keyPairs = 0
let indexHeap = 0
let steps = 0

export interface Unpacked {
  readonly value: unknown
  /** An estimate of what the value takes. */
  readonly heapBytes: number
  /** And of what the arrays take that V8 makes of its maps once a schema copies them into ordinary objects. */
  readonly indexHeapBytes: number
}

/**
 * Decodes the one MessagePack value that fills `bytes` from `start` to the end, and nests at most `depth` deep, and never
 * deeper than `maxDepth`.
 *
 * Maps whose keys are all strings become objects without a prototype, other maps `Map`; integers that a number holds
 * exactly become `number`, wider ones `bigint`; bin becomes `Uint8Array` (a copy); a timestamp becomes `Date`.
 */
export const unpack = (bytes: Uint8Array, start: number, depth = maxDepth): Unpacked | Reason => {
  source = bytes
  // Whatever is asked for: each level takes a frame of the stack.
  deepest = depth < maxDepth ? depth : maxDepth
  position = start
  end = bytes.length
  refusal = undefined
  heap = 0
  mostHeap = maxHeapPerByte * end
  keyPairs = 0
  indexHeap = 0
  steps = 0
  const value = read(0)
  source = nothing
  if (refusal !== undefined) return refusal
  return position === end ? { value, heapBytes: heap, indexHeapBytes: indexHeap } : "TrailingBytes"
}

/** What the last `unpack` has done, whatever it returned. */
export const work = (): Work => ({ steps, heapBytes: heap, keyPairs })

export interface Work {
  /** Values that were read, and bytes and characters that were copied. */
  readonly steps: number
  /** An estimate of what was made. */
  readonly heapBytes: number
  /** Keys that a `Map` may have compared with each other. */
  readonly keyPairs: number
}

// The datagram that was read last must not stay in memory.
const nothing = source

const fail = (reason: Reason): undefined => {
  refusal ??= reason
  return undefined
}

/** Counts what is about to be made. Returns whether it may be. */
const charge = (bytes: number): boolean => {
  if (heap + bytes > mostHeap) {
    fail("TooMany")
    return false
  }
  heap += bytes
  return true
}

/** The value at `position`, inside `depth` containers. After a refusal, what is returned means nothing. */
const read = (depth: number): unknown => {
  if (position >= end) return fail("Truncated")
  steps++
  const token = source[position++]!
  if (token < 0x80) return token
  if (token >= 0xe0) return token - 0x100
  if (token < 0x90) return readMap(token & 0x0f, depth)
  if (token < 0xa0) return readArray(token & 0x0f, depth)
  if (token < 0xc0) return readText(token & 0x1f)
  switch (token) {
    case 0xc0:
      return null
    case 0xc2:
      return false
    case 0xc3:
      return true
    case 0xc4: // bin 8
      return readBytes(readUint(1))
    case 0xc5: // bin 16
      return readBytes(readUint(2))
    case 0xc6: // bin 32
      return readBytes(readUint(4))
    case 0xc7: // ext 8
      return readTimestamp(readUint(1))
    case 0xc8: // ext 16
      return readTimestamp(readUint(2))
    case 0xc9: // ext 32
      return readTimestamp(readUint(4))
    case 0xca: // float 32
      return advance(4) && charge(numberHeap) ? view(4).getFloat32(0) : undefined
    case 0xcb: // float 64
      return advance(8) && charge(numberHeap) ? view(8).getFloat64(0) : undefined
    case 0xcc: // uint 8
      return readUint(1)
    case 0xcd: // uint 16
      return readUint(2)
    case 0xce: // uint 32
      return charge(numberHeap) ? readUint(4) : undefined
    case 0xcf: // uint 64
      return advance(8) && charge(bigintHeap) ? exact(view(8).getBigUint64(0)) : undefined
    case 0xd0: // int 8
      return (readUint(1) << 24) >> 24
    case 0xd1: // int 16
      return (readUint(2) << 16) >> 16
    case 0xd2: // int 32
      return charge(numberHeap) ? readUint(4) | 0 : undefined
    case 0xd3: // int 64
      return advance(8) && charge(bigintHeap) ? exact(view(8).getBigInt64(0)) : undefined
    case 0xd4: // fixext
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return readTimestamp(1 << (token - 0xd4))
    case 0xd9: // str 8
      return readText(readUint(1))
    case 0xda: // str 16
      return readText(readUint(2))
    case 0xdb: // str 32
      return readText(readUint(4))
    case 0xdc: // array 16
      return readArray(readUint(2), depth)
    case 0xdd: // array 32
      return readArray(readUint(4), depth)
    case 0xde: // map 16
      return readMap(readUint(2), depth)
    case 0xdf: // map 32
      return readMap(readUint(4), depth)
    default: // 0xc1
      return fail("Reserved")
  }
}

/** Steps over `bytes` if there are as many. */
const advance = (bytes: number): boolean => {
  if (bytes > end - position) {
    fail("Truncated")
    return false
  }
  position += bytes
  return true
}

/** The last eight bytes, or four, that were stepped over: rare enough for a view of their own. */
const view = (bytes: 4 | 8): DataView => new DataView(source.buffer, source.byteOffset + position - bytes, bytes)

const readUint = (width: 1 | 2 | 4): number => {
  if (!advance(width)) return 0
  const last = source[position - 1]!
  if (width === 1) return last
  const low = (source[position - 2]! << 8) | last
  return width === 2 ? low : source[position - 4]! * 2 ** 24 + ((source[position - 3]! << 16) | low)
}

const exact = (integer: bigint): number | bigint =>
  integer >= -maxExact && integer <= maxExact ? Number(integer) : integer

const maxExact = 2n ** 53n

const readBytes = (length: number): unknown =>
  // A copy, and never a `Buffer`.
  copies(length) && charge(bytesHeap(length)) ? new Uint8Array(span(position - length)) : undefined

/** From `start` to the position, a view. Of a `Buffer`, `subarray` would make another `Buffer`, which costs more. */
const span = (start: number): Uint8Array => new Uint8Array(source.buffer, source.byteOffset + start, position - start)

/** Steps over `length` bytes that are copied, if there are as many. */
const copies = (length: number): boolean => {
  if (!advance(length)) return false
  steps += length
  return true
}

const readText = (length: number): unknown => {
  if (!copies(length)) return undefined
  const start = position - length
  const text = (length <= shortText ? readAscii(start) : undefined) ?? decodeUtf8(start)
  // V8 has those of one character ready. As many characters as bytes are ASCII, of a byte each.
  if (text !== undefined && length > 1) charge(textHeap(text.length, text.length === length ? 1 : 2))
  return text
}

// Up to here a loop is faster than a call of the decoder.
const shortText = 10

const readAscii = (start: number): string | undefined => {
  let text = ""
  for (let i = start; i < position; i++) {
    const byte = source[i]!
    if (byte >= 0x80) return undefined
    text += String.fromCharCode(byte)
  }
  return text
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const decodeUtf8 = (start: number): string | undefined => {
  try {
    return utf8.decode(span(start))
  } catch {
    return fail("InvalidUtf8")
  }
}

/** The timestamp extension, type -1: https://github.com/msgpack/msgpack/blob/master/spec.md#timestamp-extension-type */
const readTimestamp = (size: number): unknown => {
  if (!advance(size + 1) || !charge(dateHeap)) return undefined
  const offset = position - size
  if (source[offset - 1] !== 0xff) return fail("Extension")
  switch (size) {
    case 4:
      return new Date(view(4).getUint32(0) * 1000)
    case 8: {
      const [high, low] = [view(8).getUint32(0), view(8).getUint32(4)]
      return timestamp((high & 3) * 2 ** 32 + low, high >>> 2)
    }
    case 12:
      return timestamp(
        Number(view(8).getBigInt64(0)),
        new DataView(source.buffer, source.byteOffset + offset).getUint32(0)
      )
    default:
      return fail("Extension")
  }
}

const timestamp = (seconds: number, nanos: number): unknown => {
  const holds = nanos < 1_000_000_000 && seconds >= -maxDateSeconds &&
    (seconds < maxDateSeconds || (seconds === maxDateSeconds && nanos === 0))
  return holds ? new Date(seconds * 1000 + nanos / 1_000_000) : fail("Extension")
}

// ECMA-262, 21.4.1.1: a Date holds 8.64e15 milliseconds either side of 1970.
const maxDateSeconds = 8.64e12

const readArray = (length: number, depth: number): unknown => {
  if (!holds(length, depth) || !charge(arrayHeap(length))) return undefined
  // Pushed to, an empty one takes room for 17: a tenth of all that a call allocates.
  // oxlint-disable-next-line unicorn/no-new-array -- `Array.from` iterates
  const array = new Array<unknown>(length)
  for (let i = 0; i < length; i++) {
    array[i] = read(depth + 1)
    if (refusal !== undefined) return undefined
  }
  return array
}

/** Whether a container may stand here that announces so many values, of a byte at least. */
const holds = (values: number, depth: number): boolean => {
  if (depth >= deepest) fail("TooDeep")
  else if (values > end - position) fail("Truncated")
  return refusal === undefined
}

const readMap = (size: number, depth: number): unknown => {
  if (!holds(2 * size, depth)) return undefined
  if (size === 0) return charge(emptyMapHeap) ? emptyMap() : undefined
  const key = read(depth + 1)
  if (refusal !== undefined) return undefined
  return typeof key === "string" ? readObject(key, size, depth) : readMapFrom([], key, size, depth)
}

const emptyPrototypeless: object = Object.setPrototypeOf({}, null)

/** A third of what `Object.create(null)` takes, which is a hash table with room for three keys from the start. */
const emptyMap = (): unknown => ({ ...emptyPrototypeless, __proto__: null })

/** A map whose first key is a string. */
const readObject = (firstKey: string, size: number, depth: number): unknown => {
  let indices = isIndex(firstKey)
  if (!charge(objectHeap(size) + (indices ? indicesHeap(size) : 0))) return undefined
  // Without a prototype, so that "__proto__" and "constructor" are names like any other.
  const object: Record<string, unknown> = indices ? withIndices() : Object.create(null)
  let key: unknown = firstKey
  let greatest = 0
  for (let i = 1;; i++) {
    if (typeof key !== "string") return readMapFrom(Object.entries(object), key, size, depth)
    if (key in object) return fail("DuplicateKey")
    if (isIndex(key)) {
      if (!indices && !charge(indicesHeap(size) + lateIndicesHeap)) return undefined
      if (!indices) hashIndices(object)
      indices = true
      const places = placesFor(key)
      indexHeap += 8 * Math.max(0, places - greatest)
      greatest = Math.max(greatest, places)
      if (indexHeap > maxIndexHeap) return fail("TooMany")
    }
    object[key] = read(depth + 1)
    if (refusal !== undefined || i === size) return object
    key = read(depth + 1)
    if (refusal !== undefined) return undefined
  }
}

/**
 * Makes V8 keep an object's indices in a hash table, for as long as it lives. By itself it makes an array, with room for
 * 1,551 values for the one key "1023": 12,616 bytes, and 7 us.
 */
const hashIndices = (object: Record<string, unknown>): void => {
  object[greatestIndex] = null
  delete object[greatestIndex]
}

/** The same from the start, in half the time. */
const withIndices = (): Record<string, unknown> => {
  const object: Record<string, unknown> = { __proto__: null, 4_294_967_294: null }
  delete object[greatestIndex]
  return object
}

// ECMA-262, 6.1.7: an array index is at most 2^32 - 2.
const greatestIndex = 4_294_967_294

/** Goes on with a map from its first key that is not a string. */
const readMapFrom = (
  entries: ReadonlyArray<readonly [unknown, unknown]>,
  firstKey: unknown,
  size: number,
  depth: number
): unknown => {
  if (!charge(mapHeap(size))) return undefined
  const map = new Map(entries)
  // A Map tells strings apart as Python does. Of a single key there is nothing to tell it from.
  let others: Set<string> | undefined
  let key = firstKey
  for (;;) {
    if (!isHashable(key)) return fail("UnhashableKey")
    if (!compares(map.size)) return undefined
    if (typeof key === "string") {
      if (map.has(key)) return fail("DuplicateKey")
    } else if (size > 1) {
      const identity = keyIdentity(key)
      steps += identity.length
      others ??= new Set()
      if (others.has(identity)) return fail("DuplicateKey")
      others.add(identity)
    }
    map.set(key, read(depth + 1))
    if (refusal !== undefined || map.size === size) return map
    key = read(depth + 1)
    if (refusal !== undefined) return undefined
  }
}

/** Counts a key that a `Map` may have to compare with as many others. Returns whether it may. */
const compares = (keys: number): boolean => {
  if (keyPairs + keys > maxKeyPairs) {
    fail("TooMany")
    return false
  }
  keyPairs += keys
  return true
}
