/**
 * Any datagram, received by a node that serves and calls: nothing throws or is logged as a defect, a request is answered
 * once and nothing else is, nothing is amplified, and nothing is left in flight.
 */
import { Context, Effect, Layer, Logger, Metric, Result, Schema, Scope } from "effect"
import { Codec, Handlers, Protocol } from "../../src/index.ts"
import * as Injected from "../../test/support/injected.ts"
import { metrics } from "../../test/support/nodes.ts"
import { law, same } from "./target.ts"

export const bodyAt = Codec.headerBytes

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
  later: { args: [Schema.Unknown], success: Schema.Unknown },
  dies: {}
}) {}

/** What handlers wait for. */
const waiting: Array<() => void> = []

const FuzzedLive = Fuzzed.toLayer({
  echo: Effect.succeed,
  typed: () => Effect.void,
  later: (value) => Effect.callback<unknown>((resume) => void waiting.push(() => resume(Effect.succeed(value)))),
  dies: () => Effect.die("as it should")
})

const defects: Array<string> = []

const logger = Logger.make(({ message }) => {
  const text = String(message)
  // One of the handlers dies.
  if (!text.includes("a handler died")) defects.push(text)
})

// Each request is to be answered, though one sender sends them all.
const unlimited = { requestsPerSecond: Infinity, replyBytesPerSecond: Infinity }

const sender = Injected.peerAt("10.0.0.2:2")
const wire = Injected.make()
const registry = Context.make(Metric.MetricRegistry, new Map())

const { call } = Context.get(
  Effect.runSync(
    Protocol.serve(Fuzzed).pipe(
      Layer.provide(FuzzedLive),
      Layer.provideMerge(Protocol.layer({ limits: unlimited, memory: { requests: 1024, bytes: 2 ** 20 } })),
      Layer.provide(wire.layer),
      Layer.provide(Logger.layer([logger])),
      Layer.buildWithScope(Scope.makeUnsafe()),
      Effect.provideContext(registry)
    )
  ),
  Protocol.Protocol
)

/** The id of a call that waits. */
let called: Uint8Array | undefined

const callAgain = (): Uint8Array => {
  wire.sent.length = 0
  Effect.runForkWith(registry)(call(sender.address, "who", [])).addObserver(() => called = undefined)
  return called = Codec.idOf(wire.sent.pop()!.datagram)
}

let received = 0

/** The datagram with an id that no other had: that of the call that waits, if it begins with the letter w. */
const stamp = (data: Uint8Array): Uint8Array => {
  const datagram = Uint8Array.from(data)
  if (datagram.length <= Codec.headerBytes) return datagram
  if (datagram[1] === 0x77) datagram.set(called ?? callAgain(), 1)
  else new DataView(datagram.buffer).setUint32(1 + Codec.idBytes - 4, ++received)
  return datagram
}

const receive = (datagram: Uint8Array): ReadonlyArray<Uint8Array> => {
  wire.sent.length = 0
  wire.receive(datagram, sender)
  // It comes again while its handler runs.
  if (waiting.length > 0) wire.receive(datagram, sender)
  for (const resume of waiting.splice(0)) resume()
  return wire.sent.splice(0).map((sent) => sent.datagram)
}

export const cost = (data: Uint8Array): unknown => receive(stamp(data))

export const fuzz = (data: Uint8Array): void => {
  const datagram = stamp(data)
  const decoded = Codec.decode(datagram)
  const tag = Result.isSuccess(decoded) ? decoded.success._tag : undefined
  // Its own call's challenge is answered with a proof.
  const isOwn = called !== undefined && datagram.length > Codec.headerBytes && same(Codec.idOf(datagram), called)
  const answers = receive(datagram)
  law(defects.length === 0, () => defects.splice(0).join("; "))
  const expected = tag === "Request" || (tag === "Challenge" && isOwn) ? 1 : 0
  law(answers.length === expected, () => `${answers.length} answers, where there should be ${expected}`)
  for (const answer of answers) {
    law(Result.isSuccess(Codec.decode(answer)), () => "an answer can't be decoded")
    law(
      answer[0] !== 2 || answer.length <= data.length + Codec.maxFailureGrowth,
      () => `${data.length} bytes are answered with a failure of ${answer.length}`
    )
  }
  if (tag === "Request") {
    const again = receive(datagram)
    law(again.length === 1 && same(again[0], answers[0]), () => "a request that came again has another answer")
  }
  const { rpcudp_calls_in_flight: calls = 0, rpcudp_requests_in_flight: requests = 0 } = Effect.runSync(
    Effect.provideContext(metrics, registry)
  )
  law(requests === 0, () => `${requests} requests are left in flight`)
  law(calls === (called === undefined ? 0 : 1), () => `${calls} calls are in flight`)
}
