/**
 * What an audit broke in November 2026, run again: each in a process of its own, which may take a GiB of heap and a minute.
 *
 *     node benchmark/audit.ts [NUMBER]
 *
 * It uses only what the package exports, so that it says of an earlier commit what was, too.
 */
import type { Scope } from "effect"
import { Context, Duration, Effect, Exit, Fiber, Layer, Logger, Metric, Redacted, Result, Schema } from "effect"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import { spawnSync } from "node:child_process"
import { Codec, Handlers, Protocol, Transport } from "../src/index.ts"
import { SimulatedNetwork } from "../src/testing/index.ts"

class Peer extends Handlers.Service<Peer>()("audit/Peer", {
  echo: { args: [Schema.Unknown], success: Schema.Int },
  slow: { args: [Schema.Unknown], success: Schema.Int },
  bytes: { args: [Schema.Int], success: Schema.Uint8Array }
}) {}

// ---------------------------------------------------------------------------------------------------------------------
// datagrams
// ---------------------------------------------------------------------------------------------------------------------

const idOf = (n: number): Uint8Array => {
  const id = new Uint8Array(Codec.idBytes)
  new DataView(id.buffer).setUint32(0, n)
  return id
}

const request = (n: number, method: string, ...args: ReadonlyArray<unknown>): Uint8Array =>
  Result.getOrThrow(Codec.encodeRequest(idOf(n), method, args))

/** A request whose only argument is these bytes of MessagePack. */
const rawRequest = (n: number, method: string, argument: Uint8Array): Uint8Array => {
  const frame = request(n, method, null)
  return Buffer.concat([frame.subarray(0, -1), argument])
}

/** A map of one key, which is `depth` arrays in each other. */
const nestedKey = (depth: number, last: number): ReadonlyArray<number> => [
  ...Array.from({ length: depth }, () => 0x91),
  last,
  0xc0
]

// ---------------------------------------------------------------------------------------------------------------------
// nodes
// ---------------------------------------------------------------------------------------------------------------------

/** A node that is handed what arrives, and tells what it sends and how often handlers ran. */
const injected = Effect.fnUntraced(function*(options: Protocol.Options = {}, send?: () => void) {
  let receive: (datagram: Uint8Array, from: Transport.Peer) => void = () => {}
  const sent: Array<{ readonly datagram: Uint8Array; readonly to: Transport.Peer }> = []
  const runs = { slow: 0, bytes: 0 }
  const echoes = new Map<string, number>()
  const peerOf = (address: NetAddress.InetAddress): Transport.Peer => ({
    address,
    host: NetAddress.formatIp(address.address),
    equals: (that) => NetAddress.formatInet(that.address) === NetAddress.formatInet(address)
  })
  const transport = Layer.succeed(Transport.Transport, {
    address: NetAddress.inetAddressFromStringUnsafe("10.9.9.9:1"),
    peer: peerOf,
    send: (datagram, to) => {
      send?.()
      sent.push({ datagram, to })
    },
    run: (onDatagram) => Effect.callback<never>(() => void (receive = onDatagram))
  })
  yield* Layer.build(
    Protocol.serve(Peer).pipe(
      Layer.provide(Peer.toLayer({
        echo: () =>
          Effect.map(Handlers.Sender, ({ address }) => {
            const host = NetAddress.formatIp(address)
            const count = (echoes.get(host) ?? 0) + 1
            echoes.set(host, count)
            return count
          }),
        // Holds what it was asked with.
        slow: (value) =>
          Effect.andThen(Effect.sync(() => void runs.slow++), Effect.map(Effect.never, () => value === 1 ? 1 : 0)),
        bytes: (length) => Effect.sync(() => (runs.bytes++, new Uint8Array(length)))
      })),
      Layer.provide(Protocol.layer({ gracePeriod: 0, ...options })),
      Layer.provide(transport)
    )
  )
  return {
    echoes,
    runs,
    sent,
    receive: (datagram: Uint8Array, from: string) => receive(datagram, peerAt(peerOf, from))
  }
})

const peers = new Map<string, Transport.Peer>()

const peerAt = (peerOf: (address: NetAddress.InetAddress) => Transport.Peer, name: string): Transport.Peer => {
  let peer = peers.get(name)
  if (peer === undefined) peers.set(name, peer = peerOf(NetAddress.inetAddressFromStringUnsafe(name)))
  return peer
}

