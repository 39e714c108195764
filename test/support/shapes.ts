/** Datagrams of every shape that MessagePack has, well-formed and not: as many of a value as there is room for. */
import { Codec } from "../../src/index.ts"

export type Bytes = ArrayLike<number> & Iterable<number>

export const uint = (width: number, value: number): Bytes =>
  Array.from({ length: width }, (_, i) => Math.floor(value / 256 ** (width - 1 - i)) % 256)

export const text = (token: Bytes, length: number, first: number): Bytes => [
  ...token,
  ...Array.from({ length }, (_, i) => 0x61 + Math.floor(first / 26 ** i) % 26)
]

export const repeat = (count: number, ...bytes: ReadonlyArray<number>): Bytes =>
  join(Array.from({ length: count }, () => bytes))

export const join = (parts: ReadonlyArray<Bytes>): Uint8Array =>
  Buffer.concat(parts.map((part) => Uint8Array.from(part)))

/** Values of every kind and of each length class that MessagePack has, and what is none. `i` tells one from the next. */
export const values: Readonly<Record<string, (i: number) => Bytes>> = {
  "positive fixint": (i) => [i % 128],
  "negative fixint": (i) => [0xe0 + i % 32],
  nil: () => [0xc0],
  false: () => [0xc2],
  true: () => [0xc3],
  "uint 8": (i) => [0xcc, i % 256],
  "uint 16": (i) => [0xcd, ...uint(2, i)],
  "uint 32": (i) => [0xce, ...uint(4, 2 ** 31 + i)],
  "uint 64": (i) => [0xcf, 0xff, ...uint(7, i)],
  "int 8": (i) => [0xd0, i % 256],
  "int 16": (i) => [0xd1, ...uint(2, i)],
  "int 32": (i) => [0xd2, 0x80, ...uint(3, i)],
  "int 64": (i) => [0xd3, 0x80, ...uint(7, i)],
  "float 32": (i) => [0xca, 0x80, ...uint(3, i + 1)],
  "float 64": (i) => [0xcb, 0x80, ...uint(7, i + 1)],
  "empty text": () => [0xa0],
  "text of 1": (i) => text([0xa1], 1, i),
  "text of 2": (i) => text([0xa2], 2, i),
  "text of 3": (i) => text([0xa3], 3, i),
  "text of 10": (i) => text([0xaa], 10, i),
  "text of 11": (i) => text([0xab], 11, i),
  "text of 31": (i) => text([0xbf], 31, i),
  "text of one wide letter": (i) => [0xa3, 0xe4, 0xb8 + i % 4, 0x80 + Math.floor(i / 4) % 64],
  "text of 2 in Latin": (i) => [0xa2, 0xc3, 0x80 + i % 64],
  "a digit": (i) => [0xa1, 0x30 + i % 10],
  "an index": (i) => [0xa4, ...Buffer.from(String(1000 + i % 1024))],
  "a great index": (i) => [0xaa, ...Buffer.from(String(4294967294 - i))],
  "str 8": (i) => text([0xd9, 40], 40, i),
  "empty str 8": () => [0xd9, 0],
  "str 16": (i) => text([0xda, 1, 0], 256, i),
  "str 32": (i) => text([0xdb, 0, 0, 1, 0], 256, i),
  "text with one wide letter": (i) => [0xd9, 63, 0xe4, 0xb8, 0x80, ...text([], 60, i)],
  "empty bin": () => [0xc4, 0],
  "bin of 1": (i) => [0xc4, 1, i % 256],
  "bin of 2": (i) => [0xc4, 2, ...uint(2, i)],
  "bin of 64": (i) => [0xc4, 64, ...uint(64, i)],
  "bin of 65": (i) => [0xc4, 65, ...uint(65, i)],
  "bin 16": (i) => [0xc5, 1, 0, ...uint(256, i)],
  "bin 32": (i) => [0xc6, 0, 0, 0, 2, ...uint(2, i)],
  "timestamp 32": (i) => [0xd6, 0xff, ...uint(4, i)],
  "timestamp 64": (i) => [0xd7, 0xff, ...uint(8, i)],
  "timestamp 96": (i) => [0xc7, 12, 0xff, ...uint(12, i)],
  "empty array": () => [0x90],
  "array of 1": (i) => [0x91, i % 128],
  "array of 15": (i) => [0x9f, ...repeat(15, i % 128)],
  "array 16": (i) => [0xdc, 0, 18, ...repeat(18, i % 128)],
  "array 32": (i) => [0xdd, 0, 0, 0, 1, i % 128],
  "empty map": () => [0x80],
  "map of an empty text": () => [0x81, 0xa0, 0xc0],
  "map of a nil": () => [0x81, 0xc0, 0xc0],
  "map of an index": () => [0x81, 0xa4, ...Buffer.from("1023"), 0xc0],
  "map of a text and a nil": () => [0x82, 0xa1, 0x61, 0xc0, 0xc0, 0xc0],
  "map of 4 letters": () => [0x84, ...[0x61, 0x62, 0x63, 0x64].flatMap((letter) => [0xa1, letter, 0xc0])],
  "map 16": () => [0xde, 0, 1, 0xa1, 0x61, 0xc0],
  "map 32": () => [0xdf, 0, 0, 0, 1, 0xa1, 0x61, 0xc0],
  "8 maps inside each other": () => [...repeat(8, 0x81, 0xa0), 0xc0],
  "8 maps of nil inside each other": () => [...repeat(8, 0x81, 0xc0), 0xc0],
  "8 arrays inside each other": () => [...repeat(8, 0x91), 0xc0],
  "array of arrays": (i) => [0x92, 0x92, 0x91, i % 128, 0x90, 0x91, 0xcd, ...uint(2, i)],
  "array that announces 2^32": () => [0xdd, ...uint(4, 2 ** 32 - 1)],
  "array that announces 4,000": () => [0xdc, ...uint(2, 4000)],
  "map that announces 2,000": () => [0xde, ...uint(2, 2000)],
  "map that announces 2,000 and begins": () => [0xde, ...uint(2, 2000), 0xc0, 0xc0],
  "array that announces 15": () => [0x9f],
  "map that announces 15": () => [0x8f],
  "text that announces 200": () => [0xd9, 200],
  "bin that announces 200": () => [0xc4, 200],
  "extension": (i) => [0xd4, 1, i % 256],
  "ext 8": (i) => [0xc7, 1, 1, i % 256],
  "ext 16": (i) => [0xc8, 0, 1, 1, i % 256],
  "ext 32": (i) => [0xc9, 0, 0, 0, 1, 1, i % 256],
  "text that is none": () => [0xa1, 0xff],
  "long text that is none": () => [0xd9, 12, ...text([], 11, 0), 0xff],
  "the byte 0xc1": () => [0xc1]
}

