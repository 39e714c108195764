/** Keeps a number of calls in flight and notes how long each took. Runs in the client's process. */
import { Effect } from "effect"

/** A call without an answer after this many milliseconds is lost; another takes its place. */
const lostAfter = 1000

/** What a phase of load came to. Times in microseconds, but `seconds`. */
export interface Figures {
  readonly calls: number
  readonly seconds: number
  readonly p50: number
  readonly p99: number
  readonly lost: number
}

/** Calls that wait: how long it took to issue them, and what one of them occupies. */
export interface Outstanding {
  readonly millis: number
  readonly heapBytes: number
  readonly rssBytes: number
}

/** One of the calls that are in flight at a time. */
export interface Slot {
  /** Undefined between two calls. */
  startedAt: number | undefined
}

/** Calls again as soon as it is answered, while the load is running. */
export interface Driver {
  /** A call whose answer nobody waits for but the caller itself. */
  readonly once: () => void
  readonly start: (slot: Slot, load: Load) => void
}

/** Calls that answer a callback. */
export const callbacks = (call: (done: () => void) => void): Driver => {
  const start = (slot: Slot, load: Load): void => {
    const startedAt = slot.startedAt = performance.now()
    call(() => {
      // It was given up before.
      if (slot.startedAt !== startedAt) return
      load.answered(startedAt)
      slot.startedAt = undefined
      if (load.running) start(slot, load)
    })
  }
  return { start, once: () => call(() => {}) }
}

/** Calls that answer a promise. */
export const promises = (call: () => Promise<unknown>): Driver =>
  callbacks((done) => {
    // One that fails is lost.
    call().then(done, () => {})
  })

/** Calls that are Effects: a fiber makes one after the other. */
export const effects = <R>(
  call: Effect.Effect<unknown, unknown, R>,
  fork: (fiber: Effect.Effect<unknown, unknown, R>) => unknown
): Driver => ({
  once: () => {
    fork(call)
  },
  start: (slot, load) => {
    fork(Effect.gen(function*() {
      let startedAt = slot.startedAt = performance.now()
      while (true) {
        yield* call
        // It was given up before: another fiber has this place.
        if (slot.startedAt !== startedAt) return
        load.answered(startedAt)
        if (!load.running) break
        startedAt = slot.startedAt = performance.now()
      }
      slot.startedAt = undefined
    }))
  }
})

export class Load {
  readonly #driver: Driver
  #latencies = new Float64Array(2 ** 20)
  #calls = 0
  #lost = 0
  running = false

  constructor(driver: Driver) {
    this.#driver = driver
  }

  answered(startedAt: number): void {
    if (this.#calls === this.#latencies.length) {
      const longer = new Float64Array(2 * this.#calls)
      longer.set(this.#latencies)
      this.#latencies = longer
    }
    this.#latencies[this.#calls++] = performance.now() - startedAt
  }

  /** Makes a single call, and resolves when it has been answered. */
  async first(): Promise<void> {
    const slot: Slot = { startedAt: undefined }
    this.running = true
    this.#driver.start(slot, this)
    this.running = false
    while (isBusy(slot)) await soon()
  }

  /** Warms up, then measures; both in milliseconds. `onBegin` marks the start of what is measured. */
  async phase(inFlight: number, warmUp: number, measure: number, onBegin: () => void): Promise<Figures> {
    const slots = Array.from({ length: inFlight }, (): Slot => ({ startedAt: undefined }))
    this.#lost = 0
    this.#calls = 0
    this.running = true
    for (const slot of slots) this.#driver.start(slot, this)
    const sweep = setInterval(() => this.#sweep(slots), 250)
    await sleep(warmUp)
    onBegin()
    this.#calls = 0
    const begin = performance.now()
    await sleep(measure)
    const seconds = (performance.now() - begin) / 1000
    const calls = this.#calls
    this.running = false
    clearInterval(sweep)
    const latencies = this.#latencies.slice(0, calls).sort()
    const until = performance.now() + lostAfter
    while (performance.now() < until && slots.some(isBusy)) await sleep(10)
    for (const slot of slots) {
      if (isBusy(slot)) this.#lost++
      slot.startedAt = undefined
    }
    const quantile = (share: number) => 1000 * (latencies[Math.floor(share * calls)] ?? Number.NaN)
    return { calls, seconds, p50: quantile(0.5), p99: quantile(0.99), lost: this.#lost }
  }

  /** Issues calls that nobody answers, and tells what they occupy: `--expose-gc` must be on. Does not end them. */
  async outstanding(calls: number): Promise<Outstanding> {
    const before = await settledMemory()
    const begin = performance.now()
    for (let i = 0; i < calls; i++) this.#driver.once()
    const millis = performance.now() - begin
    const after = await settledMemory()
    return { millis, heapBytes: (after.heap - before.heap) / calls, rssBytes: (after.rss - before.rss) / calls }
  }

  #sweep(slots: ReadonlyArray<Slot>): void {
    const before = performance.now() - lostAfter
    for (const slot of slots) {
      if (slot.startedAt === undefined || slot.startedAt > before) continue
      this.#lost++
      this.#driver.start(slot, this)
    }
  }
}

const isBusy = (slot: Slot): boolean => slot.startedAt !== undefined

const sleep = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))

/** Once what is queued has run, and what is garbage has gone. */
const settledMemory = async () => {
  for (let i = 0; i < 10; i++) await soon()
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  const { arrayBuffers, heapUsed, rss } = process.memoryUsage()
  return { heap: heapUsed + arrayBuffers, rss }
}

const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
