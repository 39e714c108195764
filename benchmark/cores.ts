/**
 * Processes that share a port: the calls a second of two against those of one, and whose clients move when one ends.
 *
 *   npm run build && node benchmark/cores.ts [moves]
 *
 * Each call has its handler hash a megabyte, some work that takes much longer than the call itself. The load runs on the same cores, in a
 * process of its own. Rounds with one and with two processes take turns, so that the ratio is between neighbours in time.
 */
import { Effect, Layer, Schema } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { createSocket, type Socket } from "node:dgram"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { Handlers, Protocol, Transport } from "../dist/index.js"
import { spread } from "./harness/statistics.ts"

class Work extends Handlers.Service<Work>()("bench/Work", { hash: { success: Schema.Int } }) {}

const address = "127.0.0.1"
const bytes = new Uint8Array(1024 * 1024)

const rounds = 7
const clients = 32
const callsOfClient = 40

const serve = (port: number) =>
  Protocol.serve(Work).pipe(
    Layer.provide(Work.toLayer({ hash: () => Effect.sync(() => createHash("sha256").update(bytes).digest()[0] ?? 0) })),
    Layer.provide(Protocol.layer()),
    Layer.provide(Transport.layer({ address, port, reusePort: true }))
  )

/** Calls a second of so many clients, each with a socket of its own and two calls in flight. */
const load = (port: number) =>
  Effect.gen(function*() {
    const client = Effect.gen(function*() {
      const work = (yield* Protocol.client(Work))(`${address}:${port}`)
      yield* Effect.all(Array.from({ length: callsOfClient }, () => work.hash()), { concurrency: 2 })
    }).pipe(
      Effect.provide(
        Layer.fresh(Protocol.layer({ timeout: "1 minute" })).pipe(Layer.provide(Transport.layer({ address })))
      )
    )
    const begun = performance.now()
    yield* Effect.all(Array.from({ length: clients }, () => client), { concurrency: "unbounded" })
    return clients * callsOfClient / (performance.now() - begun) * 1000
  })

const startWorker = async (port: number): Promise<ChildProcess> => {
  const worker = spawn(process.execPath, [fileURLToPath(import.meta.url), "serve", String(port)], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  await once(worker.stdout!, "data")
  return worker
}

const round = async (port: number, workers: number): Promise<number> => {
  const running = await Promise.all(Array.from({ length: workers }, () => startWorker(port)))
  try {
    await Effect.runPromise(load(port))
    return await Effect.runPromise(load(port))
  } finally {
    await Promise.all(running.map((worker) => {
      worker.kill("SIGKILL")
      return once(worker, "exit")
    }))
  }
}

const bind = async (port: number, reusePort: boolean): Promise<Socket> => {
  const socket = createSocket({ type: "udp4", reusePort })
  socket.bind(port, address)
  await once(socket, "listening")
  return socket
}

const close = async (socket: Socket): Promise<void> => {
  socket.close()
  await once(socket, "close")
}

/** Which of several bare sockets on one port hears each of 600 clients: before one closes, then, and once another is bound. */
const moves = async (count: number, ending: number): Promise<string> => {
  const ports = await Promise.all(Array.from({ length: 600 }, () => bind(0, false)))
  const hear = (socket: Socket, name: number) =>
    socket.on("message", (_, from) => socket.send(String(name), from.port, from.address))
  const sharing: Array<Socket> = []
  let port = 0
  for (let i = 0; i < count; i++) {
    const socket = await bind(port, true)
    port = socket.address().port
    hear(socket, i)
    sharing.push(socket)
  }
  const owners = async () => {
    const names: Array<number> = []
    for (const client of ports) {
      client.send("", port, address)
      const [name] = await once(client, "message")
      names.push(Number(String(name)))
    }
    return names
  }
  const before = await owners()
  await close(sharing[ending]!)
  const without = await owners()
  sharing[ending] = await bind(port, true)
  hear(sharing[ending], count)
  const again = await owners()
  await Promise.all([...ports, ...sharing].map(close))
  const own = before.filter((owner) => owner === ending).length
  const others = before.filter((owner, i) => owner !== ending && owner !== without[i]).length
  const back = without.filter((owner, i) => owner !== again[i]).length
  return `${count} processes, number ${ending + 1} to bind ends: its ${own} clients move, and ${others} of ${
    ports.length - own
  } others; another starts: ${back} move`
}

const [command, port] = process.argv.slice(2)
if (command === "serve") {
  await Effect.runPromise(Effect.scoped(
    Effect.andThen(
      Layer.build(serve(Number(port))),
      Effect.andThen(Effect.sync(() => console.log("serving")), Effect.never)
    )
  ))
} else if (command === "moves") {
  for (const count of [2, 3, 4]) {
    for (let ending = 0; ending < count; ending++) console.log(await moves(count, ending))
  }
} else {
  const free = await bind(0, false)
  const { port } = free.address()
  await close(free)
  const [one, two, ratios]: [Array<number>, Array<number>, Array<number>] = [[], [], []]
  for (let i = 0; i < rounds; i++) {
    one.push(await round(port, 1))
    two.push(await round(port, 2))
    ratios.push(two[i]! / one[i]!)
  }
  console.log(`1 process: ${spread(one, 0)} calls a second`)
  console.log(`2 processes: ${spread(two, 0)} calls a second, ${spread(ratios)} times as many`)
}
