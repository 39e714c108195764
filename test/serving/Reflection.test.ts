/** A node says what it serves: each method once, in pages that fit into an answer, to whoever asks, and only if it is told to. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Result, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Codec, Handlers, Protocol } from "../../src/index.ts"
import { pagesOf } from "../../src/internal/reflection.ts"
import * as Injected from "../support/injected.ts"
import { oneHost } from "../support/MemoryNetwork.ts"
import { caller, idle, node, raw, respond } from "../support/nodes.ts"
import { numbered, requestFor } from "../support/requests.ts"

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { key: Schema.String }) {}

class Store extends Handlers.Service<Store>()("test/Store", {
  get: { args: [Schema.String], success: Schema.Uint8Array, error: NotFound },
  describe: {}
}) {}

const StoreLive = Store.toLayer({ get: () => Effect.succeed(new Uint8Array(1)), describe: () => Effect.void })

const store = Protocol.serve(Store).pipe(Layer.provide(StoreLive))

/** A schema whose document takes at least so many bytes. */
const long = (bytes: number) => Schema.String.annotate({ description: "x".repeat(bytes) })

/** Throws when it is asked for its JSON Schema. */
const untold = Schema.String.check(Schema.makeFilter(() => true, {
  toJsonSchema: () => {
    throw new Error("as the test says")
  }
}))

const decode = Schema.decodeUnknownEffect(Protocol.Reflection.procedures["rpc.reflection.describe"].success)

const namesOf = (methods: ReadonlyArray<Protocol.MethodDescription>) => methods.map(({ method }) => method)

/** The procedures of a group whose methods have schemas of these lengths, and its pages as they are answered. */
const paginated = (lengths: ReadonlyArray<number>) => {
  class Group extends Handlers.Service<Group>()(
    "test/Group",
    Object.fromEntries(lengths.map((bytes, i) => [`method ${i}`, { success: long(bytes) }]))
  ) {}
  const pages = pagesOf([...Group.contract.values()])
  const datagrams = pages.map((methods) =>
    Result.getOrThrow(Codec.encodeResponse(new Uint8Array(Codec.idBytes), { pages: pages.length, methods }))
  )
  return { names: [...Group.contract.keys()], pages, datagrams }
}

describe("a description", () => {
  it.effect.prop(
    "has each method exactly once, in pages of 1,200 bytes or of one method, within 8,192 bytes",
    [Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 12_000 })))],
    ([lengths]) =>
      Effect.sync(() => {
        const { datagrams, names, pages } = paginated(lengths)
        expect(pages.flatMap(namesOf)).toEqual(names)
        for (const [i, { length }] of datagrams.entries()) {
          expect(length).toBeLessThanOrEqual(pages[i]!.length === 1 ? Codec.maxDatagramBytes : 1200)
        }
      }),
    { arbitrary: { runs: 200 } }
  )

  it("fills its pages", () => {
    const { datagrams, pages } = paginated(Array.from({ length: 100 }, () => 100))
    const [smallest = 0] = datagrams.slice(0, -1).map(({ length }) => length).sort((a, b) => a - b)
    expect(pages.every(({ length }) => length > 1)).toBe(true)
    // Another method would take no more than this.
    expect(smallest).toBeGreaterThan(1200 - 250)
  })

  it("fills them to the byte", () => {
    const [datagram] = paginated([0, 500]).datagrams
    // The number of pages takes a byte, and is counted as five.
    const whole = 500 + 1200 - 4 - datagram!.length
    expect(paginated([0, whole]).pages).toHaveLength(1)
    expect(paginated([0, whole + 1]).pages).toHaveLength(2)
  })

  it("names a method without its schemas where these do not fit into an answer", () => {
    const whole = Codec.maxBodyBytes - paginated([0]).datagrams[0]!.length + Codec.headerBytes
    // The number of pages takes a byte, and is counted as five; a text of this length takes two bytes more.
    const { pages } = paginated([whole - 6, whole - 5])
    expect(pages.map(([method]) => "success" in method!)).toEqual([true, false])
    expect(pages[1]).toEqual([{ group: "test/Group", method: "method 1" }])
  })

  it("names a method without its schemas where one of them throws", () => {
    class Odd extends Handlers.Service<Odd>()("test/Odd", { odd: { args: [untold] }, even: {} }) {}
    const none = { args: { type: "array", items: false }, success: { type: "null" } }
    expect(pagesOf([...Odd.contract.values()])).toEqual([
      [{ group: "test/Odd", method: "odd" }, { group: "test/Odd", method: "even", ...none }]
    ])
  })

  it("is made once for a list of procedures", () => {
    const procedures = [...Store.contract.values()]
    expect(pagesOf(procedures)).toBe(pagesOf(procedures))
  })
})

