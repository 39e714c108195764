/** At most once over a restart: a server over SQLite is killed at a moment of its own choosing, and started again. */
import { NodeServices } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule } from "effect"
import { readFileSync } from "node:fs"
import { Protocol, Transport } from "../../src/index.ts"
import { Orders } from "./restart/Orders.ts"
import { type Handlers, type Moment, start, stocked } from "./restart/process.ts"

/** Orders ten of a hundred from a server that is killed meanwhile, and again from the next one. Returns what is left. */
const left = Effect.fnUntraced(
  function*(handlers: Handlers, moment: Moment, again: "retry" | "retransmission") {
    const { database, file } = yield* stocked(100)
    const client = yield* Layer.build(
      // No call ends by its deadline here.
      Protocol.layer({ timeout: "1 hour" }).pipe(Layer.provide(Transport.layer({ address: "127.0.0.1" })))
    )
    const inventory = yield* Effect.provideContext(Protocol.client(Orders), client)
    const first = yield* start(0, file, handlers, moment)
    const order = inventory(`127.0.0.1:${first.port}`).order("a key", "screw", 10)
    const call = yield* Effect.forkScoped(
      again === "retransmission" ? Protocol.withRetransmit(order, Schedule.spaced("50 millis")) : order
    )
    expect(yield* first.next).toBe("holding")
    yield* first.process.kill({ killSignal: "SIGKILL" })
    if (again === "retry") yield* Fiber.interrupt(call)
    yield* start(first.port, file, handlers, "never")
    const acknowledged = yield* again === "retry" ? order : Fiber.join(call)
    const stock = database.prepare("SELECT stock FROM items").get()?.["stock"]
    expect(stock, "what was acknowledged is what is there").toBe(acknowledged)
    return stock
  },
  Effect.scoped,
  Effect.provide(NodeServices.layer)
)

describe("a server that is killed and started again", () => {
  for (const again of ["retry", "retransmission"] as const) {
    it.live(`between its write and its answer: a ${again} with the same key is applied once`, () =>
      Effect.gen(function*() {
        expect(yield* left("known", "beforeAnswer", again)).toBe(90)
      }))

    it.live(`the control: a ${again} that nobody knows by its key is applied twice`, () =>
      Effect.gen(function*() {
        expect(yield* left("unremembered", "beforeAnswer", again)).toBe(80)
      }))
  }

  it.live("between its write and that of the key: neither is there, and the retry is applied once", () =>
    Effect.gen(function*() {
      expect(yield* left("known", "beforeKey", "retry")).toBe(90)
    }))

  it("the pattern is the page's, word for word", () => {
    const orders = readFileSync(new URL("restart/Orders.ts", import.meta.url), "utf8")
    const pattern = orders.slice(orders.indexOf("export class NoSuchItem"), orders.indexOf("/** The control"))
    expect(readFileSync(new URL("../../docs/running.md", import.meta.url), "utf8")).toContain(pattern.trim())
  })
})
