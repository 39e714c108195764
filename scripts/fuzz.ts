/**
 * Throws bytes at the decoder and at a node that runs: real datagrams that were mutated, bytes that a grammar made, and
 * noise. Nothing may throw, nothing but a request may be answered, and memory may not grow.
 *
 *   npm run fuzz -- --inputs 1000000 [--seed N]
 */
import { Context, Effect, Layer, Logger, Random, Result, Schema } from "effect"
import { isDeepStrictEqual, parseArgs } from "node:util"
import { Codec, Handlers, Protocol } from "../src/index.ts"
import * as Injected from "../test/support/injected.ts"
import { vectors } from "../test/vectors/index.ts"

const { values: flags } = parseArgs({
  options: { inputs: { type: "string", default: "1000000" }, seed: { type: "string", default: "1" } }
})
const inputs = Number(flags.inputs)
const random = Effect.runSync(Random.withSeed(Random.Random, `fuzz ${flags.seed}`))

const below = (n: number): number => Math.floor(random.nextDoubleUnsafe() * n)

const pick = <A>(from: ReadonlyArray<A>): A => from[below(from.length)]!

// ---------------------------------------------------------------------------------------------------------------------
// inputs
// ---------------------------------------------------------------------------------------------------------------------

const corpus = [...vectors.requests, ...vectors.responses, ...vectors.ignored_by_python]
  .map(({ hex }) => hex)
  .filter(({ length }) => length > 0 && length < 1000)

// The bytes on which a decoder decides.
const tokens = [
  0x00,
  0x7f,
  0x80,
  0x8f,
  0x90,
  0x9f,
  0xa0,
  0xbf,
  0xe0,
  0xff,
  ...Array.from({ length: 32 }, (_, i) => 0xc0 + i)
]

const mutate = (bytes: Uint8Array): Uint8Array => {
  const result = Array.from(bytes)
  for (let n = 1 + below(4); n > 0; n--) {
    const at = below(result.length)
    switch (below(6)) {
      case 0:
        result[at] = below(256)
        break
      case 1:
        result[at] = pick(tokens)
        break
      case 2:
        result.splice(at, 1 + below(4))
        break
      case 3:
        result.splice(at, 0, ...Array.from({ length: 1 + below(4) }, () => pick(tokens)))
        break
      case 4:
        result.push(...pick(corpus).subarray(21, 21 + below(20)))
        break
      default:
        result.length = at
    }
    if (result.length === 0) return Uint8Array.of()
  }
  return Uint8Array.from(result)
}

/** MessagePack by its grammar, but for a length or a token that is wrong now and then. */
const generate = (depth: number, out: Array<number>): void => {
  const bytes = (length: number) => {
    for (let i = 0; i < length; i++) out.push(below(20) === 0 ? below(256) : 0x61 + below(26))
  }
  const length = below(10) === 0 ? below(70_000) : below(6)
  if (below(200) === 0) out.push(below(256))
  switch (below(depth > 0 ? 14 : 10)) {
    case 0:
      return void out.push(below(128))
    case 1:
      return void out.push(pick([0xc0, 0xc2, 0xc3, 0xe0 + below(32)]))
    case 2:
      out.push(0xa0 + (length & 31))
      return bytes(length & 31)
    case 3:
      out.push(pick([0xd9, 0xc4]), length & 0xff)
      return bytes(below(30) === 0 ? below(300) : Math.min(length & 0xff, 300))
    case 4:
      out.push(pick([0xda, 0xc5]), length >> 8 & 0xff, length & 0xff)
      return bytes(Math.min(length, 300))
    case 5:
      out.push(pick([0xcc, 0xd0]))
      return bytes(1)
    case 6:
      out.push(pick([0xcd, 0xd1]))
      return bytes(2)
    case 7:
      out.push(pick([0xce, 0xd2, 0xca]))
      return bytes(4)
    case 8:
      out.push(pick([0xcf, 0xd3, 0xcb]))
      return bytes(8)
    case 9: {
      const kind = pick([[0xd6, 0xff, 4], [0xd7, 0xff, 8], [0xc7, 12, 0xff, 12], [0xd4, below(256), 1], [
        0xc7,
        3,
        below(256),
        3
      ]])
      out.push(...kind.slice(0, -1))
      return bytes(kind.at(-1)!)
    }
    case 10:
    case 11: {
      const items = length & 0x0f
      out.push(0x90 + items)
      for (let i = 0; i < items; i++) generate(depth - 1, out)
      return
    }
    case 12: {
      const items = length & 0x0f
      out.push(0x80 + items)
      for (let i = 0; i < 2 * items; i++) generate(depth - 1, out)
      return
    }
    default:
      out.push(pick([0xdc, 0xde, 0xdd, 0xdf]), 0, length & 3)
      for (let i = 0; i < (length & 3); i++) generate(depth - 1, out)
  }
}

const grammatical = (): Uint8Array => {
  const out = [below(20) === 0 ? below(256) : below(3), ...Array.from({ length: 20 }, () => below(256))]
  if (below(2) === 0) {
    // A request, of one of the node's methods mostly.
    const method = pick(["echo", "typed", "dies", "nope"])
    out.push(0x92, 0xa0 + method.length, ...Buffer.from(method), 0x90 + below(3))
  }
  generate(1 + below(4), out)
  return Uint8Array.from(out)
}

const noise = (): Uint8Array => Uint8Array.from({ length: below(64) }, () => below(256))

