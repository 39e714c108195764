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
    const series = new Series(this.#context, (kept) => this.#tallyIn(metric, kept))
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
    if (this.#registry.size < this.#size) this.#series.forEach((series) => series.find())
    this.#size = this.#registry.size
  }

  /** `kept`: what it was before somebody took it out. */
  #tallyIn(metric: NumberMetric, kept: Tally | undefined): Tally {
    // An empty registry shows under which name Effect puts the series, and what it is before anything is counted.
    const empty: Metric.MetricRegistry = new Map()
    metric.valueUnsafe(Context.add(this.#context, Metric.MetricRegistry, empty))
    const [name, fresh] = empty.entries().next().value!
    const known = this.#registry.get(name)
    if (known === undefined) this.#size++
    // A gauge goes back with its value: the calls that it counts are still in flight.
    const held = known ?? (metric.type === "Gauge" ? kept?.held : undefined) ?? fresh
    const tally = tallies.get(held) ?? tallyOf(held)
    this.#registry.set(name, tally.held)
    return tally
  }
}

export class Series {
  readonly #context: Context.Context<never>
  readonly #find: (kept?: Tally) => Tally
  #tally: Tally

  constructor(context: Context.Context<never>, find: (kept?: Tally) => Tally) {
    this.#context = context
    this.#find = find
    this.#tally = find()
  }

  /** Counts in a counter or a gauge. */
  add(amount: number): void {
    this.#tally.pending += amount
  }

  /** Enters a value into a histogram. */
  record(value: number): void {
    this.#tally.update(value, this.#context)
  }

  /** Looks for it in the registry again. */
  find(): void {
    this.#tally = this.#find(this.#tally)
  }
}

/** What a registry has of a series. */
type Held = Metric.Metric.Metadata<number, unknown>

/**
 * What was added to a series since anybody looked at it. Hot path (micro: "metrics of a call"): it is a field, and Effect's own
 * count follows when it is read.
 */
interface Tally {
  pending: number
  /** Effect's own, for what is not added up. */
  readonly update: Held["hooks"]["update"]
  /** The series for the registry: whoever reads it there finds all that was added. */
  readonly held: Held
}

/** By what is in a registry: nodes that share one count together. */
const tallies = new WeakMap<Held, Tally>()

const tallyOf = (own: Held): Tally => {
  const { get, modify, update } = own.hooks
  const read = (context: Context.Context<never>) => {
    if (tally.pending !== 0) modify(tally.pending, context)
    tally.pending = 0
    return get(context)
  }
  const tally: Tally = { pending: 0, update, held: { ...own, hooks: { get: read, modify, update } } }
  tallies.set(tally.held, tally)
  return tally
}