describe("a node", () => {
  it.effect("says nothing of its methods unless it serves a reflection", () =>
    Effect.gen(function*() {
      const transport = oneHost()
      const { address } = Context.get(yield* node(store, transport()), Protocol.Protocol)
      const asking = yield* caller(transport())
      const error = yield* Protocol.describe(address).pipe(Effect.provideContext(asking), Effect.flip)
      expect(error).toMatchObject({ _tag: "Rejected", reason: "UnknownMethod", method: "rpc.reflection.describe" })
    }))

  it.effect("describes all groups that it serves, the reflection included, by their own schemas", () =>
    Effect.gen(function*() {
      const transport = oneHost()
      const serving = yield* node(Layer.mergeAll(store, idle, Protocol.serveReflection()), transport())
      const asking = yield* caller(transport())
      const methods = yield* Protocol.describe(Context.get(serving, Protocol.Protocol).address).pipe(
        Effect.provideContext(asking)
      )
      const byName = new Map(methods.map((method) => [method.method, method]))
      expect(namesOf(methods).sort()).toEqual(["describe", "get", "idle", "rpc.reflection.describe"])
      expect(byName.get("get")).toEqual({
        group: "test/Store",
        method: "get",
        args: { type: "array", prefixItems: [{ type: "string" }], minItems: 1, maxItems: 1 },
        success: { "x-msgpack": "bin" },
        error: {
          $ref: "#/$defs/NotFoundEncoded",
          $defs: {
            NotFoundEncoded: {
              type: "object",
              properties: { _tag: { type: "string", enum: ["NotFound"] }, key: { type: "string" } },
              required: ["_tag", "key"],
              additionalProperties: true
            }
          }
        }
      })
      expect(byName.get("idle")).toEqual({
        group: "test/Idle",
        method: "idle",
        args: { type: "array", items: false },
        success: { type: "null" }
      })
      expect(byName.get("rpc.reflection.describe")).toMatchObject({
        group: "rpc.reflection",
        args: {
          prefixItems: [{ type: "integer", description: "the number of the page, from 0" }],
          minItems: 1,
          maxItems: 1
        },
        success: { type: "object", required: ["pages", "methods"] }
      })
    }))

  it.effect("describes many methods over several pages, each once", () =>
    Effect.gen(function*() {
      const names = Array.from({ length: 40 }, (_, i) => `method${i}`)
      class Many extends Handlers.Service<Many>()(
        "test/Many",
        Object.fromEntries(names.map((name) => [name, { success: long(200) }]))
      ) {}
      const many = Protocol.serve(Many).pipe(
        Layer.provide(Many.toLayer(Object.fromEntries(names.map((name) => [name, () => Effect.succeed("")]))))
      )
      const transport = oneHost()
      const serving = yield* node(Layer.mergeAll(many, Protocol.serveReflection()), transport())
      const { address } = Context.get(serving, Protocol.Protocol)
      yield* Effect.gen(function*() {
        const read = (yield* Protocol.client(Protocol.Reflection))(address)["rpc.reflection.describe"]
        const methods = yield* Protocol.describe(address)
        expect(namesOf(methods).sort()).toEqual([...names, "rpc.reflection.describe"].sort())
        const { pages } = yield* read(0)
        expect(pages).toBeGreaterThan(2)
        for (const page of [pages, -1]) expect(yield* read(page)).toEqual({ pages, methods: [] })
      }).pipe(Effect.provideContext(yield* caller(transport())))
    }))

  it.effect("describes what it begins to serve, and no longer what it has ceased to, also to a request that comes again", () =>
    Effect.gen(function*() {
      const transport = oneHost()
      const serving = yield* node(Protocol.serveReflection(), transport())
      const { address } = Context.get(serving, Protocol.Protocol)
      const peer = yield* raw(transport())
      const ask = Effect.gen(function*() {
        peer.send(address, numbered(1, "rpc.reflection.describe", 0))
        const { datagram } = yield* peer.receive
        const { methods } = yield* decode(Result.getOrThrow(Codec.decodeResponse(datagram)))
        return namesOf(methods)
      })
      expect(yield* ask).toEqual(["rpc.reflection.describe"])
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(store, scope).pipe(Effect.provideContext(serving))
      expect(yield* ask).toEqual(["rpc.reflection.describe", "get", "describe"])
      yield* Scope.close(scope, Exit.void)
      expect(yield* ask).toEqual(["rpc.reflection.describe"])
    }))

  it.effect("sends a stranger who asks and asks no more than its budget", () =>
    Effect.gen(function*() {
      const injected = Injected.make()
      class Long extends Handlers.Service<Long>()("test/Long", { long: { success: long(7000) } }) {}
      const served = Protocol.serve(Long).pipe(Layer.provide(Long.toLayer({ long: () => Effect.succeed("") })))
      yield* Layer.build(
        Layer.merge(served, Protocol.serveReflection()).pipe(
          Layer.provide(Protocol.layer({ gracePeriod: 0 })),
          Layer.provide(injected.layer)
        )
      )
      const stranger = Injected.peerAt("10.0.0.2:2")
      const sent = () => injected.sent.reduce((sum, { datagram }) => sum + datagram.length, 0)
      for (let page = 0; page < 400; page++) {
        injected.receive(requestFor("rpc.reflection.describe", [page % 2]), stranger)
      }
      const burst = sent()
      // It answers, with more than it was sent, and ceases to.
      expect(burst).toBeGreaterThan(128 * 1024)
      expect(burst).toBeLessThanOrEqual(4 * 64 * 1024 + 400 * 50)
      yield* TestClock.adjust("1 second")
      for (let page = 0; page < 400; page++) {
        injected.receive(requestFor("rpc.reflection.describe", [page % 2]), stranger)
      }
      expect(sent() - burst).toBeLessThanOrEqual(64 * 1024 + 400 * 50)
    }))
})

