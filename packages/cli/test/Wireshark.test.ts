/** The dissector, on real traffic of ours and Python's, on values of every kind, and on frames that are none. */
import { NodeServices } from "@effect/platform-node"
import { describe, expect, it, layer } from "@effect/vitest"
import { Context, Effect, FileSystem, Layer, Option, Redacted, Result, Schedule, Schema } from "effect"
import { NetAddress } from "effect/net"
import { Codec, Handlers, Protocol, Transport } from "../../../src/index.ts"
import { Python } from "../../../test/python/Python.ts"
import { values } from "../../../test/python/values.ts"
import * as Needs from "../../../test/support/needs.ts"
import { stream } from "../../../test/support/stream.ts"
import { vectors } from "../../../test/vectors/index.ts"
import { exitCodes } from "../src/Failure.ts"
import type { Packet } from "./pcap.ts"
import { pcap } from "./pcap.ts"
import { rpcudp } from "./rpcudp.ts"
import * as Tshark from "./tshark.ts"

// ---------------------------------------------------------------------------------------------------------------------
// traffic
// ---------------------------------------------------------------------------------------------------------------------

class Refused extends Schema.TaggedError<Refused>()("Refused", { why: Schema.String }) {}

class Group extends Handlers.Service<Group>()("test/Group", {
  echo: { args: [Schema.Unknown], success: Schema.Unknown },
  refuse: { error: Refused },
  zeros: { args: [Schema.Int], success: Schema.Uint8Array }
}) {}

const GroupLive = Group.toLayer({
  echo: Effect.succeed,
  refuse: () => Effect.fail(new Refused({ why: "because" })),
  zeros: (length) => Effect.succeed(new Uint8Array(length))
})

/** A socket whose traffic is captured. */
const tapped = (packets: Array<Packet>): Layer.Layer<Transport.Transport, never> =>
  Layer.effect(
    Transport.Transport,
    Effect.map(Transport.Transport, (socket) => {
      const capture = (from: NetAddress.InetAddress, to: NetAddress.InetAddress, payload: Uint8Array) =>
        void packets.push({ time: BigInt(Date.now()) * 1_000_000n, from, to, payload: Uint8Array.from(payload) })
      return Transport.Transport.of({
        ...socket,
        send: (datagram, to, onFailure) => {
          capture(socket.address, to.address, datagram)
          socket.send(datagram, to, onFailure)
        },
        run: (onDatagram) =>
          socket.run((datagram, from) => {
            capture(from.address, socket.address, datagram)
            onDatagram(datagram, from)
          })
      })
    })
  ).pipe(Layer.provide(Transport.layer({ address: "127.0.0.1" })), Layer.orDie)

type Tapped = Layer.Layer<Transport.Transport>

/** A node that serves the group, built into the test's scope. */
const node = (transport: Tapped, options: Protocol.Options = {}) =>
  Effect.map(
    Layer.build(
      Protocol.serve(Group).pipe(
        Layer.provide(GroupLive),
        Layer.provideMerge(Protocol.layer({ timeout: "1 second", gracePeriod: 0, ...options })),
        Layer.provide(transport)
      )
    ),
    (context) => Context.get(context, Protocol.Protocol)
  )

/** A peer that hears and says nothing. */
const silent = Effect.map(
  Layer.build(Layer.orDie(Transport.layer({ address: "127.0.0.1" }))),
  (context) => Context.get(context, Transport.Transport).address
)

const links = ["rpcudp.request_in", "rpcudp.response_in", "rpcudp.cancel_in", "rpcudp.first_in", "rpcudp.challenge_in"]

/** Each frame in short: what it is, then what it is linked to, then what Wireshark warns of. */
const inShort = (packets: ReadonlyArray<Packet>, ...options: ReadonlyArray<string>): ReadonlyArray<string> =>
  Tshark.dissect(packets, ["_ws.col.Info", ...links, "_ws.expert.message"], ...options).map((row) => {
    const { "_ws.col.Info": info = [], "_ws.expert.message": experts = [] } = row
    const linked = links.flatMap((link) => (row[link] ?? []).map((frame) => `${link.slice("rpcudp.".length)} ${frame}`))
    // Some of the ports that the system gives are those of traceroute, too.
    return [...info, ...linked, ...experts.filter((message) => !message.startsWith("Possible traceroute"))].join("; ")
  })

