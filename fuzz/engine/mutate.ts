/**
 * Changes inputs by chance: MessagePack by its structure, and any bytes as bytes. No I/O, no clock; the same stream of
 * chance makes the same inputs.
 */
import type { Stream } from "../../test/support/stream.ts"
import type { Value } from "./value.ts"
import { array, bytesOf, leaf, map, parse, pick, replaceAt } from "./value.ts"

export interface Mutator {
  /** `input` changed once or a few times, at most `maxBytes` long. `other` gives parts. */
  readonly mutate: (input: Uint8Array, other: Uint8Array) => Uint8Array
}

/** `bodyAt` is where MessagePack begins in an input. Undefined: there is none, and bytes are changed alone. */
export const make = (chance: Stream, maxBytes: number, bodyAt: number | undefined): Mutator => ({
  mutate: (input, other) => {
    let bytes = input
    // One change mostly, and each more half as often.
    do {
      bytes = bodyAt === undefined || input.length <= bodyAt || chance.below(4) === 0
        ? mutateBytes(chance, bytes, other)
        : mutateBody(chance, bytes, other, bodyAt, maxBytes)
    } while (chance.below(2) === 0)
    return bytes.length > maxBytes ? bytes.slice(0, maxBytes) : bytes
  }
})

// ---------------------------------------------------------------------------------------------------------------------
// structures
// ---------------------------------------------------------------------------------------------------------------------

const mutateBody = (
  chance: Stream,
  input: Uint8Array,
  other: Uint8Array,
  bodyAt: number,
  maxBytes: number
): Uint8Array => {
  const { end, value } = parse(input, bodyAt)
  const at = chance.below(value.nodes)
  const chosen = pick(value, at)
  const room = maxBytes - bodyAt - value.bytes + chosen.bytes
  const change = structures[chance.below(structures.length)]!
  const donor = other.length > bodyAt ? parse(other, bodyAt).value : nil
  const changed = replaceAt(value, at, change({ chance, chosen, room, donor }))
  // What stands before the body says what it is for.
  const head = other.length >= bodyAt && chance.below(8) === 0 ? other : input
  return Buffer.concat([head.subarray(0, bodyAt), bytesOf(changed), input.subarray(end)])
}

interface Change {
  readonly chance: Stream
  /** The value that is to be replaced. */
  readonly chosen: Value
  /** How many bytes may take its place. */
  readonly room: number
  /** The body of another input. */
  readonly donor: Value
}

const nil = leaf(Uint8Array.of(0xc0))

/** How deep the wire lets values nest, and one more. */
const maxNesting = 33

const structures: ReadonlyArray<(change: Change) => Value> = [
  // Nests it deeper: in arrays, as a map's value, or as a map's key.
  ({ chance, chosen }) => {
    const wrap = [
      (value: Value) => array([value]),
      (value: Value) => array([value, value]),
      (value: Value) => map([nil, value]),
      (value: Value) => map([value, nil])
    ][chance.below(4)]!
    const times = chance.below(2) === 0 ? 1 : 1 + chance.below(maxNesting)
    let value = chosen
    for (let i = 0; i < times && value.bytes < 200; i++) value = wrap(value)
    return value
  },
  ({ chance, chosen }) => map([chosen, scalar(chance)]),
  // Repeats one element, up to all the room there is.
  ({ chance, chosen, room }) => {
    const width = chosen.kind === "map" ? 2 : 1
    const items = chosen.items.length < width ? [chosen] : chosen.items
    const from = chance.below(Math.floor(items.length / width)) * width
    const element = items.slice(from, from + width)
    const size = element.reduce((sum, { bytes }) => sum + bytes, 1)
    const times = 1 + chance.below(chance.below(8) > 0 ? 20 : Math.max(1, Math.floor((room - chosen.bytes) / size)))
    const repeated = [...items, ...Array.from({ length: times }, () => element).flat()]
    return chosen.kind === "map" ? map(repeated) : array(repeated)
  },
  // A map of many different keys.
  ({ chance, room }) => {
    const keysOf = kindsOfKeys[chance.below(kindsOfKeys.length)]!
    const keys = keysOf(1 + chance.below(chance.below(8) > 0 ? 20 : Math.max(1, Math.floor(room / 6))))
    return map(keys.flatMap((key) => [key, nil]))
  },
  // A key of a map comes twice.
  ({ chance, chosen }) => {
    if (chosen.kind !== "map" || chosen.items.length === 0) return map([chosen, nil, chosen, nil])
    const at = chance.below(chosen.items.length / 2) * 2
    return map([...chosen.items, chosen.items[at]!, scalar(chance)])
  },
  ({ chance, donor }) => pick(donor, chance.below(donor.nodes)),
  ({ chance }) => scalar(chance),
  ({ chance, chosen }) => array([...chosen.items, scalar(chance)]),
  // The shortest that MessagePack has, which are the most objects for a byte.
  ({ chance }) => [array([]), map([]), leaf(Uint8Array.of(0xa0)), leaf(Uint8Array.of(0xc4, 0))][chance.below(4)]!,
  // Removes an element, or all but one.
  ({ chance, chosen }) => {
    if (chosen.kind === "leaf" || chosen.items.length === 0) return nil
    const width = chosen.kind === "map" ? 2 : 1
    const at = chance.below(chosen.items.length / width) * width
    if (chance.below(2) === 0) return chosen.items[at]!
    const items = chosen.items.filter((_, i) => i < at || i >= at + width)
    return chosen.kind === "map" ? map(items) : array(items)
  }
]

