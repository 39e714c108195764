/** Sockets on addresses of 127.0.0.0/8, and datagrams from addresses that nobody has. */
import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { createSocket, type Socket } from "node:dgram"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import type { Target } from "./Target.ts"
import type { Method } from "./wires.ts"

/** A socket of somebody's. */
export class Attacker {
  readonly host: string
  readonly port: number
  readonly received: Array<Buffer> = []
  receivedBytes = 0
  /** Called for each datagram, instead of keeping it. */
  onDatagram: ((datagram: Buffer, from: { readonly address: string; readonly port: number }) => void) | undefined
  readonly #socket: Socket

  private constructor(socket: Socket) {
    this.#socket = socket
    this.host = socket.address().address
    this.port = socket.address().port
    socket.on("message", (datagram, from) => {
      this.receivedBytes += datagram.length
      if (this.onDatagram !== undefined) return this.onDatagram(datagram, from)
      this.received.push(datagram)
    })
    socket.on("error", () => {})
  }

  static async bind(host: string): Promise<Attacker> {
    const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20 })
    socket.bind(0, host)
    await once(socket, "listening")
    return new Attacker(socket)
  }

  send(datagram: Uint8Array, target: { readonly port: number }): void {
    this.#socket.send(datagram, target.port, "127.0.0.1")
  }

  /** The next datagram, or undefined after so many milliseconds. */
  next(millis: number): Promise<Buffer | undefined> {
    return new Promise((resolve) => {
      const done = (datagram: Buffer | undefined) => {
        clearTimeout(timer)
        this.onDatagram = undefined
        resolve(datagram)
      }
      const timer = setTimeout(done, millis, undefined)
      this.onDatagram = done
    })
  }

  close(): void {
    this.#socket.close()
  }
}

/** Whether a node still answers a stranger within a second. */
export const answers = async (target: Target): Promise<boolean> => {
  const stranger = await Attacker.bind("127.0.4.1")
  try {
    stranger.send(target.wire.request("ping", randomBytes(20)), target)
    const answer = await stranger.next(1000)
    return answer !== undefined && !target.wire.isRefusal(answer)
  } finally {
    stranger.close()
  }
}

export interface Forged {
  readonly host: string
  readonly port: number
  readonly datagram: Uint8Array
}

/** Sends from any address of 127.0.0.0/8: what is answered once the first is on its way ends with the last. */
export const forge = async (
  target: Target,
  rate: number,
  datagrams: Iterable<Forged>
): Promise<{ readonly done: Promise<void> }> => {
  const child = spawn("python3", [fileURLToPath(new URL("forge.py", import.meta.url)), `${target.port}`, `${rate}`], {
    stdio: ["pipe", "pipe", "inherit"]
  })
  const lines = createInterface({ input: child.stdout })
  const done = once(child, "exit").then(([code]) => {
    if (code !== 0) throw new Error("forging needs python3 and CAP_NET_RAW")
  })
  // It is awaited by whoever waits for the end; what fails before that shows in the line that does not come.
  done.catch(() => {})
  const ready = Promise.race([once(lines, "line"), done])
  let chunk = ""
  for (const { datagram, host, port } of datagrams) {
    chunk += `${host} ${port} ${Buffer.from(datagram).toString("hex")}\n`
    if (chunk.length < 1 << 20) continue
    if (!child.stdin.write(chunk)) await once(child.stdin, "drain")
    chunk = ""
  }
  child.stdin.end(chunk)
  await ready
  return { done }
}

/** What a flood got for its trouble. */
export interface Flooded {
  readonly sent: number
  readonly answers: number
  readonly refusals: number
}

/** One sender's flood, from a process of its own. It ends by itself. */
export const flood = async (
  target: Target,
  host: string,
  method: Method,
  rate: number,
  seconds: number
): Promise<{ readonly done: Promise<Flooded> }> => {
  const file = fileURLToPath(new URL("flood.ts", import.meta.url))
  const child: ChildProcess = spawn(
    process.execPath,
    [file, target.name, host, `${target.port}`, method, `${rate}`, `${seconds}`],
    { stdio: ["ignore", "pipe", "inherit"] }
  )
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  await lines.next()
  return { done: lines.next().then(({ value }) => JSON.parse(String(value)) as Flooded) }
}

/** How a sender fares who asks politely. */
export interface Service {
  readonly asked: number
  readonly answered: number
  readonly medianMillis: number
  readonly worstMillis: number
}

/** Asks every 20 ms, and waits a second for each answer. */
export const polite = async (target: Target, host: string, seconds: number): Promise<Service> => {
  const asker = await Attacker.bind(host)
  const asked = new Map<string, number>()
  const millis: Array<number> = []
  asker.onDatagram = (datagram) => {
    // As a node of the kind that is asked would.
    const proof = target.wire.proofOf?.(datagram)
    if (proof !== undefined) asker.send(proof, target)
    const at = asked.get(target.wire.idOf(datagram))
    const elapsed = at === undefined ? Infinity : performance.now() - at
    if (elapsed <= 1000 && !target.wire.isRefusal(datagram)) millis.push(elapsed)
  }
  const times = Math.round(seconds * 50)
  const started = performance.now()
  for (let i = 0; i < times; i++) {
    await sleep(Math.max(0, started + 20 * i - performance.now()))
    // Two bytes are all that some wires have for an id.
    const id = randomBytes(20)
    id.writeUInt16BE(i + 1)
    const request = target.wire.request("ping", id)
    asked.set(target.wire.idOf(request), performance.now())
    asker.send(request, target)
  }
  await sleep(1000)
  asker.close()
  millis.sort((a, b) => a - b)
  return {
    asked: times,
    answered: millis.length,
    medianMillis: millis[millis.length >> 1] ?? Number.NaN,
    worstMillis: millis.at(-1) ?? Number.NaN
  }
}
