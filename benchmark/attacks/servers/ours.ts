/** A node of this library, with its defaults. */
import { Effect, Fiber, Layer, ManagedRuntime, Metric, Schema } from "effect"
import { readFileSync } from "node:fs"
import { Handlers, Protocol, Transport } from "../../../src/index.ts"
import { began, type Ended, finished, ran, steer } from "./steer.ts"

class Attacked extends Handlers.Service<Attacked>()("attacks/Attacked", {
  ping: { success: Schema.String },
  slow: { success: Schema.String },
  never: {},
  dies: {},
  large: { success: Schema.Uint8Array },
  huge: { success: Schema.Uint8Array }
}) {}

const count = <A>(method: string, effect: Effect.Effect<A>) => () => {
  ran(method)
  return effect
}

const work = <A>(effect: Effect.Effect<A>): Effect.Effect<A> =>
  Effect.suspend(() => {
    began()
    return Effect.ensuring(effect, Effect.sync(finished))
  })

const AttackedLive = Attacked.toLayer({
  ping: count("ping", Effect.succeed("pong")),
  slow: count("slow", work(Effect.delay(Effect.succeed("slow"), "1 seconds"))),
  never: count("never", work(Effect.never)),
  dies: count("dies", Effect.die(new Error("a secret of the handler"))),
  large: count("large", Effect.sync(() => new Uint8Array(8000))),
  huge: count("huge", Effect.sync(() => new Uint8Array(60_000)))
})

const runtime = ManagedRuntime.make(
  Protocol.serve(Attacked).pipe(
    Layer.provide(AttackedLive),
    Layer.provideMerge(Protocol.layer()),
    Layer.provide(Transport.layer({ address: "127.0.0.1" }))
  )
)

const { address, call } = await runtime.runPromise(Protocol.Protocol)

// Whatever gauges and counters there are, or will be.
const metrics = (wanted: "Gauge" | "Counter"): Record<string, number> => {
  const found: Record<string, number> = {}
  for (const { attributes, id, state, type } of runtime.runSync(Metric.snapshot)) {
    const { unit: _, ...labels } = { ...attributes }
    const name = [id.replace(/^rpcudp_|_total$/g, ""), ...Object.values(labels)].join(" ")
    if (type === "Gauge" && wanted === type) found[name] = Number(state.value)
    if (type === "Counter" && wanted === type) found[name] = Number(state.count)
  }
  return found
}

const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"))

steer({
  version: `effect-rpcudp ${version}`,
  port: address.port,
  kept: () => metrics("Gauge"),
  counted: () => metrics("Counter"),
  call: (host, port) =>
    runtime.runPromise(
      call(`${host}:${port}`, "ping", []).pipe(
        Effect.match({
          onSuccess: (value): Ended => ({ outcome: "answer", value: String(value) }),
          onFailure: (error): Ended => ({ outcome: "none", value: error._tag })
        })
      )
    ),
  abandon: (host, port, count, cancel) => {
    const fibers = Array.from(
      { length: count },
      () => runtime.runFork(Effect.exit(call(`${host}:${port}`, "ping", [])))
    )
    if (cancel) runtime.runFork(Fiber.interruptAll(fibers))
  }
})
