/** One input at one target: does it break a law, and what does it cost? */
import * as V8 from "node:v8"
import type { Target } from "../targets/target.ts"

export interface Limits {
  /** What a single input may take. */
  readonly millis: number
  /** How much heap what is made of an input may hold, for each of its bytes. */
  readonly heapPerByte: number
}

export interface Cost {
  readonly nanos: number
  /** What was allocated, garbage included. */
  readonly heapBytes: number
}

/** Why an input is a finding. */
export interface Fault {
  readonly kind: "threw" | "slow" | "hungry"
  readonly message: string
}

export type Verdict = Cost & { readonly fault: Fault | undefined }

export const judge = (target: Target, limits: Limits, data: Uint8Array): Verdict => {
  const cost = measure(target, data)
  return { ...cost, fault: cost.fault ?? slow(target, limits, data, cost) ?? attempt(() => target.fuzz(data)) }
}

/** The least of some measurements: whatever else the machine does only adds. */
export const measureAgain = (target: Target, data: Uint8Array, times: number): Cost => {
  const costs = Array.from({ length: times }, () => measure(target, data))
  return {
    nanos: Math.min(...costs.map(({ nanos }) => nanos)),
    heapBytes: Math.min(...costs.map(({ heapBytes }) => heapBytes))
  }
}

/** Whether its result holds too much heap. That takes several collections, so only the hungriest are asked. */
export const hungry = (target: Target, limits: Limits, data: Uint8Array, cost: Cost): Fault | undefined => {
  const most = heapFloor + limits.heapPerByte * data.length
  if (cost.heapBytes <= most) return undefined
  const held = heldBytes(target, data)
  if (held <= most) return undefined
  const perByte = (held / data.length).toFixed(0)
  return { kind: "hungry", message: `it holds ${held} bytes of heap, ${perByte} for each of its own, over ${most}` }
}

/**
 * The median of some weighings: each errs by what the process keeps for itself meanwhile, or gives up, compiled code above all. In a
 * young process that is ten times what an input may hold. Needs `--expose-gc`.
 */
const heldBytes = (target: Target, data: Uint8Array): number => {
  const weighed = Array.from({ length: weighings }, () => {
    const before = collected()
    const held = Array.from({ length: 8 }, () => target.cost(data))
    const after = collected()
    return Math.ceil((after - before) / held.length)
  })
  return weighed.sort((a, b) => a - b)[weighings >> 1]!
}

const weighings = 9

const measure = (target: Target, data: Uint8Array): Cost & { readonly fault: Fault | undefined } => {
  const heapBefore = used()
  const start = performance.now()
  let held: unknown
  const fault = attempt(() => void (held = target.cost(data)))
  const nanos = (performance.now() - start) * 1_000_000
  const heapBytes = used() - heapBefore
  hold(held)
  // Less than nothing where a collection came between.
  return { nanos, heapBytes: Math.max(0, heapBytes), fault }
}

const slow = (target: Target, limits: Limits, data: Uint8Array, cost: Cost): Fault | undefined => {
  if (cost.nanos <= limits.millis * 1_000_000) return undefined
  const { nanos } = measureAgain(target, data, 3)
  return nanos <= limits.millis * 1_000_000
    ? undefined
    : { kind: "slow", message: `it takes ${(nanos / 1_000_000).toFixed(1)} ms, over ${limits.millis}` }
}

/** What anything takes, however short: a message and its result. */
const heapFloor = 4096

const attempt = (run: () => void): Fault | undefined => {
  try {
    run()
    return undefined
  } catch (cause) {
    return { kind: "threw", message: cause instanceof Error ? cause.stack ?? cause.message : String(cause) }
  }
}

const used = (): number => V8.getHeapStatistics().used_heap_size

const collected = (): number => {
  globalThis.gc?.()
  return used() + process.memoryUsage().arrayBuffers
}

// Whatever is assigned here can't be collected before it.
let last: unknown
const hold = (value: unknown) => {
  last = value
  if (last === undefined) last = null
}
