/** A rolling restart: three servers over one database are told to stop, one after another, and start again. */
import { NodeServices } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Schedule } from "effect"
import { Protocol, Transport } from "../../src/index.ts"
import { Orders } from "./restart/Orders.ts"
import { start, stocked } from "./restart/process.ts"

describe("a rolling restart of three fronts", () => {
  it.live("answers what each has in hand, loses no call of others, and no write that was acknowledged", () =>
    Effect.gen(function*() {
      const screws = 100_000
      const { database, file } = yield* stocked(screws)
      const fronts = yield* Effect.all(
        [
          start(0, file, "known", "untilStopped"),
          start(0, file, "known", "untilStopped"),
          start(0, file, "known", "untilStopped")
        ],
        { concurrency: "unbounded" }
      )
      const client = yield* Layer.build(
        // Only what is broken reaches this deadline.
        Protocol.layer({ timeout: "40 seconds" }).pipe(
          Layer.provide(Transport.layer({ address: "127.0.0.1" }))
        )
      )
      const inventory = yield* Effect.provideContext(Protocol.client(Orders), client)
      const order = (port: number, key: string) => inventory(`127.0.0.1:${port}`).order(key, "screw", 1)

      const acknowledged: Array<string> = []
      const over = yield* Deferred.make<void>()
      const writers = yield* Effect.forkScoped(Effect.forEach(
        fronts,
        ({ port }, front) =>
          Effect.gen(function*() {
            for (let n = 0; !(yield* Deferred.isDone(over)); n++) {
              const key = `${front}-${n}`
              // Sent again while its front is away, and until it is back.
              yield* Protocol.withRetransmit(order(port, key), Schedule.spaced("100 millis"))
              acknowledged.push(key)
            }
          }),
        { concurrency: "unbounded", discard: true }
      ))

      for (const { next, port, process } of fronts) {
        // Sent once: only the front that has it in hand can answer it.
        const key = `held-${port}`
        const held = yield* Effect.forkScoped(order(port, key))
        expect(yield* next).toBe("holding")
        yield* process.kill({ killSignal: "SIGTERM" })
        yield* Fiber.join(held)
        acknowledged.push(key)
        yield* start(port, file, "known", "never")
      }
      yield* Deferred.succeed(over, undefined)
      yield* Fiber.join(writers)

      const orders = new Set(database.prepare("SELECT order_key FROM orders").all().map((row) => row["order_key"]))
      expect(acknowledged.filter((key) => !orders.has(key))).toStrictEqual([])
      expect(database.prepare("SELECT stock FROM items").get()?.["stock"]).toBe(screws - orders.size)
      expect(orders.size, "and each call was answered").toBe(acknowledged.length)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
})
