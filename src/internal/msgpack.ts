/** MessagePack within the limits of the wire: bytes are checked before decoding, values before encoding. No I/O. */
// This entry leaves out msgpackr's native addon, which a checked datagram does not need.
import { Packr, RESERVE_START_SPACE, Unpackr } from "msgpackr/pack"

/** Deepest nesting of arrays and maps that is read or written. A scalar has depth 0. */
export const maxDepth = 32

/**
 * Why bytes were not decoded.
 *
 * `Truncated`: a declared length runs past the end. `TrailingBytes`: something follows the value. `TooDeep`: more than
 * 32 containers inside each other. `Extension`: an extension type other than a valid timestamp. `InvalidUtf8`: a string
 * that is not UTF-8. `Reserved`: the byte 0xc1, which MessagePack never uses. `DuplicateKey`: a map names a key twice, as
 * Python compares keys. `UnhashableKey`: a map is the key of a map, which Python could not hash.
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

/** Where a value can't be written as MessagePack, and why. */
export interface Unpackable {
  readonly path: ReadonlyArray<PropertyKey>
  readonly problem: string
}

// ---------------------------------------------------------------------------------------------------------------------
// reading
// ---------------------------------------------------------------------------------------------------------------------

// int64AsType is left alone: "auto" would turn 2^53 + 1 and 2^53 into the same number.
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false, copyBuffers: true })

/**
 * Decodes the one MessagePack value that fills `bytes` from `start` to the end, and nests at most `depth` deep.
 *
 * Maps whose keys are all strings become objects without a prototype, other maps `Map`; integers that a number holds
 * exactly become `number`, wider ones `bigint`; bin becomes `Uint8Array` (a copy); a timestamp becomes `Date`.
 */
export const unpack = (bytes: Uint8Array, start: number, depth = maxDepth): { readonly value: unknown } | Reason => {
  const facts = check(bytes, start, depth, false)
  if (typeof facts === "string") return facts
  // A view of its own: msgpackr leaves a DataView on what it reads, and makes every bin of a `Buffer` a `Buffer`.
  const source = marks.length === 0
    ? new Uint8Array(bytes.buffer, bytes.byteOffset + start, bytes.byteLength - start)
    : doubleMarks(bytes, start)
  const value: unknown = unpackr.unpack(source)
  if ((facts & (hasMap | hasInt64)) === 0) return { value }
  entries = 0
  badKey = undefined
  const converted = convert(value)
  if (badKey !== undefined) return badKey
  return entries === facts >>> factBits ? { value: converted } : "DuplicateKey"
}

const hasMap = 1
const hasInt64 = 2
const factBits = 2

// Items still to come in each open container: the checker's only memory, so hostile nesting costs nothing.
const remaining = new Float64Array(maxDepth + 1)

/**
 * Walks `bytes` once without decoding, in time linear in their length. Answers the facts that decoding needs (flags,
 * with the number of map entries above them) or the reason for refusing.
 *
 * With `unsign`, positive 64-bit integers are rewritten in place from int 64 to uint 64: see `pack`.
 */
