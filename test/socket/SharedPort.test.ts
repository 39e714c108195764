/** One port, several sockets of the kernel's: what only real UDP can show. */
import { describe, expect, it, vi } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, Redacted, Result, Schema, Scope } from "effect"
import * as Dgram from "node:dgram"
import { Codec, Handlers, Protocol, Transport } from "../../src/index.ts"
import { caller, idle, node, raw } from "../support/nodes.ts"
import { numbered } from "../support/requests.ts"

class Tally extends Handlers.Service<Tally>()("test/Tally", {
  count: { args: [Schema.String], success: Schema.String }
}) {}

const address = "127.0.0.1"

const sharing = (port?: number) => Transport.layer({ address, port, reusePort: true })

/** A worker that answers with its own name, and notes whom it ran what for. */
const worker = (name: string, runs: Array<{ readonly request: string; readonly worker: string }>, port?: number) => {
  const live = Tally.toLayer({
    count: (request) =>
      Effect.sync(() => {
        runs.push({ request, worker: name })
        return name
      })
  })
  return Effect.map(
    node(Protocol.serve(Tally).pipe(Layer.provide(live)), sharing(port)),
    (context) => Context.get(context, Protocol.Protocol).address
  )
}

describe("a shared port", () => {
  it.live("a request that comes again reaches the worker that has run it, and none runs twice", () =>
    Effect.gen(function*() {
      const runs: Array<{ readonly request: string; readonly worker: string }> = []
      const to = yield* worker("first", runs)
      yield* worker("second", runs, to.port)
      const ports = 40
      const requests = 20
      for (let port = 0; port < ports; port++) {
        const client = yield* raw(Transport.layer({ address }))
        const answered = new Set<string>()
        for (let i = 0; i < requests; i++) {
          const request = numbered(port * requests + i, "count", `${port}/${i}`)
          for (let copy = 0; copy < 3; copy++) {
            client.send(to, request)
            const { datagram } = yield* client.receive
            expect(Codec.typeOf(datagram)).toBe("Response")
            answered.add(String(Result.getOrThrow(Codec.decodeResponse(datagram))))
          }
        }
        expect(answered.size, "a port is one worker's").toBe(1)
      }
      expect(runs).toHaveLength(ports * requests)
      expect(new Set(runs.map((run) => run.request)).size).toBe(ports * requests)
      // All forty with one of the two: once in 2^39.
      expect(new Set(runs.map((run) => run.worker)).size).toBe(2)
    }))

  // What Linux does: it numbers the workers as they bind, gives the last one the number of one that ends, and divides clients
  // among the numbers anew.
  for (const [count, isMoving] of [[2, false], [3, true]] as const) {
    const others = isMoving ? "some of the others', too" : "none of the others'"
    it.live.skipIf(process.platform !== "linux")(
      `when the first of ${count} workers ends, its clients move, and ${others}`,
      () =>
        Effect.gen(function*() {
          const ending = yield* Scope.make()
          const to = yield* worker("0", [], undefined).pipe(Scope.provide(ending))
          for (let i = 1; i < count; i++) yield* worker(String(i), [], to.port)
          const clients = yield* Effect.all(Array.from({ length: 60 }, () => raw(Transport.layer({ address }))))
          let id = 0
          const owners = Effect.forEach(clients, (client) =>
            Effect.gen(function*() {
              client.send(to, numbered(id++, "count", ""))
              return String(Result.getOrThrow(Codec.decodeResponse((yield* client.receive).datagram)))
            }))
          const before = yield* owners
          yield* Scope.close(ending, Exit.void)
          const after = yield* owners
          expect(after).not.toContain("0")
          const moved = before.filter((owner, i) => owner !== "0" && owner !== after[i])
          expect(moved.length > 0).toBe(isMoving)
        })
    )
  }

  it.live("what shares its port does not call: an answer may reach another worker", () =>
    Effect.gen(function*() {
      const { address: to } = Context.get(yield* caller(Transport.layer({ address })), Protocol.Protocol)
      const sharer = yield* caller(sharing())
      const protocol = Context.get(sharer, Protocol.Protocol)
      const greeter = yield* Effect.provideContext(Protocol.client(Tally), sharer)
      for (const call of [protocol.call(to, "idle", []), greeter(to).count("")]) {
        const exit = yield* Effect.exit(call)
        expect(Exit.isFailure(exit) && Cause.hasDies(exit.cause)).toBe(true)
        expect(String(Exit.isFailure(exit) && Cause.squash(exit.cause))).toContain("only serves")
      }
    }))

  it.live("what shares its port takes no keys: each worker would read what another has read already", () =>
    Effect.gen(function*() {
      const keys = { ring: [{ id: 1, secret: Redacted.make(new Uint8Array(32)) }] as const }
      const exit = yield* Effect.exit(caller(sharing(), { keys }))
      expect(Exit.isFailure(exit) && Cause.hasDies(exit.cause)).toBe(true)
      expect(String(Exit.isFailure(exit) && Cause.squash(exit.cause))).toContain("takes no keys")
      yield* caller(Transport.layer({ address }), { keys })
    }))

  it.live("a system that shares no ports is a typed error of the build", () =>
    Effect.gen(function*() {
      const bind = vi.spyOn(Dgram.Socket.prototype, "bind").mockImplementation(function(this: Dgram.Socket) {
        queueMicrotask(() => this.emit("error", Object.assign(new Error("bind ENOTSUP"), { code: "ENOTSUP" })))
        return this
      })
      const error = yield* Effect.flip(Layer.build(Layer.fresh(sharing()))).pipe(
        Effect.ensuring(Effect.sync(() => bind.mockRestore()))
      )
      expect(error.reason).toMatchObject({ _tag: "DatagramSocketOpenError", kind: "Unknown" })
      expect(error.message).toContain("ENOTSUP")
    }))

  it.live("a port is shared only with those that share it", () =>
    Effect.gen(function*() {
      const { address: taken } = Context.get(yield* node(idle, sharing()), Protocol.Protocol)
      const error = yield* Effect.flip(Layer.build(Layer.fresh(Transport.layer({ address, port: taken.port }))))
      expect(error.reason).toMatchObject({ kind: "AddressInUse" })
    }))
})
