/** `rpcudp decode`, as a process. */
import { NodeServices } from "@effect/platform-node"
import { describe, expect, layer } from "@effect/vitest"
import { Effect, FileSystem, Result } from "effect"
import { Codec } from "../../../src/index.ts"
import { vectors } from "../../../test/vectors/index.ts"
import { exitCodes } from "../src/Failure.ts"
import { toHex } from "../src/value.ts"
import { rpcudp } from "./rpcudp.ts"

const id = Uint8Array.from({ length: Codec.idBytes }, (_, i) => i)
const ids = toHex(id)

const hex = (datagram: Result.Result<Uint8Array, unknown>): string => toHex(Result.getOrThrow(datagram))

const lines = (stdout: string): ReadonlyArray<unknown> =>
  stdout.trimEnd().split("\n").map((line): unknown => JSON.parse(line))

const frames: ReadonlyArray<readonly [hex: string, says: object]> = [
  [hex(Codec.encodeRequest(id, "echo", [Uint8Array.of(1)])), {
    type: "Request",
    id: ids,
    method: "echo",
    args: [{ $bytes: "01" }]
  }],
  [hex(Codec.encodeRequest(id, "echo", [], { millisLeft: 7, traceparent: new Uint8Array(25) })), {
    type: "Request",
    id: ids,
    method: "echo",
    args: [],
    trailer: { millisLeft: 7, traceparent: { $bytes: "00".repeat(25) } }
  }],
  [hex(Codec.encodeResponse(id, { a: 2n ** 64n - 1n })), {
    type: "Response",
    id: ids,
    value: { a: { $bigint: "18446744073709551615" } }
  }],
  [hex(Codec.encodeFailure(id, { kind: "Oversize", detail: 9000 }, 40)), {
    type: "Failure",
    id: ids,
    kind: "Oversize",
    detail: 9000
  }],
  [toHex(Codec.encodeChallenge(id, id)), { type: "Challenge", id: ids, token: { $bytes: ids } }],
  [toHex(Codec.encodeProof(id)), { type: "Proof", id: ids }],
  [toHex(Codec.encodeCancel(id)), { type: "Cancel", id: ids }],
  [hex(Codec.encodeGather(id, "find", [1])), { type: "Gather", id: ids, method: "find", args: [1] }],
  [`1007${"aa".repeat(12)}00000000002a0190f8b5c000${"00".repeat(38)}`, {
    type: "Sealed",
    key: 7,
    session: "aa".repeat(12),
    counter: 42,
    time: { $date: new Date(0x0190f8b5c000).toISOString() },
    bytes: 64
  }]
]

describe("rpcudp decode", () => {
  layer(NodeServices.layer, { excludeTestServices: true })((it) => {
    it.effect("says what each frame says, a line each", () =>
      Effect.gen(function*() {
        const { exitCode, stderr, stdout } = yield* rpcudp(["decode", ...frames.map(([hex]) => hex)])
        expect([exitCode, stderr]).toEqual([0, ""])
        expect(lines(stdout)).toEqual(frames.map(([, says]) => says))
      }))

    it.effect("reads stdin, digits apart or not, and what Python sent", () =>
      Effect.gen(function*() {
        const requests = vectors.requests.map(({ hex }) => toHex(hex))
        const apart = requests.map((hex, i) => i % 2 === 0 ? hex : hex.replace(/../g, "$&:").replace(/:$/, " "))
        const { exitCode, stdout } = yield* rpcudp(["decode"], { stdin: `${apart.join("\n\n")}\n` })
        expect(exitCode).toBe(0)
        expect(lines(stdout)).toMatchObject(vectors.requests.map(({ method }) => ({ type: "Request", method })))
      }))

    it.effect("says why a datagram is none, and fails once all are told", () =>
      Effect.gen(function*() {
        const whole = frames[0]![0]
        const { exitCode, stderr, stdout } = yield* rpcudp(["decode", "00", `${whole}c0`, `09${whole.slice(2)}`, whole])
        expect(lines(stdout)).toMatchObject([
          { malformed: "TooShort", bytes: 1, type: 0 },
          { malformed: "TrailingBytes", type: 0 },
          { malformed: "UnknownType", type: 9 },
          { type: "Request" }
        ])
        expect([exitCode, stderr]).toEqual([exitCodes.Malformed, "rpcudp: Malformed: 3 datagrams are malformed\n"])
      }))

    it.effect("refuses what is no datagram's text, and a capture that is none", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const file = yield* fs.makeTempFileScoped()
        yield* fs.writeFileString(file, "no capture")
        const [odd, gone] = yield* Effect.all([
          rpcudp(["decode", "0g"]),
          rpcudp(["decode", "--pcap", file])
        ], { concurrency: "unbounded" })
        expect(odd).toEqual({ exitCode: exitCodes.Usage, stdout: "", stderr: "rpcudp: Usage: 0g is not hexadecimal\n" })
        expect(gone.exitCode).toBe(exitCodes.Usage)
        expect(gone.stderr).toMatch(/^rpcudp: Usage: .*tshark.*\n$/)
      }))
  })
})
