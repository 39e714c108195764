/** What a schema allows arrives equal, through the procedure's own codec and the bytes of the wire. */
import { assert, describe, expect, it, vi } from "@effect/vitest"
import {
  Cause,
  Context,
  Effect,
  Equal,
  Exit,
  HashMap,
  Layer,
  Option,
  Predicate,
  Result,
  Schema,
  SchemaIssue,
  SchemaTransformation
} from "effect"
import { isDeepStrictEqual } from "node:util"
import { Codec, Handlers, Protocol, Transport } from "../../src/index.ts"
import { toCodecWire } from "../../src/internal/schema/wireSchema.ts"
import * as MemoryNetwork from "../support/MemoryNetwork.ts"
import { caller, node } from "../support/nodes.ts"
import { NotFound, Person, reverse, schemas, Tree } from "../support/schemas.ts"

const id = new Uint8Array(Codec.idBytes)

/** There and back, as a call's result would go. */
const roundTrip = Effect.fnUntraced(function*(procedure: Handlers.CompiledProcedure, value: unknown) {
  const wire = yield* procedure.success.encode(value)
  const datagram = Codec.encodeResponse(id, wire)
  // Values of this size are not what is tested here.
  if (Result.isFailure(datagram) && datagram.failure._tag === "TooLarge") return value
  const received = Result.getOrThrow(Codec.decodeResponse(Result.getOrThrow(datagram)))
  return yield* procedure.success.decode(received)
})