/** As many of these as `room` holds, in an array. */
export const arrayOf = (items: ReadonlyArray<Uint8Array>, room: number): Uint8Array => {
  const few = asManyAs(room - 3, items)
  return join([[0xdc, ...uint(2, few.length)], ...few])
}

/** As many of these as `room` holds, each a key and its value. */
export const mapOf = (entries: ReadonlyArray<Uint8Array>, room: number): Uint8Array => {
  const few = asManyAs(room - 3, entries)
  return join([[0xde, ...uint(2, few.length)], ...few])
}

const asManyAs = (room: number, items: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> => {
  let left = room
  return items.slice(0, items.findIndex((item) => (left -= item.length) < 0))
}

/** More than any datagram holds, each between these. */
export const many = (value: (i: number) => Bytes, before: Bytes = [], after: Bytes = []): ReadonlyArray<Uint8Array> => {
  const items: Array<Uint8Array> = []
  for (let bytes = 0; bytes <= Codec.maxBodyBytes;) {
    const item = join([before, value(items.length), after])
    items.push(item)
    bytes += item.length
  }
  return items
}

export const id: Bytes = repeat(Codec.idBytes, 7)

/** Each with a body in its place, inside whatever the frame has around it. */
export const frames: Readonly<Record<string, (...body: ReadonlyArray<Bytes>) => Uint8Array>> = {
  request: (...body) => join([[0], id, [0x92, 0xa1, 0x6d, 0x91], ...body]),
  response: (...body) => join([[1], id, ...body]),
  failure: (...body) => join([[2], id, [0x92, 0xa5], Buffer.from("Error"), ...body]),
  challenge: (...body) => join([[3], id, ...body]),
  proof: (...body) => join([[4], id, ...body]),
  cancel: (...body) => join([[5], id, ...body]),
  gather: (...body) => join([[6], id, [0x92, 0xa1, 0x6d, 0x91], ...body])
}