// ---------------------------------------------------------------------------------------------------------------------
// packets of the tests' own
// ---------------------------------------------------------------------------------------------------------------------

const here = NetAddress.inetAddressFromStringUnsafe("192.0.2.1:41111")
const there = NetAddress.inetAddressFromStringUnsafe("192.0.2.2:42222")

/** 2026-11-26T12:00:00Z, and as many microseconds. */
const after = (micros: number): bigint => 1_795_694_400_000_000_000n + BigInt(micros) * 1000n

const idOf = (n: number): Uint8Array =>
  Uint8Array.from({ length: Codec.idBytes }, (_, i) => i === 0 ? n >> 8 : n & 0xff)

const out = (micros: number, payload: Uint8Array): Packet => ({ time: after(micros), from: here, to: there, payload })

const back = (micros: number, payload: Uint8Array): Packet => ({ time: after(micros), from: there, to: here, payload })

const request = (n: number, method: string, ...args: ReadonlyArray<unknown>): Uint8Array =>
  Result.getOrThrow(Codec.encodeRequest(idOf(n), method, args))

const response = (n: number, value: unknown): Uint8Array => Result.getOrThrow(Codec.encodeResponse(idOf(n), value))

/** Whatever they look like. */
const taken = ["-d", `udp.port==${there.port},rpcudp`]

const executable = await Effect.runPromise(Python.find)

