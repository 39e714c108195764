/** What a simulation is told, and what it finds. */
import type { Bucket } from "../src/core/RoutingTable.ts"
import type { Id } from "../src/core/distance.ts"
import { collectedHeap } from "../../../scripts/heap.ts"
import type { Churn } from "./churn.ts"

export interface Options {
  readonly nodes: number
  readonly hours: number
  readonly seed: number
  /** How long a node stays. Another takes its place. */
  readonly churn: Churn
  /** The probability that a datagram is lost, 0 to 1. */
  readonly loss: number
  /** How many values each node looks for in an hour, in the mean. */
  readonly lookupsPerHour: number
  readonly k: number
  readonly alpha: number
  readonly bits: number
  readonly staleAfter: number
  /** How many nodes each node joins by way of, at most. */
  readonly gates: number
  /** The share of nodes that are hostile, 0 to 1: as many mute as lying as hoarding ones. They come and go, too. */
  readonly hostile?: number | undefined
  /** The share of nodes behind NATs, 0 to 1, each behind one of its own. */
  readonly nat?: number | undefined
  /** Told now and then how much is done, 0 to 1. */
  readonly progress: (done: number, note: string) => void
}

export interface Figures {
  readonly nodes: number
  readonly hours: number
  readonly loss: number
  /** How many nodes left, without a word. */
  readonly left: number
  readonly keys: number
  readonly lookups: {
    readonly made: number
    readonly found: number
    /** Of those found, how many were not what was published. */
    readonly wrong: number
    readonly medianMillis: number
    readonly p90Millis: number
    readonly p99Millis: number
    /** By how many hours ago the value was published: from `from` on, to where the next begins. */
    readonly byAge: ReadonlyArray<{ readonly from: number; readonly made: number; readonly found: number }>
  }
  /** Of the lookups that found their value. */
  readonly hops: { readonly mean: number; readonly median: number; readonly p99: number }
  /** `byCause` and `bytesPerNodeHour`, of UDP's payload, with `events` alone. */
  readonly messages: {
    readonly perNodeHour: number
    readonly byCause?: Readonly<Record<Cause, number>>
    readonly bytesPerNodeHour?: number
  }
  /**
   * At the end. `dead` is the share of contacts whose nodes have left, `lonely` that of nodes with fewer than ten contacts, or with
   * half of the others where there are fewer than twenty.
   */
  readonly table: {
    readonly mean: number
    readonly max: number
    readonly buckets: number
    readonly dead: number
    readonly lonely: number
  }
  /**
   * At the end, of each key that was published, in the mean: how many nodes hold it, and how many of the k closest to it that can be
   * called. With `events` alone.
   */
  readonly holders?: { readonly all: number; readonly closest: number }
  /**
   * Of the contacts that nodes name to a stranger at the end, those whose nodes have left, and those behind NATs that let no
   * stranger in: shares. With `events` alone.
   */
  readonly named?: { readonly dead: number; readonly unreachable: number }
  /** The shares of nodes that judge at the end, rightly or wrongly, whether strangers can call them. With `events` alone. */
  readonly judged?: { readonly rightly: number; readonly wrongly: number }
  /** Of CPU time, for each datagram sent. */
  readonly microsPerMessage: number
  readonly realSeconds: number
  readonly heapMiB: number
}

/** What a message is sent for, and what answers it. */
export const causes = [
  "joining",
  "lookups",
  "publishing",
  "places",
  "refreshing",
  "renewing",
  "handing over"
] as const

export type Cause = typeof causes[number]

/** A lookup of a value that has ended. */
export interface Search {
  /** How long ago it was published, in milliseconds. */
  readonly age: number
  /** How long the lookup took, in milliseconds. */
  readonly millis: number
  /** None where it found nothing. */
  readonly hops: number | undefined
}

