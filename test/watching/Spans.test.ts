import { describe, expect, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Logger, References, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { Protocol } from "../../src/index.ts"
import { Greeter, greeterLive } from "../support/Contract.ts"
import { settled } from "../support/counting.ts"
import { caller } from "../support/nodes.ts"
import { network, pair } from "../support/pair.ts"
import { recorder } from "../support/recorder.ts"

describe("spans", () => {
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
        ["client", "rpcudp"],
        ["server", "test/Greeter/lookup"]
      ])
      const [, parent, call, request, untyped, failed] = spans
      expect(call!.parent).toMatchObject({ value: { spanId: parent!.spanId } })
      expect(request!.parent).toMatchObject({ _tag: "None" })
      const client = {
        "rpc.system.name": "rpcudp",
        "server.address": "10.0.0.1",
        "server.port": address.port,
        "network.peer.address": "10.0.0.1",
        "network.peer.port": address.port
      }
      const server = {
        "rpc.system.name": "rpcudp",
        "rpc.method": "test/Greeter/lookup",
        "network.peer.address": "10.0.0.2",
        "network.peer.port": protocol.address.port
      }
      expect([call, request, untyped, failed].map((span) => Object.fromEntries(span!.attributes))).toStrictEqual([
        { ...client, "rpc.method": "test/Greeter/lookup", "rpc.status_code": "success" },
        { ...server, "rpc.status_code": "success" },
        {
          ...client,
          "rpc.method": "_OTHER",
          "rpc.method_original": "lookup",
          "rpc.status_code": "rejected",
          "error.type": "rejected"
        },
        { ...server, "rpc.status_code": "error", "error.type": "error" }
      ])
      expect(spans.map(({ status }) => status._tag === "Ended" && status.exit._tag)).toStrictEqual([
        "Success",
        "Success",
        "Success",
        "Success",
        "Failure",
        "Failure"
      ])
    }))

  it.effect("the span of a request lasts from when it came until it has ended, however it does", () =>
    Effect.gen(function*() {
      const { spans, tracer } = recorder()
      yield* Effect.gen(function*() {
        const { address, greeter, protocol } = yield* pair
        yield* Effect.flip(protocol.call(address, "sayhi", [1]))
        yield* Effect.flip(greeter.bytes(9000))
        yield* Effect.flip(greeter.dies())
        yield* Effect.flip(greeter.lies())
        const call = yield* Effect.forkChild(greeter.never(), { startImmediately: true })
        yield* settled
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.interrupt(call)
        yield* settled
        // Of a method that nobody has declared there is no span: strangers could make them without end.
        yield* Effect.flip(protocol.call(address, "nope", []))
        // Its node closes under it.
        yield* Effect.forkChild(greeter.never(), { startImmediately: true })
        yield* settled
      }).pipe(Effect.scoped, Effect.provideService(Tracer.Tracer, tracer), Effect.provide(Logger.layer([])))
      const requests = spans.filter(({ kind }) => kind === "server")
      expect(requests.map(({ attributes, name, status }) => {
        if (status._tag !== "Ended") return [name, "has not ended"]
        const { endTime, exit, startTime } = status
        const said = Exit.isSuccess(exit)
          ? ""
          : Cause.hasInterruptsOnly(exit.cause)
          ? "(interrupted)"
          : messageOf(exit.cause)
        return [name, attributes.get("error.type"), Number(endTime - startTime) / 1e9, said]
      })).toStrictEqual([
        ["test/Greeter/sayhi", "invalid_arguments", 0, expect.stringContaining("Expected string")],
        ["test/Greeter/bytes", "oversize", 0, "oversize"],
        ["test/Greeter/dies", "defect", 0, "secret"],
        ["test/Greeter/lies", "defect", 0, expect.stringContaining("does not fit its schema")],
        ["test/Greeter/never", "cancelled", 3, "(interrupted)"],
        ["test/Greeter/never", "interrupted", 0, "(interrupted)"]
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

  it.effect("it is enough that one of the handlers, what serves them and the protocol has a tracer, unless handlers are not traced", () =>
    Effect.gen(function*() {
      for (const traced of ["handlers", "serving", "protocol", "none"]) {
        for (const enabled of [true, false]) {
          const { spans, tracer } = recorder()
          const { transport } = network()
          const trace = (part: string) =>
            Layer.provide(part === traced ? Layer.succeed(Tracer.Tracer, tracer) : Layer.empty)
          const server = Protocol.serve(Greeter).pipe(
            trace("serving"),
            Layer.provide(
              greeterLive().pipe(
                trace("handlers"),
                Layer.provide(Layer.succeed(References.TracerEnabled, enabled))
              )
            ),
            Layer.provideMerge(Protocol.layer().pipe(trace("protocol"))),
            Layer.provide(transport("10.0.0.1"))
          )
          const { address } = Context.get(yield* Layer.build(server), Protocol.Protocol)
          const context = yield* caller(transport("10.0.0.2"))
          const greeter = (yield* Effect.provideContext(Protocol.client(Greeter), context))(address)
          yield* greeter.sayhi("a")
          expect(spans.map(({ kind, name }) => [kind, name]), traced).toStrictEqual(
            traced === "none" || !enabled ? [] : [["server", "test/Greeter/sayhi"], ["internal", "sayhi"]]
          )
        }
      }
    }))
})

const messageOf = (cause: Cause.Cause<unknown>): string => Cause.prettyErrors(cause)[0]!.message