Needs.suite("Wireshark", Tshark.isThere, Needs.tshark)(() => {
  describe("traffic", () => {
    it.live("of ours is read, and each answer linked with its request", () =>
      Effect.gen(function*() {
        const packets: Array<Packet> = []
        const server = yield* node(tapped(packets))
        const { call } = yield* node(Layer.orDie(Transport.layer({ address: "127.0.0.1" })))
        yield* call(server.address, "echo", ["Ada"])
        yield* Effect.exit(call(server.address, "refuse", []))
        yield* Effect.exit(call(server.address, "nope", []))
        expect(inShort(packets)).toEqual([
          "Request echo [\"Ada\"]; response_in 2",
          "Response \"Ada\"; request_in 1",
          "Request refuse []; response_in 4",
          "Failure [\"Error\", {\"_tag\": \"Refused\", \"why\": \"because\"}]; request_in 3",
          "Request nope []; response_in 6",
          "Failure [\"UnknownMethod\", nil]; request_in 5"
        ])
        const kinds = Tshark.dissect(packets, ["rpcudp.method", "rpcudp.kind"]).map((row) => Object.values(row).flat())
        expect(kinds).toEqual([["echo"], [], ["refuse"], ["Error"], ["nope"], ["UnknownMethod"]])
      }))

    it.live("of ours that asks for a proof is read: the challenge is linked with the request, the proof with it", () =>
      Effect.gen(function*() {
        const packets: Array<Packet> = []
        const server = yield* node(tapped(packets), { limits: { replyBytesPerSecond: 500 } })
        const { call } = yield* node(Layer.orDie(Transport.layer({ address: "127.0.0.1" })))
        yield* call(server.address, "zeros", [4000])
        const rows = inShort(packets)
        expect(rows[0]).toMatch(/^Request zeros \[4000\]; response_in \d$/)
        const challenge = rows.findIndex((row) => row === "Challenge; request_in 1")
        expect(challenge).toBeGreaterThan(0)
        expect(rows).toContain(`Proof; challenge_in ${challenge + 1}`)
        expect(rows).toContain("Response 4000 bytes; request_in 1")
      }))

    it.live("of ours that is sent again is linked with its first time, and with no answer that never came", () =>
      Effect.gen(function*() {
        const packets: Array<Packet> = []
        const { call } = yield* node(tapped(packets))
        yield* Effect.exit(
          call(yield* silent, "echo", [1]).pipe(
            Protocol.withRetransmit(Schedule.recurs(1)),
            Protocol.withTimeout("100 millis")
          )
        )
        expect(inShort(packets)).toEqual([
          "Request echo [1]; Not answered in this capture",
          "Request echo [1]; first_in 1; Sent again; Not answered in this capture"
        ])
      }))

    it.live("of ours that tells how long it waits is read with that", () =>
      Effect.gen(function*() {
        const packets: Array<Packet> = []
        const server = yield* node(tapped(packets))
        const { call } = yield* node(Layer.orDie(Transport.layer({ address: "127.0.0.1" })), { propagate: true })
        yield* call(server.address, "echo", ["Ada"])
        expect(inShort(packets)[0]).toBe("Request echo [\"Ada\"]; response_in 2")
        const [row] = Tshark.dissect(packets, ["rpcudp.millis_left"])
        const millisLeft = Result.getOrThrow(Codec.decodeRequest(packets[0]!.payload)).trailer?.millisLeft
        expect(row).toEqual({ "rpcudp.millis_left": [String(millisLeft)] })
      }))

    it.live("of a closed network is known for what it is, and no more", () =>
      Effect.gen(function*() {
        const packets: Array<Packet> = []
        const keys: Protocol.Keys = { ring: [{ id: 7, secret: Redacted.make(new Uint8Array(32).fill(1)) }] }
        const server = yield* node(tapped(packets), { keys })
        const { call } = yield* node(Layer.orDie(Transport.layer({ address: "127.0.0.1" })), { keys })
        yield* call(server.address, "echo", ["Ada"])
        const fields = ["_ws.col.Info", "rpcudp.key", "rpcudp.session", "rpcudp.sealed_at", "rpcudp.tag"]
        const rows = Tshark.dissect(packets, fields)
        expect(rows).toHaveLength(2)
        for (const [i, row] of rows.entries()) {
          const { length } = packets[i]!.payload
          expect(row["_ws.col.Info"]).toEqual([`Sealed, key 7, ${length} bytes`])
          expect(row["rpcudp.key"]).toEqual(["7"])
          expect(row["rpcudp.session"]).toEqual([Buffer.from(packets[i]!.payload.subarray(2, 14)).toString("hex")])
          const sealedAt = new Date(Buffer.from(packets[i]!.payload).readUIntBE(20, 6)).toISOString()
          expect(row["rpcudp.sealed_at"]![0]).toContain(sealedAt.slice(11, 23))
          expect(row["rpcudp.tag"]).toEqual([Buffer.from(packets[i]!.payload.subarray(-16)).toString("hex")])
        }
      }))
  })

  describe("a packet", () => {
    it("has the time since its request, to the nanosecond", () => {
      const packets = [
        out(0, request(1, "echo", 1)),
        out(10, request(2, "echo", 2)),
        back(1_500, response(2, 2)),
        back(2_000_001, response(1, 1)),
        back(2_000_002, response(1, 1))
      ]
      expect(Tshark.dissect(packets, ["rpcudp.time"]).map((row) => row["rpcudp.time"])).toEqual([
        [],
        [],
        ["0.001490000"],
        ["2.000001000"],
        ["2.000002000"]
      ])
      expect(inShort(packets).slice(3)).toEqual([
        "Response 1; request_in 1",
        "Response 1; request_in 1; first_in 4; Sent again"
      ])
    })

    it("that cancels a call is linked with its request, which nobody expects to be answered then", () => {
      const packets = [
        out(0, request(1, "echo", 1)),
        out(1, Codec.encodeCancel(idOf(1))),
        out(2, Codec.encodeCancel(idOf(2))),
        back(3, Codec.encodeCancel(idOf(1)))
      ]
      expect(inShort(packets, ...taken)).toEqual([
        "Request echo [1]; cancel_in 2",
        "Cancel; request_in 1",
        "Cancel; No request in this capture",
        "Cancel; No request in this capture"
      ])
    })

    it("that asks all members of a group is linked with the answers of each, and nobody must answer", () => {
      const other = NetAddress.inetAddressFromStringUnsafe("192.0.2.3:42222")
      const gather = Result.getOrThrow(Codec.encodeGather(idOf(1), "find", ["Ada"], { millisLeft: 1000 }))
      const packets = [
        out(0, gather),
        back(1, response(1, "one")),
        { ...back(2, response(1, "other")), from: other },
        back(3, Codec.encodeChallenge(idOf(1), idOf(7))),
        out(4, gather),
        back(5, response(2, "lost"))
      ]
      expect(inShort(packets, ...taken)).toEqual([
        "Gather find [\"Ada\"]",
        "Response \"one\"; request_in 1",
        "Response \"other\"; request_in 1",
        "Challenge; request_in 1",
        "Gather find [\"Ada\"]; first_in 1",
        "Response \"lost\"; No request in this capture"
      ])
    })

    it("with a trailer shows how long its caller waits, and the trace that it belongs to", () => {
      const traceparent = Uint8Array.from({ length: 25 }, (_, i) => i)
      const trailers: ReadonlyArray<Codec.Trailer> = [{ millisLeft: 4_999, traceparent }, { millisLeft: 1 }, {
        traceparent
      }]
      const packets = [
        ...trailers.map((trailer, i) => out(i, Result.getOrThrow(Codec.encodeRequest(idOf(i), "echo", [1], trailer)))),
        // The same, where the milliseconds are written as short as can be.
        out(4, Uint8Array.from([...request(4, "echo", 1), 0x81, 1, 0x7f])),
        out(5, Uint8Array.from([...request(5, "echo", 1), 0x81, 1, 0xcd, 1, 0]))
      ]
      const rows = Tshark.dissect(
        packets,
        ["_ws.col.Info", "rpcudp.millis_left", "rpcudp.trace_id", "rpcudp.span_id", "rpcudp.trace_flags"]
      ).map((row) => Object.values(row).flat())
      const trace = ["000102030405060708090a0b0c0d0e0f", "1011121314151617", "0x18"]
      const info = "Request echo [1]"
      expect(rows).toEqual([[info, "4999", ...trace], [info, "1"], [info, ...trace], [info, "127"], [info, "256"]])
    })

    it("belongs to nobody else's call: not to another id, and not to another address", () => {
      const elsewhere = NetAddress.inetAddressFromStringUnsafe("192.0.2.3:42222")
      const packets = [
        out(0, request(1, "echo", 1)),
        back(1, response(2, 1)),
        { ...back(2, response(1, 1)), from: elsewhere }
      ]
      expect(inShort(packets, ...taken)).toEqual([
        "Request echo [1]; Not answered in this capture",
        "Response 1; No request in this capture",
        "Response 1; No request in this capture"
      ])
    })

    it("with a value of any kind is shown as a tree of what it holds", () => {
      const all = [...values.entries()]
      const packets = all.flatMap(([, value], i) => [
        out(2 * i, request(i, "echo", value)),
        back(2 * i + 1, response(i, value))
      ])
      const leaves = ["text", "bytes", "uint", "int", "float", "boolean", "timestamp"]
      const fields = [...leaves, "nil", "array", "map"].map((name) => `rpcudp.${name}`)
      const rows = Tshark.dissect(packets, ["_ws.col.Protocol", "_ws.expert.message", ...fields])
      for (const [i, [name, value]] of all.entries()) {
        for (const [row, around] of [[rows[2 * i]!, 1] as const, [rows[2 * i + 1]!, 0] as const]) {
          expect([name, row["_ws.col.Protocol"], row["_ws.expert.message"]]).toEqual([name, ["rpcudp"], []])
          const { array, bytes, float, int, map, text, timestamp, uint } = partsOf(value)
          // A request is an array of its method and its array of arguments.
          expect([name, row["rpcudp.array"]]).toEqual([name, [...around ? ["2", "1"] : [], ...array]])
          expect([name, row["rpcudp.map"]]).toEqual([name, map])
          expect([name, row["rpcudp.uint"]]).toEqual([name, uint])
          expect([name, row["rpcudp.int"]]).toEqual([name, int])
          expect([name, row["rpcudp.float"]?.map((text) => Number(text.replace("inf", "Infinity")))]).toEqual([
            name,
            float
          ])
          expect([name, row["rpcudp.bytes"]?.length]).toEqual([name, bytes])
          expect([name, row["rpcudp.text"]?.filter((text) => text !== "").length]).toEqual([name, text + around])
          expect([name, row["rpcudp.timestamp"]?.length]).toEqual([name, timestamp])
        }
      }
    })

    it("that is malformed is marked with the reason for which it would be dropped", () => {
      const datagrams = malformedOnes(1)
      const reasons = datagrams.map((datagram) => {
        const message = Codec.decode(datagram)
        return Result.isFailure(message) ? [`Malformed: ${message.failure}`] : []
      })
      const rows = Tshark.dissect(
        datagrams.map((datagram, i) => out(i, datagram)),
        ["_ws.expert.message", "udp.payload"],
        ...taken
      )
      expect(rows).toHaveLength(datagrams.length)
      for (const [i, reason] of reasons.entries()) {
        const { "_ws.expert.message": experts = [], "udp.payload": payload = [] } = rows[i]!
        // What is counted while a value is built is no matter of its form.
        const expected = reason.filter((reason) => reason !== "Malformed: TooMany")
        expect([payload, experts.filter((message) => message.startsWith("Malformed"))]).toEqual([payload, expected])
      }
      // All of them were tried.
      expect([...new Set(reasons.flat())].map((reason) => reason.slice("Malformed: ".length)).sort()).toEqual([
        "DuplicateKey",
        "Extension",
        "InvalidUtf8",
        "Reserved",
        "Shape",
        "TooDeep",
        "TooLong",
        "TooMany",
        "TooShort",
        "TrailingBytes",
        "Truncated",
        "UnhashableKey",
        "UnknownType"
      ])
    })

    it("of another protocol is left to that, and a malformed one is ours among ours alone", () => {
      const broken = Uint8Array.from([...request(2, "echo", 1), 0xc1])
      const random = stream(1)
      const noise = Array.from({ length: 500 }, (_, i) => {
        const bytes = random.bytes(new Uint8Array(22 + random.below(60)))
        // Half of them as like a response as a header can make it.
        if (i % 2 === 0) bytes[0] = 1
        return out(i, bytes)
      })
      const protocols = (packets: ReadonlyArray<Packet>) =>
        Tshark.dissect(packets, ["_ws.col.Protocol"]).map((row) => row["_ws.col.Protocol"]![0])
      expect(protocols(noise)).not.toContain("rpcudp")
      expect(protocols([out(0, broken)])).not.toContain("rpcudp")
      expect(protocols([out(0, request(1, "echo", 1)), back(1, broken)])).toEqual(["rpcudp", "rpcudp"])
    })
  })
})

