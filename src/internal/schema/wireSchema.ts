/**
 * From a schema to the codec of its wire form: the canonical JSON codec, but with what MessagePack holds by itself left
 * native. Pure.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"

/** Any schema that needs no services to decode and to encode. */
export type AnySchema = Schema.ConstraintCodec<unknown, unknown, never, never>

/**
 * Numbers (NaN and the infinities, too), bigints, bytes, dates and `ReadonlyMap`s stay what they are; `unknown` passes
 * through. All else is as `Schema.toCodecJson` has it.
 *
 * `Schema.toCodecJson` keeps a declaration whose `toCodecJson` annotation returns undefined, so each native leaf becomes
 * such a declaration before it derives the rest. What it is to JSON Schema, the declaration says in `type` and `x-msgpack`.
 */
export const toCodecWire = <S extends AnySchema>(
  schema: S
): Schema.Codec<S["Type"], unknown, never, never> => Schema.toCodecJson(Schema.make<S>(native(schema.ast)))

// By identity, so that a recursive schema stays recursive.
const seen = new WeakMap<SchemaAST.AST, SchemaAST.AST>()

const native = (ast: SchemaAST.AST): SchemaAST.AST => {
  const known = seen.get(ast)
  if (known !== undefined) return known
  const result = nativeNode(ast)
  seen.set(ast, result)
  return result
}

const nativeNode = (ast: SchemaAST.AST): SchemaAST.AST => {
  const { annotations, checks, context } = ast
  const encoding = nativeEncoding(ast.encoding)
  const leaf = (is: Predicate.Predicate<unknown>, annotations: object): SchemaAST.AST =>
    new SchemaAST.Declaration(
      [],
      () => (input, self, options) =>
        is(input) ? Effect.succeed(input) : Effect.fail(new SchemaIssue.InvalidType(self, input, options)),
      { ...ast.annotations, ...annotations },
      checks,
      encoding,
      context
    )
  switch (ast._tag) {
    case "Number":
      return leaf(Predicate.isNumber, { expected: "number", toCodecJson: asItIs, type: "number" })
    case "BigInt":
      return leaf(Predicate.isBigInt, { expected: "bigint", toCodecJson: asInteger })
    case "Literal":
      return Predicate.isBigInt(ast.literal)
        ? leaf((u) => u === ast.literal, { expected: `${ast.literal}n`, toCodecJson: asInteger })
        : ast
    case "ObjectKeyword":
      return leaf(Predicate.isObjectKeyword, { expected: "object", toCodecJson: asItIs })
    case "Unknown":
      return new SchemaAST.Any(annotations, checks, encoding, context)
    case "Declaration": {
      const known = declarations.get(declarationId(ast))
      return new SchemaAST.Declaration(
        ast.typeParameters.map(native),
        ast.run,
        known === undefined ? annotations : { ...annotations, ...known },
        checks,
        encoding,
        context,
        ast.encodingChecks,
        ast.encodingRun
      )
    }
    case "Arrays":
      return new SchemaAST.Arrays(
        ast.isMutable,
        ast.elements.map(native),
        ast.rest.map(native),
        annotations,
        checks,
        encoding,
        context,
        ast.encodingChecks
      )
    case "Objects":
      return new SchemaAST.Objects(
        ast.propertySignatures.map((property) => new SchemaAST.PropertySignature(property.name, native(property.type))),
        ast.indexSignatures.map((index) => new SchemaAST.IndexSignature(index.parameter, native(index.type))),
        annotations,
        checks,
        encoding,
        context,
        [...ast.encodingChecks ?? [], isMapLike]
      )
    case "Union":
      return new SchemaAST.Union(
        ast.types.map(native),
        ast.options,
        annotations,
        checks,
        encoding,
        context,
        ast.encodingChecks
      )
    case "Suspend":
      return new SchemaAST.Suspend(() => native(ast.thunk()), annotations, checks, encoding, context)
    default:
      // What is left has the same form in JSON and in MessagePack, or the one that JSON gives it.
      return encoding === ast.encoding ? ast : withEncoding(ast, encoding)
  }
}

