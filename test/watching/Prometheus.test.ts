/** What a real Prometheus makes of the metrics, and what the dashboard asks it for. */
import { NodeServices } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Effect, FileSystem, Schema } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { prometheus, suite } from "../support/needs.ts"
import { withMetrics } from "../support/nodes.ts"
import * as Processes from "../support/processes.ts"
import { watched } from "../support/watched.ts"

const isInstalled = ["prometheus", "promtool"].every((program) => spawnSync(program, ["--version"]).status === 0)

const Answer = Schema.Struct({
  status: Schema.Literal("success"),
  data: Schema.Struct({
    result: Schema.Array(Schema.Struct({
      metric: Schema.Record(Schema.String, Schema.String),
      value: Schema.Tuple([Schema.Finite, Schema.String])
    }))
  })
})

/** A Prometheus that asks `target` ten times a second. */
const start = Effect.fnUntraced(function*(target: string) {
  const files = yield* FileSystem.FileSystem
  const folder = yield* files.makeTempDirectoryScoped()
  yield* files.writeFileString(
    `${folder}/prometheus.yml`,
    `scrape_configs: [{ job_name: test, scrape_interval: 100ms, static_configs: [{ targets: ["${target}"] }] }]`
  )
  const arguments_ = [
    `--config.file=${folder}/prometheus.yml`,
    `--storage.tsdb.path=${folder}/data`,
    "--web.listen-address=127.0.0.1:0"
  ]
  // It says on stderr where it listens.
  const { next } = yield* Processes.start("sh", ["-c", "exec prometheus \"$@\" 2>&1", "sh", ...arguments_])
  let line = ""
  while (!line.includes("msg=\"Listening on\"")) line = yield* next
  const address = /address=(\S+)/.exec(line)![1]!
  /** What an expression is now. */
  const query = (expression: string) =>
    Effect.promise(async () => {
      const response = await fetch(`http://${address}/api/v1/query?query=${encodeURIComponent(expression)}`)
      return response.json()
    }).pipe(
      Effect.flatMap(Schema.decodeUnknownEffect(Answer)),
      Effect.map(({ data }) => data.result),
      Effect.orDie
    )
  return { query }
})

const dashboard = Schema.decodeUnknownSync(Schema.Struct({
  panels: Schema.Array(Schema.Struct({
    title: Schema.String,
    targets: Schema.optionalKey(Schema.Array(Schema.Struct({ expr: Schema.String, legendFormat: Schema.String })))
  }))
}))(JSON.parse(readFileSync(`${import.meta.dirname}/../../docs/grafana.json`, "utf8")))

/** What Grafana puts in the place of its variables. */
const filled = (expr: string): string =>
  expr.replaceAll("$job", ".*").replaceAll("$instance", ".*").replaceAll("$__rate_interval", "1m")

/** The addon's: where there is none, nothing counts it. */
const ofAddon = "rpcudp_datagrams_overflowed_total"

suite("metrics in Prometheus", isInstalled, prometheus)(() => {
  it.live("promtool finds nothing to say", () =>
    Effect.gen(function*() {
      const { drop, greeter } = yield* watched
      yield* drop
      yield* Effect.flip(greeter.lookup("gone"))
      const { status, stderr, stdout } = spawnSync("promtool", ["check", "metrics"], {
        input: yield* PrometheusMetrics.format(),
        encoding: "utf8"
      })
      expect([status, stdout, stderr]).toStrictEqual([0, "", ""])
    }).pipe(withMetrics))

  it.live("the first drop is seen, and the first call of a method", () =>
    Effect.gen(function*() {
      const { drop, greeter, scraped, target } = yield* watched
      const { query } = yield* start(target)
      yield* scraped
      yield* drop
      yield* Effect.flip(greeter.lookup("gone"))
      yield* scraped
      const grown = [
        "rpcudp_datagrams_dropped_total{reason=\"TooShort\"}",
        "rpcudp_requests_total{outcome=\"error\"}",
        "rpc_server_call_duration_count{rpc_method=\"test/Greeter/poke\"}"
      ]
      for (const series of grown) {
        const [first] = yield* query(`increase(${series}[1m]) > 0`)
        expect(first, series).toBeDefined()
      }
    }).pipe(withMetrics, Effect.provide(NodeServices.layer)), 30_000)

  it.live(
    "each expression of the dashboard has series, with each label that it names, and each metric has a panel",
    () =>
      Effect.gen(function*() {
        const { drop, greeter, scraped, target } = yield* watched
        const { query } = yield* start(target)
        yield* Effect.flip(greeter.lookup("gone"))
        yield* scraped
        yield* drop
        yield* Effect.flip(greeter.lookup("gone"))
        yield* scraped
        const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets)
        for (const { expr, legendFormat } of expressions) {
          const result = yield* query(filled(expr))
          if (expr.includes(ofAddon)) continue
          expect(result.length, expr).toBeGreaterThan(0)
          for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
            for (const { metric } of result) expect(metric, expr).toHaveProperty(label!)
          }
        }
        const families = [...(yield* PrometheusMetrics.format()).matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name!)
        expect(families.length).toBeGreaterThan(15)
        const all = expressions.map(({ expr }) => expr.replaceAll("(_seconds)?", "")).join("\n")
        for (const name of [...families, ofAddon]) expect(all).toContain(name)
      }).pipe(withMetrics, Effect.provide(NodeServices.layer)),
    30_000
  )
})