const scalar = (chance: Stream): Value => {
  const bytes = (head: ReadonlyArray<number>, length: number) => {
    const value = chance.bytes(new Uint8Array(head.length + length))
    value.set(head)
    return leaf(value)
  }
  const text = (length: number) =>
    leaf(Uint8Array.of(0xa0 + length, ...Array.from({ length }, () => 97 + chance.below(26))))
  switch (chance.below(12)) {
    case 0:
      return leaf(Uint8Array.of(chance.below(128)))
    case 1:
      return leaf(Uint8Array.of([0xc0, 0xc2, 0xc3, 0xff, 0xe0][chance.below(5)]!))
    case 2:
      return text(chance.below(32))
    case 3:
      return bytes([0xc4, 20], 20)
    case 4:
      return bytes([[0xcc, 0xd0][chance.below(2)]!], 1)
    case 5:
      return bytes([[0xcd, 0xd1][chance.below(2)]!], 2)
    case 6:
      return bytes([[0xce, 0xd2, 0xca][chance.below(3)]!], 4)
    case 7:
      return bytes([[0xcf, 0xd3, 0xcb][chance.below(3)]!], 8)
    case 8: {
      const value = new Uint8Array(9)
      value[0] = [0xcf, 0xd3, 0xcb][chance.below(3)]!
      const view = new DataView(value.buffer)
      if (value[0] === 0xcb) view.setFloat64(1, floats[chance.below(floats.length)]!)
      else view.setBigUint64(1, BigInt.asUintN(64, integers[chance.below(integers.length)]!))
      return leaf(value)
    }
    case 9:
      return bytes([0xd6, 0xff], 4)
    case 10:
      return leaf(
        Uint8Array.of(0xd7, 0xff, chance.below(0xee), 0, 0, 0, ...new Uint8Array(4).map(() => chance.below(256)))
      )
    default:
      return leaf(
        Uint8Array.of(0xc7, 12, 0xff, 0, 0, 0, 0, chance.below(2) * 255, 255, 255, 255, 0, 0, 0, chance.below(256))
      )
  }
}

/** Where one form of an integer ends and the next begins. */
const integers = [5n, 7n, 8n, 15n, 16n, 31n, 32n, 53n, 63n].flatMap((power) => [
  2n ** power - 1n,
  2n ** power,
  2n ** power + 1n,
  -(2n ** power),
  -(2n ** power) - 1n
])

const floats = [0, -0, 1, 1.5, -1, NaN, Infinity, -Infinity, 2 ** 53, 2 ** 53 + 2, 1e300, 5e-324]

const uint32 = (n: number): Value => leaf(Uint8Array.of(0xce, n >>> 24, n >>> 16, n >>> 8, n))

const kindsOfKeys: ReadonlyArray<(count: number) => ReadonlyArray<Value>> = [
  (count) => Array.from({ length: count }, (_, i) => uint32(i)),
  (count) => collidingIntegers(count).map(uint32),
  (count) =>
    Array.from({ length: count }, (_, i) => leaf(Uint8Array.of(0xa4, ...Buffer.from(i.toString(16).padStart(4, "0"))))),
  (count) => Array.from({ length: count }, (_, i) => array([uint32(i)]))
]

/** As many integers as are wanted that V8, which hashes them without a seed, puts in one place of a `Map`. */
export const collidingIntegers = (count: number): ReadonlyArray<number> => {
  for (; colliding.length < count; untried++) if ((hashOf(untried) & lowBits) === 0) colliding.push(untried)
  return colliding.slice(0, count)
}

const colliding: Array<number> = []
let untried = 1

// A `Map` of up to 2,048 entries has up to 1,024 places.
const lowBits = 0x3ff

/** V8's hash of a small integer: `ComputeUnseededHash` in src/utils/utils.h. */
export const hashOf = (integer: number): number => {
  let hash = ~integer + (integer << 15)
  hash ^= hash >>> 12
  hash += hash << 2
  hash ^= hash >>> 4
  hash = Math.imul(hash, 2057)
  hash ^= hash >>> 16
  return hash & 0x3fff_ffff
}

// ---------------------------------------------------------------------------------------------------------------------
// bytes
// ---------------------------------------------------------------------------------------------------------------------

const mutateBytes = (chance: Stream, input: Uint8Array, other: Uint8Array): Uint8Array => {
  const change = bytewise[chance.below(bytewise.length)]!
  // Much is decided by the first bytes.
  const places = chance.below(2) === 0 ? input.length + 1 : Math.min(input.length, 32) + 1
  return Uint8Array.from(change(Array.from(input), chance.below(places), chance, other))
}

/** Each may change the array that it is given. */
const bytewise: ReadonlyArray<
  (bytes: Array<number>, at: number, chance: Stream, other: Uint8Array) => ReadonlyArray<number>
> = [
  (bytes, at, chance) => bytes.toSpliced(at, 1, chance.below(256)),
  (bytes, at, chance) => bytes.toSpliced(at, 1, tokens[chance.below(tokens.length)]!),
  (bytes, at, chance) => bytes.toSpliced(at, 1, (bytes[at] ?? 0) ^ (1 << chance.below(8))),
  (bytes, at, chance) => bytes.toSpliced(at, 1 + chance.below(4)),
  (bytes, at, chance) =>
    bytes.toSpliced(at, 0, ...Array.from({ length: 1 + chance.below(4) }, () => tokens[chance.below(tokens.length)]!)),
  (bytes, at, chance, other) => {
    const from = chance.below(other.length + 1)
    return bytes.toSpliced(at, 0, ...other.subarray(from, from + chance.below(64)))
  },
  (bytes, at, _chance, other) => [...bytes.slice(0, at), ...other.subarray(at)],
  (bytes, at) => bytes.slice(0, at)
]

/** The bytes on which a decoder decides. */
const tokens = [
  ...Buffer.from("0001020304107f80818f9091929fa0bfe0ff", "hex"),
  ...Array.from({ length: 32 }, (_, i) => 0xc0 + i)
]
