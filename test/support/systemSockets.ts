/** What each transport over the system's own UDP sockets keeps, beside the conformance suite: binding, families and closing. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { NetAddress } from "effect/net"
import type { DatagramSocket } from "effect/socket"
import { Protocol, Transport } from "../../src/index.ts"
import { Greeter, greeterLive } from "./Contract.ts"
import type { TransportLayer } from "./nodes.ts"
import { caller, idle, node, raw, respond } from "./nodes.ts"

/** The address of a node that greets. */
export const server = (transport: TransportLayer) =>
  Effect.map(
    node(Protocol.serve(Greeter).pipe(Layer.provide(greeterLive())), transport),
    (context) => Context.get(context, Protocol.Protocol).address
  )

export const client = Effect.fnUntraced(function*(transport: TransportLayer) {
  const context = yield* caller(transport)
  const greeter = yield* Effect.provideContext(Protocol.client(Greeter), context)
  return { greeter, address: Context.get(context, Protocol.Protocol).address }
})

/** The same port at another address. */
export const at = (address: string, { port }: NetAddress.InetAddress): NetAddress.InetAddress =>
  NetAddress.inetAddressFromIpStringUnsafe(address, port)

const local = { address: "127.0.0.1" }

export const systemSockets = (name: string, layer: (options?: Transport.Options) => TransportLayer): void => {
  describe(`${name}, over a socket of the system`, () => {
    it.live("port 0 is a port of the system's choice, and the address says which", () =>
      Effect.gen(function*() {
        for (const address of ["127.0.0.1", "::1", NetAddress.ipv4Loopback, NetAddress.ipv6Loopback]) {
          const bound = yield* server(layer({ address }))
          expect(bound.port).toBeGreaterThan(0)
          expect(NetAddress.isLoopback(bound.address)).toBe(true)
        }
        const anywhere = yield* server(layer())
        expect(NetAddress.formatIp(anywhere.address)).toBe("0.0.0.0")
      }))

    it.live("a build that is interrupted leaves no socket behind", () =>
      Effect.gen(function*() {
        const probe = yield* Scope.make()
        const { port } = yield* Scope.provide(server(layer(local)), probe)
        yield* Scope.close(probe, Exit.void)
        const building = yield* Effect.forkChild(
          Effect.scoped(Effect.andThen(caller(layer({ ...local, port })), Effect.never)),
          { startImmediately: true }
        )
        yield* Fiber.interrupt(building)
        expect((yield* server(layer({ ...local, port }))).port).toBe(port)
      }))

    it.live("a socket on :: speaks both, and IPv4 peers are known by their IPv4 addresses", () =>
      Effect.gen(function*() {
        const dual = layer({ address: "::" })
        const address = yield* server(dual)
        const v4 = yield* client(layer(local))
        const v6 = yield* client(layer({ address: "::1" }))
        expect(yield* v4.greeter(at("127.0.0.1", address)).sayhi("4"))
          .toBe(`Hello 4 you live at 127.0.0.1:${v4.address.port}`)
        expect(yield* v6.greeter(at("::1", address)).sayhi("6")).toBe(`Hello 6 you live at [::1]:${v6.address.port}`)

        // and it calls both, a peer by any of its addresses
        const both = yield* client(dual)
        const peer = yield* server(layer(local))
        const peer6 = yield* server(layer({ address: "::1" }))
        for (const to of [peer, at("::ffff:127.0.0.1", peer), at("0.0.0.0", peer), peer6, at("::", peer6)]) {
          expect(yield* both.greeter(to).sayhi("dual")).toContain(`:${both.address.port}`)
        }
      }))

    it.live("a socket on IPv4 calls an IPv4-mapped address by what it maps, and its answer counts", () =>
      Effect.gen(function*() {
        const address = yield* server(layer(local))
        const { greeter } = yield* client(layer(local))
        expect(yield* greeter(at("::ffff:127.0.0.1", address)).poke()).toBe(undefined)
      }))

    it.live("with ipv6Only, IPv4 does not reach a socket on ::", () =>
      Effect.gen(function*() {
        const address = yield* server(layer({ address: "::", ipv6Only: true }))
        // The port is free for IPv4, so nobody answers there unless the first socket does.
        const other = yield* raw(layer({ ...local, port: address.port }))
        const { greeter } = yield* client(layer(local))
        const call = yield* Effect.forkChild(greeter(other.address).poke())
        const { datagram, from } = yield* other.receive
        other.send(from, respond(datagram, null))
        expect(yield* Fiber.join(call)).toBe(undefined)
      }))

    it.live("once closed, refuses sends and receivers alike", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const socket = Context.get(yield* Layer.buildWithScope(layer(local), scope), Transport.Transport)
        const running = yield* Effect.forkChild(Effect.flip(socket.run(() => {})), { startImmediately: true })
        yield* Scope.close(scope, Exit.void)
        const closed = { _tag: "DatagramSocketError", reason: { _tag: "DatagramSocketClosedError" } }
        expect(yield* Fiber.join(running)).toMatchObject(closed)
        expect(yield* Effect.flip(socket.run(() => {}))).toMatchObject(closed)
        const failures: Array<DatagramSocket.DatagramSocketError> = []
        const peer = socket.peer(NetAddress.inetAddressFromStringUnsafe("127.0.0.1:9"))
        socket.send(new Uint8Array(1), peer, (error) => failures.push(error))
        socket.send(new Uint8Array(1), peer)
        expect(failures).toMatchObject([closed])
        expect(failures[0]!.message).toBe("The socket is closed")
      }))

    it.live("outlives a protocol on it, whose calls then fail, and serves the next one", () =>
      Effect.gen(function*() {
        const transport = yield* Layer.build(layer(local))
        const scope = yield* Scope.make()
        const first = Context.get(
          yield* Layer.buildWithScope(Layer.fresh(Protocol.layer()), scope).pipe(Effect.provideContext(transport)),
          Protocol.Protocol
        )
        yield* Scope.close(scope, Exit.void)
        expect(yield* Effect.flip(first.call(first.address, "who", []))).toMatchObject({
          _tag: "DatagramSocketError",
          reason: { _tag: "DatagramSocketClosedError" }
        })
        const second = Context.get(
          yield* Layer.build(idle.pipe(Layer.provideMerge(Protocol.layer()))).pipe(Effect.provideContext(transport)),
          Protocol.Protocol
        )
        expect(yield* Effect.flip(second.call(second.address, "who", []))).toMatchObject({ reason: "UnknownMethod" })
      }))
  })
}
