/** How a node under attack is steered: lines of JSON on its standard input, answers on descriptor 3. The rest is its log. */
import { readFileSync, writeSync } from "node:fs"
import { createInterface } from "node:readline"
import { collectedHeap } from "../../../scripts/heap.ts"

/** What a node is told to do. */
export type Command =
  | { readonly id: number; readonly do: "stats" }
  /** Calls, and answers how that ended. */
  | { readonly id: number; readonly do: "call"; readonly to: readonly [string, number] }
  /** Starts calls that nobody waits for; `cancel` ends each by the library's own means. */
  | {
    readonly id: number
    readonly do: "cancel" | "drop"
    readonly to: readonly [string, number]
    readonly count: number
  }

export interface Stats {
  /** How often each handler ran. */
  readonly runs: Record<string, number>
  /** Handlers that run now. */
  readonly running: number
  /** The most that ran at once. */
  readonly most: number
  /** What the library keeps, by its own names. */
  readonly kept: Record<string, number>
  /** What it has counted, if it counts. */
  readonly counted?: Record<string, number> | undefined
  /** After a collection, where there is one heap to speak of. */
  readonly heapMiB?: number | undefined
}

export interface Ended {
  readonly outcome: "answer" | "none"
  readonly value: string | null
}

/** What a node does when told. */
export interface Node {
  readonly version: string
  readonly port: number
  readonly kept: () => Record<string, number>
  readonly counted?: () => Record<string, number>
  readonly call: (host: string, port: number) => Promise<Ended>
  readonly abandon: (host: string, port: number, count: number, cancel: boolean) => void
}

const runs: Record<string, number> = {}
let running = 0
let most = 0

export const ran = (method: string): void => {
  runs[method] = (runs[method] ?? 0) + 1
}

export const began = (): void => {
  running++
  most = Math.max(most, running)
}

export const finished = (): void => {
  running--
}

/** The version of a package that is installed here. */
export const versionOf = (name: string): string =>
  JSON.parse(readFileSync(new URL(`../../node_modules/${name}/package.json`, import.meta.url), "utf8")).version

const obey = async (node: Node, command: Command): Promise<object> => {
  switch (command.do) {
    case "stats": {
      const timers = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length
      const heapMiB = collectedHeap() / 1_048_576
      return { runs, running, most, kept: { ...node.kept(), timers }, counted: node.counted?.(), heapMiB }
    }
    case "call":
      return node.call(...command.to)
    default:
      node.abandon(...command.to, command.count, command.do === "cancel")
      return {}
  }
}

export const steer = (node: Node): void => {
  const say = (message: object) => writeSync(3, `${JSON.stringify(message)}\n`)
  say({ port: node.port, version: `${node.version}, Node ${process.versions.node}` })
  const lines = createInterface({ input: process.stdin })
  lines.on("line", async (line) => {
    const command: Command = JSON.parse(line)
    say({ id: command.id, ...await obey(node, command) })
  })
  lines.on("close", () => process.exit(0))
}
