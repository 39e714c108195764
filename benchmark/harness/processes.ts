/** The processes of a run: started on a core, spoken to in lines, and ended with it. Linux tells what CPU they took. */
import { spawn, spawnSync } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { createInterface } from "node:readline"

const running = new Set<ChildProcess>()

// Whatever ends this process, none of those it started stays.
const endAll = () => {
  for (const child of running) child.kill("SIGKILL")
}
process.on("exit", endAll)
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(1))

/** Without it, or with a single core, the system decides where processes run. */
export const canPin = spawnSync("taskset", ["-c", "0,1", "true"]).status === 0

export class Process {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #ended: Promise<unknown>
  #errors = ""

  constructor(command: ReadonlyArray<string>, core: number, env: Readonly<Record<string, string>> = {}) {
    const [program, ...args] = canPin ? ["taskset", "-c", String(core), ...command] : command
    const child = spawn(program!, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } })
    running.add(child)
    this.#child = child
    this.#ended = new Promise((resolve) => {
      child.once("error", (error) => resolve(this.#errors += error.message))
      child.once("close", resolve)
    }).finally(() => running.delete(child))
    child.stderr!.on("data", (chunk) => {
      this.#errors += chunk
    })
    child.stdin!.on("error", () => {})
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  }

  /** The words of its next line, which must begin with `word`. */
  async expect(word: string, seconds = 20): Promise<ReadonlyArray<string>> {
    const late = setTimeout(() => {
      this.#errors += `it said nothing for ${seconds} seconds`
      this.#child.kill("SIGKILL")
    }, 1000 * seconds)
    const { done, value } = await this.#lines.next()
    clearTimeout(late)
    const words = done === true ? [] : value.split(" ")
    if (words[0] === word) return words.slice(1)
    if (done === true) await this.#ended
    throw new Error(`expected "${word}"${done === true ? "" : `, but it said "${value}"`}\n${this.#errors}`)
  }

  say(line: string): void {
    this.#child.stdin!.write(`${line}\n`)
  }

  pin(core: number): void {
    if (canPin) spawnSync("taskset", ["-acp", String(core), String(this.#child.pid)])
  }

  /** Seconds of CPU so far, those of its threads included. */
  get cpu(): number {
    try {
      const tasks = `/proc/${this.#child.pid}/task`
      return readdirSync(tasks).reduce((sum, task) => {
        const [nanos] = readFileSync(`${tasks}/${task}/schedstat`, "utf8").split(" ")
        return sum + Number(nanos) / 1e9
      }, 0)
    } catch {
      return Number.NaN
    }
  }

  /** It ends by itself when nobody speaks to it any more, or is ended. */
  async end(): Promise<void> {
    this.#child.stdin!.end()
    const late = setTimeout(() => this.#child.kill("SIGKILL"), 2000)
    await this.#ended
    clearTimeout(late)
  }
}
