/**
 * effect-rpcudp where one thing grows, as the variables GROWTH and SIZE of the environment say. 64 calls are in flight
 * at a time, or fewer where it is they that grow.
 */
import { Context, Effect, Layer, Schema, Scope } from "effect"
import { NetAddress } from "effect/net"
import { createSocket } from "node:dgram"
import { Handlers, Protocol, Transport } from "../../dist/index.js"
import { effects } from "../harness/load.ts"
import type { Contender } from "../harness/worker.ts"
import { argument, replyTo } from "./workload.ts"

const size = Number(process.env["SIZE"])
const growing = process.env["GROWTH"]

type Value = Schema.ConstraintCodec<unknown, unknown, never, never>

/** Structs inside each other. */
const nested = (depth: number): Value => depth === 0 ? Schema.String : Schema.Struct({ value: nested(depth - 1) })

const nestedValue = (depth: number): unknown => depth === 0 ? argument : { value: nestedValue(depth - 1) }

const depth = growing === "depth" ? size : 0
const value = growing === "bytes" ? "x".repeat(size) : nestedValue(depth)
const handlers = growing === "handlers" ? size : 1
const peers = growing === "peers" ? size : 1

const names = Array.from({ length: handlers }, (_, i) => `forty${i}`)

class Forty extends Handlers.Service<Forty>()(
  "benchmark/Forty",
  Object.fromEntries(names.map((name) => [name, { args: [nested(depth)], success: Schema.String }]))
) {}

const FortyLive = Forty.toLayer(
  Object.fromEntries(names.map((name) => [name, () => Effect.succeed(replyTo(argument))]))
)

const build = <A>(layer: Layer.Layer<A, unknown>) => Effect.runPromise(Layer.buildWithScope(layer, Scope.makeUnsafe()))

const node = Protocol.layer({
  // The server answers all peers from one address.
  matchSender: peers === 1,
  // Those that nobody answers are to stay.
  timeout: "1 hour"
}).pipe(Layer.provide(Transport.layer()))

/** All of 127.0.0.0/8 is this machine. */
const loopback = (i: number): string => `127.${i >> 14}.${(i >> 7) & 0x7f}.${1 + (i & 0x7f)}`

/** An address that takes datagrams and never answers. */
const mute = async (): Promise<string> => {
  const socket = createSocket("udp4")
  await new Promise<void>((resolve) => {
    socket.bind(0, "127.0.0.1", resolve)
  })
  return `127.0.0.1:${socket.address().port}`
}

export const contender: Contender = {
  serve: async () => {
    const context = await build(Protocol.serve(Forty).pipe(Layer.provide(FortyLive), Layer.provideMerge(node)))
    return Context.get(context, Protocol.Protocol).address.port
  },
  connect: async (port) => {
    const context = await build(node)
    const { callProcedure } = Context.get(context, Protocol.Protocol)
    const fork = Effect.runForkWith(context)
    const to = (address: string) => {
      const peer = NetAddress.inetAddressFromStringUnsafe(address)
      return [...Forty.contract.values()].map((procedure) => callProcedure(peer, procedure, [value]))
    }
    const calls = Array.from({ length: peers }, (_, i) => to(`${loopback(i)}:${port}`)).flat()
    if (growing === "flight" && size > 64) {
      const [silence] = to(await mute())
      for (let i = 64; i < size; i++) fork(silence!)
    }
    let next = 0
    return effects(Effect.suspend(() => calls[next = (next + 1) % calls.length]!), fork)
  }
}
