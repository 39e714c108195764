/** Values to MessagePack: a value is checked before it is written, so that whoever reads it may. No I/O. */
// This entry leaves out msgpackr's native addon, which serves reading alone.
import { Packr, RESERVE_START_SPACE } from "msgpackr/pack"
import { maxDatagramBytes } from "./frame.ts"
import {
  arrayHeap,
  bytesHeap,
  indicesHeap,
  lateIndicesHeap,
  mapHeap,
  maxDepth,
  maxHeapPerByte,
  maxIndexHeap,
  maxKeyPairs,
  maxLeafHeapPerByte,
  objectHeap
} from "./heap.ts"
import { isHashable, isIndex, keyIdentity, placesFor } from "./mapKeys.ts"
import { packSmall } from "./packSmall.ts"
import { unpack } from "./unpack.ts"

/** Where a value can't be written as MessagePack, and why. */
export interface Unpackable {
  readonly path: ReadonlyArray<PropertyKey>
  readonly problem: string
}

const packr = new Packr({ useRecords: false, encodeUndefinedAsNil: true, useToJSON: false })

/**
 * Encodes `value` as MessagePack behind `reserve` bytes (fewer than 256) that the caller fills, in one buffer.
 *
 * Integers up to 64 bits take their shortest form, `undefined` is nil, plain objects are maps. Whatever MessagePack, or
 * Python's u-msgpack, has no form for is refused: functions, symbols, class instances, typed arrays other than
 * `Uint8Array`, invalid dates, strings with lone surrogates, integers over 64 bits, nesting over 32, cycles.
 */
export const pack = (value: unknown, reserve: number): Uint8Array | Unpackable => {
  try {
    const small = packSmall(value, reserve)
    if (small !== undefined) return small
    const walk: Walk = { wide: false, heap: 0, keyPairs: 0, places: 0, refusal: undefined }
    const ready = prepare(walk, value, 0)
    if (walk.refusal !== undefined) return walk.refusal
    const bytes = packr.pack(ready, RESERVE_START_SPACE | reserve)
    // msgpackr writes every bigint under 2^63 as int 64. Python writes positive ones as uint 64, and so do we.
    if (walk.wide) unsign(bytes, reserve)
    const rich = walk.heap > (maxHeapPerByte - maxLeafHeapPerByte) * bytes.length || walk.keyPairs > maxKeyPairs ||
      8 * walk.places > maxIndexHeap
    return rich && bytes.length <= maxDatagramBytes ? readable(bytes, reserve) : bytes
  } catch (cause) {
    // A getter, a proxy or a detached buffer.
    return { path: [], problem: `the value could not be read: ${cause instanceof Error ? cause.message : "it threw"}` }
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
  for (let offset = start; offset < bytes.length;) {
    const token = bytes[offset++]!
    if (token === 0xd3 && bytes[offset]! < 0x80) bytes[offset - 1] = 0xcf
    offset += payloadBytes(bytes, offset, token)
  }
}

/** How many bytes follow a token before the next one. */
const payloadBytes = (bytes: Uint8Array, offset: number, token: number): number => {
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
      return 1 + bytes[offset]!
    case 0xc7: // a timestamp of 96 bits
      return 2 + bytes[offset]!
    case 0xc5: // bin 16
    case 0xda: // str 16
      return 2 + ((bytes[offset]! << 8) | bytes[offset + 1]!)
    case 0xc6: // bin 32
    case 0xdb: // str 32
      return 4 + bytes[offset]! * 2 ** 24 +
        ((bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!)
    default: // nil, false, true, small negative integers
      return 0
  }
}

export const isUnpackable = (packed: Uint8Array | Unpackable): packed is Unpackable => "problem" in packed

/** One walk over a value, which checks it and counts what its reader will make of it. */
interface Walk {
  /** An integer needs more than 32 bits. */
  wide: boolean
  /** What containers and bytes take at most, once they are read. */
  heap: number
  /** Keys that a `Map` may compare with each other. */
  keyPairs: number
  /** Places of the arrays that V8 may make of keys that are indices. */
  places: number
  refusal: { readonly path: Array<PropertyKey>; readonly problem: string } | undefined
}

const refuse = (walk: Walk, problem: string): undefined => {
  walk.refusal = { path: [], problem }
  return undefined
}

/** The value as msgpackr must be handed it, or a refusal in `walk`. Arrays are copied only where they change. */
const prepare = (walk: Walk, value: unknown, depth: number): unknown => {
  switch (typeof value) {
    case "string":
      return value.isWellFormed() ? value : refuse(walk, "a string with a lone surrogate is not UTF-8")
    case "boolean":
    case "undefined":
      return value
    case "number":
      return prepareNumber(walk, value)
    case "bigint":
      return prepareBigint(walk, value)
    case "object":
      return value === null ? null : prepareObject(walk, value, depth)
    default:
      return refuse(walk, `a ${typeof value} has no MessagePack form`)
  }
}

const prepareNumber = (walk: Walk, value: number): unknown => {
  // msgpackr writes integers over 32 bits as floats, which Python would hand on as floats.
  if (value >>> 0 === value || value >> 0 === value || !Number.isInteger(value) || Math.abs(value) > 2 ** 53) {
    return value
  }
  walk.wide = true
  return BigInt(value)
}

const prepareBigint = (walk: Walk, value: bigint): unknown => {
  if (value >= -0x8000_0000n && value <= 0xffff_ffffn) return Number(value)
  if (value < -0x8000_0000_0000_0000n || value > 0xffff_ffff_ffff_ffffn) {
    return refuse(walk, "an integer over 64 bits has no MessagePack form")
  }
  walk.wide = true
  return value
}

const prepareObject = (walk: Walk, value: object, depth: number): unknown => {
  if (value instanceof Uint8Array) {
    walk.heap += bytesHeap(value.length)
    return value
  }
  if (value instanceof Date) {
    return Number.isNaN(value.getTime()) ? refuse(walk, "an invalid date has no MessagePack form") : value
  }
  if (depth === maxDepth) return refuse(walk, `values nest deeper than ${maxDepth}`)
  if (Array.isArray(value)) return prepareArray(walk, value, depth)
  if (value instanceof Map) return prepareMap(walk, value, depth)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && prototype !== Object.prototype) {
    return refuse(walk, `${describe(value)} has no MessagePack form: give it one with a schema`)
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
    if (!key.isWellFormed()) return refuse(walk, "a key with a lone surrogate is not UTF-8")
    map.set(key, prepare(walk, item, depth + 1))
    if (walk.refusal !== undefined) return within(walk, key)
  }
  walk.heap += objectHeap(map.size) + (indices ? indicesHeap(map.size) + lateIndicesHeap : 0)
  walk.places += greatest
  return map
}

