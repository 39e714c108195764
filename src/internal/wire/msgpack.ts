/** MessagePack within the limits of the wire: bytes are checked while decoding, values before encoding. No I/O. */
// This entry leaves out msgpackr's native addon, which serves reading alone.
import { Packr, RESERVE_START_SPACE } from "msgpackr/pack"
import { maxDatagramBytes } from "./frame.ts"

/** Deepest nesting of arrays and maps that is read or written. A scalar has depth 0. */
export const maxDepth = 32

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

/** The most that a value may take, for each byte that it is read from: an estimate, in bytes. */
export const maxHeapPerByte = 64

/**
 * How many pairs of keys that are not strings the maps of a value may have, each map by itself: as many as one map of 256
 * has. V8 hashes numbers without a seed, so whoever chooses them makes a `Map` compare each with each.
 */
export const maxKeyPairs = 256 * 255 / 2

/**
 * The most that V8 may take, in bytes, for the arrays that it makes of a value's maps once a schema copies them into ordinary
 * objects: as much as the longest datagram may take otherwise. Of the one key "1023" it makes an array of 1,551 places.
 */
export const maxIndexHeap = maxHeapPerByte * 8192

/** Where a value can't be written as MessagePack, and why. */
export interface Unpackable {
  readonly path: ReadonlyArray<PropertyKey>
  readonly problem: string
}

// ---------------------------------------------------------------------------------------------------------------------
// reading
// ---------------------------------------------------------------------------------------------------------------------

// One walk both checks and decodes: msgpackr behind a check of its own took 480 ns for a 40-byte string, this takes 110.
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

// What V8 takes for each kind, in Node 24 without compressed pointers: `node --expose-gc benchmark/cost.ts`.
const numberHeap = 16
const bigintHeap = 24
const dateHeap = 96
const emptyMapHeap = 56
const longBytesHeap = 400

// A date of 6 bytes: no value but a container or bytes takes more.
const maxLeafHeapPerByte = dateHeap / 6

const textHeap = (characters: number, width: 1 | 2): number => 16 + ((characters * width + 7) & ~7)

/** Up to 64 bytes lie within the heap. Longer ones have a buffer of their own, with what the system adds to it. */
const bytesHeap = (length: number): number => (length <= 64 ? 216 : longBytesHeap) + length

const arrayHeap = (length: number): number => length === 0 ? 32 : 48 + 8 * length

/** An object that is a hash table. */
const objectHeap = (size: number): number => 88 + 24 * powerOfTwo(size + (size >> 1))

/** What it takes besides if there are indices of an array among its keys: V8 keeps those in a table of their own. */
const indicesHeap = (size: number): number => 48 + 24 * powerOfTwo(size + (size >> 1))

// And a hidden class, if it had names before.
const lateIndicesHeap = 80

const mapHeap = (size: number): number => 72 + 28 * powerOfTwo(size)

/** The least power of two, from 4 on, that is as large. */
const powerOfTwo = (least: number): number => 2 ** (32 - Math.clz32(Math.max(least, 4) - 1))

/** The value at `position`, inside `depth` containers. After a refusal, whatever is answered means nothing. */
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

/** From `start` to the position, a view. Of a `Buffer`, `subarray` would make another, which takes twice as long. */
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

