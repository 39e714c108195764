/** Groups and broadcasts on real UDP, beside the conformance suite: what the system refuses, and what is closed. */
import { describe, expect, it, vi } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import { NetAddress } from "effect/net"
import { DatagramSocket } from "effect/socket"
import * as Dgram from "node:dgram"
import { Protocol, Transport } from "../../src/index.ts"
import { SimulatedNetwork } from "../../src/testing/index.ts"
import { Greeter } from "../support/Contract.ts"
import { groups, ipv4, ipv6 } from "../support/multicast.ts"
import { multicast, suite } from "../support/needs.ts"
import { caller, raw } from "../support/nodes.ts"
import { server } from "../support/systemSockets.ts"

const local = { address: "127.0.0.1" }

const fresh = (options: Transport.Options) => Layer.fresh(Transport.layer(options))

const gather = (context: Context.Context<Protocol.Protocol>, to: string, answers: number) =>
  Protocol.gather(Greeter, { answers })(to).sayhi("all").pipe(
    Stream.runCollect,
    Effect.map((gathered) => gathered.map(({ sender }) => NetAddress.formatInet(sender)).sort()),
    Effect.provideContext(context)
  )

const portOf = (context: Context.Context<Protocol.Protocol>) => Context.get(context, Protocol.Protocol).address.port

describe("Transport.layer", () => {
  it.live("says why a group is not joined, and leaves no socket behind", () =>
    Effect.gen(function*() {
      const { port } = Context.get(yield* caller(fresh(local)), Protocol.Protocol).address
      const free = yield* Effect.scoped(Effect.map(raw(fresh(local)), ({ address }) => address.port))
      const cases: ReadonlyArray<readonly [Transport.Group, string]> = [
        [{ group: "not an address" }, "expected host:port"],
        [{ group: "[ff02::1]:9999" }, "a socket that is bound to an IPv4 address hears no IPv6 group"],
        [{ group: `239.255.77.1:${port}`, interface: "here" }, "expected exactly four decimal octets"],
        // TEST-NET-2 (RFC 5737): no machine's
        [{ group: `239.255.77.1:${port}`, interface: "198.51.100.1" }, "The socket can't be opened: "]
      ]
      for (const [group, message] of cases) {
        const error = yield* Effect.flip(caller(fresh({ ...local, port: free, multicast: [group] })))
        expect(error, message).toMatchObject({ reason: { _tag: "DatagramSocketOpenError" } })
        expect(error.message).toContain(message)
      }
      const six = { address: "::1", multicast: [{ group: `[ff12::1]:${port}`, interface: "2001:db8::1" }] }
      expect((yield* Effect.flip(caller(fresh(six)))).message)
        .toContain("no interface of this machine has the address 2001:db8::1")
      // Bound by none that has failed.
      expect(portOf(yield* caller(fresh({ ...local, port: free })))).toBe(free)
    }))
})

describe("Transport.layerSocket", () => {
  it.effect("joins a multicast group and no broadcast address, and says why it joins none", () =>
    Effect.gen(function*() {
      const joined: Array<string> = []
      const noting = Layer.effect(
        DatagramSocket.DatagramSocket,
        Effect.map(DatagramSocket.DatagramSocket, (socket) =>
          DatagramSocket.DatagramSocket.of({
            ...socket,
            reader: Effect.map(socket.reader, (reader) => ({
              ...reader,
              joinMulticast: (options) => {
                joined.push(NetAddress.formatIp(options.group))
                return reader.joinMulticast(options)
              }
            }))
          }))
      )
      const on = (group: string) =>
        Layer.build(
          Transport.layerSocket({
            multicast: [{ group, socket: Layer.provide(noting, Layer.fresh(SimulatedNetwork.socket("10.0.0.1:9999"))) }]
          }).pipe(Layer.provide(SimulatedNetwork.socket("10.0.0.1:1")))
        )
      for (const group of ["239.1.2.3:9999", "255.255.255.255:9999"]) yield* Effect.scoped(on(group))
      expect(joined).toStrictEqual(["239.1.2.3"])
      expect(yield* Effect.flip(on("not an address"))).toMatchObject({
        reason: {
          _tag: "DatagramSocketOpenError",
          kind: "AddressNotAvailable",
          cause: { message: expect.stringContaining("expected host:port") }
        }
      })
    }).pipe(Effect.provide(SimulatedNetwork.layer())))
})

