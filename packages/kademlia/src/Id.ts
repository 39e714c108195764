/** Ids of nodes and keys: 160 bits. No network, no clock. */
import { Effect, Schema, SchemaTransformation } from "effect"
import { WebCrypto } from "effect/crypto"
import { createHash } from "node:crypto"
import { bits } from "./core/distance.ts"
import type * as Distance from "./core/distance.ts"

export { bit, bits, byDistance, flip, isCloser, sharedBits, withPrefix } from "./core/distance.ts"

const bytes = bits / 8

/** An id as 40 hexadecimal digits: two are equal as texts are, and a `Map` finds them. */
export const Hex = Schema.String.check(Schema.isPattern(/^[0-9a-f]{40}$/)).pipe(Schema.brand("kademlia/Id"))

export type Id = Distance.Id

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

/** Makes ids that nobody can foresee. */
export const generator: Effect.Effect<() => Id> = Effect.map(
  WebCrypto.WebCrypto,
  (crypto) => () => Hex.make(Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("hex"))
)

/** An id that nobody can foresee. */
export const random: Effect.Effect<Id> = Effect.map(generator, (make) => make())
