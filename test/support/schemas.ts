/** Schemas of all kinds, of which Effect can make values. */
import { Schema, SchemaTransformation } from "effect"

const Text = Schema.String.check(Schema.makeFilter((text: string) => text.isWellFormed()))

export class Person extends Schema.Class<Person>("Person")({
  id: Schema.Uint8Array,
  born: Schema.Date,
  score: Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: -(2n ** 63n), maximum: 2n ** 64n - 1n })),
  nick: Schema.Option(Text)
}) {}

export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { key: Schema.Uint8Array }) {}

export interface Tree {
  readonly value: bigint
  readonly children: ReadonlyArray<Tree>
}

const Small = Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: -(2n ** 63n), maximum: 2n ** 63n }))

export const Tree: Schema.Codec<Tree, unknown> = Schema.Struct({
  value: Small,
  children: Schema.Array(Schema.suspend((): Schema.Codec<Tree, unknown> => Tree))
})

export const reverse = (text: string): string => Array.from(text).toReversed().join("")

const Reversed = Text.pipe(
  Schema.decodeTo(Text, SchemaTransformation.transform({ decode: reverse, encode: reverse }))
)

/** One of each kind, by its name. */
export const schemas: ReadonlyArray<readonly [string, Schema.Codec<unknown, unknown>]> = [
  ["String", Text],
  ["Int", Schema.Int],
  ["Finite", Schema.Finite.check(Schema.makeFilter((n: number) => !Object.is(n, -0)))],
  ["Number, NaN and infinities included", Schema.Number.check(Schema.makeFilter((n: number) => !Object.is(n, -0)))],
  ["Boolean", Schema.Boolean],
  ["Null", Schema.Null],
  ["Undefined", Schema.Undefined],
  ["BigInt", Small],
  ["Uint8Array", Schema.Uint8Array],
  ["Date", Schema.Date],
  ["Literals", Schema.Literals(["a", 1, true, 7n])],
  ["Enum", Schema.Enum({ A: 0, B: "b" })],
  ["TemplateLiteral", Schema.TemplateLiteral(["a-", Schema.Int])],
  ["Array", Schema.Array(Schema.Uint8Array)],
  ["NonEmptyArray", Schema.NonEmptyArray(Schema.Int)],
  ["Tuple", Schema.Tuple([Text, Schema.Date, Schema.optionalKey(Schema.Int)])],
  ["Struct", Schema.Struct({ a: Text, b: Schema.optionalKey(Schema.Date), c: Schema.optional(Small) })],
  ["Record", Schema.Record(Text, Schema.Uint8Array)],
  ["a union of natives", Schema.Union([Text, Schema.Uint8Array, Schema.Boolean, Schema.Date, Schema.Int])],
  [
    "a tagged union",
    Schema.Union([
      Schema.TaggedStruct("A", { a: Small }),
      Schema.TaggedStruct("B", { b: Schema.Uint8Array })
    ])
  ],
  ["Class", Person],
  ["TaggedError", NotFound],
  ["a recursive schema", Tree],
  ["Option", Schema.Option(Schema.Uint8Array)],
  ["Result", Schema.Result(Small, Schema.Date)],
  ["ReadonlyMap with keys that are no strings", Schema.ReadonlyMap(Schema.Int, Schema.Option(Small))],
  ["ReadonlyMap with keys that are", Schema.ReadonlyMap(Text, Schema.Date)],
  ["ReadonlySet", Schema.ReadonlySet(Schema.Date)],
  ["HashMap", Schema.HashMap(Text, Small)],
  ["Chunk", Schema.Chunk(Schema.Int)],
  ["Duration", Schema.Duration],
  ["DateTimeUtc", Schema.DateTimeUtc],
  ["a transformation from a string", Schema.FiniteFromString],
  ["a transformation of strings", Reversed],
  ["a Date as a string", Schema.DateFromString],
  ["bytes as hex", Schema.Uint8ArrayFromHex],
  ["NullOr of a native", Schema.NullOr(Schema.Date)]
]
