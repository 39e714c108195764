/** Ids of nodes and keys: 160 bits, and how far they are from each other. No network, no clock. */
import { Effect, Schema, SchemaTransformation } from "effect"
import { WebCrypto } from "effect/crypto"
import { createHash } from "node:crypto"

/** The number of bits of an id. */
export const bits = 160

const bytes = bits / 8

/** An id as 40 hexadecimal digits: two are equal as texts are, and a `Map` finds them. */
export const Hex = Schema.String.check(Schema.isPattern(/^[0-9a-f]{40}$/)).pipe(Schema.brand("kademlia/Id"))

export type Id = typeof Hex.Type

/** An id as it travels: 20 bytes. */
export const Id = Schema.Uint8Array.check(
  Schema.makeFilter((id) => id.length === bytes, { expected: `${bytes} bytes` })
).pipe(
  Schema.decodeTo(
    Hex,
    SchemaTransformation.transform({
      decode: (id) => Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("hex"),
      encode: (hex) => Buffer.from(hex, "hex")
    })
  )
)

/** The id of a key, as Python has it: SHA-1 of its UTF-8. */
export const ofKey = (key: string): Id => Hex.make(createHash("sha1").update(key, "utf8").digest("hex"))

/** An id that nobody can foresee. */
export const random: Effect.Effect<Id> = Effect.map(
  WebCrypto.WebCrypto,
  (crypto) => Hex.make(Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("hex"))
)

/** A bit of an id, the most significant first. */
export const bit = (id: Id, index: number): 0 | 1 => ((digit(id, index >> 2) >> (3 - (index & 3))) & 1) === 1 ? 1 : 0

/** How many leading bits two ids share: the more, the closer they are. */
export const sharedBits = (a: Id, b: Id): number => {
  for (let i = 0; i < a.length; i++) {
    const difference = digit(a, i) ^ digit(b, i)
    if (difference !== 0) return 4 * i + Math.clz32(difference) - 28
  }
  return bits
}

/** Orders ids by their distance to `target`, which is their exclusive or read as a number. */
export const byDistance = (target: Id) => (a: Id, b: Id): number => {
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)]
    // Where they differ first decides.
    if (x !== y) return (digit(a, i) ^ digit(target, i)) - (digit(b, i) ^ digit(target, i))
  }
  return 0
}

/** Whether `a` is closer to `target` than `b`. */
export const isCloser = (target: Id, a: Id, b: Id): boolean => byDistance(target)(a, b) < 0

/** `prefix` in its first `length` bits, `rest` in those that follow. */
export const withPrefix = (prefix: Id, length: number, rest: Id): Id => {
  const whole = length >> 2
  if (whole === prefix.length) return prefix
  const mask = 0xf << (4 - (length & 3)) & 0xf
  const mixed = (digit(prefix, whole) & mask) | (digit(rest, whole) & ~mask & 0xf)
  return Hex.make(prefix.slice(0, whole) + mixed.toString(16) + rest.slice(whole + 1))
}

/** The id with one bit turned over. */
export const flip = (id: Id, index: number): Id => {
  const at = index >> 2
  const turned = digit(id, at) ^ (8 >> (index & 3))
  return Hex.make(id.slice(0, at) + turned.toString(16) + id.slice(at + 1))
}

const digit = (id: Id, index: number): number => {
  const code = id.charCodeAt(index)
  return code < 58 ? code - 48 : code - 87
}
