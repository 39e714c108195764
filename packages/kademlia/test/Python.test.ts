/** Our nodes and Python's in one network, over UDP on loopback. */
import { layer } from "@effect/vitest"
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { Context, Effect, Exit, Layer, Option, Scope } from "effect"
import { Protocol, Transport } from "effect-rpcudp"
import { NetAddress } from "effect/net"
import type { Messages } from "../src/index.ts"
import { Node, Storage } from "../src/index.ts"
import { Python } from "../../../test/python/Python.ts"
import * as Needs from "../../../test/support/needs.ts"
import { PythonNodes } from "./Python.ts"

const executable = await Effect.runPromise(Python.find)

const start = Effect.gen(function*() {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const live = Node.layer().pipe(
    Layer.provide(Storage.layerMemory()),
    Layer.provide(Protocol.layer({ timeout: "1 second", gracePeriod: 0 })),
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
        const ours = yield* start
        strictEqual(yield* ours.node.bootstrap([NetAddress.inetAddressFromStringUnsafe(addresses[3]!)]), 1)
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
        const late = yield* start
        yield* late.node.bootstrap([NetAddress.inetAddressFromStringUnsafe(addresses[7]!)])
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
          const member = yield* start
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
        const late = yield* start
        yield* late.node.bootstrap([members[3]!.node.address])
        deepStrictEqual(yield* late.node.get("python"), Option.some("Monty"))
        deepStrictEqual(yield* late.node.get("missing"), Option.none())
        for (let node = first; node < first + 4; node++) yield* tell({ do: "stop", node })
      }))
  })
})
