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

export interface Unpacked {
  readonly value: unknown
  /** An estimate of what the value takes. */
  readonly heapBytes: number
  /** And of what the arrays take that V8 makes of its maps once a schema copies them into ordinary objects. */
  readonly indexHeapBytes: number
  /** Where the value ends. */
  readonly end: number
}

/**
 * Decodes the one MessagePack value that fills `bytes` from `start` to the end, and nests at most `depth` deep, and never
 * deeper than `maxDepth`.
 *
 * Maps whose keys are all strings become objects without a prototype, other maps `Map`; integers that a number holds
 * exactly become `number`, wider ones `bigint`; bin becomes `Uint8Array` (a copy); a timestamp becomes `Date`.
 */
export const unpack = (bytes: Uint8Array, start: number, depth = maxDepth): Unpacked | Reason => {
  const unpacked = unpackFirst(bytes, start, depth)
  return typeof unpacked === "string" || unpacked.end === bytes.length ? unpacked : "TrailingBytes"
}

/** The same, whatever follows the value. */
export const unpackFirst = (bytes: Uint8Array, start: number, depth: number): Unpacked | Reason => {
  const walk = shared
  walk.source = bytes
  walk.position = start
  walk.end = bytes.length
  // Whatever is asked for: each level takes a frame of the stack.
  walk.deepest = depth < maxDepth ? depth : maxDepth
  walk.refusal = undefined
  walk.heap = walk.keyPairs = 0
  walk.indexHeap = walk.steps = 0
  const value = read(walk, 0)
  // The datagram that was read last must not stay in memory.
  walk.source = nothing
  if (walk.refusal !== undefined) return walk.refusal
  return { value, heapBytes: walk.heap, indexHeapBytes: walk.indexHeap, end: walk.position }
}

/** What the last `unpack` has done, whatever it returned: the law of costs counts it. */
export const work = (): Work => ({ steps: shared.steps, heapBytes: shared.heap, keyPairs: shared.keyPairs })

export interface Work {
  /** Values that were read, and bytes and characters that were copied. */
  readonly steps: number
  /** An estimate of what was made. */
  readonly heapBytes: number
  /** Keys that a `Map` may have compared with each other. */
  readonly keyPairs: number
}

/** One walk over a datagram, which both checks and decodes (docs/decisions/messagepack-reader.md). */
interface Walk {
  source: Uint8Array
  position: number
  end: number
  deepest: number
  refusal: Reason | undefined
  heap: number
  keyPairs: number
  indexHeap: number
  steps: number
}

const nothing = new Uint8Array(0)

/** One for all, as nobody else's code runs while a datagram is read: it is a tenth of what reading allocates. */
const shared: Walk = {
  source: nothing,
  position: 0,
  end: 0,
  deepest: 0,
  refusal: undefined,
  heap: 0,
  keyPairs: 0,
  indexHeap: 0,
  steps: 0
}

const fail = (walk: Walk, reason: Reason): undefined => {
  walk.refusal ??= reason
  return undefined
}

/** Counts what is about to be made. Returns whether it may be. */
const charge = (walk: Walk, bytes: number): boolean => {
  if (walk.heap + bytes > maxHeapPerByte * walk.end) {
    fail(walk, "TooMany")
    return false
  }
  walk.heap += bytes
  return true
}

