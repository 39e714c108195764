/** Front nodes in the process of the tests, whose database, clock and peers are given what they dread. */
import { NodeServices } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Context, Effect, Layer, Logger, Option, Schedule, Schema } from "effect"
import { Handlers, Protocol, Transport } from "effect-rpcudp"
import { NetAddress } from "effect/net"
import type { SqlClient, SqlError } from "effect/sql"
import { readFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { postgres, suite } from "../../test/support/needs.ts"
import * as Database from "./database.ts"
import * as FrontNode from "./frontNode.ts"
import { Inventory, type Refused, Unavailable } from "./Inventory.ts"
import { loopback } from "./network.ts"
import * as Postgres from "./postgres.ts"
import * as Sqlite from "./sqlite.ts"

// The cluster says much of what these tests do to it.
const services = Layer.merge(NodeServices.layer, Logger.layer([]))

type SqlLayer = Layer.Layer<SqlClient.SqlClient, SqlError.SqlError>

/** A database with the tables and items of the example. */
const inMemory = Effect.gen(function*() {
  const database = yield* Effect.acquireRelease(
    Effect.sync(() => new DatabaseSync(":memory:")),
    (database) => Effect.sync(() => database.close())
  )
  const layer = Sqlite.layerDatabase(database)
  yield* Effect.scoped(Effect.provide(Database.migrate, layer))
  return { database, layer }
})

/** A front over a database, at an address of its own. Returns what asks it. */
const front = Effect.fnUntraced(function*(
  database: SqlLayer,
  runner: string,
  clock: Option.Option<Clock.Clock> = Option.none()
) {
  const build = Layer.build(FrontNode.layer({
    udp: NetAddress.inetAddressFromStringUnsafe("127.0.0.1:0"),
    runner: NetAddress.inetAddressFromStringUnsafe(runner),
    database
  }))
  const node = yield* Option.match(clock, {
    onNone: () => build,
    onSome: (clock) => Effect.provideService(build, Clock.Clock, clock)
  })
  return Context.get(node, Protocol.Protocol).address
})

const freeRunner = Effect.map(loopback(1), (network) => network.fronts[0]!.runner)

const client = Layer.build(
  // What is broken ends by the time-out of the test.
  Protocol.layer({ timeout: "1 hour", retransmit: Protocol.adaptive }).pipe(
    Layer.provide(Transport.layer({ address: "127.0.0.1" }))
  )
)

const inventory = Effect.flatMap(client, (context) => Effect.provideContext(Protocol.client(Inventory), context))

/** As writers do: again, with the same key. A front may also be slow for reasons of its machine. */
const untilAnswered = <A>(order: Effect.Effect<A, Unavailable | Refused | Protocol.CallError>) =>
  Effect.retry(order, {
    while: (error) => error._tag === "Unavailable",
    schedule: Schedule.spaced("50 millis")
  })

/** The statements of the page. */
const pruning = readFileSync(new URL("README.md", import.meta.url), "utf8").split("```sql\n")[1]!.split("```")[0]!

const timesApplied = (database: DatabaseSync, key: string) =>
  database.prepare("SELECT COUNT(*) AS times FROM movements WHERE order_key = ?").get(key)?.["times"]

describe("a front", () => {
  it.live("takes a key for one order: another one with the same key is refused", () =>
    Effect.gen(function*() {
      const { database, layer } = yield* inMemory
      const { order } = (yield* inventory)(yield* front(layer, yield* freeRunner))
      const left = yield* untilAnswered(order("a key", "item 1", 10))
      expect(left).toBe(Database.stock - 10)
      expect(yield* Effect.flip(untilAnswered(order("a key", "item 1", 11)))).toMatchObject({
        _tag: "Refused",
        reason: "the key is of an order of 10"
      })
      expect(yield* untilAnswered(order("a key", "item 1", 10)), "the first is answered as it was").toBe(left)
      expect(yield* untilAnswered(order("a key", "item 2", 11)), "a key is an item's").toBe(Database.stock - 11)
      expect(timesApplied(database, "a key")).toBe(2)
    }).pipe(Effect.provide(services)))

  it.live("refuses what there is not, and goes on", () =>
    Effect.gen(function*() {
      const { database, layer } = yield* inMemory
      database.exec("UPDATE items SET stock = 5 WHERE name = 'item 1'")
      const { order } = (yield* inventory)(yield* front(layer, yield* freeRunner))
      const none = { _tag: "Refused", reason: "there is not so much of it" }
      expect(yield* Effect.flip(untilAnswered(order("much", "item 1", 6)))).toMatchObject(none)
      expect(yield* Effect.flip(untilAnswered(order("elsewhere", "no such item", 1)))).toMatchObject(none)
      expect(yield* untilAnswered(order("all", "item 1", 5))).toBe(0)
      database.exec("UPDATE items SET stock = 10 WHERE name = 'item 1'")
      expect(yield* Effect.flip(untilAnswered(order("much", "item 1", 6))), "it is remembered").toMatchObject(none)
      expect(timesApplied(database, "much")).toBe(0)
      expect(timesApplied(database, "elsewhere")).toBe(0)
    }).pipe(Effect.provide(services)))

  it.live("rejects what no database takes before it is written down", () =>
    Effect.gen(function*() {
      const { database, layer } = yield* inMemory
      const address = yield* front(layer, yield* freeRunner)
      // As Inventory, but it sends anything.
      class Anything extends Handlers.Service<Anything>()("example/Anything", {
        order: { args: [Schema.String, Schema.String, Schema.Finite], success: Schema.Unknown }
      }) {}
      const { order } = (yield* Effect.provideContext(Protocol.client(Anything), yield* client))(address)
      for (
        const [key, item, quantity] of [
          ["a\0key", "item 1", 1],
          ["", "item 1", 1],
          ["a key".repeat(100), "item 1", 1],
          ["a key", "item 1".repeat(100), 1],
          ["a key", "item 1", 0],
          ["a key", "item 1", -1],
          ["a key", "item 1", 2 ** 31],
          ["a key", "item 1", 0.5]
        ] as const
      ) {
        expect(yield* Effect.flip(order(key, item, quantity)), `${key} ${item} ${quantity}`)
          .toMatchObject({ _tag: "Rejected" })
      }
      expect(database.prepare("SELECT COUNT(*) AS count FROM cluster_messages").get()?.["count"]).toBe(0)
    }).pipe(Effect.provide(services)))

  it.live("handles an order again whose handler died, however often, and applies it once", () =>
    Effect.gen(function*() {
      const { database, layer } = yield* inMemory
      let died = 0
      // More than Effect's own pauses would let die within this test's time-out.
      database.function("mayDie", () => {
        if (died < 15) {
          died++
          throw new Error("the disk is full")
        }
        return 0
      })
      database.exec("CREATE TEMP TRIGGER dying BEFORE INSERT ON movements BEGIN SELECT mayDie(); END")
      const { order } = (yield* inventory)(yield* front(layer, yield* freeRunner))
      expect(yield* untilAnswered(order("a key", "item 1", 1))).toBe(Database.stock - 1)
      expect(died).toBe(15)
      expect(timesApplied(database, "a key")).toBe(1)
    }).pipe(Effect.provide(services)))

  it.live("knows a key until it is pruned as its page says", () =>
    Effect.gen(function*() {
      const { database, layer } = yield* inMemory
      const { order } = (yield* inventory)(yield* front(layer, yield* freeRunner))
      /** What is older than so many milliseconds. */
      const prune = (age: number) =>
        Effect.suspend(() => {
          // The front has the same connection.
          if (database.isTransaction) return Effect.fail("busy")
          const before = BigInt(Date.now() - Date.UTC(2025, 0, 1) - age) << 22n
          // Parameters are of one statement.
          database.exec(pruning.replaceAll(":before", String(before)))
          return Effect.void
        }).pipe(Effect.retry(Schedule.spaced("1 millis")))
      const left = yield* untilAnswered(order("a key", "item 1", 10))
      yield* prune(3_600_000)
      expect(yield* untilAnswered(order("a key", "item 1", 10)), "it is young").toBe(left)
      // What is made in this very millisecond, and on a clock that is a little ahead.
      yield* prune(-1000)
      expect(database.prepare("SELECT COUNT(*) AS count FROM cluster_messages").get()?.["count"]).toBe(0)
      expect(database.prepare("SELECT COUNT(*) AS count FROM cluster_replies").get()?.["count"]).toBe(0)
      expect(yield* untilAnswered(order("a key", "item 1", 10)), "it is new again").toBe(left - 10)
    }).pipe(Effect.provide(services)))

  it.live("that was started again by a clock set back acknowledges no order by the reply of another", () =>
    Effect.gen(function*() {
      const { database, layer } = yield* inMemory
      // As if it had been killed: it keeps its number among the fronts.
      database.exec("CREATE TEMP TRIGGER killed BEFORE DELETE ON cluster_runners BEGIN SELECT RAISE(IGNORE); END")
      const runner = yield* freeRunner
      const inventoryOf = yield* inventory
      const real = yield* Clock.Clock
      const now = real.currentTimeMillisUnsafe()
      // Both runs of the front see the same millisecond, and number their messages alike.
      const stopped: Clock.Clock = Object.assign(Object.create(real), { currentTimeMillisUnsafe: () => now })
      // Whose items the first asks for from afar: it looks for the replies in the database.
      yield* front(layer, yield* freeRunner)
      const acknowledged: Array<string> = []
      for (const run of ["first", "second"]) {
        yield* Effect.gen(function*() {
          const { order } = inventoryOf(yield* front(layer, runner, Option.some(stopped)))
          yield* Effect.forEach(Database.items, (item) =>
            Effect.gen(function*() {
              const key = `${run} ${item}`
              yield* untilAnswered(order(key, item, 1))
              acknowledged.push(key)
            }), { concurrency: "unbounded" })
        }).pipe(Effect.scoped)
      }
      const dropped = acknowledged.filter((key) => timesApplied(database, key) !== 1)
      expect(dropped).toStrictEqual([])
    }).pipe(Effect.provide(services)))

  it.live("that gets no reply from the cluster says so", () =>
    Effect.gen(function*() {
      const { database, layer } = yield* inMemory
      const runner = yield* freeRunner
      // Another's locks, of a clock that was set back an hour ago: nobody has its items until then.
      for (let shard = 1; shard <= 60; shard++) {
        database.prepare("INSERT INTO cluster_locks (shard_id, address, acquired_at) VALUES (?, ?, ?)")
          .run(`default:${shard}`, "127.0.0.1:1", "2999-01-01 00:00:00")
      }
      const { order } = (yield* inventory)(yield* front(layer, runner))
      const error = yield* Effect.flip(order("a key", "item 1", 1))
      expect(error).toBeInstanceOf(Unavailable)
      expect(timesApplied(database, "a key")).toBe(0)
    }).pipe(Effect.provide(services)))
})

suite("a front over PostgreSQL", Option.isSome(Postgres.programs), postgres)(() => {
  it.live("says that its database is away, and goes on when it is back, with all that was acknowledged", () =>
    Effect.gen(function*() {
      const bin = Option.getOrThrow(Postgres.programs)
      const host = (yield* loopback(1)).database
      const files = yield* Postgres.initialize(bin, host)
      const layer = Database.layer(files.url)
      const inventoryOf = yield* inventory
      const first = yield* Postgres.serve(bin, host, files)
      yield* Effect.scoped(Effect.provide(Database.migrate, layer))
      const addresses = [yield* front(layer, yield* freeRunner), yield* front(layer, yield* freeRunner)]
      const acknowledged: Array<string> = []
      const order = Effect.fnUntraced(function*(key: string) {
        for (const address of addresses) {
          const left = yield* untilAnswered(inventoryOf(address).order(key, "item 1", 1))
          expect(left).toBe(Database.stock - acknowledged.length - 1)
        }
        acknowledged.push(key)
      })

      yield* order("before")
      // As a crash of the server's: no transaction may end.
      yield* first.kill({ killSignal: "SIGQUIT" })
      for (const address of addresses) {
        expect(yield* Effect.flip(inventoryOf(address).order("meanwhile", "item 1", 1))).toBeInstanceOf(Unavailable)
      }
      yield* Postgres.serve(bin, host, files)
      yield* order("meanwhile")
      yield* order("after")

      const times = yield* Effect.scoped(Effect.provide(Database.applied, layer))
      expect(Array.from(times).sort()).toStrictEqual(acknowledged.map((key) => [key, 1]).sort())
    }).pipe(Effect.provide(services)))
})