const check = (bytes: Uint8Array, start: number, deepest: number, unsign: boolean): number | Reason => {
  const end = bytes.length
  let position = start
  let depth = 0
  let facts = 0
  marks.length = 0
  remaining[0] = 1
  while (true) {
    while (remaining[depth] === 0) {
      if (depth === 0) return position === end ? facts : "TrailingBytes"
      depth--
    }
    remaining[depth]!--
    if (position >= end) return "Truncated"
    const tokenAt = position
    const token = bytes[position++]!
    let items = -1 // of a container that opens here
    let skip = 0 // bytes of payload
    let text = false
    if (token < 0x80 || token >= 0xe0) continue
    if (token < 0x90) {
      items = (token & 0x0f) * 2
      facts = (facts | hasMap) + ((token & 0x0f) << factBits)
    } else if (token < 0xa0) {
      items = token & 0x0f
    } else if (token < 0xc0) {
      skip = token & 0x1f
      text = true
    } else {
      switch (token) {
        case 0xc0: // nil
        case 0xc2: // false
        case 0xc3: // true
          continue
        case 0xc1:
          return "Reserved"
        case 0xcc: // uint 8
        case 0xd0: // int 8
          skip = 1
          break
        case 0xcd: // uint 16
        case 0xd1: // int 16
          skip = 2
          break
        case 0xca: // float 32
        case 0xce: // uint 32
        case 0xd2: // int 32
          skip = 4
          break
        case 0xcb: // float 64
          skip = 8
          break
        case 0xd3: // int 64
          if (unsign && position < end && bytes[position]! < 0x80) bytes[position - 1] = 0xcf
          facts |= hasInt64
          skip = 8
          break
        case 0xcf: // uint 64
          facts |= hasInt64
          skip = 8
          break
        default: {
          // What is left carries a length of 1, 2 or 4 bytes, or is a fixext, whose length is in its token.
          const width = lengthWidth(token)
          if (position + width > end) return "Truncated"
          const length = readLength(bytes, position, width)
          position += width
          if (token <= 0xc6) {
            skip = length
          } else if (token <= 0xd8) {
            const size = token <= 0xc9 ? length : 1 << (token - 0xd4)
            if (position + 1 + size > end) return "Truncated"
            if (!isTimestamp(bytes, position, size)) return "Extension"
            skip = size + 1
          } else if (token <= 0xdb) {
            skip = length
            text = true
          } else if (token <= 0xdd) {
            items = length
          } else {
            if (length > end) return "Truncated"
            items = length * 2
            facts = (facts | hasMap) + (length << factBits)
          }
        }
      }
    }
    if (items >= 0) {
      if (depth === deepest) return "TooDeep"
      remaining[++depth] = items
    } else {
      if (skip > end - position) return "Truncated"
      if (text) {
        if (!isUtf8(bytes, position, position + skip)) return "InvalidUtf8"
        if (skip > decodedInJs && isMark(bytes, position)) marks.push(tokenAt, position, position + skip)
      }
      position += skip
    }
  }
}

// Longer strings msgpackr hands to a TextDecoder, which takes a leading byte order mark away.
const decodedInJs = 64

const isMark = (bytes: Uint8Array, position: number): boolean =>
  bytes[position] === 0xef && bytes[position + 1] === 0xbb && bytes[position + 2] === 0xbf

// Where such strings stand in the bytes that were checked last: the token, the text and its end, one after the other.
const marks: Array<number> = []

/** The same value with a second byte order mark before each that msgpackr would take away. `bytes` have been checked. */
const doubleMarks = (bytes: Uint8Array, start: number): Uint8Array => {
  const parts: Array<Uint8Array> = []
  let copied = start
  for (let i = 0; i < marks.length; i += 3) {
    const [token, text, end] = [marks[i]!, marks[i + 1]!, marks[i + 2]!]
    const length = end - text + 3
    parts.push(bytes.subarray(copied, token), Uint8Array.of(0xdb, 0, 0, length >> 8, length & 0xff, 0xef, 0xbb, 0xbf))
    copied = text
  }
  parts.push(bytes.subarray(copied))
  const doubled = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let position = 0
  for (const part of parts) {
    doubled.set(part, position)
    position += part.length
  }
  return doubled
}

const lengthWidth = (token: number): number => {
  switch (token) {
    case 0xc4: // bin 8
    case 0xc7: // ext 8
    case 0xd9: // str 8
      return 1
    case 0xc5: // bin 16
    case 0xc8: // ext 16
    case 0xda: // str 16
    case 0xdc: // array 16
    case 0xde: // map 16
      return 2
    case 0xc6: // bin 32
    case 0xc9: // ext 32
    case 0xdb: // str 32
    case 0xdd: // array 32
    case 0xdf: // map 32
      return 4
    default: // fixext
      return 0
  }
}

const readLength = (bytes: Uint8Array, position: number, width: number): number => {
  let length = 0
  for (let i = 0; i < width; i++) length = length * 256 + bytes[position + i]!
  return length
}

/** The timestamp extension, type -1: https://github.com/msgpack/msgpack/blob/master/spec.md#timestamp-extension-type */
const isTimestamp = (bytes: Uint8Array, position: number, size: number): boolean => {
  if (bytes[position] !== 0xff) return false
  const at = position + 1
  switch (size) {
    case 4:
      return true
    case 8:
      return readLength(bytes, at, 4) >>> 2 < 1_000_000_000
    case 12: {
      const nanos = readLength(bytes, at, 4)
      const seconds = (readLength(bytes, at + 4, 4) | 0) * 2 ** 32 + readLength(bytes, at + 8, 4)
      return nanos < 1_000_000_000 && seconds >= -maxDateSeconds &&
        (seconds < maxDateSeconds || (seconds === maxDateSeconds && nanos === 0))
    }
    default:
      return false
  }
}