/** The value at the walk's position, inside `depth` containers. After a refusal, what is returned means nothing. */
const read = (walk: Walk, depth: number): unknown => {
  if (walk.position >= walk.end) return fail(walk, "Truncated")
  walk.steps++
  const token = walk.source[walk.position++]!
  if (token < 0x80) return token
  if (token >= 0xe0) return token - 0x100
  if (token < 0x90) return readMap(walk, token & 0x0f, depth)
  if (token < 0xa0) return readArray(walk, token & 0x0f, depth)
  if (token < 0xc0) return readText(walk, token & 0x1f)
  switch (token) {
    case 0xc0:
      return null
    case 0xc2:
      return false
    case 0xc3:
      return true
    case 0xc4: // bin 8
      return readBytes(walk, readUint(walk, 1))
    case 0xc5: // bin 16
      return readBytes(walk, readUint(walk, 2))
    case 0xc6: // bin 32
      return readBytes(walk, readUint(walk, 4))
    case 0xc7: // ext 8
      return readTimestamp(walk, readUint(walk, 1))
    case 0xc8: // ext 16
      return readTimestamp(walk, readUint(walk, 2))
    case 0xc9: // ext 32
      return readTimestamp(walk, readUint(walk, 4))
    case 0xca: // float 32
      return advance(walk, 4) && charge(walk, numberHeap) ? view(walk, 4).getFloat32(0) : undefined
    case 0xcb: // float 64
      return advance(walk, 8) && charge(walk, numberHeap) ? view(walk, 8).getFloat64(0) : undefined
    case 0xcc: // uint 8
      return readUint(walk, 1)
    case 0xcd: // uint 16
      return readUint(walk, 2)
    case 0xce: // uint 32
      return charge(walk, numberHeap) ? readUint(walk, 4) : undefined
    case 0xcf: // uint 64
      return advance(walk, 8) && charge(walk, bigintHeap) ? exact(view(walk, 8).getBigUint64(0)) : undefined
    case 0xd0: // int 8
      return (readUint(walk, 1) << 24) >> 24
    case 0xd1: // int 16
      return (readUint(walk, 2) << 16) >> 16
    case 0xd2: // int 32
      return charge(walk, numberHeap) ? readUint(walk, 4) | 0 : undefined
    case 0xd3: // int 64
      return advance(walk, 8) && charge(walk, bigintHeap) ? exact(view(walk, 8).getBigInt64(0)) : undefined
    case 0xd4: // fixext
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return readTimestamp(walk, 1 << (token - 0xd4))
    case 0xd9: // str 8
      return readText(walk, readUint(walk, 1))
    case 0xda: // str 16
      return readText(walk, readUint(walk, 2))
    case 0xdb: // str 32
      return readText(walk, readUint(walk, 4))
    case 0xdc: // array 16
      return readArray(walk, readUint(walk, 2), depth)
    case 0xdd: // array 32
      return readArray(walk, readUint(walk, 4), depth)
    case 0xde: // map 16
      return readMap(walk, readUint(walk, 2), depth)
    case 0xdf: // map 32
      return readMap(walk, readUint(walk, 4), depth)
    default: // 0xc1
      return fail(walk, "Reserved")
  }
}

/** Steps over `bytes` if there are as many. */
const advance = (walk: Walk, bytes: number): boolean => {
  if (bytes > walk.end - walk.position) {
    fail(walk, "Truncated")
    return false
  }
  walk.position += bytes
  return true
}

/** The last eight bytes, or four, that were stepped over: rare enough for a view of their own. */
const view = (walk: Walk, bytes: 4 | 8): DataView =>
  new DataView(walk.source.buffer, walk.source.byteOffset + walk.position - bytes, bytes)

const readUint = (walk: Walk, width: 1 | 2 | 4): number => {
  if (!advance(walk, width)) return 0
  const last = walk.source[walk.position - 1]!
  if (width === 1) return last
  const low = (walk.source[walk.position - 2]! << 8) | last
  return width === 2 ? low : walk.source[walk.position - 4]! * 2 ** 24 + ((walk.source[walk.position - 3]! << 16) | low)
}

const exact = (integer: bigint): number | bigint =>
  integer >= -maxExact && integer <= maxExact ? Number(integer) : integer

const maxExact = 2n ** 53n

const readBytes = (walk: Walk, length: number): unknown =>
  // A copy, and never a `Buffer`.
  copies(walk, length) && charge(walk, bytesHeap(length))
    ? new Uint8Array(span(walk, walk.position - length))
    : undefined

/** From `start` to the position, a view. Of a `Buffer`, `subarray` would make another `Buffer`, which costs more. */
const span = (walk: Walk, start: number): Uint8Array =>
  new Uint8Array(walk.source.buffer, walk.source.byteOffset + start, walk.position - start)

/** Steps over `length` bytes that are copied, if there are as many. */
const copies = (walk: Walk, length: number): boolean => {
  if (!advance(walk, length)) return false
  walk.steps += length
  return true
}

const readText = (walk: Walk, length: number): unknown => {
  if (!copies(walk, length)) return undefined
  const start = walk.position - length
  const text = (length <= mostAscii ? readAscii(walk, start) : undefined) ?? decodeUtf8(walk, start)
  // V8 has those of one character ready. As many characters as bytes are ASCII, of a byte each.
  if (text !== undefined && length > 1) charge(walk, textHeap(text.length, text.length === length ? 1 : 2))
  return text
}

