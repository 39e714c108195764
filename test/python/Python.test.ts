/** Our nodes and Python's on one network: a node written from the wire's description, in a process of its own. */
import { describe, layer } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { Deferred, Effect, Layer, Logger, Option, Result, Schema } from "effect"
import { NetAddress } from "effect/net"
import { inspect, isDeepStrictEqual } from "node:util"
import { Codec, Handlers, Protocol, Transport } from "../../src/index.ts"
import type { Commands } from "./Python.ts"
import { Python } from "./Python.ts"
import * as Needs from "../support/needs.ts"
import { raw } from "../support/nodes.ts"
import { lossy, values } from "./values.ts"

// ---------------------------------------------------------------------------------------------------------------------
// what Python serves
// ---------------------------------------------------------------------------------------------------------------------

const Row = Schema.Struct({
  text: Schema.String,
  int: Schema.Int,
  float: Schema.Number,
  big: Schema.BigInt,
  small: Schema.BigInt,
  bytes: Schema.Uint8Array,
  time: Schema.Date,
  list: Schema.Array(Schema.String),
  dict: Schema.ReadonlyMap(Schema.Int, Schema.Uint8Array),
  pair: Schema.Tuple([Schema.Boolean, Schema.Null])
})

const row: typeof Row.Type = {
  text: "Grüße",
  int: 42,
  float: 0.25,
  big: 2n ** 64n - 1n,
  small: 7n,
  bytes: Uint8Array.of(0, 255),
  time: new Date("2024-02-29T12:34:56.789Z"),
  list: ["a", "b"],
  dict: new Map([[1, Uint8Array.from("one", (c) => c.charCodeAt(0))], [2, Uint8Array.of(0x74, 0x77, 0x6f)]]),
  pair: [true, null]
}

class Theirs extends Handlers.Service<Theirs>()("test/Theirs", {
  greet: { args: [Schema.String, Schema.optionalKey(Schema.String)], success: Schema.String },
  receive: { args: [Schema.String, Row], success: Schema.Unknown },
  echo: { args: [Row], success: Row },
  zeros: { args: [Schema.Int], success: Schema.Uint8Array },
  silent: {}
}) {}

/** `greet` does not answer a number. */
class Mistaken extends Handlers.Service<Mistaken>()("test/Mistaken", {
  greet: { args: [Schema.String], success: Schema.Number }
}) {}

// ---------------------------------------------------------------------------------------------------------------------
// what we serve
// ---------------------------------------------------------------------------------------------------------------------

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

class Ours extends Handlers.Service<Ours>()("test/Ours", {
  echo: { args: [Schema.Unknown], success: Schema.Unknown },
  /** Gives a value back that arrived as the one of that name; else it says what arrived. */
  value: { args: [Schema.String, Schema.Unknown], success: Schema.Unknown },
  row: { args: [Schema.String, Row], success: Row },
  greet: { args: [Schema.String, Schema.optionalKey(Schema.String)], success: Schema.String },
  zeros: { args: [Schema.Int], success: Schema.Uint8Array },
  length: { args: [Schema.Uint8Array], success: Schema.Int },
  fails: { error: Refused },
  dies: {},
  throws: {},
  hold: { success: Schema.String },
  /** Lets the held answers go, and returns how many there were. */
  release: { success: Schema.Int },
  /** Has its caller greet it before it answers. */
  ask: { args: [Schema.String], success: Schema.String }
}) {}

