/** The edge to Node's socket: what only real UDP can show. */
import { assert, describe, expect, it, vi } from "@effect/vitest"
import { Cause, Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Scope } from "effect"
import { NetAddress } from "effect/net"
import { DatagramSocket } from "effect/socket"
import * as Dgram from "node:dgram"
import { syncBuiltinESMExports } from "node:module"
import Os from "node:os"
import { setImmediate as turn } from "node:timers/promises"
import { Protocol, Transport } from "../../src/index.ts"
import * as MemoryNetwork from "../support/MemoryNetwork.ts"
import { settled } from "../support/counting.ts"
import { caller, idle, metrics, stuck, withMetrics, writing } from "../support/nodes.ts"
import { at, client, server, systemSockets } from "../support/systemSockets.ts"

const systemError = (code: string): Error => Object.assign(new Error(code), { code })

const isDeno = "Deno" in globalThis

/** What Deno says where its user has not allowed it. */
const notCapable = (): Error =>
  Object.assign(new Error("Requires net access to \"127.0.0.1:0\", run again with the --allow-net flag"), {
    name: "NotCapable"
  })

/** A transport, and Node's socket below it. */
const underneath = Effect.fnUntraced(function*(options: Transport.Options) {
  const bind = vi.spyOn(Dgram.Socket.prototype, "bind")
  const sockets = bind.mock.contexts
  const context = yield* Effect.ensuring(
    Layer.build(Layer.fresh(Transport.layer(options))),
    Effect.sync(() => bind.mockRestore())
  )
  const [socket] = sockets
  assert(socket instanceof Dgram.Socket)
  return { socket, transport: Context.get(context, Transport.Transport) }
})

systemSockets("Transport.layer", Transport.layer)