// Up to here the decoder takes longer than to look at each byte (micro: "decode a request").
const mostAscii = 64

const readAscii = (walk: Walk, start: number): string | undefined => {
  const { position, source } = walk
  for (let i = start; i < position; i++) {
    if (source[i]! >= 0x80) return undefined
  }
  const codes = codesOf[position - start]
  if (codes === undefined) return latin1Slice?.call(source, start, position)
  for (let i = 0; i < codes.length; i++) codes[i] = source[start + i]!
  // In one call: of what is put together, V8 makes a tree, which takes more than the text does.
  return Reflect.apply(String.fromCharCode, undefined, codes)
}

// Up to here `latin1Slice` takes longer (micro: "decode 20 maps").
const shortText = 16

/** For each short length an array of its own, which is filled anew for each text. */
const codesOf: ReadonlyArray<Array<number>> = Array.from(
  { length: shortText + 1 },
  (_, length) => Array.from({ length }, () => 0)
)

// Of Node's buffers, and of Bun's and Deno's, for any bytes, and without a view of them.
const latin1Slice: ((this: Uint8Array, start: number, end: number) => string) | undefined = typeof Buffer === "function"
  ? Reflect.get(Buffer.prototype, "latin1Slice")
  : undefined

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const decodeUtf8 = (walk: Walk, start: number): string | undefined => {
  try {
    return utf8.decode(span(walk, start))
  } catch {
    return fail(walk, "InvalidUtf8")
  }
}

/** The timestamp extension, type -1: https://github.com/msgpack/msgpack/blob/master/spec.md#timestamp-extension-type */
const readTimestamp = (walk: Walk, size: number): unknown => {
  if (!advance(walk, size + 1) || !charge(walk, dateHeap)) return undefined
  const offset = walk.position - size
  if (walk.source[offset - 1] !== 0xff) return fail(walk, "Extension")
  switch (size) {
    case 4:
      return new Date(view(walk, 4).getUint32(0) * 1000)
    case 8: {
      const [high, low] = [view(walk, 8).getUint32(0), view(walk, 8).getUint32(4)]
      return timestamp(walk, (high & 3) * 2 ** 32 + low, high >>> 2)
    }
    case 12:
      return timestamp(
        walk,
        Number(view(walk, 8).getBigInt64(0)),
        new DataView(walk.source.buffer, walk.source.byteOffset + offset).getUint32(0)
      )
    default:
      return fail(walk, "Extension")
  }
}

const timestamp = (walk: Walk, seconds: number, nanos: number): unknown => {
  const holds = nanos < 1_000_000_000 && seconds >= -maxDateSeconds &&
    (seconds < maxDateSeconds || (seconds === maxDateSeconds && nanos === 0))
  return holds ? new Date(seconds * 1000 + nanos / 1_000_000) : fail(walk, "Extension")
}

// ECMA-262, 21.4.1.1: a Date holds 8.64e15 milliseconds either side of 1970.
const maxDateSeconds = 8.64e12

const readArray = (walk: Walk, length: number, depth: number): unknown => {
  if (!holds(walk, length, depth) || !charge(walk, arrayHeap(length))) return undefined
  // Pushed to, an empty one takes room for 17: a tenth of all that a call allocates.
  // oxlint-disable-next-line unicorn/no-new-array -- `Array.from` iterates
  const array = new Array<unknown>(length)
  for (let i = 0; i < length; i++) {
    array[i] = read(walk, depth + 1)
    if (walk.refusal !== undefined) return undefined
  }
  return array
}

/** Whether a container may stand here that announces so many values, of a byte at least. */
const holds = (walk: Walk, values: number, depth: number): boolean => {
  if (depth >= walk.deepest) fail(walk, "TooDeep")
  else if (values > walk.end - walk.position) fail(walk, "Truncated")
  return walk.refusal === undefined
}

const readMap = (walk: Walk, size: number, depth: number): unknown => {
  if (!holds(walk, 2 * size, depth)) return undefined
  if (size === 0) return charge(walk, emptyMapHeap) ? emptyMap() : undefined
  const key = readKey(walk, depth + 1)
  if (walk.refusal !== undefined) return undefined
  return typeof key === "string" ? readObject(walk, key, size, depth) : readMapFrom(walk, [], key, size, depth)
}

