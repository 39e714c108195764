/** Our nodes and Python's in one network, over UDP on loopback. */
import { layer } from "@effect/vitest"
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import type { Duration } from "effect"
import { Context, Effect, Exit, Layer, Option, Scope } from "effect"
import { Protocol, Transport } from "effect-rpcudp"
import { NetAddress } from "effect/net"
import type { Messages } from "../src/index.ts"
import { Node, Storage } from "../src/index.ts"
import { Python } from "../../../test/python/Python.ts"
import * as Needs from "../../../test/support/needs.ts"
import { PythonNodes } from "./Python.ts"

const executable = await Effect.runPromise(Python.find)

const start = Effect.fnUntraced(function*(options?: Node.Options, timeout: Duration.Input = "1 second") {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const live = Node.layer(options).pipe(
    Layer.provide(Storage.layerMemory()),
    Layer.provide(Protocol.layer({ timeout, gracePeriod: 0 })),
    Layer.provide(Transport.layer({ address: "127.0.0.1" }))
  )
  const context = yield* Layer.buildWithMemoMap(live, Layer.makeMemoMapUnsafe(), scope)
  return { node: Context.get(context, Node.Node), close: Scope.close(scope, Exit.void) }
})

/** A value here, and what Python calls its type and writes it as. */
const values: ReadonlyArray<readonly [key: string, value: Messages.Value, type: string, json: unknown]> = [
  ["text", "Grüße 世界", "str", "Grüße 世界"],
  ["bytes", Uint8Array.of(0, 127, 255), "bytes", { hex: "007fff" }],
  ["integer", -42, "int", -42],
  ["large integer", 2n ** 62n + 1n, "int", 2n ** 62n + 1n],
  ["float", 0.25, "float", 0.25],
  ["true", true, "bool", true],
  ["false", false, "bool", false],
  ["0", 0, "int", 0],
  ["empty", "", "str", ""]
]

const inet = NetAddress.inetAddressFromStringUnsafe

const plain = (value: Messages.Value | undefined) => value instanceof Uint8Array ? Array.from(value) : value

