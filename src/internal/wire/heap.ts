/** What a value takes once it is decoded: estimates, in bytes of heap, and the most that is allowed. Nothing is read or written here. */

/** Deepest nesting of arrays and maps that is read or written. A scalar has depth 0. */
export const maxDepth = 32

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

// What V8 takes for each kind, in Node 24 without compressed pointers: `node --expose-gc benchmark/cost.ts`.
export const numberHeap = 16
export const bigintHeap = 24
export const dateHeap = 96
export const emptyMapHeap = 56
const longBytesHeap = 400

// A date of 6 bytes: no value but a container or bytes takes more.
export const maxLeafHeapPerByte = dateHeap / 6

export const textHeap = (characters: number, width: 1 | 2): number => 16 + ((characters * width + 7) & ~7)

/** Up to 64 bytes lie within the heap. Longer ones have a buffer of their own, with what the system adds to it. */
export const bytesHeap = (length: number): number => (length <= 64 ? 216 : longBytesHeap) + length

export const arrayHeap = (length: number): number => length === 0 ? 32 : 48 + 8 * length

/** An object that is a hash table. */
export const objectHeap = (size: number): number => 88 + 24 * powerOfTwo(size + (size >> 1))

/** What it takes besides if there are indices of an array among its keys: V8 keeps those in a table of their own. */
export const indicesHeap = (size: number): number => 48 + 24 * powerOfTwo(size + (size >> 1))

// And a hidden class, if it had names before.
export const lateIndicesHeap = 80

export const mapHeap = (size: number): number => 72 + 28 * powerOfTwo(size)

/** The least power of two, from 4 on, that is as large. */
const powerOfTwo = (least: number): number => 2 ** (32 - Math.clz32(Math.max(least, 4) - 1))