// ECMA-262, 21.4.1.1: a Date holds 8.64e15 milliseconds either side of 1970.
const maxDateSeconds = 8.64e12

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const isUtf8 = (bytes: Uint8Array, start: number, end: number): boolean => {
  for (let i = start; i < end; i++) {
    if (bytes[i]! < 0x80) continue
    try {
      utf8.decode(bytes.subarray(i, end))
      return true
    } catch {
      return false
    }
  }
  return true
}

// Entries of the maps met by `convert`: fewer than the bytes declare means that a key came twice.
let entries = 0
// Why the keys of a map are none that Python would take.
let badKey: Reason | undefined

const convert = (value: unknown): unknown => {
  if (typeof value === "bigint") {
    return value >= -maxExact && value <= maxExact ? Number(value) : value
  }
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = convert(value[i])
    return value
  }
  if (!(value instanceof Map)) return value
  const pairs: Array<readonly [unknown, unknown]> = []
  let named = true
  for (const [key, item] of value) {
    if (typeof key !== "string") named = false
    pairs.push([convert(key), convert(item)])
  }
  entries += value.size
  if (!named) {
    const seen = new Set<string>()
    for (const [key] of pairs) {
      const identity = keyIdentity(key)
      if (identity === undefined) badKey = "UnhashableKey"
      else if (seen.has(identity)) badKey = "DuplicateKey"
      else seen.add(identity)
    }
    return new Map(pairs)
  }
  // Without a prototype, so that "__proto__" and "constructor" are names like any other.
  const object: Record<string, unknown> = Object.create(null)
  for (const [key, item] of pairs) object[String(key)] = item
  return object
}

const maxExact = 2n ** 53n

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
  const outer = [wide, unpackable] as const
  wide = false
  unpackable = undefined
  try {
    const ready = prepare(value, 0)
    if (unpackable !== undefined) return unpackable
    const bytes = packr.pack(ready, RESERVE_START_SPACE | reserve)
    // msgpackr writes every bigint under 2^63 as int 64. Python writes positive ones as uint 64, and so do we.
    if (wide) check(bytes, reserve, maxDepth, true)
    return bytes
  } catch (cause) {
    // A getter, a proxy or a detached buffer.
    return { path: [], problem: `the value could not be read: ${cause instanceof Error ? cause.message : "it threw"}` }
  } finally {
    ;[wide, unpackable] = outer
  }
}

export const isUnpackable = (packed: Uint8Array | Unpackable): packed is Unpackable => "problem" in packed

// Set by `prepare`: an integer needs more than 32 bits; the value is refused.
let wide = false
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
  if (value instanceof Uint8Array) return value
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
  for (const [key, item] of Object.entries(value)) {
    if (!key.isWellFormed()) return refuse("a key with a lone surrogate is not UTF-8")
    map.set(key, prepare(item, depth + 1))
    if (unpackable !== undefined) return within(key)
  }
  return map
}

const prepareArray = (value: ReadonlyArray<unknown>, depth: number): unknown => {
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
  for (const [key, item] of value) {
    const identity = keyIdentity(key)
    if (identity === undefined) return refuse("a map can't be a key: Python could not hash it")
    if (seen.has(identity)) return refuse("two keys of a map are equal in Python")
    seen.add(identity)
    const readyKey = prepare(key, depth + 1)
    if (unpackable !== undefined) return within(String(key))
    map.set(readyKey, prepare(item, depth + 1))
    if (unpackable !== undefined) return within(String(key))
  }
  return map
}

/** Equal for two keys that a Python dict takes for one (there, 1 == True == 1.0); undefined for an unhashable one. */
const keyIdentity = (key: unknown): string | undefined => {
  if (typeof key === "string") return `s${key}`
  if (key === null || key === undefined) return "nil"
  if (typeof key === "boolean" || typeof key === "number" || typeof key === "bigint") {
    return `n${typeof key === "boolean" ? Number(key) : key}`
  }
  if (key instanceof Uint8Array) return `b${key.join()}`
  if (key instanceof Date) return `d${key.getTime()}`
  if (!Array.isArray(key)) return undefined
  const parts = key.map(keyIdentity)
  return parts.includes(undefined) ? undefined : `a${JSON.stringify(parts)}`
}

const within = (key: PropertyKey): undefined => {
  unpackable?.path.unshift(key)
  return undefined
}

const describe = (value: object): string => {
  const name: unknown = value.constructor?.name
  return typeof name === "string" && name !== "" ? `an instance of ${name}` : "a class instance"
}
