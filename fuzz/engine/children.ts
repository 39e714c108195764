/** Runs children (child.ts) and watches over them: one that hangs or dies is a finding with the input that it was running. */
import { fork } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Report, SearchTask, Task } from "./child.ts"
import type { Limits } from "./judge.ts"
import type { Summary } from "./search.ts"

export interface Settings {
  /** The URL of the target's module. */
  readonly target: string
  /** The URL of the folder whose coverage counts. */
  readonly sources: string
  readonly limits: Limits & {
    /** How long one input may run before its process is ended. */
    readonly hungMillis: number
    /** How large the heap of the process may grow, in MiB. */
    readonly heapMiB: number
  }
}

/** What is wrong with an input. */
export interface Fault {
  readonly kind: "threw" | "slow" | "hungry" | "hung" | "died"
  readonly message: string
}

export interface Finding {
  readonly input: Uint8Array
  readonly fault: Fault
}

/** Looks for a finding, until there is one or the time is over. The summary is lost with a child that hangs or dies. */
export const search = async (
  settings: Settings,
  options: SearchTask
): Promise<{ readonly finding: Finding | undefined; readonly summary: Summary | undefined }> => {
  const child = new Child(settings, options)
  const ended = await child.report()
  child.end()
  if (ended._tag === "Lost") return { finding: ended.finding, summary: undefined }
  if (ended._tag === "Judged") throw new Error("a child that searches has judged")
  const { found, summary } = ended
  return { finding: found, summary }
}

/** Judges inputs one by one, each anew. */
export class Judge {
  readonly #settings: Settings
  #child: Child | undefined

  constructor(settings: Settings) {
    this.#settings = settings
  }

  async fault(input: Uint8Array): Promise<Fault | undefined> {
    const child = this.#child ??= new Child(this.#settings, undefined)
    child.send(input)
    const ended = await child.report()
    if (ended._tag === "Judged") return ended.fault
    this.end()
    return ended._tag === "Lost" ? ended.finding.fault : undefined
  }

  end(): void {
    this.#child?.end()
    this.#child = undefined
  }
}

interface Lost {
  readonly _tag: "Lost"
  readonly finding: Finding
}

class Child {
  readonly #process
  readonly #folder = mkdtempSync(join(tmpdir(), "fuzz-"))
  readonly #running = join(this.#folder, "running")
  readonly #hungMillis: number
  #errors = ""

  constructor({ limits, sources, target }: Settings, search: SearchTask | undefined) {
    this.#hungMillis = limits.hungMillis
    this.#process = fork(new URL("child.ts", import.meta.url), {
      execArgv: ["--expose-gc", "--max-semi-space-size=32", `--max-old-space-size=${limits.heapMiB}`],
      // Bytes stay bytes, and an infinite number is one.
      serialization: "advanced",
      stdio: ["ignore", "inherit", "pipe", "ipc"]
    })
    this.#process.stderr?.on("data", (text: Buffer) => this.#errors = (this.#errors + text.toString()).slice(-4000))
    const task: Task = { target, sources, limits, running: this.#running, search }
    this.#process.send(task)
  }

  send(input: Uint8Array): void {
    this.#process.send(input)
  }

  /** What it says next, or that it will say nothing any more. */
  report(): Promise<Report | Lost> {
    return new Promise((resolve) => {
      let number = -1
      let looks = 0
      let hung = false
      const watch = setInterval(() => {
        const running = this.#readRunning()
        if (running.number !== number || running.number === 0) {
          // It has gone on to another input, or not begun.
          number = running.number
          looks = 0
        } else if (++looks > 10) {
          hung = true
          this.#process.kill("SIGKILL")
        }
      }, this.#hungMillis / 10)
      const done = (report: Report | Lost) => {
        clearInterval(watch)
        this.#process.removeAllListeners("message").removeAllListeners("exit")
        resolve(report)
      }
      this.#process.once("message", (report: Report) => done(report))
      this.#process.once("exit", (code, signal) =>
        done({
          _tag: "Lost",
          finding: {
            input: this.#readRunning().input,
            fault: hung
              ? { kind: "hung", message: `it runs for over ${this.#hungMillis} ms` }
              : { kind: "died", message: `its process ended with ${signal ?? code}: ${this.#errors.trim()}` }
          }
        }))
    })
  }

  end(): void {
    this.#process.kill("SIGKILL")
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #readRunning(): { readonly number: number; readonly input: Uint8Array } {
    let file: Buffer
    try {
      file = readFileSync(this.#running)
    } catch {
      // It has not begun.
      return { number: 0, input: new Uint8Array(0) }
    }
    if (file.length < 8) return { number: 0, input: new Uint8Array(0) }
    return { number: file.readUInt32BE(0), input: file.subarray(8, 8 + file.readUInt32BE(4)) }
  }
}
