/**
 * JSON Schema as people read types. What it cannot say in few words it leaves out: the schemas themselves have it.
 *
 * ```text
 * {"x-msgpack": "bin"}                                   bytes; likewise date, bigint and map
 * {"type": "array", "items": {"type": "string"}}         string[]
 * {"anyOf": [{"type": "null"}, {"enum": ["a"]}]}         null | "a"
 * {"properties": {"a": {}, "b": {}}, "required": ["a"]}  { a: any, b?: any }
 * {"type": "string", "description": "of a user"}         string "of a user"
 * ```
 *
 * A peer may have made it up: the work and the text grow with its length alone.
 */
import type { Protocol } from "effect-rpcudp"
import * as Value from "./value.ts"

/** A method in a line, and below it those definitions that are needed more than once. */
export const linesOf = ({ args, error, method, success }: Protocol.MethodDescription): ReadonlyArray<string> => {
  if (args === undefined || success === undefined) return [`${nameOf(method)}: told without its schemas`]
  const [taken, given, failure] = [read(args), read(success), error === undefined ? undefined : read(error)]
  const fails = failure === undefined ? "" : `, fails with ${failure.type}`
  // A tuple in parentheses instead of brackets.
  const signature = `${nameOf(method)}(${taken.type.replace(/^\[(.*)\]$/s, "$1")}) -> ${given.type}${fails}`
  return [signature, ...new Set([...taken.definitions, ...given.definitions, ...failure?.definitions ?? []])]
}

/** A name of a peer's. What could pass for something else is in quotes. */
export const nameOf = (text: string): string => /^[\w./:-]+$/.test(text) ? text : Value.format(text)

interface Read {
  readonly type: string
  readonly definitions: ReadonlyArray<string>
}

const read = (document: Schema): Read => {
  const known = recordOf(document["$defs"])
  const uses = countUses(document)
  const told = new Map<string, string>()

  const typeOf = (schema: unknown): string => {
    if (!isRecord(schema)) return schema === false ? "never" : "any"
    const { description } = schema
    const type = bareTypeOf(schema)
    return typeof description === "string" ? `${type} ${Value.format(description)}` : type
  }

  const bareTypeOf = (schema: Schema): string => {
    const { $ref, allOf, anyOf, enum: values, oneOf, type, "x-msgpack": form } = schema
    if (typeof form === "string") return forms.get(form) ?? nameOf(form)
    if (typeof $ref === "string") return referenceOf($ref)
    if (Array.isArray(values)) return values.map((each) => Value.format(each)).join(" | ")
    const alternatives = anyOf ?? oneOf
    if (Array.isArray(alternatives)) return alternatives.map(typeOf).join(" | ")
    if (type === "array") return arrayOf(schema)
    if (type === "object") return objectOf(schema)
    if (typeof type === "string") return nameOf(type)
    return Array.isArray(allOf) ? allOf.map(typeOf).join(" & ") : "any"
  }

  const referenceOf = (reference: string): string => {
    const name = reference.replace("#/$defs/", "")
    // What is needed once stands where it is needed. It is no part of itself, as it would be needed twice then.
    if (uses.get(reference) === 1) return typeOf(known[name])
    if (!told.has(name)) {
      // Before it is read, since it may be a part of itself.
      told.set(name, "")
      told.set(name, `  ${nameOf(name)} = ${typeOf(known[name])}`)
    }
    return nameOf(name)
  }

  const arrayOf = ({ items, maxItems, minItems = 0, prefixItems }: Schema): string => {
    const isOpen = items !== false && maxItems === undefined
    if (!Array.isArray(prefixItems)) {
      if (!isOpen) return "[]"
      const each = typeOf(items)
      return /^\w+(\[\])*$/.test(each) ? `${each}[]` : `(${each})[]`
    }
    const elements = prefixItems.map((each, i) => i < Number(minItems) ? typeOf(each) : `${typeOf(each)}?`)
    return `[${[...elements, ...isOpen ? [`...${typeOf(items)}`] : []].join(", ")}]`
  }

  const objectOf = ({ additionalProperties, properties, required }: Schema): string => {
    const needed = new Set(Array.isArray(required) ? required : [])
    const members = Object.entries(recordOf(properties)).map(([name, schema]) =>
      `${nameOf(name)}${needed.has(name) ? "" : "?"}: ${typeOf(schema)}`
    )
    const others = isRecord(additionalProperties) ? [`[key]: ${typeOf(additionalProperties)}`] : []
    const all = [...members, ...others]
    return all.length === 0 ? "object" : `{ ${all.join(", ")} }`
  }

  return { type: typeOf(document), definitions: [...told.values()] }
}

type Schema = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Map)

const recordOf = (value: unknown): Schema => isRecord(value) ? value : {}

// The words for what `value.ts` has forms for.
const forms = new Map([["bin", "bytes"], ["timestamp", "date"], ["int", "bigint"], ["map", "map"]])

/** How often each definition is referred to. */
const countUses = (document: unknown): ReadonlyMap<string, number> => {
  const uses = new Map<string, number>()
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(walk)
    for (const [key, each] of Object.entries(recordOf(value))) {
      if (key === "$ref" && typeof each === "string") uses.set(each, (uses.get(each) ?? 0) + 1)
      else walk(each)
    }
  }
  walk(document)
  return uses
}
