import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Tracer } from "effect"
import { pair } from "../support/pair.ts"

describe("spans", () => {
  /** A tracer that keeps every span. */
  const recorder = () => {
    const spans: Array<Tracer.Span> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    return { spans, tracer }
  }

  it.effect("a call is a span of kind client, a request one of kind server, with OpenTelemetry's attributes", () =>
    Effect.gen(function*() {
      const { spans, tracer } = recorder()
      const { address, protocol } = yield* Effect.gen(function*() {
        // A server that was built within a span does not make its requests children of that.
        const { address, greeter, protocol } = yield* pair.pipe(Effect.withSpan("building"))
        yield* greeter.lookup("there").pipe(Effect.withSpan("parent"))
        yield* Effect.flip(protocol.call(address, "lookup", ["gone"]))
        return { address, protocol }
      }).pipe(Effect.provideService(Tracer.Tracer, tracer))
      expect(spans.map(({ kind, name }) => [kind, name])).toStrictEqual([
        ["internal", "building"],
        ["internal", "parent"],
        ["client", "test/Greeter/lookup"],
        ["server", "test/Greeter/lookup"],
        ["client", "lookup"],
        ["server", "test/Greeter/lookup"]
      ])
      const [, parent, call, request, untyped] = spans
      expect(call!.parent).toMatchObject({ value: { spanId: parent!.spanId } })
      expect(request!.parent).toMatchObject({ _tag: "None" })
      expect(Object.fromEntries(call!.attributes)).toStrictEqual({
        "rpc.system": "rpcudp",
        "rpc.service": "test/Greeter",
        "rpc.method": "lookup",
        "network.transport": "udp",
        "server.address": "10.0.0.1",
        "server.port": address.port
      })
      expect(Object.fromEntries(request!.attributes)).toStrictEqual({
        "rpc.system": "rpcudp",
        "rpc.service": "test/Greeter",
        "rpc.method": "lookup",
        "network.transport": "udp",
        "client.address": "10.0.0.2",
        "client.port": protocol.address.port
      })
      expect(untyped!.attributes.has("rpc.service")).toBe(false)
      expect(spans.map(({ status }) => status._tag === "Ended" && status.exit._tag)).toStrictEqual([
        "Success",
        "Success",
        "Success",
        "Success",
        "Failure",
        "Failure"
      ])
    }))

  it.effect("a handler's own spans are children of its request's", () =>
    Effect.gen(function*() {
      const { spans, tracer } = recorder()
      yield* Effect.gen(function*() {
        const { greeter } = yield* pair
        yield* greeter.sayhi("a")
      }).pipe(Effect.provideService(Tracer.Tracer, tracer))
      const request = spans.find(({ kind }) => kind === "server")
      expect(spans.find(({ name }) => name === "sayhi")!.parent).toMatchObject({ value: { spanId: request!.spanId } })
    }))

  it.effect("without a tracer, or with tracing off, no span is made", () =>
    Effect.gen(function*() {
      const { spans, tracer } = recorder()
      yield* Effect.gen(function*() {
        const { greeter } = yield* pair
        yield* greeter.poke()
      }).pipe(Effect.provideService(Tracer.Tracer, tracer), Effect.withTracerEnabled(false))
      expect(spans).toHaveLength(0)
      const { greeter } = yield* pair
      const call = yield* Effect.forkChild(Effect.andThen(greeter.poke(), Effect.option(Effect.currentSpan)))
      expect(yield* Fiber.join(call)).toMatchObject({ _tag: "None" })
    }))
})
