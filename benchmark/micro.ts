/** What the steps of a call cost by themselves, to find out why: `npm run --prefix benchmark micro`. */
import { Context, Effect, Layer } from "effect"
import { WebCrypto } from "effect/crypto/WebCrypto"
import { NetAddress } from "effect/net"
import { Unpackr } from "msgpackr"
import { Bench } from "tinybench"
import { Codec, Protocol, Transport } from "../dist/index.js"
import * as CallTable from "../dist/internal/calling/callTable.js"
import * as Ids from "../dist/internal/wire/ids.js"
import * as Frame from "../dist/internal/wire/frame.js"
import * as Metrics from "../dist/internal/watching/metrics.js"
import * as Now from "../dist/internal/time/now.js"
import { Forty, FortyLive } from "./contenders/ours.ts"
import { argument, replyTo } from "./contenders/workload.ts"

export interface Step {
  readonly name: string
  /** Nanoseconds: the median, and the 99th percentile. */
  readonly p50: number
  readonly p99: number
}

export const micro = (): Promise<ReadonlyArray<Step>> =>
  Effect.runPromise(Effect.scoped(Effect.gen(function*() {
    const context = yield* Effect.context<never>()
    const ids = Ids.make(Context.get(context, WebCrypto))
    const id = new Uint8Array(Codec.idBytes)
    ids.write(id, 0)
    const args = [argument]
    const reply = replyTo(argument)
    const request = encoded(Codec.encodeRequest(id, "forty", args))
    const response = encoded(Codec.encodeResponse(id, reply))
    const maps = Array.from({ length: 20 }, (_, i) => ({
      id: 100_000 + i,
      name: `node ${i + 10}`,
      port: 4000 + i,
      zone: "eu-central-1",
      up: true
    }))
    const packed = encoded(Codec.encodeResponse(id, maps))
    // Of one kind with the other datagrams, as a transport hands them over. msgpackr is quickest on a `Buffer`.
    const rows = Uint8Array.from(packed)
    const rowsAlone = Buffer.from(packed.subarray(Codec.headerBytes))
    const metrics = Metrics.make(context)

    class SomeCall extends CallTable.Call<SomeCall> {}
    const clock = yield* Effect.clockWith(Effect.succeed)
    const now = Now.make(clock)
    const table = new CallTable.CallTable<SomeCall>({
      clock,
      now,
      context,
      ids,
      onExpire: () => {}
    })

    const procedure = Forty.contract.get("forty")!
    const transport = yield* loopback
    yield* Layer.build(
      Protocol.serve(Forty).pipe(
        Layer.provide(FortyLive),
        // One sender asks for all of it here, and proves nothing.
        Layer.provide(Protocol.layer({ limits: { requestsPerSecond: Infinity, replyBytesPerSecond: Infinity } })),
        Layer.provide(Layer.succeed(Transport.Transport, transport.service))
      )
    )

    const bench = new Bench({ time: 500, warmupTime: 250 })
      .add("nothing: what measuring takes", () => {})
      .add("id", () => ids.write(id, 0))
      .add("encode a request", () => Codec.encodeRequest(id, "forty", args))
      .add("decode a request", () => Codec.decodeRequest(request))
      .add("encode a response", () => Codec.encodeResponse(id, reply))
      .add("decode a response", () => Codec.decodeResponse(response))
      .add(`decode 20 maps, ${rowsAlone.length} bytes`, () => Codec.decodeResponse(rows))
      .add("the same by msgpackr, unchecked", () => unpackr.unpack(rowsAlone))
      .add("arguments through their schema", () => procedure.args.decode(args))
      .add("table: an id, in, found, out", () => {
        const call = new SomeCall(now())
        table.add(call, request, Frame.idOffset, 5e9)
        table.find(request, Frame.idOffset)
        table.remove(call)
      })
      .add("metrics of a call", () => {
        metrics.callStarted()
        metrics.sent(request.length)
        metrics.received(response.length)
        metrics.callEnded(procedure, "success", 12_345, true)
      })
      .add("dispatch: a request in, its handler, a response out", () => {
        // A request that comes again would not be run.
        ids.write(request, Frame.idOffset)
        transport.receive(request)
      })
    yield* Effect.promise(() => bench.run())
    return bench.tasks.flatMap(({ name, result }) =>
      "latency" in result ? [{ name, p50: 1e6 * result.latency.p50, p99: 1e6 * result.latency.p99 }] : []
    )
  })))

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })

/** A transport without a socket. */
export const loopback = Effect.sync(() => {
  const address = NetAddress.inetAddressFromStringUnsafe("127.0.0.1:1")
  const peer: Transport.Peer = { address, host: "127.0.0.1", equals: (that) => that === peer }
  let receive = (_datagram: Uint8Array, _from: Transport.Peer): void => {}
  return {
    receive: (datagram: Uint8Array) => receive(datagram, peer),
    service: Transport.Transport.of({
      address,
      peer: () => peer,
      send: () => {},
      run: (onDatagram) => {
        receive = onDatagram
        return Effect.never
      }
    })
  }
})

const encoded = (result: ReturnType<typeof Codec.encodeResponse>): Uint8Array => {
  if (result._tag === "Failure") throw result.failure
  return result.success
}

if (import.meta.main) {
  for (const { name, p50, p99 } of await micro()) {
    console.log(`${name.padEnd(52)} ${p50.toFixed(0).padStart(6)} ns, p99 ${p99.toFixed(0)} ns`)
  }
}