suite("a group on IPv4", ipv4 !== undefined, multicast)(() => {
  const joined = (port: number, options: Transport.Options = {}) =>
    fresh({ ...local, multicast: [{ group: `${groups.ipv4}:${port}`, interface: "127.0.0.1" }], ...options })

  it.live("is heard by a socket on ::, whose peers are then known by their IPv4 addresses", () =>
    Effect.gen(function*() {
      const context = yield* caller(fresh(local))
      const { port } = yield* server(joined(portOf(context), { address: "::" }))
      expect(yield* gather(context, `${groups.ipv4}:${portOf(context)}`, 1)).toStrictEqual([`127.0.0.1:${port}`])
    }))

  it.live("is sent to by the interface that the layer has joined it on, wherever it is bound", () =>
    Effect.gen(function*() {
      const { port } = yield* Effect.map(
        caller(fresh(local)),
        (context) => Context.get(context, Protocol.Protocol).address
      )
      const context = yield* caller(joined(port, { address: "0.0.0.0" }))
      const address = yield* server(joined(port))
      // A node that has joined answers itself, too; this one serves no such method.
      expect(yield* gather(context, `${groups.ipv4}:${port}`, 1)).toStrictEqual([NetAddress.formatInet(address)])
    }))

  it.live("is sent to by the interface of the first that the layer has joined, of its own family alone", () =>
    Effect.gen(function*() {
      const { port } = yield* Effect.map(
        caller(fresh(local)),
        (context) => Context.get(context, Protocol.Protocol).address
      )
      const at = (address: string, others: ReadonlyArray<Transport.Group>) => {
        const sendsBy = vi.spyOn(Dgram.Socket.prototype, "setMulticastInterface")
        const one = { group: `${groups.ipv4}:${port}`, interface: "127.0.0.1" }
        return caller(fresh({ address, multicast: [{ group: one.group }, one, ...others] })).pipe(
          Effect.map(() => sendsBy.mock.calls.map(([by]) => by)),
          Effect.ensuring(Effect.sync(() => sendsBy.mockRestore()))
        )
      }
      const another = { group: `239.255.77.2:${port}`, interface: "127.0.0.1" }
      expect(yield* at("127.0.0.1", [another])).toStrictEqual(["127.0.0.1"])
      expect(yield* at("::", [])).toStrictEqual([])
    }))

  it.live("is heard with the buffers of the layer", () =>
    Effect.gen(function*() {
      const { port } = yield* Effect.map(caller(fresh(local)), (context) =>
        Context.get(context, Protocol.Protocol).address)
      const sizes = vi.spyOn(Dgram.Socket.prototype, "setRecvBufferSize")
      const asked = yield* caller(joined(port, { receiveBufferBytes: 65_536 })).pipe(
        Effect.map(() =>
          sizes.mock.calls.slice()
        ),
        Effect.ensuring(Effect.sync(() => sizes.mockRestore()))
      )
      expect(asked).toStrictEqual([[65_536], [65_536]])
    }))

  it.live("is heard by who receives now, and not by who did", () =>
    Effect.gen(function*() {
      const own = yield* caller(fresh(local))
      const group = `${groups.ipv4}:${portOf(own)}`
      const transport = Context.get(
        yield* Layer.build(fresh({ ...local, multicast: [{ group, interface: "127.0.0.1" }] })),
        Transport.Transport
      )
      const heard: Array<string> = []
      const receive = (name: string) =>
        Effect.gen(function*() {
          const first = yield* Deferred.make<void>()
          const running = yield* Effect.forkChild(
            transport.run((datagram, _, toGroup) => {
              heard.push(`${name} ${datagram.length} ${toGroup}`)
              Deferred.doneUnsafe(first, Effect.void)
            }),
            { startImmediately: true }
          )
          yield* Effect.sync(() =>
            transport.send(new Uint8Array(name.length), transport.peer(NetAddress.inetAddressFromStringUnsafe(group)))
          )
          yield* Deferred.await(first)
          yield* Fiber.interrupt(running)
        })
      yield* receive("x")
      yield* receive("yy")
      expect(heard).toStrictEqual(["x 1 true", "yy 2 true"])
    }))

  it.live("is left as the layer closes", () =>
    Effect.gen(function*() {
      const { port } = yield* Effect.map(caller(fresh(local)), (context) =>
        Context.get(context, Protocol.Protocol).address)
      const scope = yield* Scope.make()
      yield* Scope.provide(server(joined(port)), scope)
      const alone = { address: groups.ipv4, port }
      expect(yield* Effect.flip(caller(fresh(alone)))).toMatchObject({ reason: { kind: "AddressInUse" } })
      yield* Scope.close(scope, Exit.void)
      expect(portOf(yield* caller(fresh(alone)))).toBe(port)
    }))

  // 127.255.255.255 is all of the loopback interface: nothing of it leaves this machine.
  it.live("may be a broadcast address, which is sent to only where `broadcast` says so", () =>
    Effect.gen(function*() {
      const context = yield* caller(fresh({ ...local, broadcast: true }))
      const broadcast = `127.255.255.255:${portOf(context)}`
      const addresses = yield* Effect.forEach([1, 2], () =>
        server(fresh({ ...local, multicast: [{ group: broadcast }] })))
      expect(yield* gather(context, broadcast, 2)).toStrictEqual(addresses.map(NetAddress.formatInet).sort())
      expect(yield* Effect.flip(gather(yield* caller(fresh(local)), broadcast, 2))).toMatchObject({
        reason: { _tag: "DatagramSocketWriteError", kind: "PermissionDenied" }
      })
    }))
})

suite("a group on IPv6", ipv6 !== undefined, multicast)(() => {
  it.live("is joined on the interface that has an address", () =>
    Effect.gen(function*() {
      const context = yield* caller(fresh({ address: ipv6! }))
      const to = `[${groups.ipv6}]:${portOf(context)}`
      const address = yield* server(fresh({ address: ipv6!, multicast: [{ group: to, interface: ipv6! }] }))
      expect(yield* gather(context, to, 1)).toStrictEqual([NetAddress.formatInet(address)])
    }))
})
