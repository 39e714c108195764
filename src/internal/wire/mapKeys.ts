/** The keys of maps: which ones Python could hash, which it takes for equal, and which V8 takes for indices of an array. */

/** Whether V8 may take a key for the index of an array. */
export const isIndex = (key: string): boolean => key.length <= 10 && isDigit(key, 0) && isDigit(key, key.length - 1)

/** How many places an array has that V8 makes for this index. Far beyond the end of an array it makes a hash table instead. */
export const placesFor = (key: string): number => {
  const index = Number(key)
  return index < mostPlaces ? Math.ceil(1.5 * (index + 1)) + 16 : 0
}

// With more, and few keys, V8 has made a hash table by itself: seen up to 3,877 places, for "2574" behind "1023".
const mostPlaces = 4096

const isDigit = (key: string, index: number): boolean => {
  const code = key.charCodeAt(index)
  return code >= 0x30 && code <= 0x39
}

/** Of what can be written, Python hashes all but maps. */
export const isHashable = (key: unknown): boolean =>
  typeof key !== "object" || key === null || key instanceof Uint8Array || key instanceof Date ||
  (Array.isArray(key) && key.every(isHashable))

/**
 * Equal for two hashable keys that a Python dict takes for one: there, 1 == True == 1.0.
 *
 * Each part says where it ends, so that an array's is those of its items one after the other: it grows as the key does,
 * however deep it nests.
 */
export const keyIdentity = (key: unknown): string => {
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
const latin1 = (bytes: Uint8Array): string => Reflect.apply(String.fromCharCode, undefined, bytes)
