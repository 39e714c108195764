/** What many calls took. Node's histogram is HdrHistogram: it holds any number of calls, each within a tenth of a percent. */
import { Duration } from "effect"
import { createHistogram } from "node:perf_hooks"
import * as Output from "./output.ts"

export class RoundTrips {
  readonly #nanos = createHistogram({ figures: 3 })

  record(elapsed: Duration.Duration): void {
    this.#nanos.record(Math.max(1, Math.round(Duration.toMillis(elapsed) * 1e6)))
  }

  get count(): number {
    return this.#nanos.count
  }

  /** In milliseconds: how long the quickest took, and so on. */
  get summary() {
    const { max, mean, min } = this.#nanos
    return {
      min: min / 1e6,
      avg: mean / 1e6,
      p50: this.percentile(50),
      p90: this.percentile(90),
      p99: this.percentile(99),
      p999: this.percentile(99.9),
      max: max / 1e6
    }
  }

  /** In milliseconds: as many percent took no longer. */
  percentile(percent: number): number {
    return (percent === 0 ? this.#nanos.min : this.#nanos.percentile(percent)) / 1e6
  }

  /** A line with those of the summary that are asked for. */
  show(...names: ReadonlyArray<keyof RoundTrips["summary"]>): string {
    const { summary } = this
    return names.map((name) => `${name === "p999" ? "p99.9" : name} ${Output.millis(summary[name])}`).join(", ")
  }
}