describe("Transport", () => {
  describe("binding", () => {
    it.live("what can't be bound is a typed error that says why", () =>
      Effect.gen(function*() {
        const taken = yield* server(Transport.layer({ address: "127.0.0.1" }))
        const cases: ReadonlyArray<readonly [Transport.Options, string]> = [
          [{ address: "127.0.0.1", port: taken.port }, "AddressInUse"],
          // TEST-NET-1 (RFC 5737): no machine's
          [{ address: "192.0.2.1" }, "AddressNotAvailable"],
          [{ address: "localhost" }, "AddressNotAvailable"],
          [{ address: "not an address" }, "AddressNotAvailable"],
          [{ address: "127.0.0.1", port: 70_000 }, "AddressNotAvailable"],
          [{ address: "127.0.0.1", port: -1 }, "AddressNotAvailable"],
          [{ address: "127.0.0.1", receiveBufferBytes: -1 }, "Unknown"]
        ]
        for (const [options, kind] of cases) {
          const error = yield* Effect.flip(caller(Transport.layer(options)))
          expect(error.message).toMatch(/^The socket can't be opened: .+ \(.+\)$/u)
          expect(error, JSON.stringify(options)).toMatchObject({
            _tag: "DatagramSocketError",
            reason: { _tag: "DatagramSocketOpenError", kind }
          })
        }
      }))

    it.live("a socket that can't be bound is closed, and the error says why in one of four words", () =>
      Effect.gen(function*() {
        const cases = [
          ["EADDRINUSE", "AddressInUse"],
          ["EADDRNOTAVAIL", "AddressNotAvailable"],
          ["EACCES", "PermissionDenied"],
          ["EPERM", "PermissionDenied"],
          ["NotCapable", "PermissionDenied"],
          ["ENOMEM", "Unknown"]
        ] as const
        for (const [code, kind] of cases) {
          const bind = vi.spyOn(Dgram.Socket.prototype, "bind").mockImplementation(function(this: Dgram.Socket) {
            queueMicrotask(() => this.emit("error", code === "NotCapable" ? notCapable() : systemError(code)))
            return this
          })
          const error = yield* Effect.flip(Layer.build(Layer.fresh(Transport.layer())))
          const [socket] = bind.mock.contexts
          bind.mockRestore()
          expect(error.reason).toMatchObject({ kind })
          assert(socket instanceof Dgram.Socket)
          expect(() => socket.close()).toThrow("Not running")
        }
      }))

    it.live("whatever Node throws is an error, and no socket is left", () =>
      Effect.gen(function*() {
        const bind = vi.spyOn(Dgram.Socket.prototype, "bind").mockImplementation(() => {
          throw systemError("EADDRINUSE")
        })
        const refused = yield* Effect.flip(Layer.build(Layer.fresh(Transport.layer())))
        const [socket] = bind.mock.contexts
        bind.mockRestore()
        expect(refused.reason).toMatchObject({ _tag: "DatagramSocketOpenError", kind: "AddressInUse" })
        assert(socket instanceof Dgram.Socket)
        expect(() => socket.close()).toThrow("Not running")

        const create = vi.spyOn(process.getBuiltinModule("node:dgram"), "createSocket").mockImplementation(() => {
          throw new Error("no sockets here")
        })
        const impossible = yield* Effect.flip(Layer.build(Layer.fresh(Transport.layer())))
        create.mockRestore()
        expect(impossible.message).toBe("The socket can't be opened: no sockets here (Unknown)")
      }))

    it.live("the receive buffer is as large as the system grants 4 MiB, the send buffer as the system has it, or both as asked", () =>
      Effect.gen(function*() {
        const plain = yield* Effect.acquireRelease(
          Effect.callback<Dgram.Socket>((resume) => {
            const socket = Dgram.createSocket("udp4")
            socket.bind(0, "127.0.0.1", () => resume(Effect.succeed(socket)))
          }),
          (socket) => Effect.sync(() => socket.close())
        )
        const sizes = (socket: Dgram.Socket) => [socket.getRecvBufferSize(), socket.getSendBufferSize()]
        const [, send] = sizes(plain)
        if (!isDeno) plain.setRecvBufferSize(4 * 1024 * 1024)
        const [largest] = sizes(plain)
        if (!isDeno) expect(largest).not.toBe(send)
        const opened = Effect.fnUntraced(function*(options: Transport.Options) {
          return sizes((yield* underneath({ address: "127.0.0.1", ...options })).socket)
        })
        expect(yield* opened({})).toStrictEqual([largest, send])
        plain.setRecvBufferSize(40_000)
        plain.setSendBufferSize(30_000)
        const [small, smaller] = sizes(plain)
        expect(yield* opened({ receiveBufferBytes: 40_000 })).toStrictEqual([small, send])
        expect(yield* opened({ sendBufferBytes: 30_000 })).toStrictEqual([largest, smaller])
      }))

    it.live("Deno, which would make a buffer of 4 MiB for each datagram, is not told of a size unless one is asked for", () =>
      Effect.gen(function*() {
        const asked = vi.spyOn(Dgram.Socket.prototype, "setRecvBufferSize")
        yield* Effect.addFinalizer(() => Effect.sync(() => vi.unstubAllGlobals()))
        yield* Effect.addFinalizer(() => Effect.sync(() => asked.mockRestore()))
        if (!isDeno) vi.stubGlobal("Deno", {})
        yield* underneath({ address: "127.0.0.1" })
        expect(asked).not.toHaveBeenCalled()
        yield* underneath({ address: "127.0.0.1", receiveBufferBytes: 65_536 })
        expect(asked.mock.calls).toStrictEqual([[65_536]])
      }))

    it.live("a buffer that was asked for and is refused is an error, the default one is not", () =>
      Effect.gen(function*() {
        const refuse = vi.spyOn(Dgram.Socket.prototype, "setRecvBufferSize").mockImplementation(() => {
          throw systemError("ENOBUFS")
        })
        yield* Effect.addFinalizer(() => Effect.sync(() => refuse.mockRestore()))
        const { socket } = yield* underneath({ address: "127.0.0.1" })
        expect(socket.address().port).toBeGreaterThan(0)
        const error = yield* Effect.flip(underneath({ address: "127.0.0.1", receiveBufferBytes: 65_536 }))
        expect(error.reason).toMatchObject({ _tag: "DatagramSocketOpenError", kind: "Unknown" })
      }))

    it.live("buffers of a given size are asked for", () =>
      Effect.gen(function*() {
        const transport = Transport.layer({ address: "127.0.0.1", receiveBufferBytes: 65_536, sendBufferBytes: 65_536 })
        const address = yield* server(transport)
        const { greeter } = yield* client(transport)
        expect(yield* greeter(address).poke()).toBe(undefined)
      }))

    it.live("with reuseAddress two sockets share a port", () =>
      Effect.gen(function*() {
        const first = yield* server(Transport.layer({ address: "127.0.0.1", reuseAddress: true }))
        const second = yield* server(Transport.layer({ address: "127.0.0.1", reuseAddress: true, port: first.port }))
        expect(second.port).toBe(first.port)
      }))
  })

  describe("families", () => {
    it.live("a transport over a DatagramSocket on :: does the same", () =>
      Effect.gen(function*() {
        const { layer } = yield* Effect.promise(() => import("@effect/platform-node/NodeDatagramSocket"))
        const dual = Transport.layerSocket().pipe(Layer.provide(layer({ bind: { address: "::", port: 0 } })))
        const peer = yield* server(Transport.layer({ address: "127.0.0.1" }))
        const { greeter } = yield* client(dual)
        for (const to of [peer, at("::ffff:127.0.0.1", peer)]) {
          expect(yield* greeter(to).sayhi("dual")).toContain("you live at 127.0.0.1:")
        }
        const address = yield* server(dual)
        const v4 = yield* client(Transport.layer({ address: "127.0.0.1" }))
        expect(yield* v4.greeter(at("127.0.0.1", address)).sayhi("4")).toContain(`127.0.0.1:${v4.address.port}`)
      }))
  })

  describe("refusing", () => {
    it.live("a send that the socket refuses is a typed error of that call, and the next call is answered", () =>
      Effect.gen(function*() {
        const address = yield* server(Transport.layer({ address: "127.0.0.1" }))
        const { greeter } = yield* client(Transport.layer({ address: "127.0.0.1" }))
        for (const to of ["[2001:db8::1]:9", "127.0.0.1:0", "255.255.255.255:9"]) {
          const error = yield* Effect.flip(greeter(to).poke())
          expect(error, to).toMatchObject({
            _tag: "DatagramSocketError",
            reason: { _tag: "DatagramSocketWriteError", address: NetAddress.inetAddressFromStringUnsafe(to) }
          })
          expect(error.message).toMatch(/^The socket refused to send to .*: .* \(.*\)$/u)
          expect(yield* greeter(address).poke()).toBe(undefined)
        }
        const after = yield* metrics
        expect(after).toMatchObject({ "rpcudp_calls.socket_error": 3 })
        expect(after["rpcudp_calls_in_flight"]).toBe(undefined)
      }).pipe(withMetrics))

    it.live("what the system says of a send is told in one of five words, with where it was to go", () =>
      Effect.gen(function*() {
        const { transport } = yield* underneath({ address: "127.0.0.1" })
        const to = NetAddress.inetAddressFromStringUnsafe("127.0.0.1:9")
        const cases = [
          ["EMSGSIZE", "MessageTooLarge"],
          ["EHOSTUNREACH", "Unreachable"],
          ["ENETUNREACH", "Unreachable"],
          ["EHOSTDOWN", "Unreachable"],
          ["ENETDOWN", "Unreachable"],
          ["ECONNREFUSED", "ConnectionRefused"],
          ["EACCES", "PermissionDenied"],
          ["EPERM", "PermissionDenied"],
          ["ENOBUFS", "Unknown"]
        ] as const
        const refuse = (code: string) => (...args: ReadonlyArray<unknown>) => {
          const done = args.at(-1)
          if (typeof done === "function") done(systemError(code))
        }
        for (const [code, kind] of cases) {
          const failures: Array<DatagramSocket.DatagramSocketError> = []
          const send = vi.spyOn(Dgram.Socket.prototype, "send").mockImplementation(refuse(code))
          transport.send(new Uint8Array(1), transport.peer(to), (error) => failures.push(error))
          send.mockRestore()
          expect(failures).toMatchObject([{ reason: { _tag: "DatagramSocketWriteError", kind, address: to } }])
        }
        // and the system itself: no datagram has so many bytes
        const failure = yield* Effect.callback<DatagramSocket.DatagramSocketError>((resume) =>
          transport.send(new Uint8Array(65_508), transport.peer(to), (error) => resume(Effect.succeed(error)))
        )
        expect(failure.reason).toMatchObject({ kind: "MessageTooLarge" })
      }))

    it.live("a send is handed to the system at once, and not a tick later", () =>
      Effect.gen(function*() {
        for (const address of ["127.0.0.1", "::1"]) {
          const { transport } = yield* underneath({ address })
          const order: Array<string> = []
          yield* Effect.callback<void>((resume) => {
            // So long that it is refused, which the caller is told in the tick after it was.
            transport.send(new Uint8Array(65_536), transport.peer(transport.address), () => {
              order.push("refused")
              if (order.length === 2) resume(Effect.void)
            })
            process.nextTick(() => {
              order.push("next tick")
              if (order.length === 2) resume(Effect.void)
            })
          })
          expect(order).toStrictEqual(["refused", "next tick"])
        }
      }))

    it.live("over a DatagramSocket, too", () =>
      Effect.gen(function*() {
        const network = MemoryNetwork.make()
        const refusal = new DatagramSocket.DatagramSocketError({
          reason: new DatagramSocket.DatagramSocketWriteError({ kind: "Unreachable", cause: new Error("no route") })
        })
        network.refuses = ({ to }) => to === "10.9.9.9:9" ? refusal : undefined
        const socket = () => Transport.layerSocket().pipe(Layer.provide(network.socket("10.0.0.1")))
        const address = yield* server(socket())
        const { greeter } = yield* client(socket())
        expect(yield* Effect.flip(greeter("10.9.9.9:9").poke())).toMatchObject({
          _tag: "DatagramSocketError",
          reason: { kind: "Unreachable" }
        })
        expect(yield* greeter(address).poke()).toBe(undefined)
        network.refuses = () => refusal
        expect((yield* Effect.flip(greeter("[2001:db8::1]:9").poke())).message).toContain("reaches no IPv6 address")
        expect((yield* Effect.flip(greeter("10.9.9.9:9").poke())).message).not.toContain("IPv6")
      }))

    it.live("a refusal that comes after the call was interrupted is nobody's", () =>
      Effect.gen(function*() {
        const network = MemoryNetwork.make()
        const refused = yield* Deferred.make<void>()
        network.refuses = () => {
          queueMicrotask(() => queueMicrotask(() => Deferred.doneUnsafe(refused, Effect.void)))
          return new DatagramSocket.DatagramSocketError({
            reason: new DatagramSocket.DatagramSocketWriteError({ kind: "Unreachable", cause: new Error("no route") })
          })
        }
        const transport = Transport.layerSocket().pipe(Layer.provide(network.socket("10.0.0.1")))
        const protocol = Context.get(yield* caller(transport), Protocol.Protocol)
        const call = yield* Effect.forkChild(protocol.call("10.0.0.2:2", "who", []), { startImmediately: true })
        call.interruptUnsafe()
        yield* Deferred.await(refused)
        const after = yield* metrics
        expect(after).toMatchObject({ "rpcudp_calls.interrupted": 1 })
        expect(after["rpcudp_calls.socket_error"]).toBe(undefined)
        expect(after["rpcudp_calls_in_flight"]).toBe(undefined)
      }).pipe(withMetrics))

    it.live("a write that never ends does not outlive the transport", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const socket = Context.get(yield* Layer.buildWithScope(stuck, scope), Transport.Transport)
        const failures: Array<DatagramSocket.DatagramSocketError> = []
        const peer = socket.peer(NetAddress.inetAddressFromStringUnsafe("10.0.0.2:2"))
        socket.send(new Uint8Array(1), peer, (error) => failures.push(error))
        expect(failures).toHaveLength(0)
        yield* Scope.close(scope, Exit.void)
        expect(failures).toMatchObject([{ reason: { _tag: "DatagramSocketClosedError" } }])
        socket.send(new Uint8Array(1), peer, (error) => failures.push(error))
        expect(failures).toHaveLength(2)
      }))

    it.live("writes that a socket never ends are bounded", () =>
      Effect.gen(function*() {
        const socket = Context.get(yield* Layer.build(stuck), Transport.Transport)
        const peer = socket.peer(NetAddress.inetAddressFromStringUnsafe("10.0.0.2:2"))
        const errors: Array<string> = []
        for (let i = 0; i < 16_385; i++) socket.send(new Uint8Array(1), peer, (error) => errors.push(error.message))
        expect(errors).toStrictEqual(["The socket refused to send to 10.0.0.2:2: too many writes wait (Unknown)"])
      }))

    it.live("and so are their bytes", () =>
      Effect.gen(function*() {
        const socket = Context.get(yield* Layer.build(stuck), Transport.Transport)
        const peer = socket.peer(NetAddress.inetAddressFromStringUnsafe("10.0.0.2:2"))
        const errors: Array<string> = []
        const send = (bytes: number) => socket.send(new Uint8Array(bytes), peer, (error) => errors.push(error.message))
        for (let i = 0; i < 127; i++) send(8_192)
        send(8_191)
        send(2)
        expect(errors).toStrictEqual(["The socket refused to send to 10.0.0.2:2: too many writes wait (Unknown)"])
        send(1)
        expect(errors).toHaveLength(1)
        send(1)
        expect(errors).toHaveLength(2)
      }))

    it.live("what Node has not sent yet is bounded: what there is no room for is refused, and what is shorter is sent", () =>
      Effect.gen(function*() {
        const { socket, transport } = yield* underneath({ address: "127.0.0.1" })
        const peer = yield* caller(Transport.layer({ address: "127.0.0.1" }))
        const { address } = Context.get(peer, Protocol.Protocol)
        const send = vi.spyOn(socket, "send")
        const errors: Array<string> = []
        const sendBytes = (bytes: number) =>
          transport.send(new Uint8Array(bytes), transport.peer(address), ({ message }) => errors.push(message))
        let queued = 0
        Object.assign(socket, { getSendQueueSize: () => queued })
        sendBytes(65_507)
        queued = 131_072 - 100
        sendBytes(101)
        transport.send(new Uint8Array(101), transport.peer(address))
        sendBytes(100)
        expect(errors).toStrictEqual([
          `The socket refused to send to ${NetAddress.formatInet(address)}: send ENOBUFS (Unknown)`
        ])
        expect(send.mock.calls.map(([datagram]) => ArrayBuffer.isView(datagram) && datagram.byteLength)).toStrictEqual([
          65_507,
          100
        ])
      }))

    it.live("writes that have ended count no longer", () =>
      Effect.gen(function*() {
        const socket = Context.get(yield* Layer.build(writing(Effect.yieldNow)), Transport.Transport)
        const peer = socket.peer(NetAddress.inetAddressFromStringUnsafe("10.0.0.2:2"))
        const errors: Array<unknown> = []
        for (let round = 0; round < 3; round++) {
          for (let i = 0; i < 10_000; i++) socket.send(new Uint8Array(100), peer, (error) => errors.push(error))
          yield* settled
        }
        expect(errors).toStrictEqual([])
      }))

    it.live("a socket that has closed says so, whatever the address", () =>
      Effect.gen(function*() {
        const socket = Context.get(
          yield* Layer.build(writing(Effect.fail(Transport.closedError()))),
          Transport.Transport
        )
        const errors: Array<DatagramSocket.DatagramSocketError> = []
        for (const address of ["10.0.0.2:2", "[2001:db8::1]:2"]) {
          socket.send(
            new Uint8Array(1),
            socket.peer(NetAddress.inetAddressFromStringUnsafe(address)),
            (error) => errors.push(error)
          )
        }
        expect(errors.map(({ reason }) => reason._tag)).toStrictEqual([
          "DatagramSocketClosedError",
          "DatagramSocketClosedError"
        ])
      }))
  })

  describe("its seam", () => {
    it.live("has one receiver at a time", () =>
      Effect.gen(function*() {
        for (const transport of [Transport.layer({ address: "127.0.0.1" })]) {
          const socket = Context.get(yield* Layer.build(transport), Transport.Transport)
          yield* Effect.forkScoped(socket.run(() => {}), { startImmediately: true })
          const exit = yield* Effect.exit(socket.run(() => {}))
          expect(Exit.isFailure(exit) && Cause.hasDies(exit.cause)).toBe(true)
        }
      }))

    it.live("hands over nothing once it is told to close, though a turn has brought more", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const { socket, transport } = yield* Effect.provideService(
          underneath({ address: "127.0.0.1" }),
          Scope.Scope,
          scope
        )
        let heard = 0
        const closed = yield* Deferred.make<void>()
        const fork = Effect.runForkWith(yield* Effect.context<never>())
        const receiver = yield* Effect.forkChild(
          Effect.flip(transport.run(() => {
            heard++
            fork(Effect.andThen(Scope.close(scope, Exit.void), Deferred.succeed(closed, undefined)))
          })),
          { startImmediately: true }
        )
        for (let i = 0; i < 3; i++) {
          socket.emit("message", Buffer.of(1), { address: "127.0.0.1", port: 9, family: "IPv4", size: 1 })
        }
        yield* Deferred.await(closed)
        expect((yield* Fiber.join(receiver)).reason).toMatchObject({ _tag: "DatagramSocketClosedError" })
        expect(heard).toBe(1)
      }))

    it.live("hands over at once what follows one that came alone, and sends together what one turn has brought answers to", () =>
      Effect.gen(function*() {
        const { socket, transport } = yield* underneath({ address: "127.0.0.1" })
        const done: Array<string> = []
        vi.spyOn(socket, "send").mockImplementation((datagram) => {
          done.push(`sent ${ArrayBuffer.isView(datagram) && datagram.byteLength}`)
        })
        yield* Effect.forkScoped(
          transport.run(({ length }, from) => {
            done.push(`heard ${length}`)
            transport.send(new Uint8Array(length), from)
          }),
          { startImmediately: true }
        )
        const arrive = (length: number) =>
          socket.emit("message", new Uint8Array(length), {
            address: "127.0.0.1",
            port: 9,
            family: "IPv4",
            size: length
          })
        const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        arrive(1)
        arrive(2)
        expect(done).toStrictEqual([])
        yield* turn
        expect(done.splice(0)).toStrictEqual(["heard 1", "heard 2", "sent 1", "sent 2"])
        arrive(3)
        yield* turn
        arrive(4)
        arrive(5)
        expect(done).toStrictEqual(["heard 3", "sent 3", "heard 4", "sent 4", "heard 5", "sent 5"])
      }))

    it.live("leaves nothing of a receiver behind, and each datagram reaches the one that is there", () =>
      Effect.gen(function*() {
        const { socket, transport } = yield* underneath({ address: "127.0.0.1" })
        const other = Context.get(yield* Layer.build(Transport.layer({ address: "127.0.0.1" })), Transport.Transport)
        const before = socket.eventNames().map((event) => [event, socket.listenerCount(event)])
        const heard: Array<string> = []
        for (let round = 0; round < 5; round++) {
          const arrived = yield* Deferred.make<void>()
          const receiver = yield* Effect.forkChild(
            transport.run((datagram) => {
              heard.push(`${round}: ${datagram[0]}`)
              Deferred.doneUnsafe(arrived, Effect.void)
            }),
            { startImmediately: true }
          )
          other.send(Uint8Array.of(round), other.peer(transport.address))
          yield* Deferred.await(arrived)
          yield* Fiber.interrupt(receiver)
          expect(socket.eventNames().map((event) => [event, socket.listenerCount(event)])).toStrictEqual(before)
        }
        expect(heard).toStrictEqual(["0: 0", "1: 1", "2: 2", "3: 3", "4: 4"])
      }))

    it.live("what is sent while a turn's datagrams are handed over leaves, though the socket closes meanwhile", () =>
      Effect.gen(function*() {
        const other = Context.get(yield* Layer.build(Transport.layer({ address: "127.0.0.1" })), Transport.Transport)
        const left = yield* Deferred.make<number>()
        yield* Effect.forkScoped(
          other.run((datagram) => Deferred.doneUnsafe(left, Effect.succeed(datagram[0]!))),
          { startImmediately: true }
        )
        const scope = yield* Scope.make()
        const { socket, transport } = yield* Scope.provide(underneath({ address: "127.0.0.1" }), scope)
        const closes = Effect.runForkWith(yield* Effect.context())
        let heard = 0
        yield* Effect.forkScoped(
          transport.run(() => {
            heard++
            transport.send(Uint8Array.of(7), transport.peer(other.address))
            closes(Scope.close(scope, Exit.void))
          }),
          { startImmediately: true }
        )
        for (const port of [8, 9]) {
          socket.emit("message", Buffer.of(1), { address: "127.0.0.1", port, family: "IPv4", size: 1 })
        }
        expect(heard).toBe(0)
        expect(yield* Deferred.await(left)).toBe(7)
      }))

    it.live("senders are told apart by host and port, and an IPv4 address is one, whatever the socket's family", () =>
      Effect.gen(function*() {
        const { socket, transport } = yield* underneath({ address: "::1" })
        const heard: Array<Transport.Peer> = []
        yield* Effect.forkScoped(transport.run((_, from) => heard.push(from)), { startImmediately: true })
        // Peers that were heard lately have places by their ports, 1,024 of them.
        for (
          const [address, port] of [
            ["::1", 1000],
            ["::1", 2024],
            ["::1", 1000],
            ["::2", 1000],
            ["::ffff:10.0.0.1", 7],
            ["::ffff:a00:1", 8],
            ["fe80::1.2", 9]
          ] as const
        ) socket.emit("message", Buffer.of(1), { address, port, family: "IPv6", size: 1 })
        yield* Effect.promise(() => turn())
        expect(heard.slice(0, 6).map(({ address }) => NetAddress.formatInet(address))).toStrictEqual([
          "[::1]:1000",
          "[::1]:2024",
          "[::1]:1000",
          "[::2]:1000",
          "10.0.0.1:7",
          "10.0.0.1:8"
        ])
        expect(heard.map(({ host }) => host)).toStrictEqual([
          "::1",
          "::1",
          "::1",
          "::2",
          "10.0.0.1",
          "::ffff:a00:1",
          "fe80::1.2"
        ])
        expect(heard[0]!.equals(heard[1]!)).toBe(false)
        expect(heard[0]!.equals(heard[2]!)).toBe(true)
        expect(heard[4]!.equals(transport.peer(NetAddress.inetAddressFromStringUnsafe("10.0.0.1:7")))).toBe(true)
      }))

    it.live("what nobody wants to be told of is told to nobody", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const socket = Context.get(yield* Scope.provide(Layer.build(stuck), scope), Transport.Transport)
        const peer = socket.peer(NetAddress.inetAddressFromStringUnsafe("10.0.0.2:2"))
        for (let i = 0; i < 16_386; i++) socket.send(new Uint8Array(1), peer)
        yield* Scope.close(scope, Exit.void)
        socket.send(new Uint8Array(1), peer)
        const errors: Array<string> = []
        socket.send(new Uint8Array(1), peer, (error) => errors.push(error.message))
        expect(errors).toStrictEqual(["The socket is closed"])
      }))

    it.live("a socket that something else closes is closed from then on, and closes once", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const { socket, transport } = yield* Scope.provide(underneath({ address: "127.0.0.1" }), scope)
        const peer = transport.peer(NetAddress.inetAddressFromStringUnsafe("127.0.0.1:9"))
        const failures: Array<DatagramSocket.DatagramSocketError> = []
        const closed = yield* Effect.forkChild(
          Effect.callback<void>((resume) => void socket.once("close", () => resume(Effect.void))),
          { startImmediately: true }
        )
        socket.close()
        transport.send(new Uint8Array(1), peer, (error) => failures.push(error))
        yield* Fiber.join(closed)
        transport.send(new Uint8Array(1), peer, (error) => failures.push(error))
        expect(failures.map(({ reason }) => reason._tag))
          .toStrictEqual(["DatagramSocketClosedError", "DatagramSocketClosedError"])
        expect(yield* Effect.exit(Scope.close(scope, Exit.void))).toStrictEqual(Exit.void)
      }))

    it.live("a peer on a link is known with its interface, and reached through it; of one unknown, by its address alone", () =>
      Effect.gen(function*() {
        const interfaces = vi.spyOn(Os, "networkInterfaces").mockReturnValue({
          link7: [{
            address: "fe80::1",
            netmask: "ffff:ffff:ffff:ffff::",
            family: "IPv6",
            mac: "00:00:00:00:00:00",
            internal: false,
            cidr: "fe80::1/64",
            scopeid: 7
          }]
        })
        syncBuiltinESMExports()
        const { socket, transport } = yield* underneath({ address: "::1" })
        interfaces.mockRestore()
        syncBuiltinESMExports()
        const heard: Array<Transport.Peer> = []
        yield* Effect.forkScoped(transport.run((_, from) => heard.push(from)), { startImmediately: true })
        for (const address of ["fe80::2%link7", "fe80::2%link8", "2001:db8::2"]) {
          socket.emit("message", Buffer.of(1), { address, port: 9, family: "IPv6", size: 1 })
        }
        yield* Effect.promise(() => turn())
        const [known, unknown, global] = heard
        expect(heard.map(({ address }) => NetAddress.formatInet(address)))
          .toStrictEqual(["[fe80::2%7]:9", "[fe80::2]:9", "[2001:db8::2]:9"])
        const send = vi.spyOn(Dgram.Socket.prototype, "send").mockImplementation(() => {})
        for (const peer of heard) {
          transport.send(new Uint8Array(1), peer)
          transport.send(new Uint8Array(1), transport.peer(peer.address))
        }
        const hosts = send.mock.calls.map((args: ReadonlyArray<unknown>) => args[2])
        send.mockRestore()
        expect(hosts).toStrictEqual([
          "fe80::2%link7",
          "fe80::2%link7",
          "fe80::2%link8",
          "fe80::2",
          "2001:db8::2",
          "2001:db8::2"
        ])
        expect(known!.equals(transport.peer(known!.address))).toBe(true)
        expect(known!.equals(unknown!) || known!.equals(global!)).toBe(false)
      }))

    it.live("an error that belongs to no send is nobody's, and the next call is answered", () =>
      Effect.gen(function*() {
        const address = yield* server(Transport.layer({ address: "127.0.0.1" }))
        const { socket, transport } = yield* underneath({ address: "127.0.0.1" })
        const context = yield* Layer.build(
          idle.pipe(Layer.provideMerge(Protocol.layer()), Layer.provide(Layer.succeed(Transport.Transport, transport)))
        )
        for (let i = 0; i < 3; i++) socket.emit("error", Object.assign(new Error("recvmsg"), { code: "ECONNREFUSED" }))
        expect(yield* Context.get(context, Protocol.Protocol).call(address, "poke", [])).toBe(null)
      }))

    it.live("is one of its own for each node of a program", () =>
      Effect.gen(function*() {
        class A extends Context.Service<A, Protocol.Protocol["Service"]>()("test/A") {}
        class B extends Context.Service<B, Protocol.Protocol["Service"]>()("test/B") {}
        const network = MemoryNetwork.make()
        const node = (host: string) =>
          Protocol.layer().pipe(Layer.provide(Transport.layerSocket()), Layer.provide(network.socket(host)))
        const context = yield* Layer.build(Layer.mergeAll(
          Layer.effect(A, Protocol.Protocol).pipe(Layer.provide(node("10.0.0.1"))),
          Layer.effect(B, Protocol.Protocol).pipe(Layer.provide(node("10.0.0.2")))
        ))
        expect(NetAddress.formatIp(Context.get(context, A).address.address)).toBe("10.0.0.1")
        expect(NetAddress.formatIp(Context.get(context, B).address.address)).toBe("10.0.0.2")
        expect(network.open()).toBe(2)
      }))

    it.live("knows its own peers only", () =>
      Effect.gen(function*() {
        const network = MemoryNetwork.make()
        const node = Context.get(yield* Layer.build(Transport.layer({ address: "127.0.0.1" })), Transport.Transport)
        const memory = Context.get(
          yield* Layer.build(Transport.layerSocket().pipe(Layer.provide(network.socket("10.0.0.1")))),
          Transport.Transport
        )
        const address = NetAddress.inetAddressFromStringUnsafe("127.0.0.1:9")
        expect(() => node.send(new Uint8Array(1), memory.peer(address))).toThrow("another transport")
        expect(() => memory.send(new Uint8Array(1), node.peer(address))).toThrow("another transport")
        // but they can be compared
        expect(node.peer(address).equals(memory.peer(address))).toBe(true)
        expect(memory.peer(address).equals(node.peer(at("127.0.0.2", address)))).toBe(false)
      }))

    it.live("when its socket fails underneath, the calls in flight fail with why", () =>
      Effect.gen(function*() {
        const failure = new DatagramSocket.DatagramSocketError({
          reason: new DatagramSocket.DatagramSocketReadError({ kind: "Unknown", cause: new Error("gone") })
        })
        let fail = () => {}
        const breaking = yield* DatagramSocket.makeFromBackingSocket((events) => {
          fail = () => events.onReadError(failure)
          return Effect.succeed({
            address: { host: "10.0.0.1", port: 1 },
            send: (_payload, _to, done) => done(),
            sendMany: (_payloads, _to, done) => done(),
            joinMulticast: () => Effect.die(new Error("no multicast here")),
            close: () => {}
          })
        })
        const transport = Transport.layerSocket().pipe(
          Layer.provide(Layer.succeed(DatagramSocket.DatagramSocket, breaking))
        )
        const protocol = Context.get(yield* caller(transport), Protocol.Protocol)
        const call = yield* Effect.forkChild(Effect.flip(protocol.call("10.0.0.2:2", "who", [])), {
          startImmediately: true
        })
        fail()
        expect(yield* Fiber.join(call)).toBe(failure)
        expect(yield* Effect.flip(protocol.call("10.0.0.2:2", "who", []))).toBe(failure)
        // It is logged, too, which nobody needs to see here.
      }).pipe(Effect.provide(Logger.layer([]))))
  })
})
