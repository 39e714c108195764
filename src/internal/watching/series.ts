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
      find: () => this.#registry.get(name) ?? this.#put(name, begin()[1]),
      keep: (held) => this.#registry.has(name) || this.#put(name, held)
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

  #put(name: string, held: Held): Held {
    this.#registry.set(name, held)
    this.#size++
    return held
  }
}

export class Series {
  readonly #context: Context.Context<never>
  readonly #isGauge: boolean
  readonly #entry: Entry
  #held: Held | undefined

  constructor(context: Context.Context<never>, isGauge: boolean, entry: Entry) {
    this.#context = context
    this.#isGauge = isGauge
    this.#entry = entry
    this.#held = entry.find()
  }

  update(input: number): void {
    this.#hold().hooks.update(input, this.#context)
  }

  modify(input: number): void {
    this.#hold().hooks.modify(input, this.#context)
  }

  /** Looks for the series again at the next update. */
  release(): void {
    if (this.#held === undefined) return
    // A gauge goes back with its value: the calls that it counts are still in flight.
    if (this.#isGauge) this.#entry.keep(this.#held)
    else this.#held = undefined
  }

  #hold(): Held {
    return this.#held ??= this.#entry.find()
  }
}

/** What a registry has of a series. */
type Held = Metric.Metric.Metadata<number, unknown>

/** The place of a series in the registry. */
interface Entry {
  readonly find: () => Held
  /** Puts it back if it is gone. */
  readonly keep: (held: Held) => void
}
