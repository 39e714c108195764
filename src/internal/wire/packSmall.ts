/**
 * What most calls carry, written by hand: short ASCII texts, integers of 16 bits, booleans, nil, and short arrays of these. All
 * else is for msgpackr, which would write the same bytes. No I/O.
 *
 * Hot path (micro: "encode a request"): msgpackr, behind the check of `pack`, takes nearly twice as long.
 */

/**
 * Encodes `value` as MessagePack behind `reserve` bytes (fewer than 256) that the caller fills. Returns undefined for what is
 * not small. It may throw where a value can't be read.
 */
export const packSmall = (value: unknown, reserve: number): Uint8Array | undefined => {
  // A getter of the value may pack another one meanwhile: it finds no pool.
  const pool = free === undefined || free.bytes.length - free.used < reserve + mostBytes ? emptyPool() : free
  free = undefined
  const start = pool.used
  const end = write(pool.bytes, start + reserve, start + reserve + mostBytes, value, 0)
  free = pool
  if (end === notSmall) return undefined
  pool.used = end
  const { last } = pool
  // What was released is often as long as what comes next, and to make a view takes as long as to write it.
  if (last?.byteOffset === start && last.length === end - start) return last
  return pool.last = new Uint8Array(pool.bytes.buffer, start, end - start)
}

/** The next one is packed over this one, if this was packed last. Nobody may hold it any more. */
export const release = (datagram: Uint8Array): void => {
  if (free?.last === datagram) free.used = datagram.byteOffset
}

interface Pool {
  readonly bytes: Uint8Array<ArrayBuffer>
  used: number
  /** The datagram that was packed into it last. */
  last: Uint8Array | undefined
}

// A datagram that is kept keeps all of the pool.
const poolBytes = 8192
const emptyPool = (): Pool => ({ bytes: new Uint8Array(poolBytes), used: 0, last: undefined })

let free: Pool | undefined

/** The longest encoding. */
const mostBytes = 512
const mostCharacters = 64
const mostItems = 15
const mostDepth = 4

/** Stands for an offset. */
const notSmall = -1

/**
 * Writes a value at `offset`, and returns the offset behind it. None that is written here takes as much heap as its reader
 * allows: an array of one item takes 56 bytes for each of its own.
 */
const write = (bytes: Uint8Array, offset: number, end: number, value: unknown, depth: number): number => {
  // The longest integer.
  if (end - offset < 3) return notSmall
  if (typeof value === "string") return writeText(bytes, offset, end, value)
  if (typeof value === "number") return writeInteger(bytes, offset, value)
  if (Array.isArray(value)) return writeArray(bytes, offset, end, value, depth)
  const token = value === true ? 0xc3 : value === false ? 0xc2 : value === null || value === undefined ? 0xc0 : 0
  bytes[offset] = token
  return token === 0 ? notSmall : offset + 1
}

const writeText = (bytes: Uint8Array, offset: number, end: number, text: string): number => {
  const length = text.length
  if (length > mostCharacters || length + 2 > end - offset) return notSmall
  if (length < 32) bytes[offset++] = 0xa0 | length
  else {
    bytes[offset++] = 0xd9 // str 8
    bytes[offset++] = length
  }
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    if (code >= 0x80) return notSmall
    bytes[offset++] = code
  }
  return offset
}

const writeInteger = (bytes: Uint8Array, offset: number, value: number): number => {
  if (value >>> 0 !== value) {
    if (value >> 0 !== value || value < -32) return notSmall
    bytes[offset] = value + 0x100
    return offset + 1
  }
  if (value < 0x80) {
    bytes[offset] = value
    return offset + 1
  }
  if (value < 0x100) {
    bytes[offset] = 0xcc // uint 8
    bytes[offset + 1] = value
    return offset + 2
  }
  if (value > 0xffff) return notSmall
  bytes[offset] = 0xcd // uint 16
  bytes[offset + 1] = value >> 8
  bytes[offset + 2] = value
  return offset + 3
}

const writeArray = (
  bytes: Uint8Array,
  offset: number,
  end: number,
  items: ReadonlyArray<unknown>,
  depth: number
): number => {
  if (items.length > mostItems || depth === mostDepth) return notSmall
  bytes[offset++] = 0x90 | items.length
  // By index: holes are nil.
  for (let i = 0; i < items.length; i++) {
    offset = write(bytes, offset, end, items[i], depth + 1)
    if (offset === notSmall) return notSmall
  }
  return offset
}
