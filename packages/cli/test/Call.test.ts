/** `rpcudp call` and `rpcudp serve`, each a process, over UDP on loopback. */
import { NodeServices } from "@effect/platform-node"
import { describe, expect, layer } from "@effect/vitest"
import { Context, Effect, FileSystem, Layer, Option, Result } from "effect"
import { AddressResolver, Dns, NetAddress } from "effect/net"
import { fileURLToPath } from "node:url"
import { Transport } from "../../../src/index.ts"
import { respond } from "../../../test/support/nodes.ts"
import { Python } from "../../../test/python/Python.ts"
import * as Needs from "../../../test/support/needs.ts"
import { exitCodes } from "../src/Failure.ts"
import { resolve } from "../src/node.ts"
import { hasTerminal, module, onTerminal, rpcudp, serve } from "./rpcudp.ts"

const greeter = module("Greeter.ts")
/** A peer that answers what it likes. */
const peer = Effect.map(
  Layer.build(Transport.layer({ address: "127.0.0.1" })),
  (context) => Context.get(context, Transport.Transport)
)

const contract = ["--contract", `${greeter}#Greeter`]

/** What went wrong is one line, of this kind. */
const expectFailure = (
  ended: Effect.Success<ReturnType<typeof rpcudp>>,
  kind: keyof typeof exitCodes,
  message: string
) => {
  expect(ended).toMatchObject({ exitCode: exitCodes[kind], stdout: "" })
  // What a call took may stand above it.
  const lines = ended.stderr.trimEnd().split("\n").filter((line) => !/ B sent, \d+ B received$/.test(line))
  expect(lines).toEqual([expect.stringMatching(/^rpcudp: /)])
  expect(lines[0]).toContain(message)
}

