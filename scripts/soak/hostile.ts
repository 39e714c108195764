/**
 * Everybody else: `hostile.ts SERVER RATE CLIENT...`. Garbage, answers that nobody asked for, repeats, and floods from one
 * sender and from many, of quick requests and of slow ones, in datagrams a second. It opens sockets on addresses of
 * 127.0.0.0/8 alone, and tells its parent each second what it has sent.
 */
import { randomBytes } from "node:crypto"
import { createSocket, type Socket } from "node:dgram"
import { once } from "node:events"
import { Codec } from "../../src/index.ts"

const [server, rate, ...clients] = process.argv.slice(2).map(Number)

const below = (n: number): number => Math.floor(Math.random() * n)

const bind = async (host: string): Promise<Socket> => {
  const socket = createSocket("udp4")
  socket.on("error", () => {})
  // What it is answered it does not want.
  socket.on("message", () => {})
  socket.bind(0, host)
  await once(socket, "listening")
  return socket
}

const request = (method: string, ...args: ReadonlyArray<unknown>): Uint8Array => {
  const encoded = Codec.encodeRequest(randomBytes(20), method, args)
  if (encoded._tag === "Failure") throw encoded.failure
  return encoded.success
}

const noise = (): Uint8Array => randomBytes(below(64))

const damaged = (): Uint8Array => {
  const bytes = Uint8Array.from(request("echo", 1, randomBytes(below(100))))
  for (let n = 1 + below(4); n > 0; n--) bytes[below(bytes.length)] = below(256)
  return below(4) === 0 ? bytes.subarray(0, below(bytes.length)) : bytes
}

const answer = (): Uint8Array => Buffer.concat([Buffer.of(1 + below(2)), randomBytes(20), Buffer.of(0xc0)])

const longest = Buffer.alloc(65_507)

const flooder = await bind("127.0.7.1")
const slowFlooder = await bind("127.0.7.2")
const liar = await bind("127.0.7.3")

// Many senders, of whom the oldest gives way to a new one many times a second.
const crowd: Array<Socket> = []
const newcomer = (): Promise<Socket> => bind(`127.9.${below(256)}.${1 + below(254)}`)
for (let i = 0; i < 256; i++) crowd.push(await newcomer())
let senders = crowd.length
setInterval(() => {
  void newcomer().then((socket) => {
    crowd.push(socket)
    crowd.shift()?.close()
    senders++
  })
}, 50)

const anybody = (): Socket => crowd[below(crowd.length)]!

let repeated = request("echo", 1, new Uint8Array(8))
let repeats = 0

/** What it sends, and how often in a hundred. */
const kinds: ReadonlyArray<readonly [name: string, weight: number, send: () => void]> = [
  ["noise", 8, () => anybody().send(noise(), server)],
  ["damaged requests", 12, () => anybody().send(damaged(), server)],
  ["longest datagrams", 1, () => liar.send(longest, server)],
  ["answers to nobody", 5, () => liar.send(answer(), below(2) === 0 ? server! : clients[below(clients.length)]!)],
  ["quick requests of one sender", 30, () => flooder.send(request("echo", 1, new Uint8Array(8)), server)],
  ["slow requests of one sender", 9, () => slowFlooder.send(request("slow", 1, 120_000), server)],
  ["quick requests of many senders", 25, () => anybody().send(request("echo", 1, new Uint8Array(8)), server)],
  ["one request over and over", 10, () => {
    if (++repeats % 10 === 0) repeated = request("echo", repeats, new Uint8Array(8))
    liar.send(repeated, server)
  }]
]

const drawn = kinds.flatMap((kind) => Array.from({ length: kind[1] }, () => kind))
const sent: Record<string, number> = {}
let total = 0
const started = performance.now()
setInterval(() => {
  // After a halt it does not make up for what it missed.
  const due = Math.min((performance.now() - started) / 1000 * rate!, total + rate! / 10)
  for (; total < due; total++) {
    const [name, , send] = drawn[below(drawn.length)]!
    send()
    sent[name] = (sent[name] ?? 0) + 1
  }
}, 2)
setInterval(() => process.send?.({ ...sent, senders }), 1000)
// It has no state of its own to look after.
process.on("disconnect", () => process.exit(0))