Needs.suite("Kademlia in Python", Option.isSome(executable), Needs.uMsgpack)(() => {
  const pythons = PythonNodes.layer(Option.getOrElse(executable, () => "python3"))

  /** So many Python nodes; all join by way of `gate`, or of the first. */
  const startPythons = Effect.fnUntraced(function*(count: number, gate?: string) {
    const { tell } = yield* PythonNodes
    const addresses: Array<string> = []
    const first = Number(yield* tell({ do: "count" }))
    for (let i = 0; i < count; i++) {
      addresses.push(String(yield* tell({ do: "start" })))
      const peer = gate ?? addresses[0]
      if (peer !== addresses[i]) strictEqual(yield* tell({ do: "join", node: first + i, peer }), true)
    }
    return { first, addresses, tell }
  })

  layer(pythons, { excludeTestServices: true })((it) => {
    it.effect("ours joins a network of Python's, and each finds what the other set, and left behind", () =>
      Effect.gen(function*() {
        const { addresses, first, tell } = yield* startPythons(8)
        const ours = yield* start()
        strictEqual(yield* ours.node.bootstrap([inet(addresses[3]!)]), 1)
        for (const [key, value, type, json] of values) {
          strictEqual(yield* ours.node.set(`ours ${key}`, value), 8)
          const got = yield* tell({ do: "get", node: first + 5, key: `ours ${key}` })
          // JSON numbers over 2^53 are not read exactly here.
          if (typeof value !== "bigint") deepStrictEqual(got, [type, json])
          else strictEqual(Array.isArray(got) && got[0], type)
        }
        for (const [key, value, , json] of values) {
          if (typeof value === "bigint") continue
          strictEqual(Number(yield* tell({ do: "set", node: first + 1, key: `theirs ${key}`, value: json })) >= 8, true)
          deepStrictEqual(plain(Option.getOrUndefined(yield* ours.node.get(`theirs ${key}`))), plain(value))
        }
        const late = yield* start()
        yield* late.node.bootstrap([inet(addresses[7]!)])
        yield* ours.close
        yield* tell({ do: "stop", node: first + 1 })
        deepStrictEqual(yield* late.node.get("ours text"), Option.some("Grüße 世界"))
        deepStrictEqual(yield* late.node.get("theirs text"), Option.some("Grüße 世界"))
        deepStrictEqual(yield* late.node.get("missing"), Option.none())
        for (let node = first; node < first + 8; node++) yield* tell({ do: "stop", node })
      }))

    it.effect("Python's join a network of ours, and lookups pass those that die", () =>
      Effect.gen(function*() {
        const members = []
        for (let i = 0; i < 8; i++) {
          const member = yield* start()
          if (i > 0) yield* member.node.bootstrap([members[0]!.node.address])
          members.push(member)
        }
        const gate = NetAddress.formatInet(members[2]!.node.address)
        const { first, tell } = yield* startPythons(4, gate)
        strictEqual(Number(yield* tell({ do: "set", node: first, key: "python", value: "Monty" })) >= 8, true)
        yield* tell({ do: "stop", node: first })
        strictEqual((yield* members[5]!.node.set("ours", 0.5)) >= 8, true)
        yield* members[5]!.close
        deepStrictEqual(yield* tell({ do: "get", node: first + 1, key: "ours" }), ["float", 0.5])
        deepStrictEqual(yield* members[7]!.node.get("python"), Option.some("Monty"))
        // Two more die: one of each kind.
        yield* tell({ do: "stop", node: first + 1 })
        yield* members[0]!.close
        deepStrictEqual(yield* tell({ do: "get", node: first + 2, key: "ours" }), ["float", 0.5])
        const late = yield* start()
        yield* late.node.bootstrap([members[3]!.node.address])
        deepStrictEqual(yield* late.node.get("python"), Option.some("Monty"))
        deepStrictEqual(yield* late.node.get("missing"), Option.none())
        for (let node = first; node < first + 4; node++) yield* tell({ do: "stop", node })
      }))

    it.effect(
      "no key of twenty and twenty nodes is lost in two hours in which all of them die, and others come",
      () =>
        Effect.gen(function*() {
          // Of these nodes, in milliseconds.
          const [minute, timeout] = [150, 300]
          const intervals = {
            every: minute,
            questionAfter: 15 * minute,
            refreshAfter: 60 * minute,
            republishAfter: 20 * minute,
            publishAfter: 60 * minute,
            expireAfter: 90 * minute
          }
          const { tell } = yield* PythonNodes
          const ours: Array<Effect.Success<ReturnType<typeof start>>> = []
          const pythons: Array<{ readonly node: number; readonly address: string }> = []
          const oursComes = Effect.gen(function*() {
            const gates = [
              ...ours.slice(-1).map(({ node }) => node.address),
              ...pythons.slice(-2).map(({ address }) => inet(address))
            ]
            const member = yield* start(intervals, timeout)
            yield* member.node.bootstrap(gates)
            ours.push(member)
          })
          const pythonComes = Effect.gen(function*() {
            const peer = NetAddress.formatInet(ours.at(-1)!.node.address)
            const node = Number(yield* tell({ do: "count" }))
            const options = { minute: minute / 1000, timeout: timeout / 1000 }
            const address = String(yield* tell({ do: "start", options }))
            strictEqual(yield* tell({ do: "join", node, peer }), true)
            pythons.push({ node, address })
          })
          const oldestDie = Effect.gen(function*() {
            yield* ours.shift()!.close
            yield* tell({ do: "stop", node: pythons.shift()!.node })
          })
          const three = Array.from({ length: 3 })
          for (let i = 0; i < 20; i++) yield* Effect.andThen(oursComes, pythonComes)

          const keys = Array.from({ length: 10 }, (_, i) => [`ours ${i}`, `theirs ${i}`] as const)
          for (const [i, [our, their]] of keys.entries()) {
            strictEqual((yield* ours[i]!.node.set(our, i)) >= 10, true)
            strictEqual(Number(yield* tell({ do: "set", node: pythons[i]!.node, key: their, value: i })) >= 10, true)
          }
          // Of each kind three in a quarter of an hour.
          for (let i = 0; i < 8; i++) {
            for (const _ of three) yield* oldestDie
            yield* Effect.all([
              Effect.forEach(three, () => oursComes, { concurrency: "unbounded" }),
              Effect.forEach(three, () => pythonComes),
              Effect.sleep(15 * minute)
            ], { concurrency: "unbounded" })
          }

          const found = Effect.gen(function*() {
            const all = []
            for (const key of keys.flat()) all.push(Option.getOrUndefined(yield* ours.at(-1)!.node.get(key)))
            return all
          })
          const expected = keys.flatMap((_, i) => [i, i])
          deepStrictEqual(yield* found, expected)
          const { node } = pythons.at(-1)!
          for (const [i, [our, their]] of keys.entries()) {
            deepStrictEqual(yield* tell({ do: "get", node, key: our }), ["int", i])
            deepStrictEqual(yield* tell({ do: "get", node, key: their }), ["int", i])
          }
          for (const { node } of pythons) yield* tell({ do: "stop", node })
          // Ours have kept all of them, too.
          deepStrictEqual(yield* found, expected)
        }),
      110_000
    )
  })
})
