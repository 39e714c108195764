/** From two readings of a node's metrics, as Prometheus reads them, to a row of what went on between them. No I/O, no clock. */

/** The value of each series, by its name and labels as they are written: `rpcudp_calls_total{outcome="success"}`. */
export type Reading = ReadonlyMap<string, number>

/** Reads Prometheus' text format. */
export const parse = (text: string): Reading =>
  new Map(
    Array.from(text.matchAll(/^([a-z_]\w*(?:\{.*\})?) (\S+)$/gim), ([, series = "", value]) => [series, Number(value)])
  )

/** Whether there is anything of this library's among them. */
export const isOurs = (reading: Reading): boolean => reading.has("rpcudp_requests_in_flight")

const columns = [
  "served",
  "failed",
  "avg ms",
  "running",
  "called",
  "failed",
  "avg ms",
  "waiting",
  "in",
  "out",
  "dropped"
]

const row = (cells: ReadonlyArray<string>): string => cells.map((cell) => cell.padStart(8)).join("")

export const header: string = row(columns)

/** What happened a second, what runs and waits now, and in words what failed and why it was dropped. */
export const rowOf = (before: Reading, after: Reading, seconds: number): string => {
  /** How much the counters of a name grew, by their one label. One that is smaller has begun anew, with its process. */
  const growthOf = (name: string): ReadonlyMap<string, number> => {
    const growth = new Map<string, number>()
    for (const [series, value] of after) {
      if (series !== name && !series.startsWith(`${name}{`)) continue
      const grown = value - (before.get(series) ?? 0)
      const label = /(?:outcome|reason)="(\w+)"/.exec(series)?.[1] ?? ""
      growth.set(label, (growth.get(label) ?? 0) + (grown < 0 ? value : grown))
    }
    return growth
  }
  const sumOf = (growth: ReadonlyMap<string, number>) => [...growth.values()].reduce((sum, each) => sum + each, 0)
  const rateOf = (growth: ReadonlyMap<string, number>) => brief(sumOf(growth) / seconds)
  const failuresOf = (growth: ReadonlyMap<string, number>) =>
    new Map([...growth].filter(([label, count]) => label !== "success" && count > 0))
  const millisOf = (name: string) => {
    const count = sumOf(growthOf(`${name}_count`))
    return count === 0 ? "-" : (1000 * sumOf(growthOf(`${name}_sum`)) / count).toFixed(2)
  }
  const [requests, calls] = [growthOf("rpcudp_requests_total"), growthOf("rpcudp_calls_total")]
  const [refused, failed] = [failuresOf(requests), failuresOf(calls)]
  const dropped = growthOf("rpcudp_datagrams_dropped_total")
  const cells = [
    rateOf(requests),
    rateOf(refused),
    millisOf("rpc_server_call_duration"),
    String(after.get("rpcudp_requests_in_flight") ?? 0),
    rateOf(calls),
    rateOf(failed),
    millisOf("rpc_client_call_duration"),
    String(after.get("rpcudp_calls_in_flight") ?? 0),
    rateOf(growthOf("rpcudp_datagrams_received_total")),
    rateOf(growthOf("rpcudp_datagrams_sent_total")),
    rateOf(dropped)
  ]
  const words = [["requests", refused], ["calls", failed], ["dropped", failuresOf(dropped)]] as const
  const why = words.filter(([, growth]) => growth.size > 0)
    .map(([of, growth]) =>
      `${of}: ${[...growth].map(([label, count]) => `${label} ${brief(count / seconds)}`).join(", ")}`
    )
  return [row(cells), ...why].join("  ")
}

/** 42, or 0.5 where a whole number would say nothing. */
const brief = (rate: number): string => rate > 0 && rate < 10 ? rate.toFixed(1) : String(Math.round(rate))
