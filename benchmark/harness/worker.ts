/**
 * A contender's process: `node worker.ts <contender> serve`, or `node worker.ts <contender> call <port>`.
 *
 * A server says `port <number>`. A client says `connected` once its first call has been answered; then each line that it
 * reads is a phase, `<calls in flight> <warm-up> <measured>` in milliseconds, and it says `begin`, and at the end
 * `end <calls> <seconds> <p50> <p99> <lost>`, times in microseconds.
 *
 * `node --expose-gc worker.ts <contender> wait <port> <calls>` makes calls to a peer that never answers, and says
 * `outstanding <milliseconds to issue them> <bytes of heap a call> <bytes of resident memory a call>`.
 */
import { createInterface } from "node:readline"
import type { Driver } from "./load.ts"
import { Load } from "./load.ts"

export interface Contender {
  /** Serves on a port that the system chooses, and answers it. */
  readonly serve: () => Promise<number>
  /** With `patience`, calls that nobody answers wait that long. */
  readonly connect: (port: number, patience?: { readonly timeout: "1 hour" }) => Promise<Driver>
}

const [path, role, port, calls] = process.argv.slice(2)

const { contender }: { readonly contender: Contender } = await import(new URL(path!, import.meta.url).href)

const say = (line: string) => process.stdout.write(`${line}\n`)

if (role === "serve") {
  say(`port ${await contender.serve()}`)
  // Ends with whoever started it.
  process.stdin.resume().on("end", () => process.exit())
} else if (role === "wait") {
  const load = new Load(await contender.connect(Number(port), { timeout: "1 hour" }))
  const { heapBytes, millis, rssBytes } = await load.outstanding(Number(calls))
  say(`outstanding ${millis} ${heapBytes} ${rssBytes}`)
  process.exit()
} else {
  const load = new Load(await contender.connect(Number(port)))
  await load.first()
  say("connected")
  for await (const line of createInterface({ input: process.stdin })) {
    const [inFlight, warmUp, measure] = line.split(" ").map(Number)
    const { calls, lost, p50, p99, seconds } = await load.phase(inFlight!, warmUp!, measure!, () => say("begin"))
    say(`end ${calls} ${seconds} ${p50} ${p99} ${lost}`)
  }
  process.exit()
}