// JSON's objects are maps. MessagePack's bytes, dates and maps with other keys are objects to JavaScript, too, and would
// pass for a record, or for a struct of optional fields.
const isMapLike = Schema.makeFilter(
  (object: object) => !Predicate.isUint8Array(object) && !Predicate.isDate(object) && !Predicate.isMap(object),
  { expected: "a map with strings for keys" }
)

const nativeEncoding = (encoding: SchemaAST.Encoding | undefined): SchemaAST.Encoding | undefined => {
  if (encoding === undefined) return undefined
  if (encoding.every((link) => native(link.to) === link.to)) return encoding
  const [head, ...tail] = encoding
  const link = ({ to, transformation }: SchemaAST.Link) => new SchemaAST.Link(native(to), transformation)
  return [link(head), ...tail.map(link)]
}

const withEncoding = (ast: SchemaAST.AST, encoding: SchemaAST.Encoding | undefined): SchemaAST.AST =>
  Object.assign(Object.create(Object.getPrototypeOf(ast), Object.getOwnPropertyDescriptors(ast)), { encoding })

const declarationId = (ast: SchemaAST.Declaration): unknown => {
  const representation = ast.annotations?.["representation"]
  return Predicate.hasProperty(representation, "id") ? representation.id : undefined
}

const asItIs = (): undefined => undefined

// MessagePack has one kind of integer: a small one arrives as a number, whatever it was declared to be.
const Integer = Schema.declare(
  (u): u is number | bigint => Predicate.isBigInt(u) || (Number.isInteger(u) && Math.abs(Number(u)) <= 2 ** 53),
  { expected: "an integer", toCodecJson: asItIs, type: "integer", "x-msgpack": "int" }
)

const asInteger = (): SchemaAST.Link =>
  new SchemaAST.Link(
    Integer.ast,
    SchemaTransformation.transform({ decode: (n: number | bigint) => BigInt(n), encode: (n: bigint) => n })
  )

// A map whose keys are all strings arrives as an object.
const WireMap = Schema.declare(
  (u): u is object => Predicate.isObject(u) && !Predicate.isUint8Array(u) && !Predicate.isDate(u),
  { expected: "a map", toCodecJson: asItIs, "x-msgpack": "map" }
)

const asMap = ([key, value]: readonly [AnySchema, AnySchema]): SchemaAST.Link =>
  new SchemaAST.Link(
    Schema.make<AnySchema>(
      SchemaAST.decodeTo(
        WireMap.ast,
        toCodecWire(Schema.Array(Schema.Tuple([key, value]))).ast,
        SchemaTransformation.transform({
          decode: (map: object) => map instanceof Map ? [...map] : Object.entries(map),
          encode: (entries: ReadonlyArray<readonly [unknown, unknown]>): object => new Map(entries)
        })
      )
    ).ast,
    SchemaTransformation.transform({
      decode: (entries: ReadonlyArray<readonly [unknown, unknown]>) => new Map(entries),
      encode: (map: ReadonlyMap<unknown, unknown>) => [...map]
    })
  )

// By the ids by which effect/Schema names its own declarations.
const declarations: ReadonlyMap<unknown, object> = new Map<unknown, object>([
  ["effect/schema/Uint8Array", { toCodecJson: asItIs, "x-msgpack": "bin" }],
  ["effect/schema/Date", { toCodecJson: asItIs, "x-msgpack": "timestamp" }],
  ["effect/schema/ReadonlyMap", { toCodecJson: asMap }]
])

// Under other ids, bytes would silently travel as base64, dates as text, and maps as lists of pairs.
const declared = [Schema.Uint8Array, Schema.Date, Schema.ReadonlyMap(Schema.Unknown, Schema.Unknown)]
if (!declared.every(({ ast }) => declarations.has(declarationId(ast)))) {
  throw new Error("effect-rpcudp does not know the schemas of this version of effect")
}
