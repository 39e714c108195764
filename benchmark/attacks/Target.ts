/** A node under attack, in a process of its own, and what can be told of it from outside. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import type { Readable } from "node:stream"
import { fileURLToPath } from "node:url"
import type { Name } from "./findings.ts"
import type { Command, Ended, Stats } from "./servers/steer.ts"
import { dhtRpc, kRpcSocket, rpcudp, type Wire } from "./wires.ts"

export type { Name } from "./findings.ts"

export const names: ReadonlyArray<Name> = ["rpcudp", "dht-rpc", "k-rpc-socket", "ours"]

export const wireOf: Record<Name, Wire> = {
  rpcudp,
  "dht-rpc": dhtRpc,
  "k-rpc-socket": kRpcSocket,
  ours: rpcudp
}

/** Why this one cannot be attacked here. */
export const missing = (name: Name): string | undefined => {
  if (name !== "rpcudp") return undefined
  const path = process.env["RPCUDP_PATH"]
  if (path === undefined) return "RPCUDP_PATH names no directory with Python's rpcudp and umsgpack"
  return existsSync(`${path}/rpcudp/protocol.py`) ? undefined : `no rpcudp in ${path}`
}

/** The part of a command that is not its number. */
type Order = Command extends infer C ? C extends Command ? Omit<C, "id"> : never : never

export interface Usage {
  readonly rssMiB: number
  /** Of the processor, since the start. */
  readonly cpuSeconds: number
}

export class Target {
  readonly name: Name
  readonly wire: Wire
  version = ""
  port = 0
  /** What it wrote to standard output and standard error. */
  log = ""
  logBytes = 0
  /** How it ended, if it did. */
  died: string | undefined
  readonly #process: ChildProcess
  readonly #answers = new Map<number, (answer: object | undefined) => void>()
  #ordered = 0
  #stopping = false

  private constructor(name: Name, child: ChildProcess) {
    this.name = name
    this.wire = wireOf[name]
    this.#process = child
  }

  static async start(name: Name): Promise<Target> {
    const server = (file: string) => fileURLToPath(new URL(`servers/${file}`, import.meta.url))
    const [command, args] = name === "rpcudp"
      ? ["python3", [server("rpcudp.py")]] as const
      : [process.execPath, ["--expose-gc", "--max-old-space-size=512", server(`${name}.ts`)]] as const
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe", "pipe"] })
    const target = new Target(name, child)
    for (const output of [child.stdout!, child.stderr!]) {
      output.on("data", (bytes: Buffer) => {
        target.logBytes += bytes.length
        if (target.log.length < 100_000) target.log += bytes.toString()
      })
    }
    child.on("exit", (code, signal) => {
      if (!target.#stopping) target.died = signal ?? `exit code ${code}`
      for (const resolve of target.#answers.values()) resolve(undefined)
      target.#answers.clear()
    })
    child.stdin!.on("error", () => {})
    const ready = new Promise<void>((resolve, reject) => {
      child.once("exit", () => reject(new Error(`${name} did not start: ${target.log}`)))
      createInterface({ input: child.stdio[3] as Readable }).on("line", (line) => {
        const message = JSON.parse(line)
        if (message.id === undefined) {
          target.port = message.port
          target.version = message.version
          return resolve()
        }
        target.#answers.get(message.id)?.(message)
        target.#answers.delete(message.id)
      })
    })
    await ready
    // Lets it settle, so that what grows afterwards has grown by the attack.
    await sleep(300)
    return target
  }

  async stats(): Promise<(Stats & Usage) | undefined> {
    const stats = await this.#order({ do: "stats" }, 20_000) as Stats | undefined
    return stats && { ...stats, ...this.usage() }
  }

  /** Undefined where it did not end within half a minute. */
  async call(host: string, port: number): Promise<Ended | undefined> {
    return await this.#order({ do: "call", to: [host, port] }, 30_000) as Ended | undefined
  }

  async abandon(how: "cancel" | "drop", host: string, port: number, count: number): Promise<boolean> {
    return await this.#order({ do: how, to: [host, port], count }, 30_000) !== undefined
  }

  usage(): Usage {
    try {
      const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.#process.pid}/status`, "utf8"))?.[1]
      const fields = readFileSync(`/proc/${this.#process.pid}/stat`, "utf8").split(") ")[1]!.split(" ")
      return { rssMiB: Number(kib) / 1024, cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100 }
    } catch {
      return { rssMiB: Number.NaN, cpuSeconds: Number.NaN }
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exit = once(this.#process, "exit")
    this.#process.kill("SIGKILL")
    await exit
  }

  #order(order: Order, patienceMillis: number): Promise<object | undefined> {
    const id = ++this.#ordered
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#answers.delete(id)
        resolve(undefined)
      }, patienceMillis)
      this.#answers.set(id, (answer) => {
        clearTimeout(timer)
        resolve(answer)
      })
      if (this.died !== undefined) return this.#answers.get(id)?.(undefined)
      this.#process.stdin?.write(`${JSON.stringify({ id, ...order })}\n`)
    })
  }
}
