/**
 * What a datagram costs that a stranger chose: CPU and heap for each of its bytes, for every shape that MessagePack has.
 *
 *   npm run build && node --expose-gc benchmark/cost.ts [--all]
 *
 * A request to a method that nobody serves goes through a protocol without a socket: admission, decoding, the failure that
 * answers it. To that comes what a bare socket of Node takes to receive as many bytes, measured first, over loopback.
 */
import { Effect, Layer } from "effect"
import { fork } from "node:child_process"
import { createSocket } from "node:dgram"
import { fileURLToPath } from "node:url"
import { Codec, Protocol, Transport } from "../dist/index.js"
import { unpack } from "../dist/internal/wire/unpack.js"
import { arrayOf, type Bytes, frames, join, many, mapOf, text, values } from "../test/support/shapes.ts"
import { Forty, FortyLive } from "./contenders/ours.ts"
import { loopback } from "./micro.ts"

const sizes = [64, 1024, 8192]

/** Nanoseconds of CPU, bytes of heap. */
interface Cost {
  readonly name: string
  readonly bytes: number
  readonly outcome: string
  readonly decode: number
  readonly receive: number
  readonly heap: number
  readonly estimate: number
}

// ---------------------------------------------------------------------------------------------------------------------
// shapes
// ---------------------------------------------------------------------------------------------------------------------

/** V8's `ComputeUnseededHash`, by which it puts small integers into a `Map`. */
const hash32 = (key: number): number => {
  let h = (~key + (key << 15)) >>> 0
  h = (h ^ (h >>> 12)) >>> 0
  h = (h + (h << 2)) >>> 0
  h = (h ^ (h >>> 4)) >>> 0
  h = Math.imul(h, 2057) >>> 0
  return (h ^ (h >>> 16)) & 0x3fffffff
}

/** V8's `ComputeLongHash`, by which it puts other numbers and bigints into a `Map`. */
const hash64 = (bits: bigint): number => {
  const of64 = (n: bigint) => BigInt.asUintN(64, n)
  let h = of64(~bits + of64(bits << 18n))
  h ^= h >> 31n
  h = of64(h * 21n)
  h ^= h >> 11n
  h = of64(h + (h << 6n))
  h ^= h >> 22n
  return Number(h & 0x3fffffffn)
}

/** The first keys that fall into one bucket of a table of 2,048. */
const colliding = <K>(count: number, key: (i: number) => K, hash: (key: K) => number): ReadonlyArray<K> => {
  const keys: Array<K> = []
  for (let i = 0; keys.length < count; i++) if ((hash(key(i)) & 2047) === 0) keys.push(key(i))
  return keys
}

const integers = colliding(1024, (i) => i, hash32)
const bigints = colliding(1024, (i) => 2n ** 60n + BigInt(i), hash64)

const big = (width: number, value: bigint): Bytes =>
  Array.from({ length: width }, (_, i) => Number((value >> BigInt(8 * (width - 1 - i))) & 0xffn))

const body = (room: number, build: (items: ReadonlyArray<Uint8Array>, room: number) => Uint8Array, ...key: Key) =>
  build(many(...key), room)

type Key = Parameters<typeof many>

/** Maps of so many keys each, of which none is like another, as a row of values. */
const mapsOf = (keys: number, value: (i: number) => Bytes) => (n: number): Bytes =>
  join([[0xde, keys >> 8, keys & 0xff], ...Array.from({ length: keys }, (_, i) => join([value(n * keys + i), [0xc0]]))])