Needs.suite("rpcudp decode and captures", Tshark.isThere, Needs.tshark)(() => {
  layer(NodeServices.layer, { excludeTestServices: true })((it) => {
    it.effect("says what each datagram of a capture says, with its frame, time and addresses", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const file = `${yield* fs.makeTempDirectoryScoped()}/capture.pcap`
        const elsewhere = NetAddress.inetAddressFromStringUnsafe("192.0.2.3:5353")
        yield* fs.writeFile(
          file,
          pcap([
            out(0, request(1, "echo", Uint8Array.of(1))),
            { time: after(5), from: elsewhere, to: elsewhere, payload: Uint8Array.of(1, 2, 3) },
            back(1000, response(1, "Ada"))
          ])
        )
        const ours = yield* rpcudp(["decode", "--pcap", file, "--port", String(there.port)])
        expect([ours.exitCode, ours.stderr]).toEqual([0, ""])
        const ids = Buffer.from(idOf(1)).toString("hex")
        expect(ours.stdout.trimEnd().split("\n").map((line): unknown => JSON.parse(line))).toEqual([
          {
            frame: 1,
            time: { $date: "2026-11-26T12:00:00.000Z" },
            from: "192.0.2.1:41111",
            to: "192.0.2.2:42222",
            type: "Request",
            id: ids,
            method: "echo",
            args: [{ $bytes: "01" }]
          },
          {
            frame: 3,
            time: { $date: "2026-11-26T12:00:00.001Z" },
            from: "192.0.2.2:42222",
            to: "192.0.2.1:41111",
            type: "Response",
            id: ids,
            value: "Ada"
          }
        ])
        const all = yield* rpcudp(["decode", "--pcap", file])
        expect(all.exitCode).toBe(exitCodes.Malformed)
        expect(all.stdout).toContain("\"malformed\":\"TooShort\"")
      }))
  })
})

