/**
 * Whether JSON Schema accepts a value of the wire. It knows the keywords that our documents use, and throws at any other. What
 * `x-msgpack` says is taken at its word: bytes are accepted where it says so, or where nothing is said at all.
 */
import { isDeepStrictEqual } from "node:util"

interface Keywords {
  readonly [keyword: string]: unknown
}

export const accepts = (document: Keywords, value: unknown): boolean => {
  const definitions = keywordsOf(document["$defs"])

  const accepted = (schema: unknown, value: unknown): boolean => {
    if (typeof schema === "boolean") return schema
    const keywords = keywordsOf(schema)
    return Object.entries(keywords).every(([keyword, content]) => {
      const rule = rules[keyword]
      if (rule === undefined) throw new Error(`the keyword ${keyword} is not known here`)
      return rule(content, value, keywords)
    })
  }

  const rules: Readonly<Record<string, (content: unknown, value: unknown, keywords: Keywords) => boolean>> = {
    $defs: () => true,
    title: () => true,
    description: () => true,
    format: () => true,
    $ref: (ref, value) => accepted(definitions[String(ref).replace("#/$defs/", "")], value),
    type: (type, value) => known(types, type)(value),
    "x-msgpack": (form, value) => known(forms, form)(value),
    enum: (values, value) => listOf(values).some((each) => isDeepStrictEqual(each, value)),
    anyOf: (schemas, value) => listOf(schemas).some((schema) => accepted(schema, value)),
    allOf: (schemas, value) => listOf(schemas).every((schema) => accepted(schema, value)),
    not: (schema, value) => !accepted(schema, value),
    pattern: (pattern, value) => typeof value !== "string" || new RegExp(String(pattern), "u").test(value),
    minimum: (least, value) => typeof value !== "number" || value >= Number(least),
    maximum: (most, value) => typeof value !== "number" || value <= Number(most),
    minItems: (least, value) => !Array.isArray(value) || value.length >= Number(least),
    maxItems: (most, value) => !Array.isArray(value) || value.length <= Number(most),
    prefixItems: (schemas, value) =>
      !Array.isArray(value) ||
      listOf(schemas).slice(0, value.length).every((schema, i) => accepted(schema, value[i])),
    items: (schema, value, { prefixItems = [] }) =>
      !Array.isArray(value) || value.slice(listOf(prefixItems).length).every((each) => accepted(schema, each)),
    required: (names, value) => !isMap(value) || listOf(names).every((name) => Object.hasOwn(value, String(name))),
    properties: (properties, value) =>
      !isMap(value) ||
      Object.entries(keywordsOf(properties)).every(([name, schema]) =>
        !Object.hasOwn(value, name) || accepted(schema, value[name])
      ),
    additionalProperties: (schema, value, { properties }) =>
      !isMap(value) ||
      Object.entries(value).every(([name, each]) =>
        Object.hasOwn(keywordsOf(properties), name) || accepted(schema, each)
      )
  }

  return accepted(document, value)
}

type Is = (value: unknown) => boolean

const isInteger: Is = (value) => Number.isInteger(value) || typeof value === "bigint"

// A map whose keys are all texts arrives as an object, which may be without a prototype.
const isMap = (value: unknown): value is Keywords =>
  typeof value === "object" && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value))

const types: Readonly<Record<string, Is>> = {
  null: (value) => value === null,
  boolean: (value) => typeof value === "boolean",
  integer: isInteger,
  // MessagePack's floats are numbers, NaN and the infinities included.
  number: (value) => typeof value === "number" || typeof value === "bigint",
  string: (value) => typeof value === "string",
  array: Array.isArray,
  object: isMap
}

const forms: Readonly<Record<string, Is>> = {
  int: isInteger,
  bin: (value) => value instanceof Uint8Array,
  timestamp: (value) => value instanceof Date,
  map: (value) => value instanceof Map || isMap(value)
}

const known = (table: Readonly<Record<string, Is>>, name: unknown): Is => {
  const is = table[String(name)]
  if (is === undefined) throw new Error(`${String(name)} is not known here`)
  return is
}

const listOf = (content: unknown): ReadonlyArray<unknown> => Array.isArray(content) ? content : []

const keywordsOf = (content: unknown): Keywords => isMap(content) ? content : {}
