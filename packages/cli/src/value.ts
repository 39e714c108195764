/**
 * Values as people type and read them: JSON, with forms for what JSON lacks. No bytes of the wire, no schema.
 *
 * ```text
 * {"$bytes": "00ff"}                        bytes, in hexadecimal
 * {"$bigint": "18446744073709551615"}       an integer that a double cannot hold; typed, its digits alone will do
 * {"$date": "2026-11-26T12:00:00.000Z"}     a timestamp
 * {"$number": "NaN"}                        what JSON cannot say of a float: "Infinity", "1e20" that is no integer
 * {"$map": [[1, "one"], [2, "two"]]}        a map whose keys are no texts
 * ```
 */
import { Result } from "effect"

/**
 * Reads what was typed. What is no JSON is a text, so that one need not quote twice: but not where it begins like JSON, since
 * it was meant to be.
 */
export const parse = (typed: string): Result.Result<unknown, string> => {
  const json = Result.try((): unknown => JSON.parse(withExactIntegers(typed)))
  if (Result.isFailure(json)) {
    return /^\s*["[{]/.test(typed) ? Result.fail(`${typed} is no JSON`) : Result.succeed(typed)
  }
  return Result.try({
    try: () => revive(json.success),
    catch: (error) => error instanceof Error ? error.message : String(error)
  })
}

/** Writes a value, in one line unless it is to be indented. `parse` reads it back. */
export const format = (value: unknown, indent?: number): string => visible(JSON.stringify(toJson(value), null, indent))

/** Text of a peer's with nothing that a terminal obeys: control characters, and what turns the direction of writing. */
export const visible = (text: string): string =>
  // oxlint-disable-next-line no-control-regex
  text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (character) =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`)

// Up to here numbers travel as integers, beyond as floats.
const most = 2n ** 53n

const isBig = (integer: bigint): boolean => integer > most || integer < -most

// `JSON.parse` would round them.
const withExactIntegers = (json: string): string =>
  json.replace(
    /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g,
    (token) => /^-?\d+$/.test(token) && isBig(BigInt(token)) ? `{"$bigint":"${token}"}` : token
  )

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const revive = (json: unknown): unknown => {
  if (Array.isArray(json)) return json.map(revive)
  if (!isRecord(json)) return json
  const form = formOf(json)
  if (form !== undefined) return readers[form](json[form])
  return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, revive(value)]))
}

type Form = "$bytes" | "$bigint" | "$date" | "$number" | "$map"

const formOf = (json: object): Form | undefined => {
  const [key, ...others] = Object.keys(json)
  return others.length === 0 && key !== undefined && isForm(key) ? key : undefined
}

const isForm = (key: string): key is Form => Object.hasOwn(readers, key)

const reader =
  <A>(form: Form, expected: string, read: (content: unknown) => A | undefined) => (content: unknown): A => {
    const value = read(content)
    if (value === undefined) throw new TypeError(`${form} is ${expected}, and not ${JSON.stringify(content)}`)
    return value
  }

const readers: { readonly [F in Form]: (content: unknown) => unknown } = {
  $bytes: reader(
    "$bytes",
    "pairs of hexadecimal digits",
    (content) => typeof content === "string" ? fromHex(content) : undefined
  ),
  $bigint: reader(
    "$bigint",
    "an integer in decimal digits",
    (content) => typeof content === "string" && /^-?\d+$/.test(content) ? BigInt(content) : undefined
  ),
  $date: reader("$date", "a time such as 2026-11-26T12:00:00Z", (content) => {
    const date = new Date(typeof content === "string" ? content : NaN)
    return Number.isNaN(date.getTime()) ? undefined : date
  }),
  $number: reader(
    "$number",
    "NaN, Infinity, -Infinity or a number in JSON",
    (content) =>
      typeof content === "string" && /^(?:NaN|-?Infinity|-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)$/i.test(content)
        ? Number(content)
        : undefined
  ),
  $map: reader("$map", "pairs of a key and a value", (content) => {
    if (!Array.isArray(content)) return undefined
    const pairs: ReadonlyArray<unknown> = content
    const entries = pairs.flatMap((pair): ReadonlyArray<readonly [unknown, unknown]> =>
      Array.isArray(pair) && pair.length === 2 ? [[revive(pair[0]), revive(pair[1])]] : []
    )
    return entries.length === pairs.length ? new Map(entries) : undefined
  })
}

const toJson = (value: unknown): unknown => {
  switch (typeof value) {
    case "bigint":
      return { $bigint: String(value) }
    case "number":
      return isPlain(value) ? value : { $number: String(value) }
    case "object":
      return value === null ? null : objectToJson(value)
    default:
      return value ?? null
  }
}

// A float without a fraction is written with all its digits below 1e21, and would be read as an integer.
const isPlain = (value: number): boolean =>
  Number.isFinite(value) && (!Number.isInteger(value) || Math.abs(value) <= Number(most) || Math.abs(value) >= 1e21)

const objectToJson = (value: object): unknown => {
  if (value instanceof Uint8Array) return { $bytes: toHex(value) }
  if (value instanceof Date) return { $date: value.toISOString() }
  if (Array.isArray(value)) return value.map(toJson)
  // What looks like a form and is none is written as the map that it is.
  const isMap = value instanceof Map
  if (isMap || formOf(value) !== undefined) {
    return { $map: [...isMap ? value : Object.entries(value)].map(([key, value]) => [toJson(key), toJson(value)]) }
  }
  return Object.fromEntries(Object.entries(value).map(([key, value]) => [key, toJson(value)]))
}

/** Bytes of hexadecimal digits, or undefined where these are none. */
export const fromHex = (text: string): Uint8Array | undefined =>
  /^(?:[0-9a-f]{2})*$/i.test(text) ? new Uint8Array(Buffer.from(text, "hex")) : undefined

export const toHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")
