/** `rpcudp gather`, and `rpcudp serve` as a member of a group: each a process, over multicast on loopback. */
import { NodeServices } from "@effect/platform-node"
import { expect, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Transport } from "../../../src/index.ts"
import { groups, ipv4 } from "../../../test/support/multicast.ts"
import { multicast, suite } from "../../../test/support/needs.ts"
import { raw } from "../../../test/support/nodes.ts"
import { exitCodes } from "../src/Failure.ts"
import { module, rpcudp, serve } from "./rpcudp.ts"

const on = ["--interface", "127.0.0.1"]

/** A group whose port nobody else on this machine is given meanwhile. */
const freeGroup = Effect.map(
  raw(Transport.layer({ address: "127.0.0.1" })),
  ({ address }) => `${groups.ipv4}:${address.port}`
)

suite("rpcudp gather", ipv4 !== undefined, multicast)(() => {
  layer(NodeServices.layer, { excludeTestServices: true })((it) => {
    it.effect("prints a line for each member that has answered, and how many did", () =>
      Effect.gen(function*() {
        const group = yield* freeGroup
        const members = [yield* serve("--group", group, ...on), yield* serve("--group", group, ...on)]
        const gathered = yield* rpcudp(["gather", group, "echo", `{"$bytes": "00ff"}`, "--timeout", "1s", ...on])
        expect(gathered.exitCode).toBe(0)
        expect(gathered.stdout.trimEnd().split("\n").toSorted()).toStrictEqual(
          members.map((sender) => `{"sender":"${sender}","value":{"$bytes":"00ff"}}`).toSorted()
        )
        expect(gathered.stderr).toMatch(/^2 answered within 1\d{3}\.\d ms\n$/)
      }))

    it.effect("by a contract takes arguments and gives results that fit", () =>
      Effect.gen(function*() {
        const group = yield* freeGroup
        const greeter = module("Greeter.ts")
        const address = yield* serve(greeter, "--group", group, ...on)
        const contract = ["--contract", `${greeter}#Greeter`, "--timeout", "1s", ...on]
        expect(yield* rpcudp(["gather", group, "sayhi", "Ada", ...contract])).toMatchObject({
          exitCode: 0,
          stdout: `{"sender":"${address}","value":"Hello Ada"}\n`
        })
        const misfit = yield* rpcudp(["gather", group, "sayhi", "3", ...contract])
        expect(misfit).toMatchObject({ exitCode: exitCodes.Usage, stdout: "" })
        expect(misfit.stderr).toContain("the arguments of \"sayhi\" do not fit")
      }))

    it.effect("says that nobody has answered, where nobody has", () =>
      Effect.gen(function*() {
        const group = yield* freeGroup
        yield* serve("--group", group, ...on)
        const nobody = yield* rpcudp(["gather", group, "nope", "--timeout", "300ms", ...on])
        expect(nobody).toMatchObject({ exitCode: exitCodes.NoResponse, stdout: "" })
        expect(nobody.stderr).toContain(`rpcudp: NoResponse: nobody at ${group} has answered\n`)
      }))
  })
})