describe("rpcudp call", () => {
  layer(NodeServices.layer, { excludeTestServices: true })((it) => {
    it.effect("prints the value alone on stdout, and on stderr the address, time, tries and bytes", () =>
      Effect.gen(function*() {
        const address = yield* serve()
        const called = yield* rpcudp(["call", address, "echo", `[1, {"$bytes": "00ff"}, 18446744073709551615]`])
        expect(called).toMatchObject({
          exitCode: 0,
          stdout: `[1,{"$bytes":"00ff"},{"$bigint":"18446744073709551615"}]\n`
        })
        // The type and id; then array, text "echo", array, array, 1, bytes, unsigned 64: 1 + 5 + 1 + (1 + 1 + 4 + 9).
        expect(called.stderr).toMatch(/^127\.0\.0\.1:\d+, \d+\.\d+ ms, 1 try, 43 B sent, 36 B received\n$/)
        expect(called.stderr).toContain(address)
      }))

    it.effect("prints one line of JSON for programs, of a value or an error", () =>
      Effect.gen(function*() {
        const address = yield* serve()
        const [value, error] = yield* Effect.all([
          rpcudp(["call", address, "echo", "Ada", "--json"]),
          rpcudp(["call", address, "nope", "--json"])
        ], { concurrency: "unbounded" })
        expect(JSON.parse(value.stdout)).toMatchObject({ value: "Ada", peer: address, tries: 1, bytesSent: 32 })
        expect(value.stderr).toBe("")
        expect(JSON.parse(error.stdout)).toMatchObject({ error: { kind: "Rejected", detail: null }, tries: 1 })
        expect(error.exitCode).toBe(exitCodes.Rejected)
      }))

    it.effect("with a contract takes arguments and gives results that fit", () =>
      Effect.gen(function*() {
        const address = yield* serve(greeter)
        const [sayhi, lookup, later] = yield* Effect.all([
          rpcudp(["call", address, "sayhi", "Ada", ...contract]),
          rpcudp(["call", address, "lookup", "k", ...contract]),
          rpcudp(["call", address, "later", `{"$date": "2026-11-26T12:00:00Z"}`, "1", ...contract])
        ], { concurrency: "unbounded" })
        expect(sayhi).toMatchObject({ exitCode: 0, stdout: "\"Hello Ada\"\n" })
        expect(lookup).toMatchObject({ exitCode: 0, stdout: `{"$bytes":"00ff"}\n` })
        expect(later).toMatchObject({
          exitCode: 0,
          stdout: `{"_tag":"Some","value":{"$date":"2026-11-26T12:00:00.001Z"}}\n`
        })
      }))

    it.effect("fails in one line, with an exit code for each kind of failure", () =>
      Effect.gen(function*() {
        const address = yield* serve(greeter)
        const silent = ["--timeout", "100ms"]
        const cases: ReadonlyArray<
          readonly [kind: keyof typeof exitCodes, message: string, args: ReadonlyArray<string>]
        > = [
          ["Usage", "METHOD", [address]],
          ["Usage", "--timout", [address, "sayhi", "--timout", "1s"]],
          ["Usage", "300ms", [address, "sayhi", "--timeout", "3"]],
          ["Usage", "nowhere is no HOST:PORT", ["nowhere", "sayhi"]],
          ["Usage", "{a is no JSON", [address, "sayhi", "{a"]],
          ["Usage", "64 bits", [address, "sayhi", "99999999999999999999"]],
          ["Usage", "Expected string", [address, "sayhi", "3", ...contract]],
          ["Usage", `no method "nope", but sayhi, lookup`, [address, "nope", ...contract]],
          ["Usage", "is no contract", [address, "sayhi", "Ada", "--contract", greeter]],
          ["Usage", `exports no "Gone", but`, [address, "sayhi", "Ada", "--contract", `${greeter}#Gone`]],
          ["Usage", "gone.ts", [address, "sayhi", "Ada", "--contract", "gone.ts"]],
          ["Usage", "gone: NotFound", [address, "sayhi", "Ada", "--key", "gone"]],
          ["Usage", "is no key", [address, "sayhi", "Ada", "--key", greeter]],
          ["Unresolved", "nowhere.invalid:1 has no address", ["nowhere.invalid:1", "sayhi"]],
          // Nobody listens at the discard port.
          ["NoResponse", "did not answer \"sayhi\" within 100ms", ["127.0.0.1:9", "sayhi", ...silent]],
          ["NoResponse", "did not answer \"hangs\" within 100ms", [address, "hangs", ...silent]],
          ["Rejected", "has no method \"nope\"", [address, "nope"]],
          ["Rejected", "refused the arguments", [address, "sayhi", "3"]],
          ["Rejected", "died", [address, "dies"]],
          ["Failed", `failed with {"_tag":"NotFound","key":"x"}`, [address, "lookup", "x"]],
          ["Failed", `failed with {"_tag":"NotFound","key":"x"}`, [address, "lookup", "x", ...contract]],
          ["InvalidResponse", "does not fit", [address, "sayhi", "Ada", "--contract", `${greeter}#Mistaken`]],
          ["Oversize", "over the limit of 8192", [address, "sayhi", "x".repeat(8192)]]
        ]
        const outcomes = yield* Effect.forEach(cases, ([, , args]) => rpcudp(["call", ...args]), { concurrency: 4 })
        for (const [i, ended] of outcomes.entries()) expectFailure(ended, cases[i]![0], cases[i]![1])
      }))

    it.effect("has the exit codes that its README has", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const readme = yield* fs.readFileString(fileURLToPath(new URL("../README.md", import.meta.url)))
        const rows = [...readme.matchAll(/^\| (\d+) \| `(\w+)`/gm)].map(([, code, kind]) => [kind, Number(code)])
        expect(Object.fromEntries(rows)).toEqual(exitCodes)
      }))

    it.effect("calls a peer by its name", () =>
      Effect.gen(function*() {
        const address = yield* serve()
        const called = yield* rpcudp(["call", address.replace("127.0.0.1", "localhost"), "echo", "1"])
        expect(called).toMatchObject({ exitCode: 0, stdout: "1\n" })
      }))

    it.effect("calls a name that has addresses of both families at its IPv4 address", () =>
      Effect.gen(function*() {
        const dns = Result.getOrThrow(
          Dns.makeStatic({ hosts: { both: ["2001:db8::1", "192.0.2.1"], six: ["2001:db8::1"] } })
        )
        const resolved = (host: string) =>
          Effect.map(
            Effect.provideService(resolve(host), AddressResolver.AddressResolver, AddressResolver.make(dns)),
            NetAddress.formatInet
          )
        expect(yield* resolved("both:1")).toBe("192.0.2.1:1")
        expect(yield* resolved("six:1")).toBe("[2001:db8::1]:1")
      }))

    it.effect("sends again what was lost, if it is told to, and says how often", () =>
      Effect.gen(function*() {
        const { address, run, send } = yield* peer
        let arrived = 0
        yield* run((datagram, from) => {
          arrived++
          if (arrived === 2) send(respond(datagram, "at last"), from)
        }).pipe(Effect.forkScoped({ startImmediately: true }))
        const call = ["call", NetAddress.formatInet(address), "echo"]
        const again = yield* rpcudp([...call, "--retransmit", "--timeout", "30s"])
        expect(again).toMatchObject({ exitCode: 0, stdout: "\"at last\"\n" })
        expect(again.stderr).toContain(", 2 tries, 56 B sent, 29 B received")
        yield* rpcudp([...call, "--timeout", "100ms"])
        expect(arrived).toBe(3)
      }).pipe(Effect.scoped))

    it.effect("calls a closed network with its key, and nobody without", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const file = yield* fs.makeTempFileScoped()
        yield* fs.writeFileString(file, `7:${Buffer.alloc(32, 1).toString("base64")}\n`)
        const address = yield* serve("--key", file)
        const [within, without] = yield* Effect.all([
          rpcudp(["call", address, "echo", "1", "--key", file]),
          rpcudp(["call", address, "echo", "1", "--timeout", "100ms"])
        ], { concurrency: "unbounded" })
        expect(within).toMatchObject({ exitCode: 0, stdout: "1\n" })
        expectFailure(without, "NoResponse", "did not answer")
      }))

    it.effect("colours what a terminal shows, or who asks for it, and nothing where NO_COLOR is set", () =>
      Effect.gen(function*() {
        const failing = ["call", "nowhere", "x"]
        const [plain, forced, never] = yield* Effect.all([
          rpcudp(failing, { env: { FORCE_COLOR: "" } }),
          rpcudp(failing, { env: { FORCE_COLOR: "1", NO_COLOR: "" } }),
          rpcudp(failing, { env: { FORCE_COLOR: "1", NO_COLOR: "1" } })
        ], { concurrency: "unbounded" })
        expect(plain.stderr).not.toContain("\u001b")
        expect(forced.stderr).toContain("\u001b[31mrpcudp:")
        expect(never.stderr).not.toContain("\u001b")
      }))

    it.effect("shows a terminal nothing that it would obey, whatever a peer says", () =>
      Effect.gen(function*() {
        const address = yield* serve()
        const called = yield* rpcudp(["call", address, "echo", JSON.stringify("\u001b[2J\u009b2J")])
        expect(called.stdout).toBe("\"\\u001b[2J\\u009b2J\"\n")
      }))

    it.effect("completes in each shell, and shows help and version", () =>
      Effect.gen(function*() {
        const [bash, zsh, fish, help, version] = yield* Effect.all([
          rpcudp(["--completions", "bash"]),
          rpcudp(["--completions", "zsh"]),
          rpcudp(["--completions", "fish"]),
          rpcudp(["call", "--help"]),
          rpcudp(["--version"])
        ], { concurrency: "unbounded" })
        for (const { exitCode, stdout } of [bash, zsh, fish, help]) {
          expect(exitCode).toBe(0)
          expect(stdout).toContain("retransmit")
        }
        expect(version.stdout).toMatch(/^rpcudp v\d+\.\d+\.\d+\n$/)
      }))
  })
})