const input = (): Uint8Array => {
  switch (below(3)) {
    case 0:
      return mutate(pick(corpus))
    case 1:
      return grammatical()
    default:
      return noise()
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// a node
// ---------------------------------------------------------------------------------------------------------------------

class Fuzzed extends Handlers.Service<Fuzzed>()("fuzz/Fuzzed", {
  echo: { args: [Schema.Unknown], success: Schema.Unknown },
  typed: {
    args: [
      Schema.Union([
        Schema.String,
        Schema.ReadonlyMap(Schema.Int, Schema.BigInt),
        Schema.Record(Schema.String, Schema.Date),
        Schema.Struct({ a: Schema.optional(Schema.Uint8Array), b: Schema.Option(Schema.Int) })
      ])
    ]
  },
  dies: {}
}) {}

const FuzzedLive = Fuzzed.toLayer({
  echo: Effect.succeed,
  typed: () => Effect.void,
  dies: () => Effect.die("as it should")
})

const sender = Injected.peerAt("10.0.0.2:2")
const wire = Injected.make()

/** -0 arrives as 0, and ids as views. */
const normal = (value: unknown): unknown => {
  if (Object.is(value, -0)) return 0
  if (value instanceof Uint8Array) return Uint8Array.from(value)
  if (Array.isArray(value)) return value.map(normal)
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [normal(key), normal(item)]))
  if (typeof value !== "object" || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, normal(item)]))
}

// Each request is to be answered, though one sender sends them all, and ids come again.
const unlimited = { requestsPerSecond: Infinity, replyBytesPerSecond: Infinity }

const encode = (message: Codec.Message, requestBytes: number): Result.Result<Uint8Array, unknown> => {
  switch (message._tag) {
    case "Request":
      return Codec.encodeRequest(message.id, message.method, message.args)
    case "Response":
      return Codec.encodeResponse(message.id, message.value)
    case "Failure":
      return Codec.encodeFailure(message.id, message.failure, requestBytes)
    case "Challenge":
      return Result.succeed(Codec.encodeChallenge(message.id, message.token))
    case "Proof":
      return Result.succeed(Codec.encodeProof(message.id))
  }
}

const fuzz = Effect.gen(function*() {
  const { call } = Context.get(
    yield* Layer.build(
      Protocol.serve(Fuzzed).pipe(
        Layer.provide(FuzzedLive),
        Layer.provideMerge(Protocol.layer({ limits: unlimited, memory: false })),
        Layer.provide(wire.layer)
      )
    ),
    Protocol.Protocol
  )
  // A call waits throughout: some inputs are answers to it.
  yield* Effect.forkScoped(Effect.exit(call(sender.address, "who", [])), { startImmediately: true })
  const waiting = Codec.idOf(wire.sent.pop()!.datagram)

  const counts = { decoded: 0, malformed: 0, requests: 0, answered: 0 }
  const problems: Array<string> = []
  const memory = () => {
    globalThis.gc?.()
    return process.memoryUsage().heapUsed
  }
  let before = 0
  const started = performance.now()
  for (let n = 0; n < inputs && problems.length < 10; n++) {
    const bytes = input()
    if (bytes.length > 21 && below(50) === 0) bytes.set(waiting, 1)
    const decoded = Codec.decode(bytes)
    if (Result.isFailure(decoded)) counts.malformed++
    else {
      counts.decoded++
      const message = decoded.success
      // What was understood can be said again and means the same, unless Python could not read it or it grew too long.
      const again = encode(message, bytes.length)
      if (Result.isSuccess(again)) {
        const once = Codec.decode(again.success)
        if (Result.isFailure(once) || !isDeepStrictEqual(normal(once.success), normal(message))) {
          problems.push(`lost: ${Buffer.from(bytes).toString("hex")}`)
        }
      }
    }
    const isRequest = Result.isSuccess(decoded) && decoded.success._tag === "Request"
    if (isRequest) counts.requests++
    wire.sent.length = 0
    wire.receive(bytes, sender)
    counts.answered += wire.sent.length
    // One that begins like the waiting call's may prove where that came from.
    const isChallenge = Result.isSuccess(decoded) && decoded.success._tag === "Challenge" &&
      isDeepStrictEqual(normal(decoded.success.id), normal(waiting))
    if (wire.sent.length !== (isRequest || isChallenge ? 1 : 0)) {
      problems.push(`${wire.sent.length} answers to ${Buffer.from(bytes).toString("hex")}`)
    }
    for (const { datagram } of wire.sent) {
      if (datagram[0] === 2 && datagram.length > bytes.length + Codec.maxFailureGrowth) {
        problems.push(`amplified: ${Buffer.from(bytes).toString("hex")}`)
      }
    }
    if (n % 10_000 === 0) {
      // Lets loggers and finished fibers go.
      yield* Effect.yieldNow
      if (n === Math.floor(inputs / 10 / 10_000) * 10_000) before = memory()
      if (process.stderr.isTTY) process.stderr.write(`\r${n} of ${inputs} inputs`)
    }
  }
  const grown = (memory() - before) / 1_048_576
  const seconds = (performance.now() - started) / 1000
  if (process.stderr.isTTY) process.stderr.write("\n")
  for (const problem of problems) console.log(`PROBLEM ${problem}`)
  console.log(
    `${inputs} inputs, seed ${flags.seed}, in ${
      seconds.toFixed(0)
    } s: ${counts.malformed} malformed, ${counts.decoded} decoded, ` +
      `${counts.requests} requests, ${counts.answered} answers, ${
        grown.toFixed(1)
      } MiB grown, ${problems.length} problems`
  )
  // A tenth of the inputs went before the first measurement: what is kept once is not growth.
  if (problems.length > 0 || grown > 16) process.exitCode = 1
})

await Effect.runPromise(Effect.scoped(fuzz).pipe(Effect.provide(Logger.layer([]))))
