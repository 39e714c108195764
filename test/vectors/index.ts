/** Datagrams that Python's rpcudp 5.0.1 sent (u-msgpack-python 2.8.0), and how it treats malformed ones. */
import { Schema } from "effect"
import { readFileSync } from "node:fs"

const Hex = Schema.Uint8ArrayFromHex

const File = Schema.Struct({
  requests: Schema.Array(Schema.Struct({ method: Schema.String, args: Schema.Array(Schema.Unknown), hex: Hex })),
  responses: Schema.Array(Schema.Struct({ name: Schema.String, value: Schema.Unknown, hex: Hex })),
  ignored_by_python: Schema.Array(Schema.Struct({ name: Schema.String, hex: Hex, answered: Schema.Boolean })),
  too_long_for_python: Schema.Array(
    Schema.Struct({ method: Schema.String, arg_length: Schema.Number, raised: Schema.String })
  )
})

export const vectors = Schema.decodeSync(Schema.fromJsonString(File))(
  readFileSync(new URL("rpcudp.json", import.meta.url), "utf8")
)

/** The value that a notation of the file stands for: `{"$bytes": "00ff"}` is bytes, and so on. */
export const fromNotation = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(fromNotation)
  if (typeof value !== "object" || value === null) return value
  const [[kind, content]] = Object.entries(value) as [[string, unknown]]
  switch (kind) {
    case "$bytes":
      return Schema.decodeUnknownSync(Hex)(content)
    case "$int":
      return exact(BigInt(String(content)))
    case "$float":
      return Number(String(content).replace("inf", "Infinity"))
    case "$timestamp":
      return new Date(String(content))
    case "$map":
      return fromPairs(content as ReadonlyArray<readonly [unknown, unknown]>)
    default:
      throw new Error(`unknown notation ${kind}`)
  }
}

/** As the library gives integers: a number up to 2^53, a bigint beyond. */
const exact = (n: bigint): number | bigint => n >= -(2n ** 53n) && n <= 2n ** 53n ? Number(n) : n

const fromPairs = (pairs: ReadonlyArray<readonly [unknown, unknown]>): unknown => {
  const entries = pairs.map(([key, item]) => [fromNotation(key), fromNotation(item)] as const)
  if (!entries.every(([key]) => typeof key === "string")) return new Map(entries)
  const object: Record<string, unknown> = Object.create(null)
  for (const [key, item] of entries) object[String(key)] = item
  return object
}

/** Whether a float stands where JavaScript has only an integer: there, bytes can't come back the same. */
export const hasIntegralFloat = (value: unknown): boolean =>
  Array.isArray(value)
    ? value.some(hasIntegralFloat)
    : typeof value === "object" && value !== null &&
      Object.entries(value).some(([kind, content]) =>
        kind === "$float"
          ? Number.isInteger(Number(content)) && Math.abs(Number(content)) <= 2 ** 53
          : hasIntegralFloat(content)
      )
