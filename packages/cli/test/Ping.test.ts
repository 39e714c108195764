/** `rpcudp ping` and `rpcudp load`, each a process, over UDP on loopback. */
import { NodeServices } from "@effect/platform-node"
import { describe, expect, it, layer } from "@effect/vitest"
import { Context, Duration, Effect, FileSystem, Layer, Option } from "effect"
import { NetAddress } from "effect/net"
import { Transport } from "../../../src/index.ts"
import { Python } from "../../../test/python/Python.ts"
import * as Needs from "../../../test/support/needs.ts"
import { respond } from "../../../test/support/nodes.ts"
import { exitCodes } from "../src/Failure.ts"
import { RoundTrips } from "../src/roundTrips.ts"
import { brokenPipe } from "../src/output.ts"
import { cutShort, hasTerminal, module, onTerminal, rpcudp, serve, start } from "./rpcudp.ts"

const often = ["--interval", "1ms"]

describe("rpcudp ping", () => {
  layer(NodeServices.layer, { excludeTestServices: true })((it) => {
    it.effect("takes any answer for a sign of life, and says how long they took", () =>
      Effect.gen(function*() {
        const address = yield* serve(module("Greeter.ts"))
        const outcomes = yield* Effect.all([
          rpcudp(["ping", address, ...often]),
          rpcudp(["ping", address, "sayhi", "Ada", ...often]),
          rpcudp(["ping", address, "lookup", "x", "--count", "2", ...often])
        ], { concurrency: "unbounded" })
        const signs = ["has no method \"ping\"", "it answered", "failed with"]
        for (const [i, { exitCode, stderr, stdout }] of outcomes.entries()) {
          const lines = stdout.trimEnd().split("\n")
          const count = i === 2 ? 2 : 4
          expect([exitCode, stderr, lines.length]).toEqual([0, "", count + 1])
          expect(lines[0]).toContain(signs[i])
          expect(lines[0]).toMatch(/^127\.0\.0\.1:\d+: \d+\.\d+ ms, /)
          expect(lines[count]).toMatch(
            new RegExp(`^${count} sent, ${count} answered, 0% lost; min .+ ms, avg .+ ms, p99 .+ ms, max .+ ms$`)
          )
        }
      }))

    it.effect("says what is lost, and fails where all is", () =>
      Effect.gen(function*() {
        const address = yield* serve("--loss", "0.5")
        const impatient = ["--timeout", "100ms", ...often]
        const [some, none] = yield* Effect.all([
          // None or all of 40 answered: a chance below 1 in 90,000.
          rpcudp(["ping", address, "echo", "1", "--count", "40", ...impatient]),
          // Nobody listens at the discard port.
          rpcudp(["ping", "127.0.0.1:9", "--count", "2", ...impatient])
        ], { concurrency: "unbounded" })
        expect(some.exitCode).toBe(0)
        expect(some.stdout).toContain(": no answer\n")
        expect(some.stdout).toMatch(/\n40 sent, \d+ answered, [1-9]\d*% lost; /)
        expect(none).toEqual({
          exitCode: exitCodes.NoResponse,
          stdout: "127.0.0.1:9: no answer\n127.0.0.1:9: no answer\n2 sent, 0 answered, 100% lost\n",
          stderr: "rpcudp: NoResponse: 127.0.0.1:9 answered none of 2 calls\n"
        })
      }))
  })
})

describe("rpcudp, stopped", () => {
  layer(NodeServices.layer, { excludeTestServices: true })((it) => {
    it.effect("says what came so far, and so does its exit code", () =>
      Effect.gen(function*() {
        const { next, process } = yield* start(["ping", yield* serve(), "--interval", "1h"])
        expect(yield* next).toContain("has no method \"ping\"")
        yield* process.kill({ killSignal: "SIGINT" })
        expect(yield* next).toMatch(/^1 sent, 1 answered, 0% lost; /)
        expect(yield* process.exitCode).toBe(130)
      }))

    it.effect("is silent where nobody reads what it says", () =>
      Effect.gen(function*() {
        const ended = yield* cutShort(["ping", yield* serve(), "--count", "1000000", ...often])
        expect(ended).toEqual({ exitCode: brokenPipe, stderr: "" })
      }))
  })
})

Needs.suite("rpcudp load on a terminal", hasTerminal, Needs.script)(() => {
  layer(NodeServices.layer, { excludeTestServices: true })((it) => {
    it.effect("shows how it goes each second, also while nobody answers, and removes that in the end", () =>
      Effect.gen(function*() {
        // Nobody listens at the discard port.
        const silent = ["load", "127.0.0.1:9", "echo", "--in-flight", "1", "--duration", "1s", "--timeout", "1500ms"]
        const { exitCode, stdout } = yield* onTerminal(silent)
        expect(exitCode).toBe(exitCodes.NoResponse)
        expect(stdout).toContain("\r\u001b[K0 answered in the last second\r\u001b[K")
      }))
  })
})