Needs.suite(
  "Wireshark and Python",
  Tshark.isThere && Option.isSome(executable),
  `${Needs.tshark} and ${Needs.uMsgpack}`
)(
  () => {
    it.live("traffic of Python's is read, whoever calls", () =>
      Effect.gen(function*() {
        const packets: Array<Packet> = []
        const ours = yield* node(tapped(packets))
        const python = yield* Python
        yield* ours.call(python.address, "give", ["dict"])
        yield* python.command("call", ours.address, { method: "echo", args: [{ a: [1.5, null] }] })
        yield* Effect.exit(ours.call(python.address, "silent", []).pipe(Protocol.withTimeout("50 millis")))
        expect(inShort(packets)).toEqual([
          "Request give [\"dict\"]; response_in 2",
          "Response {\"a\": 1, \"b\": {\"c\": [nil, {\"d\": 0.5}]}}; request_in 1",
          "Request echo [{\"a\": [1.5, nil]}]; response_in 4",
          "Response {\"a\": [1.5, nil]}; request_in 3",
          "Request silent []; Not answered in this capture"
        ])
      }).pipe(Effect.provide(Python.layer(Option.getOrElse(executable, () => "python3")))))

    it("each datagram that Python's rpcudp sent is whole", () => {
      const packets = [...vectors.requests, ...vectors.responses].map(({ hex }, i) => out(i, hex))
      for (const row of Tshark.dissect(packets, ["_ws.col.Info", "_ws.expert.message"], ...taken)) {
        expect(row["_ws.col.Info"]![0]).not.toContain("malformed")
      }
    })
  }
)

