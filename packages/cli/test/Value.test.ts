/** Values as people type and read them. No process. */
import { describe, expect, it } from "@effect/vitest"
import { Result } from "effect"
import { values } from "../../../test/python/values.ts"
import * as Value from "../src/value.ts"

const read = (typed: string) => Result.getOrThrow(Value.parse(typed))

describe("a value", () => {
  it("of each kind that travels is read back as it was written", () => {
    for (const [name, value] of values) {
      // Objects arrive without a prototype, and are typed with one.
      expect([name, read(Value.format(value))]).toEqual([name, value])
    }
  })

  it("of a float that has no fraction stays one", () => {
    for (const float of [2 ** 60, -1e20, 1e21, Number.MAX_VALUE]) expect(read(Value.format(float))).toBe(float)
  })

  it("that is no JSON is a text, unless it begins like JSON", () => {
    expect(read("Ada Lovelace")).toBe("Ada Lovelace")
    expect(read("0123")).toBe("0123")
    expect(read("\"123\"")).toBe("123")
    expect(read("123")).toBe(123)
    for (const typed of ["{a", "[1", "\"Ada"]) expect(Value.parse(typed)).toEqual(Result.fail(`${typed} is no JSON`))
  })

  it("is exact where a double is not", () => {
    expect(read("[18446744073709551615, -9223372036854775808, 9007199254740991, 1e20]")).toEqual([
      18446744073709551615n,
      -9223372036854775808n,
      9007199254740991,
      1e20
    ])
    expect(read("{\"18446744073709551615\": \"18446744073709551615\"}")).toEqual({
      "18446744073709551615": "18446744073709551615"
    })
  })

  it("in a form that holds something else is refused", () => {
    for (
      const typed of [
        `{"$bytes": "0"}`,
        `{"$bytes": "xy"}`,
        `{"$bytes": [1]}`,
        `{"$bigint": "1.5"}`,
        `{"$bigint": 1}`,
        `{"$date": "yesterday"}`,
        `{"$number": "many"}`,
        `{"$map": [[1]]}`,
        `{"$map": 1}`
      ]
    ) expect(Result.isFailure(Value.parse(typed))).toBe(true)
  })

  it("with a name like a form's is a map like others", () => {
    const map = { $date: "2026-11-26", more: 1 }
    expect(read(Value.format(map))).toEqual(map)
    expect(read(Value.format({ $bytes: "00" }))).toEqual(new Map([["$bytes", "00"]]))
    expect(read(`{"$ref": 1}`)).toEqual({ $ref: 1 })
  })

  it("shows a terminal nothing that it would obey", () => {
    const hostile = "\u001b[2J\u009b2J\u202e\u0007"
    expect(Value.format([hostile])).toBe(`["\\u001b[2J\\u009b2J\\u202e\\u0007"]`)
    expect(read(Value.format(hostile))).toBe(hostile)
    expect(Value.visible(`a\r${hostile}`)).toBe("a\\u000d\\u001b[2J\\u009b2J\\u202e\\u0007")
  })
})
