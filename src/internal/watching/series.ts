/**
 * The series of a protocol, in the registry of metrics that its context has. Each is found once and then held. A call makes
 * some 15 updates, and `Metric.update` would look for the series in each of them (micro: "metrics of a call").
 */
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"

export type NumberMetric = Metric.Metric<number, unknown>

export class SeriesRegistry {
  readonly #context: Context.Context<never>
  readonly #registry: Metric.MetricRegistry
  readonly #series: Array<Series> = []
  /** How many series the registry had when it was last looked at. */
  #size: number

  constructor(context: Context.Context<never>) {
    this.#context = context
    this.#registry = Context.get(context, Metric.MetricRegistry)
    this.#size = this.#registry.size
  }

  /** A series, in the registry before anything is counted: what comes into being with its first count has no rate. */
  series(metric: NumberMetric): Series {
    // An empty registry shows under which name Effect puts the series, and what it is before anything is counted.
    const begin = () => {
      const empty: Metric.MetricRegistry = new Map()
      metric.valueUnsafe(Context.add(this.#context, Metric.MetricRegistry, empty))
      return empty.entries().next().value!
    }
    const [name] = begin()
    const series = new Series(this.#context, metric.type === "Gauge", {
      find: () => this.#registry.get(name) ?? begin()[1],
      put: (held) => this.#put(name, held)
    })
    this.#series.push(series)
    return series
  }

  /** A series for each label. All are in the registry at once. What is needed to count in one is made at its first use. */
  labelled<Label extends string>(metrics: ReadonlyMap<Label, NumberMetric>): (label: Label) => Series {
    for (const metric of metrics.values()) metric.valueUnsafe(this.#context)
    this.#size = this.#registry.size
    const known = new Map<Label, Series>()
    return (label) => {
      let series = known.get(label)
      if (series === undefined) known.set(label, series = this.series(metrics.get(label)!))
      return series
    }
  }

  /**
   * Must be called often: a series that somebody has taken out of the registry begins anew then. It notices that only by the
   * number of series, so it misses one that is gone if another has come since the last call.
   */
  refresh(): void {
    if (this.#registry.size < this.#size) this.#series.forEach((series) => series.release())
    this.#size = this.#registry.size
  }

  #put(name: string, held: Held): void {
    if (!this.#registry.has(name)) this.#size++
    this.#registry.set(name, held)
  }
}

export class Series {
  readonly #context: Context.Context<never>
  readonly #isGauge: boolean
  readonly #entry: Entry
  #tally: Tally | undefined

  constructor(context: Context.Context<never>, isGauge: boolean, entry: Entry) {
    this.#context = context
    this.#isGauge = isGauge
    this.#entry = entry
    this.#tally = tallyIn(entry)
  }

  /** Counts in a counter or a gauge. */
  add(amount: number): void {
    this.#hold().pending += amount
  }

  /** Enters a value into a histogram. */
  record(value: number): void {
    this.#hold().own.hooks.update(value, this.#context)
  }

  /** Looks for the series again at the next update. */
  release(): void {
    if (this.#tally === undefined) return
    // A gauge goes back with its value: the calls that it counts are still in flight.
    if (this.#isGauge) this.#entry.put(this.#tally.held)
    else this.#tally = undefined
  }

  #hold(): Tally {
    return this.#tally ??= tallyIn(this.#entry)
  }
}

/** What a registry has of a series. */
type Held = Metric.Metric.Metadata<number, unknown>

/** The place of a series in the registry. */
interface Entry {
  /** What is there, or what a new one would be. */
  readonly find: () => Held
  readonly put: (held: Held) => void
}

/**
 * What was added to a series since anybody looked at it. Hot path (micro: "metrics of a call"): it is a field, and Effect's own
 * count follows when it is read.
 */
class Tally {
  pending = 0
  /** As Effect made it. */
  readonly own: Held
  /** The same for the registry: whoever reads it there finds all that was added. */
  readonly held: Held

  constructor(own: Held) {
    this.own = own
    this.held = { ...own, hooks: { ...own.hooks, get: (context) => this.#read(context) } }
  }

  #read(context: Context.Context<never>): unknown {
    const { get, modify } = this.own.hooks
    if (this.pending !== 0) modify(this.pending, context)
    this.pending = 0
    return get(context)
  }
}

/** By what is in a registry: nodes that share one count together. */
const tallies = new WeakMap<Held, Tally>()

const tallyIn = ({ find, put }: Entry): Tally => {
  const held = find()
  const known = tallies.get(held)
  if (known !== undefined) return known
  const tally = new Tally(held)
  tallies.set(tally.held, tally)
  put(tally.held)
  return tally
}
