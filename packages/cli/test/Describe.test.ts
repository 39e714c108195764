/** `rpcudp describe`, a process, of servers that are processes. */
import { NodeServices } from "@effect/platform-node"
import { describe, expect, layer } from "@effect/vitest"
import { Effect } from "effect"
import { exitCodes } from "../src/Failure.ts"
import { module, rpcudp, serve } from "./rpcudp.ts"

const greeter = module("Greeter.ts")

describe("rpcudp describe", () => {
  layer(NodeServices.layer, { excludeTestServices: true })((it) => {
    it.effect("prints a line for each method, below the group that it is of", () =>
      Effect.gen(function*() {
        const address = yield* serve(greeter, "--reflection")
        const described = yield* rpcudp(["describe", address])
        expect(described).toMatchObject({ exitCode: 0, stderr: "" })
        const [ours = "", reflection] = described.stdout.split(/^(?=rpc\.reflection$)/m)
        expect(ours.trimEnd().split("\n")).toEqual([
          "test/Greeter",
          "  sayhi(string) -> string",
          `  lookup(string) -> bytes, fails with { _tag: "NotFound", key: string }`,
          `  later(date, bigint) -> { _tag: "Some", value: date } | { _tag: "None" }`,
          "  dies() -> null",
          "  hangs() -> null"
        ])
        expect(reflection).toContain(`  rpc.reflection.describe(integer "the number of the page, from 0") -> {`)
      }))

    it.effect("prints a line of JSON for each method, for programs", () =>
      Effect.gen(function*() {
        const address = yield* serve("--reflection")
        const { stdout } = yield* rpcudp(["describe", address, "--json", "--retransmit"])
        const [echo, reflection] = stdout.trimEnd().split("\n").map((line): unknown => JSON.parse(line))
        expect(echo).toEqual({
          group: "rpcudp/Echo",
          method: "echo",
          args: { type: "array", prefixItems: [{}], minItems: 1, maxItems: 1 },
          success: {}
        })
        expect(reflection).toMatchObject({ group: "rpc.reflection", method: "rpc.reflection.describe" })
      }))

    it.effect("says where a node does not say what it serves, and where none answers", () =>
      Effect.gen(function*() {
        const address = yield* serve()
        const [silent, gone] = yield* Effect.all([
          rpcudp(["describe", address]),
          rpcudp(["describe", "127.0.0.1:9", "--timeout", "100ms"])
        ], { concurrency: "unbounded" })
        expect(silent).toEqual({
          exitCode: exitCodes.Rejected,
          stdout: "",
          stderr: `rpcudp: Rejected: ${address} does not say what it serves\n`
        })
        expect(gone).toMatchObject({ exitCode: exitCodes.NoResponse, stdout: "" })
      }))
  })
})
