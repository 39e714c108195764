/** What a collector gets by OTLP, from Effect's own exporter. */
import { NodeHttpClient } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Otlp } from "effect/observability"
import { createServer } from "node:http"
import { Protocol, Transport } from "../../src/index.ts"
import { Greeter, greeterLive } from "../support/Contract.ts"
import { withMetrics } from "../support/nodes.ts"

interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly intValue?: number }
}

interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly attributes: ReadonlyArray<Attribute>
  readonly status: { readonly code: number }
  readonly links: ReadonlyArray<{ readonly traceId: string; readonly spanId: string }>
}

interface CollectedMetric {
  readonly name: string
  readonly unit: string
  readonly sum?: { readonly isMonotonic: boolean }
  readonly histogram?: { readonly dataPoints: ReadonlyArray<{ readonly explicitBounds: ReadonlyArray<number> }> }
}

/** A collector: an HTTP server that keeps what it is sent. */
const collector = Effect.gen(function*() {
  const spans: Array<Span> = []
  const metrics: Array<CollectedMetric> = []
  const server = yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer(async (request, response) => {
        const chunks: Array<Buffer> = []
        for await (const chunk of request) chunks.push(chunk)
        const body = JSON.parse(Buffer.concat(chunks).toString())
        for (const { scopeSpans } of body.resourceSpans ?? []) {
          for (const scope of scopeSpans) spans.push(...scope.spans)
        }
        for (const { scopeMetrics } of body.resourceMetrics ?? []) {
          for (const scope of scopeMetrics) metrics.push(...scope.metrics)
        }
        response.end("{}")
      }).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  const address = server.address()
  if (address === null || typeof address === "string") return yield* Effect.die("it has no port")
  return { metrics, spans, baseUrl: `http://127.0.0.1:${address.port}` }
})

const loopback = Transport.layer({ address: "127.0.0.1" })

/** Builds a layer as docs/watching.md has it: telemetry is provided, last. What was counted is sent as the scope closes. */
const withTelemetry = <A, E>(layer: Layer.Layer<A, E>, baseUrl: string) => {
  const telemetry = Otlp.layerJson({ baseUrl, resource: { serviceName: "test" }, loggerMergeWithExisting: false })
  return Layer.build(layer.pipe(Layer.provideMerge(telemetry.pipe(Layer.provide(NodeHttpClient.layerNodeHttp)))))
}

/** A server and a client with telemetry of their own, who have called and closed. Returns what the collector has. */
const collected = Effect.fnUntraced(function*(options?: Protocol.Options) {
  const { baseUrl, metrics, spans } = yield* collector
  yield* Effect.scoped(Effect.gen(function*() {
    const server = yield* withTelemetry(
      Protocol.serve(Greeter).pipe(
        Layer.provide(greeterLive()),
        Layer.provideMerge(Protocol.layer(options)),
        Layer.provide(loopback)
      ),
      baseUrl
    )
    const client = yield* withTelemetry(Protocol.layer(options).pipe(Layer.provide(loopback)), baseUrl)
    const { address } = Context.get(server, Protocol.Protocol)
    yield* Effect.gen(function*() {
      const greeter = (yield* Protocol.client(Greeter))(address)
      yield* Effect.withSpan(greeter.sayhi("a"), "program")
      yield* Effect.flip(greeter.lookup("gone"))
    }).pipe(Effect.provideContext(client))
  }))
  return { metrics, spans }
})

const valuesOf = (span: Span) =>
  Object.fromEntries(span.attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]))