// Up to here a loop is faster than a call of the decoder: 20 ns against 100 for 5 letters.
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
  const at = position - size
  if (source[at - 1] !== 0xff) return fail("Extension")
  switch (size) {
    case 4:
      return new Date(view(4).getUint32(0) * 1000)
    case 8: {
      const [high, low] = [view(8).getUint32(0), view(8).getUint32(4)]
      return timestamp((high & 3) * 2 ** 32 + low, high >>> 2)
    }
    case 12:
      return timestamp(Number(view(8).getBigInt64(0)), new DataView(source.buffer, source.byteOffset + at).getUint32(0))
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
  // oxlint-disable-next-line unicorn/no-new-array -- `Array.from` takes twenty times as long
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

/** Whether V8 may take a key for the index of an array. */
const isIndex = (key: string): boolean => key.length <= 10 && isDigit(key, 0) && isDigit(key, key.length - 1)

/** How many places an array has that V8 makes for this index. Far beyond the end of an array it makes a hash table instead. */
const placesFor = (key: string): number => {
  const index = Number(key)
  return index < mostPlaces ? Math.ceil(1.5 * (index + 1)) + 16 : 0
}

// With more, and few keys, V8 has made a hash table by itself: seen up to 3,877 places, for "2574" behind "1023".
const mostPlaces = 4096

const isDigit = (key: string, at: number): boolean => {
  const code = key.charCodeAt(at)
  return code >= 0x30 && code <= 0x39
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

// ---------------------------------------------------------------------------------------------------------------------
// writing
// ---------------------------------------------------------------------------------------------------------------------

const packr = new Packr({ useRecords: false, encodeUndefinedAsNil: true, useToJSON: false })

/**
 * Encodes `value` as MessagePack behind `reserve` bytes (fewer than 256) that the caller fills, in one buffer.
 *
 * Integers up to 64 bits take their shortest form, `undefined` is nil, plain objects are maps. Whatever MessagePack, or
 * Python's u-msgpack, has no form for is refused: functions, symbols, class instances, typed arrays other than
 * `Uint8Array`, invalid dates, strings with lone surrogates, integers over 64 bits, nesting over 32, cycles.
 */
export const pack = (value: unknown, reserve: number): Uint8Array | Unpackable => {
  // A getter of the value may itself come here.
  const outer = [wide, unpackable, containers, pairs, arrays] as const
  wide = false
  unpackable = undefined
  containers = 0
  pairs = 0
  arrays = 0
  try {
    const ready = prepare(value, 0)
    if (unpackable !== undefined) return unpackable
    const bytes = packr.pack(ready, RESERVE_START_SPACE | reserve)
    // msgpackr writes every bigint under 2^63 as int 64. Python writes positive ones as uint 64, and so do we.
    if (wide) unsign(bytes, reserve)
    const rich = containers > (maxHeapPerByte - maxLeafHeapPerByte) * bytes.length || pairs > maxKeyPairs ||
      8 * arrays > maxIndexHeap
    return rich && bytes.length <= maxDatagramBytes ? readable(bytes, reserve) : bytes
  } catch (cause) {
    // A getter, a proxy or a detached buffer.
    return { path: [], problem: `the value could not be read: ${cause instanceof Error ? cause.message : "it threw"}` }
  } finally {
    ;[wide, unpackable, containers, pairs, arrays] = outer
  }
}

/** What was written, if it will be read. `prepare` counts too much rather than too little, so it is read to find out. */
const readable = (bytes: Uint8Array, start: number): Uint8Array | Unpackable => {
  return unpack(bytes, start) === "TooMany" ? { path: [], problem: tooMany } : bytes
}

const tooMany = `nobody would read it: it takes over ${maxHeapPerByte} bytes of memory for each of its own, ` +
  "or a map has over 256 keys that are not strings, or too many have keys like \"1023\""

/** Walks what msgpackr has written, and makes each positive int 64 a uint 64. */
const unsign = (bytes: Uint8Array, start: number): void => {
  for (let at = start; at < bytes.length;) {
    const token = bytes[at++]!
    if (token === 0xd3 && bytes[at]! < 0x80) bytes[at - 1] = 0xcf
    at += payloadBytes(bytes, at, token)
  }
}

/** How many bytes follow a token before the next one. */
const payloadBytes = (bytes: Uint8Array, at: number, token: number): number => {
  if (token < 0xa0) return 0
  if (token < 0xc0) return token & 0x1f
  switch (token) {
    case 0xcc:
    case 0xd0:
      return 1
    case 0xcd:
    case 0xd1:
    case 0xdc: // array 16
    case 0xde: // map 16
      return 2
    case 0xca:
    case 0xce:
    case 0xd2:
    case 0xdd: // array 32
    case 0xdf: // map 32
      return 4
    case 0xd6: // a timestamp of 32 bits
      return 5
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return 8
    case 0xd7: // a timestamp of 64 bits
      return 9
    case 0xc4: // bin 8
    case 0xd9: // str 8
      return 1 + bytes[at]!
    case 0xc7: // a timestamp of 96 bits
      return 2 + bytes[at]!
    case 0xc5: // bin 16
    case 0xda: // str 16
      return 2 + ((bytes[at]! << 8) | bytes[at + 1]!)
    case 0xc6: // bin 32
    case 0xdb: // str 32
      return 4 + bytes[at]! * 2 ** 24 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!)
    default: // nil, false, true, small negative integers
      return 0
  }
}

export const isUnpackable = (packed: Uint8Array | Unpackable): packed is Unpackable => "problem" in packed

// Set by `prepare`: an integer needs more than 32 bits; what containers and bytes take at most when they are read, and how
// many pairs of keys are compared and places V8 may make of indices; the value is refused.
let wide = false
let containers = 0
let pairs = 0
let arrays = 0
let unpackable: { readonly path: Array<PropertyKey>; readonly problem: string } | undefined

const refuse = (problem: string): undefined => {
  unpackable = { path: [], problem }
  return undefined
}

/** The value as msgpackr must be handed it, or a refusal in `unpackable`. Arrays are copied only where they change. */
const prepare = (value: unknown, depth: number): unknown => {
  switch (typeof value) {
    case "string":
      return value.isWellFormed() ? value : refuse("a string with a lone surrogate is not UTF-8")
    case "boolean":
    case "undefined":
      return value
    case "number":
      return prepareNumber(value)
    case "bigint":
      return prepareBigint(value)
    case "object":
      return value === null ? null : prepareObject(value, depth)
    default:
      return refuse(`a ${typeof value} has no MessagePack form`)
  }
}

const prepareNumber = (value: number): unknown => {
  // msgpackr writes integers over 32 bits as floats, which Python would hand on as floats.
  if (value >>> 0 === value || value >> 0 === value || !Number.isInteger(value) || Math.abs(value) > 2 ** 53) {
    return value
  }
  wide = true
  return BigInt(value)
}

const prepareBigint = (value: bigint): unknown => {
  if (value >= -0x8000_0000n && value <= 0xffff_ffffn) return Number(value)
  if (value < -0x8000_0000_0000_0000n || value > 0xffff_ffff_ffff_ffffn) {
    return refuse("an integer over 64 bits has no MessagePack form")
  }
  wide = true
  return value
}

const prepareObject = (value: object, depth: number): unknown => {
  if (value instanceof Uint8Array) {
    containers += bytesHeap(value.length)
    return value
  }
  if (value instanceof Date) {
    return Number.isNaN(value.getTime()) ? refuse("an invalid date has no MessagePack form") : value
  }
  if (depth === maxDepth) return refuse(`values nest deeper than ${maxDepth}`)
  if (Array.isArray(value)) return prepareArray(value, depth)
  if (value instanceof Map) return prepareMap(value, depth)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && prototype !== Object.prototype) {
    return refuse(`${describe(value)} has no MessagePack form: give it one with a schema`)
  }
  // As a Map, an object's own "constructor", "toJSON" or "hasOwnProperty" mean nothing to msgpackr.
  const map = new Map<string, unknown>()
  let indices = false
  let greatest = 0
  for (const [key, item] of Object.entries(value)) {
    if (isIndex(key)) {
      indices = true
      greatest = Math.max(greatest, placesFor(key))
    }
    if (!key.isWellFormed()) return refuse("a key with a lone surrogate is not UTF-8")
    map.set(key, prepare(item, depth + 1))
    if (unpackable !== undefined) return within(key)
  }
  containers += objectHeap(map.size) + (indices ? indicesHeap(map.size) + lateIndicesHeap : 0)
  arrays += greatest
  return map
}