const at = (address: string, options: Protocol.Options = {}) =>
  Protocol.layer({ gracePeriod: 0, ...options }).pipe(
    Layer.provide(Transport.layerSocket()),
    Layer.provide(SimulatedNetwork.socket(address))
  )

/** A server and a client on a simulated network. */
const simulated = Effect.fnUntraced(function*() {
  const network = yield* SimulatedNetwork.SimulatedNetwork
  yield* Layer.build(
    Protocol.serve(Peer).pipe(
      Layer.provide(Peer.toLayer({
        echo: () => Effect.succeed(1),
        slow: () => Effect.as(Effect.sleep("10 minutes"), 1),
        bytes: (length) => Effect.succeed(new Uint8Array(length))
      })),
      Layer.provide(at(server))
    )
  )
  const client = Context.get(yield* Layer.build(at(victim)), Protocol.Protocol)
  return { client, network }
})

const server = "10.0.0.1:1000"
const victim = "10.0.0.2:1000"

/** Which of these calls, made in a row, are answered. */
const calls = (client: Protocol.Protocol["Service"], count: number) =>
  Effect.forEach(
    Array.from({ length: count }),
    () => Effect.exit(client.call(server, "echo", [1]).pipe(Protocol.withTimeout("500 millis")))
  )

const millis = (run: () => void): number => {
  const started = performance.now()
  run()
  return performance.now() - started
}

// ---------------------------------------------------------------------------------------------------------------------
// findings
// ---------------------------------------------------------------------------------------------------------------------

type Finding = Effect.Effect<string, unknown, Scope.Scope | SimulatedNetwork.SimulatedNetwork>

