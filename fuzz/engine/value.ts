/**
 * MessagePack as a tree of its tokens, so that values can be moved about: what a scalar means is never asked, and no bytes
 * are refused. Values do not change.
 */
export interface Value {
  readonly kind: "leaf" | "array" | "map"
  /** Of a leaf: its token and all that belongs to it. */
  readonly token: Uint8Array
  /** Of an array its elements, of a map its keys and values in turn. */
  readonly items: ReadonlyArray<Value>
  /** How many values it is made of, itself included. */
  readonly nodes: number
  /** How long it is. */
  readonly bytes: number
}

export const leaf = (token: Uint8Array): Value => ({
  kind: "leaf",
  token,
  items: [],
  nodes: 1,
  bytes: token.length
})

export const array = (items: ReadonlyArray<Value>): Value => container("array", items, items.length)

/** An odd one out is left out. */
export const map = (items: ReadonlyArray<Value>): Value =>
  items.length % 2 === 0 ? container("map", items, items.length / 2) : map(items.slice(0, -1))

const container = (kind: "array" | "map", items: ReadonlyArray<Value>, count: number): Value => {
  let [nodes, bytes] = [1, count < 16 ? 1 : count < 0x1_0000 ? 3 : 5]
  for (const item of items) {
    nodes += item.nodes
    bytes += item.bytes
  }
  return { kind, token: none, items, nodes, bytes }
}

const none = new Uint8Array(0)

/** The value number `at`, counted from the outermost, which is 0. */
export const pick = (value: Value, at: number): Value => {
  if (at === 0) return value
  let before = 1
  for (const item of value.items) {
    if (at < before + item.nodes) return pick(item, at - before)
    before += item.nodes
  }
  return value
}

/** `value` with its value number `at` replaced. */
export const replaceAt = (value: Value, at: number, by: Value): Value => {
  if (at === 0) return by
  let before = 1
  for (const [i, item] of value.items.entries()) {
    if (at < before + item.nodes) {
      const items = value.items.with(i, replaceAt(item, at - before, by))
      return value.kind === "map" ? map(items) : array(items)
    }
    before += item.nodes
  }
  return value
}

/** Writes a value, each container with its shortest token. */
export const bytesOf = (value: Value): Uint8Array => {
  const out = new Uint8Array(value.bytes)
  let position = 0
  const write = ({ items, kind, token }: Value) => {
    if (kind === "leaf") {
      out.set(token, position)
      position += token.length
      return
    }
    const count = kind === "map" ? items.length / 2 : items.length
    if (count < 16) out[position++] = (kind === "map" ? 0x80 : 0x90) + count
    else {
      const width = count < 0x1_0000 ? 2 : 4
      out[position++] = (kind === "map" ? 0xde : 0xdc) + (width === 2 ? 0 : 1)
      for (let shift = 8 * (width - 1); shift >= 0; shift -= 8) out[position++] = count >>> shift
    }
    for (const item of items) write(item)
  }
  write(value)
  return out
}

/** The value that begins at `start`, and where it ends. What is cut off ends where the bytes do. */
export const parse = (bytes: Uint8Array, start: number): { readonly value: Value; readonly end: number } => {
  let position = start
  const number = (width: number): number => {
    let n = 0
    for (let i = 0; i < width; i++) n = n * 256 + (bytes[position + i] ?? 0)
    position = Math.min(position + width, bytes.length)
    return n
  }
  const rest = (from: number, length: number): Value => {
    position = Math.min(position + length, bytes.length)
    return leaf(bytes.slice(from, position))
  }
  const items = (count: number, depth: number): ReadonlyArray<Value> => {
    const values: Array<Value> = []
    while (values.length < count && position < bytes.length) values.push(read(depth + 1))
    return values
  }
  const read = (depth: number): Value => {
    const from = position
    const token = number(1)
    if (depth > deepest) return rest(from, bytes.length)
    if (token >= 0x80 && token < 0x90) return map(items(2 * (token - 0x80), depth))
    if (token >= 0x90 && token < 0xa0) return array(items(token - 0x90, depth))
    if (token >= 0xa0 && token < 0xc0) return rest(from, token - 0xa0)
    if (token < 0xc4 || token >= 0xe0) return rest(from, 0)
    if (token < 0xc7) return rest(from, number(2 ** (token - 0xc4))) // bin
    if (token < 0xca) return rest(from, number(2 ** (token - 0xc7)) + 1) // ext
    if (token < 0xcc) return rest(from, token === 0xca ? 4 : 8) // float
    if (token < 0xd4) return rest(from, 2 ** ((token - 0xcc) % 4)) // uint, int
    if (token < 0xd9) return rest(from, 1 + 2 ** (token - 0xd4)) // fixext
    if (token < 0xdc) return rest(from, number(2 ** (token - 0xd9))) // str
    if (token < 0xde) return array(items(number(token === 0xdc ? 2 : 4), depth))
    return map(items(2 * number(token === 0xde ? 2 : 4), depth))
  }
  const value = read(0)
  return { value, end: position }
}

/** Deeper than any decoder of ours goes; what is deeper still is not taken apart. */
const deepest = 40
