/** `rpcudp decode`: what datagrams say, from hexadecimal digits or from a capture. Each is a line of JSON. */
import { Effect, Fiber, Option, Result, Schema, Stdio, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { ChildProcess } from "effect/process"
import { Codec } from "effect-rpcudp"
import { Failure, usage } from "./Failure.ts"
import * as Value from "./value.ts"

export const decode = Command.make(
  "decode",
  {
    datagrams: Argument.String("HEX").pipe(
      Argument.withDescription("A datagram in hexadecimal digits; without one, each line of stdin is one"),
      Argument.variadic()
    ),
    pcap: Flag.String("pcap").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("The UDP datagrams of a capture, of any kind that tshark (Debian: tshark) reads"),
      Flag.optional
    ),
    port: Flag.Int("port").pipe(
      Flag.withDescription("Of a capture only what comes from or goes to this port"),
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))),
      Flag.optional
    )
  },
  Effect.fnUntraced(function*({ datagrams, pcap, port }) {
    const stdio = yield* Stdio.Stdio
    const malformed = { count: 0 }
    const lines = Option.isSome(pcap)
      ? captured(pcap.value, port)
      : Stream.map(
        datagrams.length > 0
          ? Stream.fromIterable(datagrams)
          : stdio.stdin.pipe(Stream.decodeText, Stream.splitLines, Stream.filter((line) => line.trim() !== "")),
        (hex) => ({ hex, from: {} })
      )
    yield* lines.pipe(
      Stream.mapEffect(({ from, hex }) =>
        Effect.map(bytesOf(hex), (datagram) => {
          const said = describe(datagram)
          if ("malformed" in said) malformed.count++
          return `${Value.format({ ...from, ...said })}\n`
        })
      ),
      Stream.run(stdio.stdout())
    )
    if (malformed.count > 0) {
      return yield* new Failure({
        kind: "Malformed",
        message: `${malformed.count} ${malformed.count === 1 ? "datagram is" : "datagrams are"} malformed`
      })
    }
  })
).pipe(
  Command.withDescription("Says what datagrams say"),
  Command.withExamples([
    { command: "rpcudp decode 00000000000000000000000000000000000000000092a470696e6790", description: "A request" },
    { command: "rpcudp decode --pcap capture.pcapng --port 1234", description: "A capture of tcpdump's or Wireshark's" }
  ])
)

/** Digits may stand apart, by spaces or colons. */
const bytesOf = (text: string): Effect.Effect<Uint8Array, Failure> => {
  const bytes = Value.fromHex(text.replace(/[\s:]/g, ""))
  return bytes === undefined ? Effect.fail(usage(`${text} is not hexadecimal`)) : Effect.succeed(bytes)
}

const describe = (datagram: Uint8Array): object => {
  if (datagram[0] === sealedType && datagram.length >= sealedBytes) return describeSealed(datagram)
  const message = Codec.decode(datagram)
  if (Result.isFailure(message)) {
    return { malformed: message.failure, bytes: datagram.length, type: datagram[0] ?? null }
  }
  const { _tag, id, ...rest } = message.success
  const body = "failure" in rest ? rest.failure : rest
  return { type: _tag, id: Value.toHex(id), ...body }
}

const sealedType = 0x10

/** Type, key, session, counter, time; the frame inside, of which 22 bytes are the least, and its tag. */
const sealedBytes = 1 + 1 + 12 + 6 + 6 + 22 + 16

const describeSealed = (datagram: Uint8Array): object => {
  const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.length)
  return {
    type: "Sealed",
    key: bytes[1],
    session: bytes.toString("hex", 2, 14),
    counter: bytes.readUIntBE(14, 6),
    time: new Date(bytes.readUIntBE(20, 6)),
    bytes: bytes.length
  }
}

interface Line {
  readonly hex: string
  readonly from: object
}

/** tshark knows all kinds of captures and links, and puts fragments together. */
const captured = (file: string, port: Option.Option<number>) => {
  const fields = [
    "frame.number",
    "frame.time_epoch",
    "ip.src",
    "ipv6.src",
    "udp.srcport",
    "ip.dst",
    "ipv6.dst",
    "udp.dstport",
    "udp.payload"
  ]
  const filter = Option.match(port, { onNone: () => "", onSome: (port) => ` && udp.port == ${port}` })
  // What a router sends back of a datagram is not that datagram.
  const args = [
    "-n",
    "-r",
    file,
    "-Y",
    `udp.payload && !icmp && !icmpv6${filter}`,
    "-T",
    "fields",
    "-E",
    "occurrence=f"
  ]
  return Stream.unwrap(Effect.gen(function*() {
    const tshark = yield* ChildProcess.make("tshark", [...args, ...fields.flatMap((field) => ["-e", field])], {
      stdin: "ignore",
      detached: false
    }).pipe(Effect.mapError(() => usage("a capture is read by tshark (Debian: tshark), which cannot be started")))
    const complaints = yield* tshark.stderr.pipe(
      Stream.decodeText,
      Stream.splitLines,
      Stream.runCollect,
      Effect.forkScoped
    )
    return tshark.stdout.pipe(
      Stream.decodeText,
      Stream.splitLines,
      Stream.map(lineOf),
      Stream.concat(Stream.unwrap(Effect.gen(function*() {
        if (Number(yield* tshark.exitCode) === 0) return Stream.empty
        return Stream.fail(usage(`tshark: ${(yield* Fiber.join(complaints)).at(-1)}`))
      })))
    )
  }))
}

const lineOf = (line: string): Line => {
  const [frame, time, ip4 = "", ip6 = "", fromPort, toIp4 = "", toIp6 = "", toPort, hex = ""] = line.split("\t")
  const address = (ip4: string, ip6: string, port: string | undefined) =>
    ip4 === "" ? `[${ip6}]:${port}` : `${ip4}:${port}`
  return {
    hex,
    from: {
      frame: Number(frame),
      time: new Date(Number(time) * 1000),
      from: address(ip4, ip6, fromPort),
      to: address(toIp4, toIp6, toPort)
    }
  }
}