const OursLive = Ours.toLayer(Effect.gen(function*() {
  const theirs = yield* Protocol.client(Theirs)
  const held: Array<Deferred.Deferred<string>> = []
  return {
    echo: Effect.succeed,
    value: (name, value) =>
      Effect.succeed(
        isDeepStrictEqual(value, values.get(name) ?? lossy.get(name) ?? null) ? value : `arrived as ${inspect(value)}`
      ),
    row: (_name, arrived) => isDeepStrictEqual(arrived, row) ? Effect.succeed(arrived) : Effect.die(arrived),
    greet: Effect.fnUntraced(function*(name: string, greeting = "Hello") {
      const sender = yield* Handlers.Sender
      return `${greeting} ${name} you live at ${NetAddress.formatInet(sender)}`
    }),
    zeros: (length) => Effect.succeed(new Uint8Array(length)),
    length: (bytes) => Effect.succeed(bytes.length),
    fails: () => Effect.fail(new Refused()),
    dies: () => Effect.die("a defect"),
    throws: () => {
      throw new Error("a defect")
    },
    hold: () => {
      const deferred = Deferred.makeUnsafe<string>()
      held.push(deferred)
      return Deferred.await(deferred)
    },
    release: () =>
      Effect.sync(() => {
        const count = held.length
        for (const deferred of held.splice(0)) Deferred.doneUnsafe(deferred, Effect.succeed("late"))
        return count
      }),
    ask: (name) => Effect.flatMap(Handlers.Sender, (sender) => Effect.orDie(theirs(sender).greet(name)))
  }
}))

// One node for all tests: whatever happened before, it must still call and serve.
const node = Layer.merge(Protocol.serve(Ours), Protocol.serveReflection()).pipe(
  Layer.provide(OursLive),
  Layer.provideMerge(Protocol.layer({ timeout: "2 seconds" })),
  Layer.provide(Transport.layer({ address: "127.0.0.1" })),
  // Handlers that die are logged as errors, and here they die on purpose.
  Layer.provide(Logger.layer([]))
)

const executable = await Effect.runPromise(Python.find)

const network = Layer.merge(node, Python.layer(Option.getOrElse(executable, () => "python3")))

/** Python as our node sees it: how to call it, and how to have it call us. */
const peer = Effect.gen(function*() {
  const python = yield* Python
  const protocol = yield* Protocol.Protocol
  return {
    address: python.address,
    ours: protocol.address,
    call: (method: string, ...args: ReadonlyArray<unknown>) => protocol.call(python.address, method, args),
    theirs: (yield* Protocol.client(Theirs))(python.address),
    command: <Name extends keyof Commands>(name: Name, parameters: Commands[Name]) =>
      python.command(name, protocol.address, parameters)
  }
})

type PythonPeer = Effect.Success<typeof peer>

/** The same is expected of each kind of value; its name stands beside both sides, to be seen where they differ. */
const forEachValue = Effect.fnUntraced(function*<E>(
  actual: (peer: PythonPeer, name: string, value: unknown) => Effect.Effect<unknown, E>,
  expected: (value: unknown) => unknown
) {
  const python = yield* peer
  for (const [name, value] of values) {
    deepStrictEqual([name, yield* actual(python, name, value)], [name, expected(value)])
  }
})

/** Neither has taken harm: each answers the other's next call. */
const bothAnswer = Effect.gen(function*() {
  const { call, command } = yield* peer
  strictEqual(yield* call("echo", "still here"), "still here")
  deepStrictEqual(yield* command("call", { method: "echo", args: ["still here"] }), { answer: "still here" })
})

// In bytes. A body is an array of two, a method's name, an array of one, and bytes behind a head of 3; or these alone.
const limit = 8192
const requestRoom = (method: string) => limit - (1 + (1 + method.length) + 1 + 3)
const responseRoom = limit - 3

// In seconds: long enough for what comes, short enough for a test.
const patience = 0.3

const calls = 500
const inFlight = 64