/** What a simulation has counted. */
export interface Counted {
  readonly left: number
  /** Keys that somebody took. */
  readonly published: number
  readonly searches: ReadonlyArray<Search>
  readonly wrong: number
  /** Datagrams sent while it was measured, and the CPU time that they took, in microseconds. */
  readonly messages: number
  readonly micros: number
  /** The table of each node at the end. */
  readonly tables: ReadonlyArray<ReadonlyArray<Bucket>>
  readonly isThere: (id: Id) => boolean
  /** As `performance.now` has it. */
  readonly startedAt: number
}

export const figuresOf = ({ hours, loss, nodes }: Options, counted: Counted): Figures => {
  const { isThere, left, messages, micros, published, searches, startedAt, tables, wrong } = counted
  const found = searches.filter(({ hops }) => hops !== undefined)
  const times = found.map(({ millis }) => millis)
  const hops = found.map(({ hops = 0 }) => hops)
  const sizes = tables.map((buckets) => buckets.reduce((sum, { entries }) => sum + entries.length, 0))
  const contacts = tables.flatMap((buckets) => buckets.flatMap(({ entries }) => entries))
  return {
    nodes,
    hours,
    loss,
    left,
    keys: published,
    lookups: {
      made: searches.length,
      found: found.length,
      wrong,
      medianMillis: quantile(times, 0.5),
      p90Millis: quantile(times, 0.9),
      p99Millis: quantile(times, 0.99),
      byAge: ages.map((from, i) => {
        const ofAge = searches.filter(({ age }) => age >= from * hour && age < (ages[i + 1] ?? Infinity) * hour)
        return { from, made: ofAge.length, found: ofAge.filter(({ hops }) => hops !== undefined).length }
      })
    },
    hops: { mean: mean(hops), median: quantile(hops, 0.5), p99: quantile(hops, 0.99) },
    messages: { perNodeHour: messages / nodes / hours },
    table: {
      mean: mean(sizes),
      max: sizes.reduce((a, b) => Math.max(a, b), 0),
      buckets: mean(tables.map((buckets) => buckets.length)),
      dead: mean(contacts.map(({ contact }) => isThere(contact.id) ? 0 : 1)),
      lonely: mean(sizes.map((size) => size < Math.min(10, nodes / 2) ? 1 : 0))
    },
    microsPerMessage: micros / Math.max(1, messages),
    realSeconds: (performance.now() - startedAt) / 1000,
    heapMiB: collectedHeap() / 1_048_576
  }
}

export const hour = 3_600_000

/** The ages of keys that are told apart, in hours. */
const ages = [0, 1, 6]

/** All have joined by then, and the measurement begins. */
export const rampHours = 1

/** Whatever happens happens at multiples of this many milliseconds: what is due at once shares a wake-up. */
export const tick = 25

/** A way takes so many milliseconds, at the median and at the 99th percentile: log-normally distributed. */
export const delay = { median: 40, p99: 250 }

/** How long a call waits for its answer, in milliseconds. */
export const timeout = 1_000

/** How often a node looks what is due, in milliseconds. */
export const every = 300_000

export const valueOf = (key: string): string => `value of ${key}`

/** How many keys are published, each once. */
export const keysOf = (nodes: number): number => Math.max(20, Math.round(nodes / 4))

/** Chance, at multiples of a tick. */
export const draws = (random: () => number) => ({
  below: (n: number) => Math.floor(random() * n),
  upTo: (millis: number) => tick * Math.floor(random() * millis / tick),
  /** Never 0. */
  rounded: (millis: number) => Math.max(tick, tick * Math.ceil(millis / tick)),
  exponential: (mean: number) => tick * Math.ceil(-mean / tick * Math.log(1 - random()))
})

/** None if there are no numbers. */
export const mean = (numbers: ReadonlyArray<number>): number =>
  numbers.length === 0 ? 0 : numbers.reduce((a, b) => a + b, 0) / numbers.length

/** Of numbers, a quantile; 0 if there are none. */
export const quantile = (numbers: ReadonlyArray<number>, share: number): number =>
  numbers.toSorted((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(share * numbers.length))] ?? 0

/** How much CPU time this process has taken, in microseconds. */
export const cpuMicros = (): number => {
  const { system, user } = process.cpuUsage()
  return system + user
}
