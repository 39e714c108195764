/** A process of the soak that runs nodes: what it measures, and how it ends. */
import { Effect, Exit, Logger, Metric, Scope } from "effect"
import { collectedHeap } from "../heap.ts"

/** What a process measures when it is asked to. */
export interface Figures {
  /** Counters, by name, then by label. One without a label has the empty one. */
  readonly counters: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly gauges: Readonly<Record<string, number>>
  /** What the process itself counts. */
  readonly own: Readonly<Record<string, number>>
  /** Errors and warnings in its log, by their message. */
  readonly logged: Readonly<Record<string, number>>
  readonly fibers: number
  readonly heapMiB: number
  readonly rssMiB: number
  readonly cpuSeconds: number
  /** What keeps the process alive beside its channel to the parent. Told once the scopes are closed. */
  readonly handles: ReadonlyArray<string>
}

/** To the child. `stop` ends what runs and closes the scopes. */
export type Order = "measure" | "stop"

/** From the child. */
export type Report =
  | { readonly type: "ready"; readonly ports: ReadonlyArray<number> }
  | { readonly type: "figures"; readonly figures: Figures }
  | { readonly type: "closed"; readonly figures: Figures }

/** What a child runs, in a scope that is closed once `stop` has ended. */
export interface Program {
  readonly ports: ReadonlyArray<number>
  readonly own: () => Record<string, number>
  readonly stop: Effect.Effect<void>
  /** What remains to be done when the scopes have closed. */
  readonly closed?: Effect.Effect<void>
}

let fibers = 0

const countFibers: Metric.FiberRuntimeMetricsService = {
  recordFiberStart: () => {
    fibers++
  },
  recordFiberEnd: () => {
    fibers--
  }
}

const logged: Record<string, number> = {}

// A log of its own: what is logged is counted, and the progress stays readable.
const countLogs = Logger.make(({ logLevel, message }) => {
  if (logLevel !== "Error" && logLevel !== "Warn" && logLevel !== "Fatal") return
  const text = String(Array.isArray(message) ? message[0] : message)
  logged[text] = (logged[text] ?? 0) + 1
})

const metrics = Effect.map(Metric.snapshot, (snapshots) => {
  const counters: Record<string, Record<string, number>> = {}
  const gauges: Record<string, number> = {}
  for (const { attributes, id, state, type } of snapshots) {
    const { unit: _, ...labels } = { ...attributes }
    const label = Object.values(labels).join()
    if (type === "Counter") (counters[id] ??= {})[label] = Number(state.count)
    if (type === "Gauge") gauges[label === "" ? id : `${id} ${label}`] = Number(state.value)
  }
  return { counters, gauges }
})

const settled = async (): Promise<void> => {
  // What has just closed is let go in the turns of the loop that follow, and an addon's part of it once it is collected.
  for (let turn = 0; turn < 10; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
    if (turn === 5) globalThis.gc?.()
  }
}

/** Runs a program until the parent says `stop`. Then the process ends by itself, or it is held by what it left behind. */
export const runChild = async <E>(program: Effect.Effect<Program, E, Scope.Scope>): Promise<void> => {
  const say = (report: Report) => process.send!(report)
  const order = new Promise<void>((resolve) => {
    process.on("message", (order: Order) => {
      if (order === "measure") say({ type: "figures", figures: measure() })
      else resolve()
    })
  })
  const before = process.getActiveResourcesInfo()
  const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> =>
    Effect.runPromise(
      effect.pipe(
        Effect.provideService(Metric.FiberRuntimeMetrics, countFibers),
        Effect.provide(Logger.layer([countLogs]))
      )
    )
  const scope = Scope.makeUnsafe()
  const { closed, own, ports, stop } = await run(Scope.provide(program, scope))

  const measure = (): Figures => {
    const heap = collectedHeap()
    const rss = process.memoryUsage.rss()
    const { system, user } = process.cpuUsage()
    const handles = process.getActiveResourcesInfo()
    for (const name of before) {
      if (handles.includes(name)) handles.splice(handles.indexOf(name), 1)
    }
    return {
      ...Effect.runSync(metrics),
      own: own(),
      logged,
      fibers,
      heapMiB: heap / 1_048_576,
      rssMiB: rss / 1_048_576,
      cpuSeconds: (system + user) / 1_000_000,
      handles
    }
  }

  say({ type: "ready", ports })
  await order
  await run(stop)
  await run(Scope.close(scope, Exit.void))
  if (closed !== undefined) await run(closed)
  await settled()
  say({ type: "closed", figures: measure() })
  // From here on nothing but what was left behind keeps it.
  process.disconnect()
}
