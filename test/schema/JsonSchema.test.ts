/** JSON Schema says what a schema has on the wire, and what MessagePack holds beyond JSON. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { Codec, Handlers } from "../../src/index.ts"
import { toJsonSchema } from "../../src/internal/schema/jsonSchema.ts"
import { accepts } from "../support/jsonSchema.ts"
import { schemas, Tree } from "../support/schemas.ts"

const id = new Uint8Array(Codec.idBytes)

describe("JSON Schema accepts what the codec makes", () => {
  for (const [name, schema] of schemas) {
    class Group extends Handlers.Service<Group>()(`described/${name}`, { it: { args: [schema], success: schema } }) {}
    const procedure = Group.contract.get("it")!
    const [args, success] = [toJsonSchema(Schema.Tuple([schema])), toJsonSchema(schema)]

    it.effect.prop(name, [schema], ([value]) =>
      Effect.map(
        Effect.all([procedure.args.encode([value]), procedure.success.encode(value)]),
        (wire) => {
          const datagram = Codec.encodeResponse(id, wire)
          // Values of this size are not what is tested here.
          if (Result.isFailure(datagram) && datagram.failure._tag === "TooLarge") return
          const received = Result.getOrThrow(Codec.decodeResponse(Result.getOrThrow(datagram)))
          if (!Array.isArray(received)) throw new Error("a list arrived as something else")
          expect([accepts(args, received[0]), accepts(success, received[1])]).toEqual([true, true])
        }
      ), { arbitrary: { runs: 50 } })
  }
})

describe("JSON Schema", () => {
  it("tells what MessagePack holds beyond JSON, with what is said of it", () => {
    const forms = [
      Schema.BigInt,
      Schema.Uint8Array,
      Schema.Date,
      Schema.ReadonlyMap(Schema.Int, Schema.Date),
      Schema.Uint8Array.annotate({ description: "a key" })
    ]
    expect(forms.map(toJsonSchema)).toEqual([
      { type: "integer", "x-msgpack": "int" },
      { "x-msgpack": "bin" },
      { "x-msgpack": "timestamp" },
      { "x-msgpack": "map" },
      { "x-msgpack": "bin", description: "a key" }
    ])
  })

  it("tells numbers with their checks, and says nothing of what may be anything", () => {
    const numbers = [
      Schema.Number,
      Schema.Int,
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 })),
      Schema.Unknown
    ]
    expect(numbers.map(toJsonSchema)).toEqual([
      { type: "number" },
      { type: "integer", minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER },
      { type: "integer", minimum: 1, maximum: 9 },
      {}
    ])
  })

  it("tells what stands within, and what may be left out", () => {
    expect(toJsonSchema(Schema.Struct({ keys: Schema.Array(Schema.Uint8Array), at: Schema.NullOr(Schema.Date) })))
      .toEqual({
        type: "object",
        properties: {
          keys: { type: "array", items: { "x-msgpack": "bin" } },
          at: { anyOf: [{ "x-msgpack": "timestamp" }, { type: "null" }] }
        },
        required: ["keys", "at"],
        additionalProperties: true
      })
    expect(toJsonSchema(Schema.Tuple([Schema.String, Schema.optionalKey(Schema.Boolean)]))).toEqual({
      type: "array",
      prefixItems: [{ type: "string" }, { type: "boolean" }],
      minItems: 1,
      maxItems: 2
    })
  })

  it("of what is recursive is a document that stands by itself", () => {
    expect(toJsonSchema(Tree)).toEqual({
      $ref: "#/$defs/Objects_",
      $defs: {
        Objects_: {
          type: "object",
          properties: {
            value: { type: "integer", "x-msgpack": "int" },
            children: { type: "array", items: { $ref: "#/$defs/Objects_" } }
          },
          required: ["value", "children"],
          additionalProperties: true
        }
      }
    })
  })
})