Needs.suite("rpcudp on a terminal", hasTerminal, Needs.script)(() => {
  layer(NodeServices.layer, { excludeTestServices: true })((it) => {
    it.effect("shows a value over several lines, and colours unless NO_COLOR is set", () =>
      Effect.gen(function*() {
        const address = yield* serve()
        const call = ["call", address, "echo", "[1]"]
        const [coloured, plain] = yield* Effect.all([
          onTerminal(call, { env: { NO_COLOR: "", TERM: "xterm" } }),
          onTerminal(call, { env: { NO_COLOR: "1", TERM: "xterm" } })
        ], { concurrency: "unbounded" })
        expect(coloured.stdout).toContain("[\r\n  1\r\n]\r\n\u001b[2m127.0.0.1:")
        expect(plain.stdout).toContain("[\r\n  1\r\n]\r\n127.0.0.1:")
      }))
  })
})

describe("rpcudp serve", () => {
  layer(NodeServices.layer, { excludeTestServices: true })((it) => {
    it.effect("is as late as it is told to be, each way, or never heard", () =>
      Effect.gen(function*() {
        const late = yield* serve("--delay", "30ms..40ms")
        const lost = yield* serve("--loss", "1")
        const { stdout } = yield* rpcudp(["call", late, "echo", "1", "--json"])
        // A timer may be early by a millisecond or two.
        expect(JSON.parse(stdout).ms).toBeGreaterThanOrEqual(55)
        expectFailure(yield* rpcudp(["call", lost, "echo", "1", "--timeout", "100ms"]), "NoResponse", "did not answer")
      }))

    it.effect("says what it cannot serve", () =>
      Effect.gen(function*() {
        const address = yield* serve()
        const [taken, noLayer, twice, loss] = yield* Effect.all([
          rpcudp(["serve", "--port", address.split(":")[1]!]),
          rpcudp(["serve", `${greeter}#notALayer`]),
          rpcudp(["serve", `${greeter}#default`, `${module("Again.ts")}#default`]),
          rpcudp(["serve", "--loss", "2"])
        ], { concurrency: "unbounded" })
        expectFailure(taken, "DatagramSocketError", "EADDRINUSE")
        expectFailure(noLayer, "Usage", "is no layer")
        expectFailure(twice, "Usage", "declare the method \"sayhi\"")
        expectFailure(loss, "Usage", "loss")
      }))
  })
})