Needs.suite("Python", Option.isSome(executable), Needs.uMsgpack)(() => {
  // The real clock: these are real sockets, and Python's clock is its own.
  layer(network, { excludeTestServices: true })((it) => {
    describe("values", () => {
      it.effect("are of the same kinds on both sides of these tests", () =>
        Effect.gen(function*() {
          const { call } = yield* peer
          deepStrictEqual(yield* call("kinds"), [...values.keys()])
        }))

      it.effect("of every kind arrive in Python equal", () =>
        forEachValue(({ call }, name, value) => call("receive", name, value), () => true))

      it.effect("of every kind come back from Python equal", () =>
        forEachValue(({ call }, _name, value) => call("echo", value), (value) => value))

      it.effect("of every kind that Python answers arrive equal", () =>
        forEachValue(({ call }, name) => call("give", name), (value) => value))

      it.effect("of every kind that Python calls with arrive equal, and come back to it equal", () =>
        forEachValue(({ command }, name) => command("send", { method: "value", name }), () => true))

      it.effect("of a schema arrive in Python as its own, and come back equal", () =>
        Effect.gen(function*() {
          const { theirs } = yield* peer
          strictEqual(yield* theirs.receive("row", row), true)
          deepStrictEqual(yield* theirs.echo(row), row)
        }))

      it.effect("of a schema that Python calls with arrive equal, and come back to it equal", () =>
        Effect.gen(function*() {
          const { command } = yield* peer
          strictEqual(yield* command("send", { method: "row", name: "row" }), true)
        }))

      it.effect("that JavaScript cannot tell apart arrive in Python as one: a whole float is an int", () =>
        Effect.gen(function*() {
          const { call } = yield* peer
          strictEqual(yield* call("describe", 2.0), "int 2")
          strictEqual(yield* call("describe", -0.0), "int 0")
          strictEqual(yield* call("describe", undefined), "NoneType None")
          // Past 2**53 a number need not be exact. Whoever means an integer there has bigint.
          strictEqual(yield* call("describe", 2 ** 60), "float 1.152921504606847e+18")
          strictEqual(yield* call("describe", 2n ** 60n), "int 1152921504606846976")
        }))

      it.effect("that JavaScript cannot tell apart come back to Python as one: a whole float is an int", () =>
        Effect.gen(function*() {
          const { command } = yield* peer
          deepStrictEqual(yield* command("send", { method: "value", name: "2.0" }), { sent: "2.0", got: "2" })
          deepStrictEqual(yield* command("send", { method: "value", name: "-0.0" }), { sent: "-0.0", got: "0" })
        }))
    })

    describe("a call to Python", () => {
      it.effect("is greeted by the address that it came from", () =>
        Effect.gen(function*() {
          const { call, ours, theirs } = yield* peer
          const greeted = `Ada you live at ${NetAddress.formatInet(ours)}`
          strictEqual(yield* call("greet", "Ada"), `Hello ${greeted}`)
          strictEqual(yield* theirs.greet("Ada"), `Hello ${greeted}`)
          strictEqual(yield* theirs.greet("Ada", "Bye"), `Bye ${greeted}`)
        }))

      it.effect("gets its own answer, among 500 with 64 in flight", () =>
        Effect.gen(function*() {
          const { call } = yield* peer
          const sent = Array.from({ length: calls }, (_, i) => [i, String(i)])
          const answers = yield* Effect.forEach(sent, (value) => call("echo", value), { concurrency: inFlight })
          deepStrictEqual(answers, sent)
        }))

      it.effect.each([
        { to: "a method that never answers", method: "silent" },
        { to: "a method that raises", method: "broken" },
        { to: "a method that Python does not have", method: "nowhere" }
      ])("ends with NoResponse: $to", ({ method }) =>
        Effect.gen(function*() {
          const { address, call } = yield* peer
          const error = yield* Effect.flip(Protocol.withTimeout(call(method), "100 millis"))
          assertTrue(error._tag === "NoResponse")
          deepStrictEqual([error.method, error.peer], [method, address])
          yield* bothAnswer
        }))

      it.effect("that is typed, and unanswered, ends with NoResponse", () =>
        Effect.gen(function*() {
          const { theirs } = yield* peer
          const error = yield* Effect.flip(Protocol.withTimeout(theirs.silent(), "100 millis"))
          strictEqual(error._tag, "NoResponse")
        }))

      it.effect("is not given an answer that comes after its deadline, nor is another", () =>
        Effect.gen(function*() {
          const { call } = yield* peer
          const error = yield* Effect.flip(Protocol.withTimeout(call("hold"), "100 millis"))
          strictEqual(error._tag, "NoResponse")
          strictEqual(yield* call("release"), 1)
          yield* bothAnswer
        }))

      it.effect("is answered though a deadline and a trace stand behind its request", () =>
        Effect.gen(function*() {
          const { address } = yield* peer
          const socket = yield* raw(Transport.layer({ address: "127.0.0.1" }))
          const traceparent = Uint8Array.from({ length: 25 }, (_, i) => i)
          for (
            const [i, trailer] of [{ millisLeft: 1500 }, { traceparent }, { millisLeft: 7, traceparent }].entries()
          ) {
            const id = new Uint8Array(Codec.idBytes).fill(i)
            const request = Result.getOrThrow(Codec.encodeRequest(id, "echo", ["behind"], trailer))
            socket.send(address, request)
            deepStrictEqual(
              Result.getOrThrow(Codec.decode((yield* socket.receive).datagram)),
              { _tag: "Response", id: Codec.idOf(request), value: "behind" }
            )
          }
          yield* bothAnswer
        }))

      it.effect("goes on in Python when it is interrupted, and the cancel does no harm", () =>
        Effect.gen(function*() {
          const { call } = yield* peer
          strictEqual((yield* Effect.flip(Effect.timeout(call("hold"), "100 millis")))._tag, "TimeoutError")
          yield* bothAnswer
          strictEqual(yield* call("release"), 1)
          yield* bothAnswer
        }))

      it.effect("hears nothing from Python of what asks all members of a group", () =>
        Effect.gen(function*() {
          const { address } = yield* peer
          const socket = yield* raw(Transport.layer({ address: "127.0.0.1" }))
          const id = new Uint8Array(Codec.idBytes).fill(9)
          socket.send(address, Result.getOrThrow(Codec.encodeGather(id, "echo", ["anybody"])))
          // What comes next is the answer to this.
          const request = Result.getOrThrow(Codec.encodeRequest(new Uint8Array(Codec.idBytes), "echo", ["you"]))
          socket.send(address, request)
          deepStrictEqual(
            Result.getOrThrow(Codec.decode((yield* socket.receive).datagram)),
            { _tag: "Response", id: Codec.idOf(request), value: "you" }
          )
          yield* bothAnswer
        }))

      it.effect("takes an answer of 8,192 bytes, and ends with Oversize where it is longer", () =>
        Effect.gen(function*() {
          const { call, theirs } = yield* peer
          strictEqual((yield* theirs.zeros(responseRoom)).length, responseRoom)
          for (const size of [limit + 1, 60_000]) {
            const oversize = new Protocol.Oversize({ method: "zeros", size, limit, of: "response" })
            deepStrictEqual(yield* Effect.flip(theirs.zeros(size - 3)), oversize)
            deepStrictEqual(yield* Effect.flip(call("zeros", size - 3)), oversize)
          }
          yield* bothAnswer
        }))

      it.effect("carries 8,192 bytes, and ends with Oversize where it is longer", () =>
        Effect.gen(function*() {
          const { call } = yield* peer
          const room = requestRoom("echo")
          deepStrictEqual(yield* call("echo", new Uint8Array(room)), new Uint8Array(room))
          const error = yield* Effect.flip(call("echo", new Uint8Array(room + 1)))
          deepStrictEqual(error, new Protocol.Oversize({ method: "echo", size: limit + 1, limit, of: "request" }))
        }))

      it.effect("ends with InvalidResponse where the answer does not fit the contract", () =>
        Effect.gen(function*() {
          const { address } = yield* peer
          const mistaken = (yield* Protocol.client(Mistaken))(address)
          const error = yield* Effect.flip(mistaken.greet("Ada"))
          strictEqual(error._tag, "InvalidResponse")
        }))

      it.effect("may be called back on the same socket while it is in flight", () =>
        Effect.gen(function*() {
          const { address, call } = yield* peer
          const greeted = `Ada you live at ${NetAddress.formatInet(address)}`
          strictEqual(yield* call("call_back", "greet", "Ada"), `Hello ${greeted}`)
          // And from there once more: a call back of a call back.
          strictEqual(yield* call("call_back", "ask", "Ada"), yield* call("greet", "Ada"))
        }))
    })

    describe("a call from Python", () => {
      it.effect("is greeted by the address that it came from", () =>
        Effect.gen(function*() {
          const { address, command } = yield* peer
          const greeted = `Ada you live at ${NetAddress.formatInet(address)}`
          deepStrictEqual(yield* command("call", { method: "greet", args: ["Ada"] }), { answer: `Hello ${greeted}` })
          deepStrictEqual(yield* command("call", { method: "greet", args: ["Ada", "Bye"] }), {
            answer: `Bye ${greeted}`
          })
        }))

      it.effect("gets its own answer, among 500 with 64 in flight", () =>
        Effect.gen(function*() {
          const { command } = yield* peer
          deepStrictEqual(yield* command("flood", { method: "echo", calls, in_flight: inFlight }), { right: calls })
        }))

      it.effect("gets its own answer while as many calls go the other way", () =>
        Effect.gen(function*() {
          const { call, command } = yield* peer
          const sent = Array.from({ length: calls }, (_, i) => [i, String(i)])
          const [answers, flood] = yield* Effect.all([
            Effect.forEach(sent, (value) => call("echo", value), { concurrency: inFlight }),
            command("flood", { method: "echo", calls, in_flight: inFlight })
          ], { concurrency: "unbounded" })
          deepStrictEqual(answers, sent)
          deepStrictEqual(flood, { right: calls })
        }))

      it.effect.each([
        { where: "the handler fails with its declared error", method: "fails", args: [] },
        { where: "the handler dies", method: "dies", args: [] },
        { where: "the handler throws", method: "throws", args: [] },
        { where: "there is no such method", method: "nowhere", args: [] },
        { where: "an argument does not fit", method: "greet", args: [1] },
        { where: "an argument is missing", method: "greet", args: [] },
        { where: "there is an argument too many", method: "greet", args: ["Ada", "Hello", "!"] },
        { where: "the answer is over 8,192 bytes", method: "zeros", args: [responseRoom + 1] }
      ])("times out, for Python passes over our failure frame: $where", ({ args, method }) =>
        Effect.gen(function*() {
          const { command } = yield* peer
          deepStrictEqual(yield* command("call", { method, args, timeout: patience }), { ignored: [2] })
          yield* bothAnswer
        }))

      it.effect("times out without a frame where the handler takes its time, and the late answer harms nothing", () =>
        Effect.gen(function*() {
          const { command } = yield* peer
          deepStrictEqual(yield* command("call", { method: "hold", args: [], timeout: patience }), { ignored: [] })
          deepStrictEqual(yield* command("call", { method: "release", args: [] }), { answer: 1 })
          yield* bothAnswer
        }))

      it.effect("carries 8,192 bytes", () =>
        Effect.gen(function*() {
          const { command } = yield* peer
          const length = requestRoom("length")
          deepStrictEqual(yield* command("zeros", { method: "length", length }), { answer: length })
        }))

      it.effect("is told what it may call, in pages", () =>
        Effect.gen(function*() {
          const { command, ours } = yield* peer
          const procedure = Protocol.Reflection.procedures["rpc.reflection.describe"]
          const read = (page: number) =>
            Effect.gen(function*() {
              const told = yield* command("call", { method: "rpc.reflection.describe", args: [page] })
              return (yield* Schema.decodeUnknownEffect(Schema.Struct({ answer: procedure.success }))(told)).answer
            })
          const { pages } = yield* read(0)
          const told = yield* Effect.forEach(Array.from({ length: pages }, (_, page) => page), read)
          // As text: our own reader makes objects without a prototype.
          deepStrictEqual(
            JSON.stringify(told.flatMap(({ methods }) => methods)),
            JSON.stringify(yield* Protocol.describe(ours))
          )
          const greet = told.flatMap(({ methods }) => methods).find(({ method }) => method === "greet")
          deepStrictEqual(greet, {
            group: "test/Ours",
            method: "greet",
            args: { type: "array", prefixItems: [{ type: "string" }, { type: "string" }], minItems: 1, maxItems: 2 },
            success: { type: "string" }
          })
        }))

      it.effect("may be called back by its handler before it is answered", () =>
        Effect.gen(function*() {
          const { command, ours } = yield* peer
          deepStrictEqual(yield* command("call", { method: "ask", args: ["Ada"] }), {
            answer: `Hello Ada you live at ${NetAddress.formatInet(ours)}`
          })
        }))
    })
  })
})