describe("describe", () => {
  it.effect("reads no more than 128 pages of a peer, whatever that says", () =>
    Effect.gen(function*() {
      const transport = oneHost()
      const peer = yield* raw(transport())
      let asked = 0
      yield* Effect.forever(Effect.map(peer.receive, ({ datagram, from }) => {
        asked++
        peer.send(from, respond(datagram, { pages: 2 ** 32, methods: [{ group: "g", method: "m" }] }))
      })).pipe(Effect.forkScoped)
      const methods = yield* Protocol.describe(peer.address).pipe(Effect.provideContext(yield* caller(transport())))
      expect([asked, methods.length]).toEqual([128, 128])
    }))

  it.effect("says so where what a peer says describes nothing", () =>
    Effect.gen(function*() {
      const transport = oneHost()
      const peer = yield* raw(transport())
      const described = [{ group: "g", method: 5 }, { method: "m" }, { group: "g", method: "m", args: 1 }]
      const answers = [...described]
      yield* Effect.forever(Effect.map(peer.receive, ({ datagram, from }) => {
        peer.send(from, respond(datagram, { pages: 1, methods: [answers.shift()] }))
      })).pipe(Effect.forkScoped)
      const asking = yield* caller(transport())
      for (let i = 0; i < described.length; i++) {
        expect(yield* Effect.flip(Effect.provideContext(Protocol.describe(peer.address), asking))).toBeInstanceOf(
          Protocol.InvalidResponse
        )
      }
    }))

  it.effect("has nothing to say of a node that has no pages, or fewer than none", () =>
    Effect.gen(function*() {
      const transport = oneHost()
      const peer = yield* raw(transport())
      const pages = [0, -5]
      yield* Effect.forever(Effect.map(peer.receive, ({ datagram, from }) => {
        peer.send(from, respond(datagram, { pages: pages.shift(), methods: [] }))
      })).pipe(Effect.forkScoped)
      const asking = yield* caller(transport())
      for (let i = 0; i < 2; i++) {
        expect(yield* Effect.provideContext(Protocol.describe(peer.address), asking)).toEqual([])
      }
    }))
})