const findings: Readonly<Record<string, Finding>> = {
  "1. a key of 26 arrays in each other": Effect.gen(function*() {
    const { receive } = yield* injected()
    const one = rawRequest(1, "x", Uint8Array.of(0x81, ...nestedKey(26, 0)))
    const best = Math.min(...Array.from({ length: 3 }, () => millis(() => receive(one, victim))))
    return `${one.length} bytes: ${best.toFixed(2)} ms`
  }),

  "1. 40 such keys": Effect.gen(function*() {
    const { receive } = yield* injected()
    const keys = Array.from({ length: 40 }, (_, i) => nestedKey(25, i)).flat()
    const all = rawRequest(1, "x", Uint8Array.of(0xde, 0, 40, ...keys))
    const best = Math.min(...Array.from({ length: 3 }, () => millis(() => receive(all, victim))))
    return `${all.length} bytes: ${best.toFixed(2)} ms`
  }),

  "2. 1,000 waiting requests of 8 KiB of empty maps": Effect.gen(function*() {
    const { receive, runs } = yield* injected()
    const maps = new Uint8Array(8160).fill(0x80)
    for (let i = 0; i < 1000; i++) {
      receive(rawRequest(i, "slow", Buffer.concat([Buffer.of(0xdc, 0x1f, 0xe0), maps])), victim)
    }
    return `${runs.slow} wait; heap ${Math.round(process.memoryUsage().heapUsed / 2 ** 20)} MiB`
  }),

  "3. A:1000, A:2000 and A:1000 again, one id, while the handlers run": Effect.gen(function*() {
    const { receive, runs } = yield* injected()
    for (const port of [1000, 2000, 1000]) receive(request(1, "slow", 1), `10.0.0.2:${port}`)
    return `ran ${runs.slow} times`
  }),

  ...Object.fromEntries([5000, 10_000].map((perSecond) => [
    `4. ${perSecond} forged requests a second in a caller's name, 30 calls`,
    Effect.gen(function*() {
      const { client, network } = yield* simulated()
      let n = 0
      const flood = Effect.forkChild(Effect.gen(function*() {
        for (let tick = 0; tick < 2000; tick++) {
          for (let i = 0; i < perSecond / 100; i++) {
            yield* network.forge({ from: victim, to: server, payload: request(n++, "echo", 1) })
          }
          yield* Effect.sleep(10)
        }
      }))
      yield* flood
      // By then the forger has had all that may be sent to the caller.
      yield* TestClock.adjust("8 seconds")
      const waiting = yield* Effect.forkChild(calls(client, 30))
      yield* TestClock.adjust("20 seconds")
      const ends = yield* Fiber.join(waiting)
      return `${ends.filter(Exit.isFailure).length} of 30 calls failed`
    })
  ])),

  "5. 1,024 forged slow requests in the name of a caller that has proven its address": Effect.gen(function*() {
    const { client, network } = yield* simulated()
    const first = yield* Effect.forkChild(
      Effect.forEach(Array.from({ length: 200 }), () => client.call(server, "bytes", [4000]), { discard: true })
    )
    yield* TestClock.adjust("60 seconds")
    yield* Fiber.join(first)
    for (let n = 0; n < 1024; n++) yield* network.forge({ from: victim, to: server, payload: request(n, "slow", 1) })
    yield* TestClock.adjust("1 seconds")
    const waiting = yield* Effect.forkChild(calls(client, 30))
    yield* TestClock.adjust("30 seconds")
    return `${(yield* Fiber.join(waiting)).filter(Exit.isFailure).length} of 30 calls failed`
  }),

  "6. one stranger's requests, and another's memory": Effect.gen(function*() {
    const { echoes, receive, sent } = yield* injected()
    receive(request(1, "echo", 1), victim)
    for (let n = 0; n < 530; n++) receive(request(n + 10, "bytes", 8000), "10.0.0.66:1")
    sent.length = 0
    receive(request(1, "echo", 1), victim)
    const forgotten = sent.length === 0
    for (let n = 0; n < 76_000; n++) {
      if (n % 19_000 === 0) yield* TestClock.adjust("1 seconds")
      receive(request(n + 1000, "echo", 1), "10.0.0.66:1")
    }
    receive(request(1, "echo", 1), victim)
    return `after 530 its answer is ${forgotten ? "forgotten" : "there"}; after 76,000 more its handler has run ${
      echoes.get("10.0.0.2")
    } times`
  }),

  "7. 1,350 chosen numbers as keys": Effect.sync(() => {
    const wide = (key: number) => [0xce, key >>> 24, key >>> 16 & 255, key >>> 8 & 255, key & 255, 0xc0]
    const body = (keys: ReadonlyArray<number>) =>
      rawRequest(1, "x", Uint8Array.of(0xde, keys.length >> 8, keys.length & 255, ...keys.flatMap(wide)))
    const ordinary = body(Array.from({ length: 1350 }, (_, i) => 0x1000_0000 + i))
    const chosen = body(colliding(1350))
    const time = (datagram: Uint8Array) =>
      Math.min(...Array.from({ length: 20 }, () => millis(() => Codec.decode(datagram))))
    const judged = Codec.decode(chosen)
    return `${chosen.length} bytes: ordinary ${time(ordinary).toFixed(2)} ms, chosen ${time(chosen).toFixed(2)} ms (${
      Result.isSuccess(judged) ? "read" : judged.failure
    })`
  }),

  "8. 528 KB forged over a /24 in two seconds": Effect.gen(function*() {
    const { receive, sent } = yield* injected()
    let bytes = 0
    for (let n = 0; bytes < 528_000; n++) {
      if (n % 1000 === 0) yield* TestClock.adjust(100)
      const datagram = request(n, "bytes", 8000)
      bytes += datagram.length
      receive(datagram, `10.7.7.${n % 256}:53`)
    }
    const out = sent.reduce((sum, { datagram }) => sum + datagram.length, 0)
    return `${(out / 2 ** 20).toFixed(1)} MiB out`
  }),

  "9. 17 networks of /64, all proven, hold handlers": Effect.gen(function*() {
    const { receive, runs, sent } = yield* injected()
    for (let n = 0; n < 17 * 1100; n++) {
      receive(request(n, "slow", 1), `[2001:db8:1:${(n % 17).toString(16)}::1]:2`)
      for (const { datagram, to } of sent.splice(0)) {
        if (Codec.typeOf(datagram) !== "Challenge") continue
        const token = Result.getOrThrow(Codec.decodeChallenge(datagram))
        receive(Codec.encodeProof(token), NetAddress.formatInet(to.address))
      }
    }
    const before = runs.slow
    receive(request(1_000_000, "slow", 1), "10.0.0.3:1")
    return `they hold ${before}; another's request ${runs.slow > before ? "runs" : "does not run"}`
  }),

  "9. one member's sessions, and a newcomer's": Effect.gen(function*() {
    const ring = [{ id: 1, secret: Redacted.make(new Uint8Array(32).fill(7)) }] as const
    const { client, network } = yield* Effect.gen(function*() {
      const network = yield* SimulatedNetwork.SimulatedNetwork
      yield* Layer.build(
        Protocol.serve(Peer).pipe(
          Layer.provide(Peer.toLayer({
            echo: () => Effect.succeed(1),
            slow: () => Effect.never,
            bytes: (length) => Effect.succeed(new Uint8Array(length))
          })),
          Layer.provide(at(server, { keys: { ring } }))
        )
      )
      return { client: Context.get(yield* Layer.build(at(victim, { keys: { ring } })), Protocol.Protocol), network }
    })
    // A member draws a new session for each datagram.
    const scribe = Context.get(yield* Layer.build(at("10.0.0.66:1000", { keys: { ring } })), Protocol.Protocol)
    for (let n = 0; n < 16_500; n++) {
      yield* scribe.rekey(ring)
      yield* Effect.forkChild(Effect.exit(scribe.call(server, "echo", [1]).pipe(Protocol.withTimeout(1))), {
        startImmediately: true
      })
      if (n % 1000 === 0) yield* TestClock.adjust(10)
    }
    yield* TestClock.adjust(100)
    const waiting = yield* Effect.forkChild(calls(client, 1))
    yield* TestClock.adjust("2 seconds")
    const [end] = yield* Fiber.join(waiting)
    return `the newcomer's call ${Exit.isSuccess(end!) ? "is answered" : "fails"} (${
      (yield* network.stats).delivered
    } datagrams)`
  }),

  "9. a time-out of minus infinity": Effect.gen(function*() {
    const { client } = yield* simulated()
    const call = client.call("10.0.0.99:9", "echo", [1]).pipe(Protocol.withTimeout(Duration.negativeInfinity))
    const waiting = yield* Effect.forkChild(Effect.exit(call))
    yield* TestClock.adjust("1 day")
    const end = waiting.pollUnsafe()
    return end === undefined ? "waits for ever" : "ends"
  }),

  "10. a transport that throws": Effect.gen(function*() {
    const { receive } = yield* injected({}, () => {
      throw new Error("as the audit says")
    })
    for (let n = 0; n < 100; n++) receive(request(n, "bytes", "no number"), victim)
    const gauge = (yield* Metric.snapshot).find(({ id }) => id === "rpcudp_requests_in_flight")
    return `${gauge?.type === "Gauge" ? Number(gauge.state.value) : 0} requests in flight afterwards`
  })
}