// ---------------------------------------------------------------------------------------------------------------------
// what is expected
// ---------------------------------------------------------------------------------------------------------------------

interface Parts {
  readonly array: Array<string>
  readonly map: Array<string>
  readonly uint: Array<string>
  readonly int: Array<string>
  readonly float: Array<number>
  bytes: number
  text: number
  timestamp: number
}

/** What a tree of the value holds, in its order. Keys that are texts name their values. */
const partsOf = (value: unknown): Parts => {
  const parts: Parts = { array: [], map: [], uint: [], int: [], float: [], bytes: 0, text: 0, timestamp: 0 }
  const add = (value: unknown): void => {
    if (typeof value === "bigint" || Number.isInteger(value) && Math.abs(Number(value)) <= 2 ** 53) {
      return void (Number(value) < 0 ? parts.int : parts.uint).push(String(value))
    }
    if (typeof value === "number") return void parts.float.push(Number(value.toPrecision(15)))
    // An empty one cannot be seen in a list of tshark's.
    if (typeof value === "string") return void (parts.text += value === "" ? 0 : 1)
    if (value instanceof Uint8Array) return void parts.bytes++
    if (value instanceof Date) return void parts.timestamp++
    if (Array.isArray(value)) {
      parts.array.push(String(value.length))
      return value.forEach(add)
    }
    if (typeof value !== "object" || value === null) return
    const entries = value instanceof Map ? [...value] : Object.entries(value)
    parts.map.push(String(entries.length))
    for (const [key, item] of entries) {
      if (typeof key !== "string") add(key)
      add(item)
    }
  }
  add(value)
  return parts
}

const bytes = (parts: ReadonlyArray<number | string>): Uint8Array =>
  Buffer.concat(parts.map((part) => typeof part === "number" ? Uint8Array.of(part) : Buffer.from(part, "hex")))