const shapes: ReadonlyArray<readonly [string, (room: number) => Uint8Array]> = [
  ["one bin", (room) => join([[0xc5, (room - 3) >> 8, (room - 3) & 0xff], new Uint8Array(room - 3)])],
  ["one text", (room) => text([0xda, (room - 3) >> 8, (room - 3) & 0xff], room - 3, 0) as Uint8Array],
  ...Object.entries(values).flatMap(([name, value]) =>
    [
      [name, (room: number) => body(room, arrayOf, value)],
      [`${name}, as keys`, (room: number) => body(room, mapOf, value, [], [0xc0])],
      [`${name}, as keys in arrays`, (room: number) => body(room, mapOf, value, [0x91], [0xc0])],
      [`maps with the key ${name}`, (room: number) => body(room, arrayOf, value, [0x81], [0xc0])]
    ] as const
  ),
  ...[128, 181, 256].flatMap((keys) =>
    [
      [
        `maps of ${keys} integers that collide`,
        (room: number) => body(room, arrayOf, mapsOf(keys, (i) => [0xce, ...big(4, BigInt(integers[i % keys]!))]))
      ],
      [
        `maps of ${keys} bigints that collide`,
        (room: number) => body(room, arrayOf, mapsOf(keys, (i) => [0xcf, ...big(8, bigints[i % keys]!)]))
      ]
    ] as const
  ),
  [
    "keys of 29 arrays each",
    (room) => body(room, mapOf, (i) => join([new Uint8Array(29).fill(0x91), [i % 128]]), [], [0xc0])
  ],
  [
    "texts of 40 with one wide letter",
    (room) => body(room, arrayOf, (i) => join([[0xd9, 43], text([], 40, i), [0xe4, 0xb8, 0x80]]))
  ]
]

// ---------------------------------------------------------------------------------------------------------------------
// measuring
// ---------------------------------------------------------------------------------------------------------------------

const gc = globalThis.gc ?? (() => {
  throw new Error("run it with --expose-gc")
})

/** Nanoseconds a call, collections of garbage included: the least of some rounds, as others use this machine, too. */
const timed = (run: () => void): number => {
  for (let i = 0; i < 20; i++) run()
  let [calls, best] = [1, Infinity]
  for (let round = 0; round < 3;) {
    const start = process.cpuUsage()
    const at = process.hrtime.bigint()
    for (let i = 0; i < calls; i++) run()
    const nanos = Number(process.hrtime.bigint() - at)
    if (nanos < 4_000_000) {
      calls *= 2
      continue
    }
    // Collectors on other threads count as well.
    const cpu = process.cpuUsage(start)
    best = Math.min(best, 1000 * (cpu.user + cpu.system) / calls)
    round++
  }
  return best
}

const heapUsed = (): number => {
  for (let i = 0; i < 2; i++) gc()
  const { external, heapUsed } = process.memoryUsage()
  return heapUsed + external
}

/** Bytes of heap that a decoded datagram takes, over many copies. */
const held = (datagram: Uint8Array): number => {
  const copies = Math.ceil(2_000_000 / (64 * datagram.length))
  const hold = Array.from<unknown>({ length: copies }).fill(0)
  const before = heapUsed()
  for (let i = 0; i < copies; i++) hold[i] = unpack(datagram, Codec.headerBytes)
  // What `unpack` returns is an object, too.
  const bytes = (heapUsed() - before) / copies - 40
  return hold.length === 0 ? 0 : bytes
}

/** CPU that a socket of Node takes to receive a datagram of so many bytes and to do nothing with it, in nanoseconds. */
const received = async (bytes: number): Promise<number> => {
  const socket = createSocket({ type: "udp4", recvBufferSize: 4_194_304 })
  await new Promise<void>((resolve) => {
    socket.bind(0, "127.0.0.1", resolve)
  })
  const sender = fork(fileURLToPath(import.meta.url), ["--send", String(socket.address().port), String(bytes)])
  try {
    let best = Infinity
    for (let round = 0; round < 12; round++) {
      let count = 0
      const all = new Promise<void>((resolve) => {
        const patience = setTimeout(resolve, 2000)
        socket.removeAllListeners("message")
        socket.on("message", () => {
          if (++count < burst) return
          clearTimeout(patience)
          resolve()
        })
      })
      const start = process.cpuUsage()
      sender.send("burst")
      await all
      const cpu = process.cpuUsage(start)
      if (round >= 4) best = Math.min(best, 1000 * (cpu.user + cpu.system) / count)
    }
    return best
  } finally {
    sender.disconnect()
    socket.close()
  }
}

const burst = 100

