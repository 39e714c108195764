/**
 * What standing in a hostile network costs a request: the whole way of one with and without limits and memory, over a
 * transport in memory, and the single pieces.
 *
 *     node --expose-gc benchmark/guard.ts
 */
import { Context, Effect, Exit, Layer, Result, Scope } from "effect"
import { NetAddress } from "effect/net"
import { Codec, Handlers, Protocol, Transport } from "../src/index.ts"
import * as KeyedHash from "../src/internal/serving/keyedHash.ts"
import { Memory } from "../src/internal/serving/memory.ts"
import { Senders } from "../src/internal/serving/senders.ts"
import { Sizes } from "../src/internal/sizes.ts"
import { unlimited } from "./contenders/unlimited.ts"

class Echo extends Handlers.Service<Echo>()("benchmark/Echo", { poke: {} }) {}

const requests = 100_000
const rounds = 9

// All are different for as long as they are remembered.
const pool = Array.from(
  { length: requests },
  () => Result.getOrThrow(Codec.encodeRequest(crypto.getRandomValues(new Uint8Array(Codec.idBytes)), "poke", []))
)

const withId = (n: number): Uint8Array => {
  const datagram = pool[n]!.slice()
  datagram[20]! ^= 1
  return datagram
}

const peerAt = (n: number): Transport.Peer => {
  const address = NetAddress.inetAddressFromStringUnsafe(`10.0.${n >> 8}.${n & 255}:4000`)
  return { address, host: NetAddress.formatIp(address.address), equals: (that) => that.address === address }
}

const node = (options: Protocol.Options) => {
  let receive: (datagram: Uint8Array, from: Transport.Peer) => void = () => {}
  const transport = Layer.succeed(Transport.Transport, {
    address: NetAddress.inetAddressFromStringUnsafe("10.0.0.1:1"),
    peer: () => peerAt(0),
    send: () => {},
    run: (onDatagram: typeof receive) => Effect.callback<never>(() => void (receive = onDatagram))
  })
  const scope = Scope.makeUnsafe()
  const layer = Protocol.serve(Echo).pipe(
    Layer.provide(Echo.toLayer({ poke: () => Effect.void })),
    Layer.provideMerge(Protocol.layer(options)),
    Layer.provide(transport)
  )
  Context.get(Effect.runSync(Layer.buildWithScope(layer, scope)), Protocol.Protocol)
  return { receive: (datagram: Uint8Array, from: Transport.Peer) => receive(datagram, from), scope }
}

/** Nanoseconds of each time that `run` does, the best and the median of all rounds. */
const measure = (name: string, times: number, prepare: () => () => void) => {
  const nanos: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    const run = prepare()
    globalThis.gc?.()
    const from = process.hrtime.bigint()
    run()
    nanos.push(Number(process.hrtime.bigint() - from) / times)
  }
  nanos.sort((a, b) => a - b)
  console.log(name.padEnd(60), nanos[0]!.toFixed(0).padStart(7), nanos[rounds >> 1]!.toFixed(0).padStart(7))
}

console.log("nanoseconds".padEnd(60), "   best  median")

for (const senders of [1, 1000]) {
  const peers = Array.from({ length: senders }, (_, n) => peerAt(n))
  for (
    const [name, options] of [
      ["no limits, no memory", { limits: unlimited, memory: false }],
      ["no limits", { limits: unlimited }],
      // One sender alone would be over its budget.
      ["no memory", { limits: { requestsPerSecond: 1e9, replyBytesPerSecond: 1e12 }, memory: false }],
      ["both", { limits: { requestsPerSecond: 1e9, replyBytesPerSecond: 1e12 } }]
    ] as const
  ) {
    measure(`a request, ${senders} senders: ${name}`, requests, () => {
      const { receive, scope } = node(options)
      // As it is after a while: with as much remembered as there may be.
      for (let i = 0; i < 70_000; i++) receive(withId(i), peers[i % senders]!)
      return () => {
        for (let i = 0; i < requests; i++) receive(pool[i]!, peers[i % senders]!)
        Effect.runSync(Scope.close(scope, Exit.void))
      }
    })
  }
}

for (const times of [requests]) {
  const peers = Array.from({ length: 256 }, (_, n) => peerAt(n))
  measure("a request over its rate, 256 senders", times, () => {
    const { receive } = node({ limits: { requestsPerSecond: 1 } })
    for (const peer of peers) receive(pool[0]!, peer)
    return () => {
      for (let i = 0; i < times; i++) receive(pool[i]!, peers[i & 255]!)
    }
  })
}