/** Numbers of 32 bits that V8 puts in one place of a `Map` of up to 2,048 (`ComputeUnseededHash`, src/utils/utils.h). */
const colliding = (count: number): ReadonlyArray<number> => {
  const found: Array<number> = []
  for (let key = 0x4000_0000; found.length < count; key++) {
    let hash = key
    hash = (~hash + (hash << 15)) | 0
    hash ^= hash >>> 12
    hash = (hash + (hash << 2)) | 0
    hash ^= hash >>> 4
    hash = Math.imul(hash, 2057)
    hash ^= hash >>> 16
    if ((hash & 0x3fff_ffff & 1023) === 5) found.push(key)
  }
  return found
}

// ---------------------------------------------------------------------------------------------------------------------
// running
// ---------------------------------------------------------------------------------------------------------------------

const chosen = process.argv[2]
const [, one] = process.argv[3]?.match(/^--only=(.*)$/) ?? []

if (one !== undefined) {
  const said = await findings[one]!.pipe(
    Effect.provide(SimulatedNetwork.layer({ seed: 1, delay: [1, 10] })),
    Effect.provideService(Metric.MetricRegistry, new Map()),
    Effect.scoped,
    Effect.provide([TestClock.layer(), Logger.layer([])]),
    Effect.runPromise
  )
  console.log(said)
  process.exit()
}

for (const name of Object.keys(findings)) {
  if (chosen !== undefined && !name.startsWith(`${chosen}.`)) continue
  const child = spawnSync(
    process.execPath,
    ["--max-old-space-size=1024", import.meta.filename, "all", `--only=${name}`],
    { encoding: "utf8", timeout: 60_000, killSignal: "SIGKILL" }
  )
  const said = child.stdout.trim()
  console.log(`${name}: ${said !== "" ? said : `the process ended (${child.signal ?? child.status})`}`)
}
