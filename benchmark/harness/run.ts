/** One run: a fresh server and a fresh client of a contender, under each load in turn. */
import { createSocket } from "node:dgram"
import { fileURLToPath } from "node:url"
import { Process } from "./processes.ts"

export interface Contender {
  readonly name: string
  readonly serve: ReadonlyArray<string>
  readonly call: (port: string) => ReadonlyArray<string>
  /** Makes calls to a peer that never answers; missing where the contender cannot be asked for that. */
  readonly wait?: (port: string, calls: number) => ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
}

export interface Mode {
  readonly name: string
  readonly inFlight: number
  /** Both processes on one core, or on a core each. */
  readonly cores: 1 | 2
}

export const modes: readonly [Mode, Mode, Mode] = [
  { name: "64 in flight", inFlight: 64, cores: 2 },
  { name: "512 in flight", inFlight: 512, cores: 2 },
  { name: "one at a time", inFlight: 1, cores: 1 }
]

/** In milliseconds. */
export interface Durations {
  /** Before the first load is measured. */
  readonly warmUp: number
  /** Before each later one: the processes are warm by then. */
  readonly settle: number
  readonly measure: number
}

export interface Result {
  readonly callsPerSecond: number
  /** In microseconds. */
  readonly p50: number
  readonly p99: number
  readonly lost: number
  /** Seconds of CPU for 100,000 calls. */
  readonly clientCpu: number
  readonly serverCpu: number
}

export interface Run {
  /** From the start of the client's process to the answer to its first call, in milliseconds. */
  readonly firstCall: number
  readonly results: ReadonlyMap<Mode, Result>
}

/** Which Node contenders run on: this one, unless `BENCH_NODE` has the path of another. */
export const nodeBinary = process.env["BENCH_NODE"] ?? process.execPath

/** A contender whose processes run on Node. */
export const node = (
  name: string,
  file: string,
  { env = {}, flags = [] }: {
    readonly env?: Readonly<Record<string, string>>
    readonly flags?: ReadonlyArray<string>
  } = {}
): Contender => {
  const command = (...flags: ReadonlyArray<string>) => [nodeBinary, ...flags, worker, `../contenders/${file}`]
  return {
    name,
    serve: [...command(...flags), "serve"],
    call: (port) => [...command(...flags), "call", port],
    wait: (port, calls) => [...command("--expose-gc"), "wait", port, String(calls)],
    env
  }
}

const worker = fileURLToPath(new URL("worker.ts", import.meta.url))

const [serverCore, clientCore] = [0, 1]

export const run = async (
  contender: Contender,
  modes: ReadonlyArray<Mode>,
  { measure, settle, warmUp }: Durations
): Promise<Run> => {
  const server = new Process(contender.serve, serverCore, contender.env)
  try {
    const [port] = await server.expect("port")
    const started = performance.now()
    const client = new Process(contender.call(port!), clientCore, contender.env)
    try {
      await client.expect("connected")
      const firstCall = performance.now() - started
      const results = new Map<Mode, Result>()
      for (const [i, mode] of modes.entries()) {
        server.pin(mode.cores === 1 ? clientCore : serverCore)
        client.say(`${mode.inFlight} ${i === 0 ? warmUp : settle} ${measure}`)
        await client.expect("begin")
        const before = [client.cpu, server.cpu] as const
        const [calls, seconds, p50, p99, lost] = (await client.expect("end")).map(Number)
        const per100k = (cpu: number) => 100_000 * cpu / calls!
        results.set(mode, {
          callsPerSecond: calls! / seconds!,
          p50: p50!,
          p99: p99!,
          lost: lost!,
          clientCpu: per100k(client.cpu - before[0]),
          serverCpu: per100k(server.cpu - before[1])
        })
      }
      return { firstCall, results }
    } finally {
      await client.end()
    }
  } finally {
    await server.end()
  }
}

/** In milliseconds, and in bytes a call: heap where there is one to ask, and memory that the system has given. */
export interface Waiting {
  readonly millis: number
  readonly heapBytes: number | undefined
  readonly rssBytes: number
}

/** Calls outstanding to a peer that takes datagrams and answers none. */
export const runWaiting = async (contender: Contender, calls: number): Promise<Waiting | undefined> => {
  if (contender.wait === undefined) return undefined
  const mute = createSocket("udp4")
  await new Promise<void>((resolve) => {
    mute.bind(0, "127.0.0.1", resolve)
  })
  const client = new Process(contender.wait(String(mute.address().port), calls), clientCore, contender.env)
  try {
    const [millis, heapBytes, rssBytes] = (await client.expect("outstanding", 30)).map(Number)
    return { millis: millis!, heapBytes: Number.isNaN(heapBytes!) ? undefined : heapBytes!, rssBytes: rssBytes! }
  } finally {
    await client.end()
    mute.close()
  }
}