const hash = KeyedHash.make(crypto)

const sizes = Sizes.defaultValue()

const sendersWith = (requestsPerSecond: number, replyBytesPerSecond: number) =>
  new Senders({
    hash,
    sizes,
    secret: crypto.getRandomValues(new Uint8Array(20)),
    requestsPerSecond,
    replyBytesPerSecond,
    totalReplyBytesPerSecond: 32 * replyBytesPerSecond
  })

const piece = (
  name: string,
  settle: (senders: Senders, peers: ReadonlyArray<string>) => void,
  run: (senders: Senders, host: string, now: number) => void,
  hostOf = (n: number) => `10.0.${n >> 8}.${n & 255}`
) =>
  measure(name, requests, () => {
    const senders = sendersWith(20_000, 65_536)
    settle(senders, Array.from({ length: 256 }, (_, n) => hostOf(n)))
    // A host is another text each time, as from the system.
    const hosts = Array.from({ length: requests }, (_, n) => Buffer.from(hostOf(n & 255)).toString("latin1"))
    return () => {
      for (let i = 0; i < requests; i++) run(senders, hosts[i]!, i * 10_000)
    }
  })

const nothing = () => {}
const prove = (senders: Senders, hosts: ReadonlyArray<string>) => hosts.forEach((host) => senders.prove(host, 0))
const use = (senders: Senders, hosts: ReadonlyArray<string>) =>
  hosts.forEach((host) => senders.spend(senders.of(host), 260_000, 0))

piece("of", nothing, (senders, host) => senders.of(host))
piece("of, IPv6", nothing, (senders, host) => senders.of(host), (n) => `2001:db8:1:${n.toString(16)}::1`)
piece("of, isDoubted (no)", nothing, (senders, host, now) => senders.isDoubted(senders.of(host), now))
piece("of, isDoubted (often)", use, (senders, host, now) => senders.isDoubted(senders.of(host), now))
piece("of, token", nothing, (senders, host, now) => senders.token(senders.of(host), now, now))
piece("of, admit", nothing, (senders, host, now) => senders.admit(senders.of(host), now))
piece("of, admit (proven)", prove, (senders, host, now) => senders.admit(senders.of(host), now))
piece("of, spend", nothing, (senders, host, now) => senders.spend(senders.of(host), 22, now))
piece("of, spend (proven)", prove, (senders, host, now) => senders.spend(senders.of(host), 22, now))
piece("answered (forged)", nothing, (senders, host, now) => senders.answered(host, pool[0]!.subarray(0, 20), now))
measure("prove, each another host", requests, () => {
  const senders = sendersWith(1, 1)
  const hosts = Array.from({ length: requests }, (_, n) => `10.${n >> 16}.${n >> 8 & 255}.${n & 255}`)
  return () => hosts.forEach((host, now) => senders.prove(host, now))
})

const ids = pool.map(Codec.idOf)
for (const live of [64, 4096, 65_536]) {
  for (const bytes of [22, 824]) {
    const filled = () => {
      const memory = new Memory({
        window: 1e9,
        maxEntries: live,
        maxBytes: 4 * 1024 * 1024,
        senders: sizes.buckets,
        onEarly: () => {}
      })
      const answer = new Uint8Array(bytes)
      for (let i = 0; i < live; i++) memory.add(hash.ofId(ids[i]!, 0) ^ i, ids[i]!, answer, i, 0)
      return { memory, answer }
    }
    measure(`find (unknown), ${live} entries of ${bytes} bytes`, requests, () => {
      const { memory } = filled()
      return () => {
        for (let i = 0; i < requests; i++) memory.find(hash.ofId(ids[i]!, 0), ids[i]!, 0, 0)
      }
    })
    measure(`find (known), ${live} entries of ${bytes} bytes`, requests, () => {
      const { memory } = filled()
      return () => {
        for (let i = 0; i < requests; i++) {
          const known = live - 1 - i % Math.min(live, 4096)
          memory.find(hash.ofId(ids[known]!, 0) ^ known, ids[known]!, 0, 0)
        }
      }
    })
    measure(`add, ${live} entries of ${bytes} bytes`, requests, () => {
      const { answer, memory } = filled()
      return () => {
        for (let i = 0; i < requests; i++) memory.add(hash.ofId(ids[i]!, 0), ids[i]!, answer, i, 0)
      }
    })
  }
}