const prepareArray = (value: ReadonlyArray<unknown>, depth: number): unknown => {
  containers += arrayHeap(value.length)
  let copy: Array<unknown> | undefined
  // By index: holes are nil.
  for (let i = 0; i < value.length; i++) {
    const item = value[i]
    const ready = prepare(item, depth + 1)
    if (unpackable !== undefined) return within(i)
    if (ready !== item) copy ??= value.slice()
    if (copy !== undefined) copy[i] = ready
  }
  // A subclass of Array would reach msgpackr's extensions.
  return copy ?? (value.constructor === Array ? value : Array.from(value))
}

const prepareMap = (value: ReadonlyMap<unknown, unknown>, depth: number): unknown => {
  const map = new Map<unknown, unknown>()
  const seen = new Set<string>()
  let named = false
  let others = false
  let greatest = 0
  for (const [key, item] of value) {
    if (!isHashable(key)) return refuse("a map can't be a key: Python could not hash it")
    const identity = keyIdentity(key)
    if (seen.has(identity)) return refuse("two keys of a map are equal in Python")
    seen.add(identity)
    if (typeof key !== "string") others = true
    else if (!others) {
      named = true
      if (isIndex(key)) greatest = Math.max(greatest, placesFor(key))
    }
    const readyKey = prepare(key, depth + 1)
    if (unpackable !== undefined) return within(String(key))
    map.set(readyKey, prepare(item, depth + 1))
    if (unpackable !== undefined) return within(String(key))
  }
  arrays += greatest
  // If its first keys are strings, it is an object for a while.
  if (named) containers += objectHeap(map.size) + indicesHeap(map.size) + lateIndicesHeap
  if (others) {
    containers += mapHeap(map.size)
    pairs += map.size * (map.size - 1) / 2
  }
  return map
}

/** Of what can be written, Python hashes all but maps. */
const isHashable = (key: unknown): boolean =>
  typeof key !== "object" || key === null || key instanceof Uint8Array || key instanceof Date ||
  (Array.isArray(key) && key.every(isHashable))

/**
 * Equal for two hashable keys that a Python dict takes for one: there, 1 == True == 1.0.
 *
 * Each part says where it ends, so that an array's is those of its items one after the other: it grows as the key does,
 * however deep it nests.
 */
const keyIdentity = (key: unknown): string => {
  if (typeof key === "string") return `s${key.length}:${key}`
  if (typeof key === "boolean" || typeof key === "number") return `n${whole(Number(key))};`
  if (typeof key === "bigint") return `n${key};`
  if (key instanceof Uint8Array) return `b${key.length}:${latin1(key)}`
  if (key instanceof Date) return `d${key.getTime()};`
  if (!Array.isArray(key)) return "z"
  let items = `a${key.length}:`
  for (const item of key) items += keyIdentity(item)
  return items
}

/** A float that an integer of 64 bits may be equal to: its own digits end in zeros after the seventeenth. */
const whole = (number: number): number | bigint =>
  Math.abs(number) > 2 ** 53 && Math.abs(number) < 2 ** 64 ? BigInt(number) : number

/** A character for each byte. */
const latin1 = (bytes: Uint8Array): string => {
  if (bytes.length > shortText) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1")
  let text = ""
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

const within = (key: PropertyKey): undefined => {
  unpackable?.path.unshift(key)
  return undefined
}

const describe = (value: object): string => {
  const name: unknown = value.constructor?.name
  return typeof name === "string" && name !== "" ? `an instance of ${name}` : "a class instance"
}
