/** Methods as people read them, whoever describes them. */
import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { Handlers } from "../../../src/index.ts"
import { pagesOf } from "../../../src/internal/reflection.ts"
import { linesOf } from "../src/signature.ts"

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { key: Schema.Uint8Array }) {}

interface Tree {
  readonly value: bigint
  readonly children: ReadonlyArray<Tree>
}

const Tree: Schema.Codec<Tree, unknown> = Schema.Struct({
  value: Schema.BigInt,
  children: Schema.Array(Schema.suspend((): Schema.Codec<Tree, unknown> => Tree))
})

const linesOfMethod = (procedure: Handlers.Procedure) => {
  class Group extends Handlers.Service<Group>()("test/Group", { it: procedure }) {}
  return pagesOf([...Group.contract.values()]).flat().flatMap(linesOf)
}

const described = (success: object) =>
  linesOf({ group: "g", method: "it", args: { type: "array", items: false }, success: { ...success } })

describe("a signature", () => {
  it("has arguments, result and error in a line", () => {
    expect(linesOfMethod({})).toEqual(["it() -> null"])
    expect(
      linesOfMethod({
        args: [Schema.Uint8Array.annotate({ description: "of 20 bytes" }), Schema.optionalKey(Schema.Int)],
        success: Schema.Struct({ at: Schema.Date, tags: Schema.optionalKey(Schema.Array(Schema.String)) }),
        error: NotFound
      })
    ).toEqual([
      `it(bytes "of 20 bytes", integer?) -> { at: date, tags?: string[] }, fails with { _tag: "NotFound", key: bytes }`
    ])
    expect(
      linesOfMethod({
        args: [Schema.Array(Schema.NullOr(Schema.Boolean)), Schema.Record(Schema.String, Schema.Number)],
        success: Schema.ReadonlyMap(Schema.Int, Schema.Int)
      })
    ).toEqual(["it((boolean | null)[], { [key]: number }) -> map"])
    expect(linesOfMethod({ args: [Schema.Unknown, Schema.Literals(["a", "b"])], success: Schema.Struct({}) }))
      .toEqual([`it(any, "a" | "b") -> any`])
  })

  it("has what is recursive below it", () => {
    expect(linesOfMethod({ success: Tree, error: Tree })).toEqual([
      "it() -> Objects_, fails with Objects_",
      "  Objects_ = { value: bigint, children: Objects_[] }"
    ])
  })

  it("says where the schemas are missing", () => {
    expect(linesOf({ group: "g", method: "it" })).toEqual(["it: told without its schemas"])
  })

  it("grows with the length of what is told, whoever makes it up", () => {
    const refs = (name: string) => ({ prefixItems: [{ $ref: `#/$defs/${name}` }, { $ref: `#/$defs/${name}` }] })
    const $defs = Object.fromEntries(
      Array.from(
        { length: 100 },
        (_, i) => [`d${i}`, { type: "array", minItems: 2, maxItems: 2, ...refs(`d${(i + 1) % 100}`) }]
      )
    )
    const lines = described({ $ref: "#/$defs/d0", $defs })
    expect(lines).toHaveLength(101)
    expect(lines[1]).toBe("  d0 = [d1, d1]")
  })

  it("is nothing that a terminal obeys, and no line more than one", () => {
    const names = ["\u001b[2J", "a\nb", "a, b"]
    for (const name of names) {
      const quoted = JSON.stringify(name)
      expect(linesOf({ group: "g", method: name })).toEqual([`${quoted}: told without its schemas`])
      expect(described({ type: name })).toEqual([`it() -> ${quoted}`])
      expect(described({ description: name })).toEqual([`it() -> any ${quoted}`])
      expect(described({ type: "object", properties: { [name]: true } })).toEqual([`it() -> { ${quoted}?: any }`])
      expect(described({ enum: [name] })).toEqual([`it() -> ${quoted}`])
      expect(described({ "x-msgpack": name })).toEqual([`it() -> ${quoted}`])
    }
  })
})