/** Frames that are whole but for something, and others with a byte changed, or cut, anywhere. */
const malformedOnes = (seed: number): ReadonlyArray<Uint8Array> => {
  const frame = (type: number, ...body: ReadonlyArray<number | string>) =>
    Uint8Array.from([type, ...idOf(1), ...bytes(body)])
  const random = stream(seed)
  const whole = [
    ...vectors.requests.map(({ hex }) => hex),
    ...vectors.responses.map(({ hex }) => hex),
    ...[...values.values()].flatMap((value, i) => [request(i, "echo", value), response(i, value)]),
    frame(2, "92ac", Buffer.from("UnknownMethod").toString("hex")),
    Codec.encodeChallenge(idOf(1), idOf(2)),
    Codec.encodeProof(idOf(1)),
    Codec.encodeCancel(idOf(1)),
    Result.getOrThrow(Codec.encodeGather(idOf(1), "echo", [1])),
    // Often enough that each byte of a trailer is changed.
    ...Array.from({ length: 40 }, (_, i) =>
      frame(
        0,
        "92a16190",
        ["8201cd010002c419", "8101ce00000001", "8102c419", "81017f"][i % 4]!,
        i % 4 % 2 === 0 ? "07".repeat(25) : ""
      ))
  ].filter((datagram) => datagram.length < 400)
  const damaged = Array.from({ length: 4000 }, () => {
    const datagram = Uint8Array.from(whole[random.below(whole.length)]!)
    if (random.below(4) === 0) return datagram.subarray(0, 1 + random.below(datagram.length))
    // The id may be anything.
    const offset = random.below(12) === 0 ? 0 : Codec.headerBytes + random.below(datagram.length - Codec.headerBytes)
    datagram[offset] = random.below(3) === 0 ? random.below(256) : heads[random.below(heads.length)]!
    return datagram[0] === 0x10 ? datagram.subarray(0, 1) : datagram
  })
  return [
    // Nothing at all is handed to no dissector.
    ...vectors.ignored_by_python.map(({ hex }) => hex).filter((datagram) => datagram.length > 0),
    ...damaged,
    new Uint8Array(8214),
    frame(1, ...Array.from({ length: 33 }, () => 0x91), 0),
    frame(1, ...Array.from({ length: 32 }, () => 0x91), 0),
    // Texts: an overlong form, half of a pair, beyond Unicode, cut short; and the least and greatest that are.
    ...["c080", "e08080", "eda080", "f0808080", "f4908080", "c3", "e282", "80", "ff"].map((hex) =>
      frame(1, 0xa0 + hex.length / 2, hex)
    ),
    ...["c280", "e0a080", "ed9fbf", "ee8080", "f0908080", "f48fbfbf"].map((hex) =>
      frame(1, 0xa0 + hex.length / 2, hex)
    ),
    // Keys: equal to Python in another form, and not; and maps, which Python cannot hash.
    ...["8201000100", "8201 00 c3 00", "8200 00 c2 00", "8201 00 cb3ff0000000000000 00", "82a161 00 c40161 00"].map((
      hex
    ) => frame(1, hex.replaceAll(" ", ""))),
    ...["82cf1000000000000000 00 cb43b0000000000000 00", "82cf1000000000000001 00 cb43b0000000000000 00"].map((hex) =>
      frame(1, hex.replaceAll(" ", ""))
    ),
    ...[
      "82 9101 00 91c3 00",
      "82 90 00 9100 00",
      "82 00 00 cb8000000000000000 00",
      "82 cb3fb999999999999a 00 cb3fb999999999999b 00",
      "81 80 00",
      "81 9180 00"
    ].map((
      hex
    ) => frame(1, hex.replaceAll(" ", ""))),
    // Timestamps: one that no Date holds, nanoseconds beyond a second, and another extension.
    frame(1, "c70cff00000000000007dbba821800"),
    frame(1, "c70cff00000000000007dbba821801"),
    frame(1, "d7fff0000000", "00000000"),
    frame(1, "d40100"),
    // Trailers: too many, too few, in another order, of another width, behind another frame, and what is cut short.
    ...["8201 07", "8202c419", "81 02c418", "83 01 07 02c0 03 00", "80", "8101cf0000000000000007", "8101d007", "8101"]
      .map((
        hex
      ) => frame(0, `92a16190${hex.replaceAll(" ", "")}`)),
    frame(0, "92a16190", "81", `02c419${"07".repeat(25)}`, "0107"),
    frame(0, "92a16190", "82", `02c419${"07".repeat(25)}`, "0107"),
    frame(0, "92a16190", "81", `02c419${"07".repeat(24)}`),
    frame(0, "9190", "810107"),
    frame(1, "00", "810107"),
    // Shapes.
    ...["90", "9200", "93a16190c0", "92a16100", "920090", "c0"].flatMap((hex) => [frame(0, hex), frame(2, hex)]),
    frame(2, "92a844656665637400", "c0"),
    frame(2, "92a6446566656374c0"),
    frame(2, "92a6446566656374", "00"),
    frame(2, "92a84f76657273697a65", "cd2000"),
    frame(2, "92a84f76657273697a65", "cd2001"),
    frame(2, "92a84f76657273697a65", "cb40c0008000000000"),
    frame(2, "92a84f76657273697a65", "cb40c0008000000001"),
    frame(3, "c413", "00".repeat(19)),
    frame(4, "00"),
    frame(5, "00"),
    // No bytes, many times, take a hundred times as many.
    frame(1, "dc0400", "c400".repeat(1024))
  ]
}

/** The first bytes of each kind of value. */
const heads = [0x00, 0x7f, 0x80, 0x81, 0x82, 0x90, 0x91, 0x92, 0xa0, 0xa1, 0xbf].concat(
  Array.from({ length: 64 }, (_, i) => 0xc0 + i)
)