const send = (port: number, bytes: number): void => {
  const socket = createSocket("udp4")
  const datagram = new Uint8Array(bytes)
  process.on("message", () => {
    for (let i = 0; i < burst; i++) socket.send(datagram, port, "127.0.0.1")
  })
  process.on("disconnect", () => socket.close())
}

const measure = (receive: (datagram: Uint8Array) => void): ReadonlyArray<Cost> => {
  // The first would be measured while nothing is compiled.
  for (let i = 0; i < 50_000; i++) receive(new Uint8Array(frames["request"]!([0x90])))
  return sizes.flatMap((size) =>
    shapes.map(([name, build]): Cost => {
      const datagram = new Uint8Array(frames["request"]!(build(size - Codec.headerBytes - 4)))
      const unpacked = unpack(datagram, Codec.headerBytes)
      return {
        name,
        bytes: datagram.length,
        outcome: typeof unpacked === "string" ? unpacked : "read",
        decode: timed(() => unpack(datagram, Codec.headerBytes)),
        receive: timed(() => receive(datagram)),
        heap: typeof unpacked === "string" ? 0 : held(datagram),
        estimate: typeof unpacked === "string" ? 0 : unpacked.heapBytes
      }
    })
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// report
// ---------------------------------------------------------------------------------------------------------------------

const cell = (value: string | number, width: number): string => String(value).padStart(width)

const print = (size: number, socket: number, costs: ReadonlyArray<Cost>, most: number): void => {
  const total = (cost: Cost) => cost.receive + socket
  const readable = costs.filter(({ outcome }) => outcome === "read")
  const cheapest = Math.min(...readable.map(total))
  const dearest = costs.toSorted((a, b) => total(b) - total(a))
  const hungriest = readable.toSorted((a, b) => b.heap / b.bytes - a.heap / a.bytes)
  const row = (cost: Cost) =>
    console.log(
      cost.name.padEnd(52) + cell(cost.outcome, 13) + cell((cost.decode / 1000).toFixed(1), 11) +
        cell((cost.receive / 1000).toFixed(1), 10) + cell((total(cost) / cheapest).toFixed(1), 9) +
        cell((total(cost) / cost.bytes).toFixed(1), 9) + cell((cost.heap / cost.bytes).toFixed(1), 9) +
        cell((cost.estimate / cost.bytes).toFixed(1), 9)
    )
  console.log(
    `\n${size} bytes: the socket takes ${(socket / 1000).toFixed(1)} us, the cheapest in all ` +
      `${(cheapest / 1000).toFixed(1)} us; ${costs.filter((cost) => total(cost) > 10 * cheapest).length} of ` +
      `${costs.length} shapes are over 10 times as dear`
  )
  console.log(
    `${"the dearest".padEnd(65)} decode us  whole us    times  ns/byte  heap/byte  estimate`
  )
  dearest.slice(0, most).forEach(row)
  console.log("the hungriest")
  hungriest.slice(0, most).forEach(row)
  const under = readable.filter(({ estimate, heap }) => heap > estimate + 256 && heap > 1.05 * estimate)
  console.log(`${under.length} of ${readable.length} take more than is estimated`)
  under.forEach(row)
}

const run = Effect.gen(function*() {
  const { receive, service } = yield* loopback
  yield* Layer.build(
    Protocol.serve(Forty).pipe(
      Layer.provide(FortyLive),
      // One sender asks for all of it here, and proves nothing.
      Layer.provide(Protocol.layer({ limits: { requestsPerSecond: Infinity, replyBytesPerSecond: Infinity } })),
      Layer.provide(Layer.succeed(Transport.Transport, service))
    )
  )
  const sockets = new Map<number, number>()
  for (const size of sizes) sockets.set(size, yield* Effect.promise(() => received(size)))
  const costs = measure(receive)
  const most = process.argv.includes("--all") ? Infinity : 10
  for (const size of sizes) {
    const ofSize = costs.filter(({ bytes }) => bytes > size / 2 && bytes <= size)
    print(size, sockets.get(size)!, ofSize, most)
  }
})

if (process.argv[2] === "--send") send(Number(process.argv[3]), Number(process.argv[4]))
else await Effect.runPromise(Effect.scoped(run))