describe("OTLP", () => {
  it.live("a collector gets the spans of both sides, named and attributed as the conventions say", () =>
    Effect.gen(function*() {
      const { spans } = yield* collected()
      const [client, server] = [3, 2].map((kind) =>
        spans.filter((span) => span.kind === kind).sort((a, b) => a.name < b.name ? -1 : 1)
      )
      expect(client!.map(({ name, status }) => [name, status.code])).toStrictEqual([
        ["test/Greeter/lookup", 2],
        ["test/Greeter/sayhi", 1]
      ])
      expect(server!.map(({ name, status }) => [name, status.code])).toStrictEqual([
        ["test/Greeter/lookup", 2],
        ["test/Greeter/sayhi", 1]
      ])
      expect(valuesOf(client![0]!)).toMatchObject({
        "rpc.system.name": "rpcudp",
        "rpc.method": "test/Greeter/lookup",
        "error.type": "error",
        "server.address": "127.0.0.1",
        "network.peer.port": expect.any(Number)
      })
      expect(valuesOf(server![1]!)).toMatchObject({
        "rpc.method": "test/Greeter/sayhi",
        "rpc.status_code": "success",
        "network.peer.address": "127.0.0.1"
      })
      // The handler's own span is a child of its request's, and the call one of the program's.
      const named = (name: string) => spans.find((span) => span.name === name)!
      expect(named("sayhi").parentSpanId).toBe(server![1]!.spanId)
      expect(client![1]!.parentSpanId).toBe(named("program").spanId)
    }).pipe(withMetrics))

  it.live("a call and its request are one trace, over the wire, where both sides propagate it and trust it", () =>
    Effect.gen(function*() {
      for (const remoteSpans of ["parent", "link", "none"] as const) {
        const { spans } = yield* collected({ propagate: true, remoteSpans })
        const named = (name: string, kind: number) => spans.find((span) => span.name === name && span.kind === kind)!
        const program = named("program", 1)
        const call = named("test/Greeter/sayhi", 3)
        const request = named("test/Greeter/sayhi", 2)
        const handler = named("sayhi", 1)
        expect([call.traceId, call.parentSpanId]).toStrictEqual([program.traceId, program.spanId])
        expect([handler.traceId, handler.parentSpanId]).toStrictEqual([request.traceId, request.spanId])
        expect([request.traceId === call.traceId, request.parentSpanId]).toStrictEqual(
          remoteSpans === "parent" ? [true, call.spanId] : [false, undefined]
        )
        expect(request.links.map(({ spanId, traceId }) => [traceId, spanId])).toStrictEqual(
          remoteSpans === "link" ? [[call.traceId, call.spanId]] : []
        )
      }
    }).pipe(withMetrics))

  it.live("a collector gets each metric with its unit, and each duration with the conventions' boundaries", () =>
    Effect.gen(function*() {
      const { metrics } = yield* collected()
      const units = Object.fromEntries(metrics.map(({ name, unit }) => [name, unit]))
      expect(units).toStrictEqual({
        "rpc.client.call.duration": "s",
        "rpc.server.call.duration": "s",
        rpcudp_calls_in_flight: "{call}",
        rpcudp_calls_total: "{call}",
        rpcudp_challenges_total: "{challenge}",
        rpcudp_datagrams_dropped_total: "{datagram}",
        rpcudp_datagrams_received_total: "{datagram}",
        rpcudp_datagrams_sent_total: "{datagram}",
        rpcudp_forgotten_total: "{entry}",
        rpcudp_received_bytes_total: "By",
        rpcudp_replies_withheld_total: "{reply}",
        rpcudp_requests_in_flight: "{request}",
        rpcudp_requests_total: "{request}",
        rpcudp_retransmissions_total: "{datagram}",
        rpcudp_round_trip_seconds: "s",
        rpcudp_sent_bytes_total: "By"
      })
      for (const { histogram, name, sum } of metrics) {
        if (name.endsWith("_total")) expect(sum, name).toMatchObject({ isMonotonic: true })
        if (!name.endsWith(".duration")) continue
        for (const { explicitBounds } of histogram!.dataPoints) {
          expect(explicitBounds).toStrictEqual(
            [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
          )
        }
      }
    }).pipe(withMetrics))
})