const prepareArray = (walk: Walk, value: ReadonlyArray<unknown>, depth: number): unknown => {
  walk.heap += arrayHeap(value.length)
  let copy: Array<unknown> | undefined
  // By index: holes are nil.
  for (let i = 0; i < value.length; i++) {
    const item = value[i]
    const ready = prepare(walk, item, depth + 1)
    if (walk.refusal !== undefined) return within(walk, i)
    if (ready !== item) copy ??= value.slice()
    if (copy !== undefined) copy[i] = ready
  }
  // A subclass of Array would reach msgpackr's extensions.
  return copy ?? (value.constructor === Array ? value : Array.from(value))
}

const prepareMap = (walk: Walk, value: ReadonlyMap<unknown, unknown>, depth: number): unknown => {
  const map = new Map<unknown, unknown>()
  const seen = new Set<string>()
  let named = false
  let others = false
  let greatest = 0
  for (const [key, item] of value) {
    if (!isHashable(key)) return refuse(walk, "a map can't be a key: Python could not hash it")
    const identity = keyIdentity(key)
    if (seen.has(identity)) return refuse(walk, "two keys of a map are equal in Python")
    seen.add(identity)
    if (typeof key !== "string") others = true
    else if (!others) {
      named = true
      if (isIndex(key)) greatest = Math.max(greatest, placesFor(key))
    }
    map.set(prepare(walk, key, depth + 1), prepare(walk, item, depth + 1))
    if (walk.refusal !== undefined) return within(walk, String(key))
  }
  walk.places += greatest
  // If its first keys are strings, it is an object for a while.
  if (named) walk.heap += objectHeap(map.size) + indicesHeap(map.size) + lateIndicesHeap
  if (others) {
    walk.heap += mapHeap(map.size)
    walk.keyPairs += map.size * (map.size - 1) / 2
  }
  return map
}

const within = (walk: Walk, key: PropertyKey): undefined => {
  walk.refusal?.path.unshift(key)
  return undefined
}

const describe = (value: object): string => {
  const name: unknown = value.constructor?.name
  return typeof name === "string" && name !== "" ? `an instance of ${name}` : "a class instance"
}