describe("schemas", () => {
  for (const [name, schema] of schemas) {
    class Group extends Handlers.Service<Group>()(`schemas/${name}`, { it: { success: schema } }) {}
    const procedure = Group.contract.get("it")!

    it.effect.prop(name, [schema], ([value]) =>
      Effect.map(roundTrip(procedure, value), (again) => {
        // Equality by structure: Effect's, or JavaScript's for what Effect has no say in (bytes, dates, NaN).
        if (!Equal.equals(again, value)) expect(again).toStrictEqual(value)
      }), { arbitrary: { runs: 50 } })
  }

  it.effect("keep to MessagePack's own types where it has them", () =>
    Effect.gen(function*() {
      class Group extends Handlers.Service<Group>()("schemas/Native", {
        person: { success: Person },
        map: { success: Schema.ReadonlyMap(Schema.Int, Schema.String) },
        unknown: { success: Schema.Unknown },
        nothing: {}
      }) {}
      const bytes = (method: string, value: unknown) =>
        Effect.map(Group.contract.get(method)!.success.encode(value), (wire) =>
          Buffer.from(Result.getOrThrow(Codec.encodeResponse(id, wire)).subarray(21)).toString("hex"))
      const person = new Person({
        id: Uint8Array.from([1, 2]),
        born: new Date("2024-02-29T12:30:15Z"),
        score: 7n,
        nick: Option.none()
      })
      // {id: bin, born: timestamp, score: 7, nick: {_tag: "None"}}
      expect(yield* bytes("person", person)).toBe(
        "84" + "a26964" + "c4020102" + "a4626f726e" + "d6ff65e078d7" + "a573636f7265" + "07" +
          "a46e69636b" + "81a45f746167a44e6f6e65"
      )
      expect(yield* bytes("map", new Map([[1, "a"]]))).toBe("8101a161")
      expect(yield* bytes("unknown", { a: new Uint8Array(1) })).toBe("81a161c40100")
      expect(yield* bytes("nothing", undefined)).toBe("c0")
    }))

  it.effect("decode a Python dict into a ReadonlyMap, a Record or a Struct, and refuse what is none", () =>
    Effect.gen(function*() {
      class Group extends Handlers.Service<Group>()("schemas/Dict", {
        map: { success: Schema.ReadonlyMap(Schema.String, Schema.Int) },
        record: { success: Schema.Record(Schema.String, Schema.Int) },
        struct: { success: Schema.Struct({ a: Schema.Int }) }
      }) {}
      const decode = (method: string, hex: string) =>
        Group.contract.get(method)!.success.decode(
          Result.getOrThrow(Codec.decodeResponse(Uint8Array.from([1, ...id, ...Buffer.from(hex, "hex")])))
        )
      expect(yield* decode("map", "81a16101")).toStrictEqual(new Map([["a", 1]]))
      expect(yield* decode("map", "80")).toStrictEqual(new Map())
      expect(yield* decode("record", "82a16101a9" + Buffer.from("__proto__").toString("hex") + "02"))
        .toStrictEqual(JSON.parse("{\"a\": 1, \"__proto__\": 2}"))
      expect(yield* decode("struct", "82a16101a16202")).toStrictEqual({ a: 1 })
      for (const hex of ["90", "01", "c0", "a161", "c40100", "d6ff00000000", "9101"]) {
        yield* Effect.flip(decode("map", hex))
        yield* Effect.flip(decode("record", hex))
      }
    }))

  it.effect("know objects without a schema, and a string that stands for a bigint", () =>
    Effect.gen(function*() {
      class Group extends Handlers.Service<Group>()("schemas/Rest", {
        object: { success: Schema.ObjectKeyword },
        text: {
          success: Schema.String.pipe(Schema.encodeTo(
            Schema.BigInt,
            SchemaTransformation.transform({
              decode: (n: bigint) => `${n}`,
              encode: (s: string) => BigInt(s)
            })
          ))
        }
      }) {}
      const again = (method: string, value: unknown) => roundTrip(Group.contract.get(method)!, value)
      expect(yield* again("object", { a: new Uint8Array(1) })).toEqual({ a: new Uint8Array(1) })
      expect(yield* again("object", [1])).toStrictEqual([1])
      expect(yield* again("text", "17")).toBe("17")
      yield* Effect.flip(Group.contract.get("object")!.success.decode(1))
      yield* Effect.flip(Group.contract.get("text")!.success.decode("17"))
    }))

  it.effect("take a declaration that says nothing of itself as it is", () =>
    Effect.gen(function*() {
      class Group extends Handlers.Service<Group>()("schemas/Bare", {
        it: { success: Schema.declare(Predicate.isString) }
      }) {}
      expect(yield* roundTrip(Group.contract.get("it")!, "a")).toBe("a")
      yield* Effect.flip(Group.contract.get("it")!.success.decode(1))
    }))

  it.effect("wherever in a schema they stand, numbers, bigints, bytes and dates travel as what they are", () =>
    Effect.gen(function*() {
      const [date, bytes] = [new Date(5), Uint8Array.of(1, 2)]
      const cases: ReadonlyArray<readonly [Schema.Codec<unknown, unknown>, unknown, unknown]> = [
        [Schema.Number, Number.NaN, Number.NaN],
        [Schema.Array(Schema.Date), [date], [date]],
        [Schema.NonEmptyArray(Schema.BigInt), [7n], [7n]],
        [Schema.Tuple([Schema.BigInt, Schema.optionalKey(Schema.Uint8Array)]), [7n, bytes], [7n, bytes]],
        [Schema.TupleWithRest(Schema.Tuple([Schema.Date]), [Schema.Uint8Array]), [date, bytes, bytes], [
          date,
          bytes,
          bytes
        ]],
        [Schema.Struct({ a: Schema.Date, b: Schema.optional(Schema.BigInt) }), { a: date, b: 7n }, { a: date, b: 7n }],
        [Schema.Record(Schema.String, Schema.Uint8Array), { a: bytes }, { a: bytes }],
        [Schema.Union([Schema.Date, Schema.BigInt]), 7n, 7n],
        [Schema.NullOr(Schema.Date), date, date],
        [Schema.Option(Schema.Uint8Array), Option.some(bytes), { _tag: "Some", value: bytes }],
        [Schema.ReadonlySet(Schema.Date), new Set([date]), [date]],
        [Schema.HashMap(Schema.String, Schema.BigInt), HashMap.make(["a", 7n]), [["a", 7n]]],
        [Schema.ReadonlyMap(Schema.Date, Schema.Uint8Array), new Map([[date, bytes]]), new Map([[date, bytes]])],
        [
          Tree,
          { value: 1n, children: [{ value: 2n, children: [] }] },
          { value: 1n, children: [{ value: 2n, children: [] }] }
        ]
      ]
      for (const [schema, value, wire] of cases) {
        class Group extends Handlers.Service<Group>()("schemas/Wherever", { it: { success: schema } }) {}
        const { success } = Group.contract.get("it")!
        expect(yield* success.encode(value)).toStrictEqual(wire)
        const again = yield* success.decode(wire)
        if (!Equal.equals(again, value)) expect(again).toStrictEqual(value)
      }
    }))

  it.effect("what a schema forbids is refused on its way in and out, whatever kind of schema it is", () =>
    Effect.gen(function*() {
      const not = (bad: unknown) => Schema.makeFilter((u: unknown) => !isDeepStrictEqual(u, bad))
      const kinds: ReadonlyArray<readonly [Schema.Codec<unknown, unknown>, good: unknown, bad: unknown]> = [
        [Schema.String, "a", "b"],
        [Schema.Number, 1, -1],
        [Schema.BigInt, 1n, -1n],
        [Schema.Boolean, true, false],
        [Schema.Unknown, 1, -1],
        [Schema.ObjectKeyword, { a: 1 }, { a: 2 }],
        [Schema.Uint8Array, Uint8Array.of(1), Uint8Array.of(2)],
        [Schema.Date, new Date(1), new Date(2)],
        [Schema.ReadonlyMap(Schema.Int, Schema.Int), new Map([[1, 1]]), new Map()],
        [Schema.Array(Schema.Int), [1], [2]],
        [Schema.Tuple([Schema.Int]), [1], [2]],
        [Schema.Struct({ a: Schema.Int }), { a: 1 }, { a: 2 }],
        [Schema.Record(Schema.String, Schema.Int), { a: 1 }, { a: 2 }],
        [Schema.Union([Schema.Int, Schema.String]), 1, 2],
        [Schema.Literals(["a", 7n]), 7n, "a"]
      ]
      for (const [schema, good, bad] of kinds) {
        const checked = schema.check(not(bad))
        for (const [how, success] of [["as it is", checked], ["flipped", Schema.flip(checked)]] as const) {
          class Group extends Handlers.Service<Group>()("schemas/Checks", { it: { success } }) {}
          const coder = Group.contract.get("it")!.success
          const name = `${schema.ast._tag} ${how}`
          const wire = yield* coder.encode(good)
          expect(yield* coder.decode(wire), name).toStrictEqual(good)
          expect(Exit.isFailure(yield* Effect.exit(coder.decode(bad))), `${name} in`).toBe(true)
          expect(Exit.isFailure(yield* Effect.exit(coder.encode(bad))), `${name} out`).toBe(true)
        }
      }
      class Group extends Handlers.Service<Group>()("schemas/Kinds", {
        seven: { success: Schema.Literal(7n) },
        optional: { success: Schema.Struct({ a: Schema.optionalKey(Schema.Int) }) },
        record: { success: Schema.Record(Schema.String, Schema.Int) }
      }) {}
      const decode = (method: string, wire: unknown) => Group.contract.get(method)!.success.decode(wire)
      expect(yield* decode("seven", 7)).toBe(7n)
      yield* Effect.flip(decode("seven", 8))
      for (const wire of [new Map([[1, 1]]), new Map([["a", 1]]), new Date(0), new Uint8Array(1)]) {
        yield* Effect.flip(decode("optional", wire))
        yield* Effect.flip(decode("record", wire))
      }
    }))

  it.effect("what does not fit is told what would have, in and out", () =>
    Effect.gen(function*() {
      const said = SchemaIssue.makeFormatterDefault()
      const cases: ReadonlyArray<
        readonly [Schema.Codec<unknown, unknown>, bad: unknown, expected: ReadonlyArray<string>]
      > = [
        [Schema.Number, "1", ["number", "number"]],
        [Schema.BigInt, "1", ["an integer", "bigint"]],
        [Schema.Literal(7n), "1", ["an integer", "7n"]],
        [Schema.ObjectKeyword, 1, ["object", "object"]],
        [Schema.ReadonlyMap(Schema.Int, Schema.Int), 1, ["a map", "ReadonlyMap"]]
      ]
      for (const [schema, bad, expected] of cases) {
        class Group extends Handlers.Service<Group>()("schemas/Misfits", { it: { success: schema } }) {}
        const { decode, encode } = Group.contract.get("it")!.success
        const issues = [yield* Effect.flip(decode(bad)), yield* Effect.flip(encode(bad))]
        expect(issues.map(said)).toStrictEqual(expected.map((what) => `Expected ${what}`))
      }
      class Group extends Handlers.Service<Group>()("schemas/Misfits", {
        it: { success: Schema.Record(Schema.String, Schema.Int) }
      }) {}
      const issue = yield* Effect.flip(Group.contract.get("it")!.success.decode(new Map([[1, 1]])))
      expect(said(issue)).toBe("Expected a map with strings for keys")
    }))

  it("a schema is compiled once, a recursive one, too", () => {
    for (const schema of [Tree, Person, Schema.Struct({ a: Schema.Date })]) {
      expect(toCodecWire(schema).ast).toBe(toCodecWire(schema).ast)
    }
  })

  it.effect("of a schema with several transformations, what travels is native, wherever in the row it stands", () =>
    Effect.gen(function*() {
      const swap = SchemaTransformation.transform({ decode: reverse, encode: reverse })
      const text = SchemaTransformation.transform({ decode: (n: bigint) => `${n}`, encode: (s: string) => BigInt(s) })
      const days = SchemaTransformation.transform({
        decode: (date: Date) => `${date.getTime()}`,
        encode: (s: string) => new Date(Number(s))
      })
      class Group extends Handlers.Service<Group>()("schemas/Rows", {
        bigint: {
          success: Schema.String.pipe(Schema.encodeTo(Schema.String, swap), Schema.encodeTo(Schema.BigInt, text))
        },
        date: {
          success: Schema.String.pipe(
            Schema.encodeTo(Schema.String, swap),
            Schema.encodeTo(Schema.String, swap),
            Schema.encodeTo(Schema.Date, days)
          )
        }
      }) {}
      const { bigint, date } = { bigint: Group.contract.get("bigint")!, date: Group.contract.get("date")! }
      expect(yield* bigint.success.encode("71")).toBe(17n)
      expect(yield* date.success.encode("12")).toStrictEqual(new Date(12))
      expect(yield* roundTrip(bigint, "71")).toBe("71")
      expect(yield* roundTrip(date, "12")).toBe("12")
      yield* Effect.flip(bigint.success.decode("17"))
    }))

  it.effect("as many entries as a datagram has room for arrive, all of them", () =>
    Effect.gen(function*() {
      class Group extends Handlers.Service<Group>()("schemas/Many", {
        map: { success: Schema.ReadonlyMap(Schema.Int, Schema.Int) },
        dict: { success: Schema.ReadonlyMap(Schema.String, Schema.Int) },
        record: { success: Schema.Record(Schema.String, Schema.Int) },
        set: { success: Schema.ReadonlySet(Schema.Int) },
        hash: { success: Schema.HashMap(Schema.Int, Schema.Int) },
        array: { success: Schema.Array(Schema.Int) }
      }) {}
      const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)
      const names = numbers(1500).map((n): readonly [string, number] => [n.toString(36), n % 100])
      const values = {
        // The wire has no room for more keys that are no strings.
        map: new Map(numbers(256).map((n) => [n, n % 100])),
        dict: new Map(names),
        record: Object.fromEntries(names),
        set: new Set(numbers(2500)),
        hash: HashMap.fromIterable(numbers(1200).map((n): readonly [number, number] => [n, n % 100])),
        array: numbers(2500)
      }
      for (const [method, value] of Object.entries(values)) {
        const procedure = Group.contract.get(method)!
        const datagram = Codec.encodeResponse(id, yield* procedure.success.encode(value))
        const received = Result.getOrThrow(Codec.decodeResponse(Result.getOrThrow(datagram)))
        const again = yield* procedure.success.decode(received)
        if (!Equal.equals(again, value)) expect(again, method).toStrictEqual(value)
      }
      const { success } = Group.contract.get("map")!
      const more = new Map(numbers(2000).map((n) => [n, n]))
      expect(yield* success.decode(yield* success.encode(more))).toStrictEqual(more)
    }))

  it("a version of effect that names its own schemas otherwise is refused, before anything travels as something else", async () => {
    for (const name of ["Uint8Array", "Date", "ReadonlyMap"] as const) {
      vi.resetModules()
      vi.doMock("effect/Schema", async (original) => {
        const schema = await original<typeof Schema>()
        const renamed = schema.declare(Predicate.isObject, {
          representation: { id: `effect/schema/Other${name}`, payload: null }
        })
        return { ...schema, [name]: name === "ReadonlyMap" ? () => renamed : renamed }
      })
      try {
        await expect(import("../../src/internal/schema/wireSchema.ts")).rejects.toThrow(
          "does not know the schemas of this version"
        )
      } finally {
        vi.doUnmock("effect/Schema")
      }
    }
    vi.resetModules()
    await import("../../src/internal/schema/wireSchema.ts")
  })

  it.effect("arguments that were not declared are refused on both sides, undefined ones and nil included", () =>
    Effect.gen(function*() {
      class Group extends Handlers.Service<Group>()("schemas/Surplus", {
        none: {},
        optional: { args: [Schema.String, Schema.optionalKey(Schema.Int)] }
      }) {}
      const none = Group.contract.get("none")!.args
      const optional = Group.contract.get("optional")!.args
      expect(yield* optional.encode(["a", undefined])).toStrictEqual(["a"])
      for (const surplus of [undefined, null, 1, "b"]) {
        yield* Effect.flip(none.encode([surplus]))
        yield* Effect.flip(none.decode([surplus]))
        yield* Effect.flip(optional.encode(["a", 1, surplus]))
        yield* Effect.flip(optional.decode(["a", 1, surplus]))
      }
      yield* Effect.flip(optional.encode(["a", undefined, undefined]))
      yield* Effect.flip(optional.encode([undefined]))
    }))

  it("a bigint is decoded from an integer of any width, and from nothing else", () => {
    class Group extends Handlers.Service<Group>()("schemas/BigInt", { it: { success: Schema.BigInt } }) {}
    const decode = (value: unknown) => Effect.runSyncExit(Group.contract.get("it")!.success.decode(value))
    expect(decode(5)).toMatchObject({ _tag: "Success", value: 5n })
    expect(decode(2n ** 60n)).toMatchObject({ _tag: "Success", value: 2n ** 60n })
    // The last one that a number holds without a doubt, and the one after it.
    for (const sign of [-1, 1]) {
      expect(decode(sign * 2 ** 53)).toMatchObject({ _tag: "Success", value: BigInt(sign) * 2n ** 53n })
      expect(decode(sign * (2 ** 53 + 2))._tag).toBe("Failure")
    }
    for (const value of [1.5, "5", null, true, Number.NaN, 2 ** 60]) expect(decode(value)._tag).toBe("Failure")
  })

  it.effect("through a whole call: optional trailing arguments, transformations, asynchronous schemas, errors", () =>
    Effect.gen(function*() {
      const Slow = Schema.String.pipe(
        Schema.decodeTo(
          Schema.String,
          SchemaTransformation.transformEffect({
            decode: (s: string) => Effect.map(Effect.promise(() => Promise.resolve()), () => `decoded ${s}`),
            encode: (s: string) => Effect.map(Effect.promise(() => Promise.resolve()), () => `encoded ${s}`)
          })
        )
      )
      class Group extends Handlers.Service<Group>()("schemas/Whole", {
        optional: { args: [Schema.String, Schema.optionalKey(Schema.Int)], success: Schema.String },
        undefinable: { args: [Schema.String, Schema.optional(Schema.Date)], success: Schema.String },
        orUndefined: { args: [Schema.UndefinedOr(Schema.Int)], success: Schema.String },
        class: { args: [Person], success: Person },
        slow: { args: [Slow], success: Slow, error: Schema.Struct({ slow: Slow }) },
        slowError: { args: [Slow], error: Schema.Struct({ slow: Slow }) },
        errors: { args: [Schema.Boolean], error: Schema.Union([NotFound, Schema.BigInt]) },
        tree: { args: [Tree], success: Tree },
        hash: { args: [Schema.HashMap(Schema.String, Schema.Int)], success: Schema.Int }
      }) {}
      const network = MemoryNetwork.make()
      const transport = () => Transport.layerSocket().pipe(Layer.provide(network.socket("10.0.0.1")))
      const server = yield* node(
        Protocol.serve(Group).pipe(Layer.provide(Group.toLayer({
          optional: (text, count) => Effect.succeed(`${text} ${count}`),
          undefinable: (text, date) => Effect.succeed(`${text} ${date?.getTime()}`),
          orUndefined: (n) => Effect.succeed(`${n}`),
          class: (person) => Effect.succeed(new Person({ ...person, score: person.score + 1n })),
          slow: (text) => Effect.succeed(text),
          slowError: (text) => Effect.fail({ slow: text }),
          errors: (found) => Effect.fail(found ? 9n : new NotFound({ key: Uint8Array.from([1]) })),
          tree: (tree) => Effect.succeed({ value: 0n, children: [tree, tree] }),
          hash: (map) => Effect.succeed(HashMap.size(map))
        }))),
        transport()
      )
      const context = yield* caller(transport())
      const { address } = Context.get(server, Protocol.Protocol)
      const peer = (yield* Effect.provideContext(Protocol.client(Group), context))(address)

      expect(yield* peer.optional("a")).toBe("a undefined")
      expect(yield* peer.optional("a", 2)).toBe("a 2")
      expect(yield* peer.undefinable("a")).toBe("a undefined")
      expect(yield* peer.undefinable("a", undefined)).toBe("a undefined")
      expect(yield* peer.undefinable("a", new Date(5))).toBe("a 5")
      expect(yield* peer.orUndefined(undefined)).toBe("undefined")
      const person = new Person({ id: new Uint8Array(2), born: new Date(0), score: 1n, nick: Option.some("n") })
      const older = yield* peer.class(person)
      assert(older instanceof Person)
      expect(older).toStrictEqual(new Person({ ...person, score: 2n }))
      // The compiler takes a plain object of the same shape. The class does not.
      const plain = yield* Effect.exit(peer.class({ ...person }))
      assert(Exit.isFailure(plain) && Cause.hasDies(plain.cause))
      expect(yield* peer.slow("x")).toBe("decoded encoded decoded encoded x")
      expect(yield* Effect.flip(peer.slowError("x"))).toStrictEqual({ slow: "decoded encoded decoded encoded x" })
      expect(yield* Effect.flip(peer.errors(true))).toBe(9n)
      const notFound = yield* Effect.flip(peer.errors(false))
      assert(notFound instanceof NotFound)
      expect(notFound.key).toStrictEqual(Uint8Array.from([1]))
      const tree = { value: 2n ** 60n, children: [{ value: 1n, children: [] }] }
      expect(yield* peer.tree(tree)).toStrictEqual({ value: 0n, children: [tree, tree] })
      expect(yield* peer.hash(HashMap.make(["a", 1], ["b", 2]))).toBe(2)
    }))

  it("a schema that cannot travel is refused when it is declared", () => {
    expect(() =>
      Handlers.Service<never>()("schemas/Symbols", { it: { success: Schema.Struct({ [Symbol("s")]: Schema.Int }) } })
    )
      .toThrow("property names must be strings")
  })
})