const executable = await Effect.runPromise(Python.find)

Needs.suite("rpcudp and Python", Option.isSome(executable), Needs.uMsgpack)(() => {
  const python = Python.layer(Option.getOrElse(executable, () => "python3"))
  layer(Layer.merge(python, NodeServices.layer), { excludeTestServices: true })((it) => {
    it.effect("call, which Python answers, in its own types", () =>
      Effect.gen(function*() {
        const { address } = yield* Python
        const peer = NetAddress.formatInet(address)
        const described = (value: string) =>
          Effect.map(rpcudp(["call", peer, "describe", value]), ({ stdout }): unknown => JSON.parse(stdout))
        expect(yield* described(`{"$bytes": "00ff"}`)).toBe("bytes b'\\x00\\xff'")
        expect(yield* described("18446744073709551615")).toBe("int 18446744073709551615")
        expect(yield* described(`{"$date": "2026-11-26T12:00:00Z"}`)).toContain(
          "datetime datetime.datetime(2026, 11, 26, 12"
        )
        expect(yield* described(`{"$map": [[1, "one"]]}`)).toBe("dict {1: 'one'}")
        expect(yield* described("Ada")).toBe("str 'Ada'")
        expectFailure(yield* rpcudp(["call", peer, "silent", "--timeout", "100ms"]), "NoResponse", "silent")
      }))

    it.effect("serve, which Python calls", () =>
      Effect.gen(function*() {
        const { command } = yield* Python
        const address = NetAddress.inetAddressFromStringUnsafe(yield* serve(greeter))
        expect(yield* command("call", address, { method: "sayhi", args: ["Ada"] })).toEqual({ answer: "Hello Ada" })
      }))
  })
})
