/**
 * JSON Schema of what a schema has on the wire. It is of draft 2020-12, with a keyword for what JSON does not hold:
 *
 * ```text
 * {"x-msgpack": "bin"}                      bytes
 * {"x-msgpack": "timestamp"}                a time
 * {"type": "integer", "x-msgpack": "int"}   an integer of up to 64 bits, which a double may not hold
 * {"x-msgpack": "map"}                      a map whose keys may be other than texts
 * ```
 */
import * as Schema from "effect/Schema"
import type { AnySchema } from "./wireSchema.ts"
import { toCodecWire } from "./wireSchema.ts"

/** A document that stands by itself: its definitions are in its `$defs`. */
export interface JsonSchema {
  readonly [keyword: string]: unknown
}

/** It accepts what the codec of the schema decodes. It may accept more: the codec has the last word. */
export const toJsonSchema = (schema: AnySchema): JsonSchema => {
  const document = Schema.toJsonSchemaDocument(toCodecWire(schema), {
    // What `wireSchema` says of its native leaves.
    includeAnnotationKey: (key) => key === "type" || key === "x-msgpack"
  })
  return Object.keys(document.definitions).length === 0
    ? document.schema
    : { ...document.schema, $defs: document.definitions }
}