describe("rpcudp load", () => {
  layer(NodeServices.layer, { excludeTestServices: true })((it) => {
    it.effect("in parallel or at a rate, counts what was answered, and says how soon", () =>
      Effect.gen(function*() {
        const address = yield* serve()
        const inParallel = yield* rpcudp(["load", address, "echo", "1", "--in-flight", "8", "--duration", "200ms"])
        expect(inParallel).toMatchObject({ exitCode: 0, stderr: "" })
        expect(inParallel.stdout).toMatch(
          /^echo at .+, 8 in flight\n\d+ calls in \d+\.\d s, \d+ answered a second\nmin .+, avg .+, p50 .+, p90 .+, p99 .+, p99\.9 .+, max .+ ms\n$/
        )
        const atRate = yield* rpcudp(["load", address, "echo", "1", "--rate", "100", "--duration", "500ms", "--json"])
        const { calls, failures, ms } = JSON.parse(atRate.stdout)
        expect([calls, failures]).toEqual([50, {}])
        expect(ms.min).toBeLessThanOrEqual(ms.p50)
        expect(ms.p50).toBeLessThanOrEqual(ms.p99)
        expect(ms.p99).toBeLessThanOrEqual(ms.max)
      }))

    it.effect("at a rate, makes each call when it is due, however many wait", () =>
      Effect.gen(function*() {
        const { address, run, send } = Context.get(
          yield* Layer.build(Transport.layer({ address: "127.0.0.1" })),
          Transport.Transport
        )
        // A peer that answers all once the last has come.
        const waiting: Array<() => void> = []
        yield* run((datagram, from) => {
          const answer = respond(datagram, null)
          if (waiting.push(() => send(answer, from)) === 20) waiting.forEach((answer) => answer())
        }).pipe(Effect.forkScoped({ startImmediately: true }))
        const peer = NetAddress.formatInet(address)
        const { stdout } = yield* rpcudp(["load", peer, "x", "--rate", "100", "--duration", "200ms", "--json"])
        const { calls, failures, ms } = JSON.parse(stdout)
        expect([calls, failures]).toEqual([20, {}])
        // The first waits for the last, which is due 190 ms later, and half of them for 90 ms or more. No call is made early.
        expect(ms.max).toBeGreaterThan(189)
        expect(ms.p50).toBeGreaterThan(89)
      }))

    it.effect("counts what failed by its kind, and fails where all did", () =>
      Effect.gen(function*() {
        const address = yield* serve("--loss", "0.5")
        const some = yield* rpcudp([
          "load",
          address,
          "echo",
          "1",
          "--duration",
          "100ms",
          "--timeout",
          "100ms",
          "--json"
        ])
        expect(some.exitCode).toBe(0)
        const { calls, failures, ms } = JSON.parse(some.stdout)
        expect(failures.NoResponse).toBeGreaterThan(0)
        expect(failures.NoResponse).toBeLessThan(calls)
        expect(ms.max).toBeGreaterThan(0)
        const rejected = yield* rpcudp(["load", yield* serve(), "nope", "--in-flight", "2", "--duration", "50ms"])
        expect(rejected.exitCode).toBe(exitCodes.Rejected)
        expect(rejected.stdout).toMatch(/0 answered a second, \d+ Rejected \(100\.00%\)\n$/)
      }))

    it.effect("draws a plot if it is told to", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const file = `${yield* fs.makeTempDirectoryScoped()}/load.svg`
        const address = yield* serve()
        yield* rpcudp(["load", address, "echo", "1", "--duration", "100ms", "--svg", file])
        const svg = yield* fs.readFileString(file)
        expect(svg).toContain(`echo at ${address}, 64 in flight`)
        expect(svg).toMatch(/<path class="line" d="M70\.0 [\d.]+L/)
        expect(svg).not.toMatch(/NaN|Infinity|undefined/)
      }))
  })
})

describe("round trips", () => {
  it("are each within a tenth of a percent, and percentiles are of all of them", () => {
    const times = new RoundTrips()
    for (let ms = 1; ms <= 1000; ms++) times.record(Duration.millis(ms))
    const { avg, max, min, p50, p90, p99, p999 } = times.summary
    for (
      const [actual, expected] of [[min, 1], [avg, 500.5], [p50, 500], [p90, 900], [p99, 990], [p999, 999], [max, 1000]]
    ) {
      expect(Math.abs(actual! / expected! - 1)).toBeLessThan(0.001)
    }
    expect(times.show("min", "p999")).toBe("min 1.00 ms, p99.9 999.3 ms")
  })
})

const executable = await Effect.runPromise(Python.find)

Needs.suite("rpcudp ping and load, and Python", Option.isSome(executable), Needs.uMsgpack)(() => {
  const python = Python.layer(Option.getOrElse(executable, () => "python3"))
  layer(Layer.merge(python, NodeServices.layer), { excludeTestServices: true })((it) => {
    it.effect("hear from a method that Python has", () =>
      Effect.gen(function*() {
        const address = NetAddress.formatInet((yield* Python).address)
        const pinged = yield* rpcudp(["ping", address, "echo", "1", "--count", "2", ...often])
        expect(pinged).toMatchObject({ exitCode: 0, stderr: "" })
        const loaded = yield* rpcudp(["load", address, "echo", "1", "--rate", "100", "--duration", "100ms", "--json"])
        expect(JSON.parse(loaded.stdout)).toMatchObject({ calls: 10, failures: {} })
      }))
  })
})
