import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Metric } from "effect"
import { Protocol } from "../../src/index.ts"
import { SeriesRegistry } from "../../src/internal/watching/series.ts"
import { settled } from "../support/counting.ts"
import { caller, metrics, raw, withMetrics } from "../support/nodes.ts"
import { pair } from "../support/pair.ts"

describe("series", () => {
  it("begins anew also where it was taken out before anybody looked at how many there are", () => {
    const registry: Metric.MetricRegistry = new Map()
    const all = new SeriesRegistry(Context.make(Metric.MetricRegistry, registry))
    const calls = all.series(Metric.counter("calls"))
    calls.add(1)
    registry.clear()
    all.refresh()
    expect(registry.size).toBe(1)
    calls.add(2)
    const context = Context.make(Metric.MetricRegistry, registry)
    expect([...registry.values()].map(({ hooks }) => hooks.get(context))).toMatchObject([{ count: 2 }])
  })

  it.effect("a series that was taken out of the registry begins anew", () =>
    Effect.gen(function*() {
      const { greeter } = yield* pair
      yield* greeter.poke()
      yield* greeter.poke()
      expect(yield* metrics).toEqual(yield* metrics)
      const registry = yield* Metric.MetricRegistry
      registry.clear()
      yield* greeter.poke()
      expect(yield* metrics).toMatchObject({ "rpcudp_calls.success": 1, rpcudp_datagrams_sent: 2 })
    }).pipe(withMetrics))

  for (const gone of ["rpcudp_datagrams_sent_total", "rpcudp_calls_in_flight"]) {
    it.effect(`so does one that was taken out alone, but what is in flight is still in flight: ${gone}`, () =>
      Effect.gen(function*() {
        const { greeter, protocol, transport } = yield* pair
        const silent = yield* raw(transport("10.0.0.3"))
        yield* Effect.forkChild(protocol.call(silent.address, "poke", []), { startImmediately: true })
        yield* greeter.poke()
        const registry = yield* Metric.MetricRegistry
        for (const [name, { id }] of registry) {
          if (id === gone) registry.delete(name)
        }
        expect(yield* metrics).not.toHaveProperty(gone.replace("_total", ""))
        yield* Effect.forkChild(protocol.call(silent.address, "poke", []), { startImmediately: true })
        expect(yield* metrics).toMatchObject({
          "rpcudp_calls.success": 1,
          rpcudp_calls_in_flight: 2,
          rpcudp_datagrams_received: 2,
          rpcudp_datagrams_sent: gone === "rpcudp_calls_in_flight" ? 4 : 1
        })
      }).pipe(withMetrics))
  }

  it.effect("a node that comes later counts in the series that are there, which stay what they are", () =>
    Effect.gen(function*() {
      const { greeter, transport } = yield* pair
      const registry = yield* Metric.MetricRegistry
      yield* greeter.poke()
      const before = new Map(registry)
      yield* caller(transport("10.0.0.3"))
      yield* greeter.poke()
      expect(before.size).toBeGreaterThan(0)
      for (const [name, held] of before) expect(registry.get(name)).toBe(held)
    }).pipe(withMetrics))

  it.effect("of a node that sends nothing begins anew, too", () =>
    Effect.gen(function*() {
      const { address, transport } = yield* pair
      const stranger = yield* raw(transport("10.0.0.3"))
      const registry = yield* Metric.MetricRegistry
      for (let i = 0; i < 2; i++) {
        registry.clear()
        stranger.send(address, new Uint8Array(1))
        yield* settled
        expect(yield* metrics).toStrictEqual({
          rpcudp_datagrams_received: 1,
          rpcudp_received_bytes: 1,
          "rpcudp_datagrams_dropped.TooShort": 1
        })
      }
    }).pipe(withMetrics))

  it.effect("is found once, and then held: no later call looks for any", () => {
    let looks = 0
    class Counting extends Map<string, Metric.Metric.Metadata<number, unknown>> {
      override get(name: string) {
        looks++
        return super.get(name)
      }
    }
    return Effect.gen(function*() {
      const { greeter } = yield* pair
      yield* greeter.poke()
      yield* greeter.poke()
      expect(looks).toBeGreaterThan(0)
      looks = 0
      for (let i = 0; i < 10; i++) yield* greeter.poke()
      expect(looks).toBe(0)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Counting()))
  })

  it.effect("nodes count together, but those whose programs have attributes of their own", () =>
    Effect.gen(function*() {
      const { address, transport } = yield* pair
      const call = Effect.fnUntraced(function*(host: string) {
        const context = yield* caller(transport(host))
        yield* Context.get(context, Protocol.Protocol).call(address, "poke", [])
      })
      yield* call("10.0.0.3")
      yield* call("10.0.0.4")
      yield* Effect.provideService(call("10.0.0.5"), Metric.CurrentMetricAttributes, { site: "north" })
      expect(yield* metrics).toMatchObject({
        "rpcudp_calls.success": 2,
        "rpcudp_calls.success,north": 1,
        "rpcudp_datagrams_sent.north": 1,
        "rpcudp_datagrams_received.north": 1,
        "rpcudp_round_trip_seconds.north": 1,
        "rpcudp_requests.success": 3
      })
    }).pipe(withMetrics))
})
