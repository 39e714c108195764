/**
 * Any MessagePack as the argument of a typed method: a schema says whether it fits and does not throw, and what was decoded
 * is encoded to something that is decoded to the same.
 */
import { Effect, Exit, Result, Schema } from "effect"
import { Codec, Handlers } from "../../src/index.ts"
import { law, same } from "./target.ts"

// Before it, one byte says which method.
export const bodyAt = 1

interface Tree {
  readonly value: number
  readonly children: ReadonlyArray<Tree>
}
const Tree = Schema.Struct({
  value: Schema.Finite,
  children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
})

type Expression =
  | { readonly _tag: "Number"; readonly value: number }
  | { readonly _tag: "Sum"; readonly left: Expression; readonly right: Expression }
const Expression = Schema.Union([
  Schema.TaggedStruct("Number", { value: Schema.Number }),
  Schema.TaggedStruct("Sum", {
    left: Schema.suspend((): Schema.Codec<Expression> => Expression),
    right: Schema.suspend((): Schema.Codec<Expression> => Expression)
  })
])

class Typed extends Handlers.Service<Typed>()("fuzz/Typed", {
  scalars: {
    args: [Schema.Union([Schema.String, Schema.Int, Schema.Boolean, Schema.Null, Schema.Uint8Array, Schema.Date])]
  },
  number: { args: [Schema.Number] },
  bigint: { args: [Schema.BigInt] },
  struct: {
    args: [
      Schema.Struct({
        a: Schema.optional(Schema.Uint8Array),
        b: Schema.Option(Schema.Int),
        c: Schema.optionalKey(Schema.String)
      })
    ]
  },
  record: { args: [Schema.Record(Schema.String, Schema.Date)] },
  map: { args: [Schema.ReadonlyMap(Schema.Int, Schema.BigInt)] },
  mapOfTuples: { args: [Schema.ReadonlyMap(Schema.Tuple([Schema.Int, Schema.String]), Schema.Unknown)] },
  array: { args: [Schema.Array(Schema.NullOr(Schema.String.check(Schema.isMaxLength(100))))] },
  tree: { args: [Tree] },
  expression: { args: [Expression] },
  unknown: { args: [Schema.Unknown] },
  literals: { args: [Schema.Literals(["a", "b", 1, 2n])] },
  optional: { args: [Schema.Int, Schema.optional(Schema.String), Schema.optionalKey(Schema.Int)] },
  url: { args: [Schema.URL] },
  duration: { args: [Schema.Duration] }
}) {}

const methods = [...Typed.contract.values()]

const id = new Uint8Array(Codec.idBytes)

/** What the method that the first byte names is called with, and the method. */
const argsOf = (data: Uint8Array) => {
  const method = methods[(data[0] ?? 0) % methods.length]!
  const wire = Codec.decodeResponse(Buffer.concat([Uint8Array.of(1), id, data.subarray(bodyAt)]))
  if (Result.isFailure(wire)) return undefined
  // All arguments, where there are several; one is easier to hit alone.
  return { method, args: method.method === "optional" ? wire.success : [wire.success] }
}

export const cost = (data: Uint8Array): unknown => {
  const called = argsOf(data)
  return called === undefined ? undefined : Effect.runSyncExit(called.method.args.decode(called.args))
}

export const fuzz = (data: Uint8Array): void => {
  const called = argsOf(data)
  if (called === undefined) return
  const { args: { decode, encode }, method } = called.method
  const decoded = Effect.runSyncExit(decode(called.args))
  if (Exit.isFailure(decoded)) return law(!Exit.hasDies(decoded), () => `${method}: ${String(decoded.cause)}`)
  const encoded = Effect.runSync(encode(decoded.value))
  const datagram = Codec.encodeRequest(id, method, Array.isArray(encoded) ? encoded : [])
  // What is longer when it is encoded again, or nests deeper by the arrays around it.
  if (Result.isFailure(datagram)) return
  const again = Result.getOrThrow(Codec.decodeRequest(datagram.success))
  const twice = Effect.runSync(decode(again.args))
  law(same(twice, decoded.value), () => `${method}: what was decoded is not what it is encoded to`)
}