/**
 * A key of a map: a short one as the text that it was read as before, which an object finds without looking at its characters
 * (micro: "decode 20 maps").
 */
const readKey = (walk: Walk, depth: number): unknown => {
  const { position, source } = walk
  const length = source[position]! ^ 0xa0
  // What is not a text of up to 31 bytes has another length by this.
  if (length < 2 || length > 31) return read(walk, depth)
  const last = source[position + length]!
  const slot = (length * 31 + source[position + 1]! * 7 + last * 3 + source[position + (length >> 1)]!) & (keySlots - 1)
  const known = knownKeys[slot]
  if (known !== undefined && known.length === length && stands(known, source, position + 1)) {
    walk.position = position + 1 + length
    walk.steps += 1 + length
    charge(walk, textHeap(length, 1))
    return known
  }
  const key = read(walk, depth)
  if (typeof key === "string" && key.length === length) knownKeys[slot] = key
  return key
}

const keySlots = 256

/** ASCII alone. Strangers can only make each other's keys be read anew. */
const knownKeys: Array<string | undefined> = Array.from({ length: keySlots }, () => undefined)

const stands = (text: string, source: Uint8Array, start: number): boolean => {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) !== source[start + i]) return false
  }
  return true
}

const emptyPrototypeless: object = Object.setPrototypeOf({}, null)

/** A third of what `Object.create(null)` takes, which is a hash table with room for three keys from the start. */
const emptyMap = (): unknown => ({ ...emptyPrototypeless, __proto__: null })

/** A map whose first key is a string. */
const readObject = (walk: Walk, firstKey: string, size: number, depth: number): unknown => {
  let indices = isIndex(firstKey)
  if (!charge(walk, objectHeap(size) + (indices ? indicesHeap(size) : 0))) return undefined
  // Without a prototype, so that "__proto__" and "constructor" are names like any other.
  const object: Record<string, unknown> = indices ? withIndices() : Object.create(null)
  let key: unknown = firstKey
  let greatest = 0
  for (let i = 1;; i++) {
    if (typeof key !== "string") return readMapFrom(walk, Object.entries(object), key, size, depth)
    // No value is undefined. `in` takes three times as long.
    if (object[key] !== undefined) return fail(walk, "DuplicateKey")
    if (isIndex(key)) {
      if (!indices && !charge(walk, indicesHeap(size) + lateIndicesHeap)) return undefined
      if (!indices) hashIndices(object)
      indices = true
      const places = placesFor(key)
      walk.indexHeap += 8 * Math.max(0, places - greatest)
      greatest = Math.max(greatest, places)
      if (walk.indexHeap > maxIndexHeap) return fail(walk, "TooMany")
    }
    object[key] = read(walk, depth + 1)
    if (walk.refusal !== undefined || i === size) return object
    key = readKey(walk, depth + 1)
    if (walk.refusal !== undefined) return undefined
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
  walk: Walk,
  entries: ReadonlyArray<readonly [unknown, unknown]>,
  firstKey: unknown,
  size: number,
  depth: number
): unknown => {
  if (!charge(walk, mapHeap(size))) return undefined
  const map = new Map(entries)
  // A Map tells strings apart as Python does. Of a single key there is nothing to tell it from.
  let others: Set<string> | undefined
  let key = firstKey
  for (;;) {
    if (!isHashable(key)) return fail(walk, "UnhashableKey")
    if (!compares(walk, map.size)) return undefined
    if (typeof key === "string") {
      if (map.has(key)) return fail(walk, "DuplicateKey")
    } else if (size > 1) {
      const identity = keyIdentity(key)
      walk.steps += identity.length
      others ??= new Set()
      if (others.has(identity)) return fail(walk, "DuplicateKey")
      others.add(identity)
    }
    map.set(key, read(walk, depth + 1))
    if (walk.refusal !== undefined || map.size === size) return map
    key = read(walk, depth + 1)
    if (walk.refusal !== undefined) return undefined
  }
}

/** Counts a key that a `Map` may have to compare with as many others. Returns whether it may. */
const compares = (walk: Walk, keys: number): boolean => {
  if (walk.keyPairs + keys > maxKeyPairs) {
    fail(walk, "TooMany")
    return false
  }
  walk.keyPairs += keys
  return true
}
