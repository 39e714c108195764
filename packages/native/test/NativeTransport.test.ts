/** The edge to the addon's socket: what only real UDP can show. */
import { assert, describe, expect, it } from "@effect/vitest"
import { Cause, Context, Deferred, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { NetAddress } from "effect/net"
import { Protocol, Transport } from "../../../src/index.ts"
import { addon, suite } from "../../../test/support/needs.ts"
import type { TransportLayer } from "../../../test/support/nodes.ts"
import { caller, metrics, withMetrics } from "../../../test/support/nodes.ts"
import { at, client, server, systemSockets } from "../../../test/support/systemSockets.ts"
import { NativeTransport } from "../src/index.ts"
import * as Addon from "../src/internal/addon.ts"
import * as NativePeer from "../src/internal/NativePeer.ts"
import * as NativeSocket from "../src/internal/NativeSocket.ts"
import { available, orDie } from "./support.ts"

const layer = (options?: Transport.Options): TransportLayer => orDie(NativeTransport.layer(options))

const local = { address: "127.0.0.1" }

/** A socket of its own, closed with the test. `changes` are made to the addon below it. */
const opened = (options: Transport.Options = local, changes: Partial<Addon.Addon> = {}) =>
  Effect.acquireRelease(NativeSocket.open({ ...Addon.load(), ...changes }, options), (socket) => socket.close)

/** In a callback, which is no Effect. */
const closeNow = (socket: NativeSocket.Socket): void => Effect.runSync(socket.close)

/** What a socket hears, up to the datagram that has no bytes. */
const hears = Effect.fnUntraced(function*(socket: Transport.Socket) {
  const heard: Array<Uint8Array> = []
  const end = yield* Deferred.make<void>()
  const receiver = yield* Effect.forkScoped(
    socket.run((datagram) => {
      if (datagram.length === 0) Deferred.doneUnsafe(end, Effect.void)
      else heard.push(datagram)
    }),
    { startImmediately: true }
  )
  const heardAll = Effect.as(Effect.andThen(Deferred.await(end), Fiber.interrupt(receiver)), heard)
  return { heardAll }
})

const empty = new Uint8Array(0)

suite("NativeTransport", available, addon)(() => {
  // Broken by: `reachable` or `flag.ipv6Only` left out; in C, `htonl(0xffff)` for 0 in `from_native`.
  systemSockets("NativeTransport.layer", layer)

  describe("binding", () => {
    // Broken by: no `catch: Transport.openErrorOf`; `unsigned_of` that takes any number.
    it.live("what can't be bound is the same typed error as of Transport.layer", () =>
      Effect.gen(function*() {
        const taken = yield* server(layer(local))
        const cases: ReadonlyArray<readonly [Transport.Options, string]> = [
          [{ address: "127.0.0.1", port: taken.port }, "AddressInUse"],
          // TEST-NET-1 (RFC 5737): no machine's
          [{ address: "192.0.2.1" }, "AddressNotAvailable"],
          [{ address: "localhost" }, "AddressNotAvailable"],
          [{ address: "127.0.0.1", port: 70_000 }, "AddressNotAvailable"],
          [{ address: "127.0.0.1", port: -1 }, "AddressNotAvailable"],
          [{ address: "127.0.0.1", receiveBufferBytes: -1 }, "Unknown"],
          [{ address: "127.0.0.1", sendBufferBytes: 0.5 }, "Unknown"]
        ]
        for (const [options, kind] of cases) {
          const errors = [layer, Transport.layer].map((of) => Effect.flip(caller(of(options))))
          for (const error of yield* Effect.all(errors)) {
            expect(error.message).toMatch(/^The socket can't be opened: .+ \(.+\)$/u)
            expect(error, JSON.stringify(options)).toMatchObject({
              _tag: "DatagramSocketError",
              reason: { _tag: "DatagramSocketOpenError", kind }
            })
          }
        }
      }))

    it.live("groups and broadcasts are what it cannot do, and it says so", () =>
      Effect.gen(function*() {
        for (
          const [options, capability] of [
            [{ multicast: [{ group: "239.1.2.3:9999" }] }, "multicast"],
            [{ broadcast: true }, "broadcast"]
          ] as const
        ) {
          expect(yield* Effect.flip(caller(layer({ ...local, ...options })))).toMatchObject({
            _tag: "DatagramSocketError",
            reason: { _tag: "DatagramSocketUnsupportedError", capability, runtime: "effect-rpcudp-native" }
          })
        }
        yield* caller(layer({ ...local, multicast: [], broadcast: false }))
      }))

    // Broken by: no `addon.close` where the buffers are refused.
    it.live("a socket whose buffers are refused is closed; the default one may be refused", () =>
      Effect.gen(function*() {
        const handles: Array<Addon.Handle> = []
        const changes: Partial<Addon.Addon> = {
          open: (...args) => {
            const handle = Addon.load().open(...args)
            handles.push(handle)
            return handle
          },
          bufferSize: () => {
            throw Object.assign(new Error("buffer"), { code: "ENOBUFS" })
          }
        }
        const error = yield* Effect.flip(opened({ ...local, receiveBufferBytes: 65_536 }, changes))
        expect(error.reason).toMatchObject({ _tag: "DatagramSocketOpenError", kind: "Unknown" })
        expect(() => Addon.load().bufferSize(handles[0]!, 0, 0)).toThrow("bad file descriptor")
        yield* opened(local, changes)
        expect(Addon.load().bufferSize(handles[1]!, 0, 0)).toBeGreaterThan(0)
      }))

    // Broken by: `buffer.send` for `buffer.receive`, or the reverse; in C, `value = 0` left out.
    it.live("the receive buffer is as large as the system grants 4 MiB, the send buffer as the system has it, or both as asked", () =>
      Effect.gen(function*() {
        const sizes = Effect.fnUntraced(function*(options: Transport.Options) {
          let handle: Addon.Handle | undefined
          yield* opened({ ...local, ...options }, {
            open: (...args) => handle = Addon.load().open(...args)
          })
          assert(handle !== undefined)
          return [Addon.load().bufferSize(handle, 0, 0), Addon.load().bufferSize(handle, 1, 0)]
        })
        const [receive, send] = yield* sizes({ receiveBufferBytes: 0 })
        const [largest] = yield* sizes({ receiveBufferBytes: 4 * 1024 * 1024 })
        const [small] = yield* sizes({ receiveBufferBytes: 40_000 })
        const [, smaller] = yield* sizes({ sendBufferBytes: 30_000 })
        expect(new Set([largest, small, smaller]).size).toBe(3)
        expect(receive).toBeGreaterThan(small!)
        expect(send).toBeGreaterThan(smaller!)
        expect(yield* sizes({})).toStrictEqual([largest, send])
        expect(yield* sizes({ receiveBufferBytes: 40_000, sendBufferBytes: 30_000 })).toStrictEqual([small, smaller])
      }))

    // Broken by: `flag.reuseAddress` left out; `flag.reusePort` left out; in C, one for the other.
    it.live("with reuseAddress, or with reusePort, two sockets have one port, and only if both say so", () =>
      Effect.gen(function*() {
        for (const reuse of [{ reuseAddress: true }, { reusePort: true }]) {
          const { address: { port } } = yield* opened({ ...local, ...reuse })
          expect((yield* opened({ ...local, ...reuse, port })).address.port).toBe(port)
          expect((yield* Effect.flip(opened({ ...local, port }))).reason).toMatchObject({ kind: "AddressInUse" })
        }
      }))

    // Broken by: `shared` left out.
    it.live("with reusePort, datagrams of one port reach one of the sockets, and its protocol does not call", () =>
      Effect.gen(function*() {
        const first = yield* opened({ ...local, reusePort: true })
        const second = yield* opened({ ...local, reusePort: true, port: first.address.port })
        const heard: Array<string> = []
        const last = yield* Deferred.make<void>()
        for (const [i, socket] of [first, second].entries()) {
          yield* Effect.forkScoped(
            socket.run((datagram) => {
              heard.push(`${datagram[0]}: ${i}`)
              if (heard.length === 64) Deferred.doneUnsafe(last, Effect.void)
            }),
            { startImmediately: true }
          )
        }
        for (let from = 0; from < 16; from++) {
          const sender = yield* opened()
          for (let copy = 0; copy < 4; copy++) sender.send(Uint8Array.of(from), sender.peer(first.address))
        }
        yield* Deferred.await(last)
        expect(new Set(heard).size).toBe(16)
        // All sixteen with one of the two: once in 2^15.
        expect(new Set(heard.map((line) => line.split(": ")[1])).size).toBe(2)

        const context = yield* caller(layer({ ...local, reusePort: true }))
        const exit = yield* Effect.exit(Context.get(context, Protocol.Protocol).call(first.address, "poke", []))
        expect(Exit.isFailure(exit) && Cause.hasDies(exit.cause)).toBe(true)
      }))
  })

  describe("families", () => {
    // Broken by: `scope` left out of `equals`, `isOf`, `write` or `#parse`; `>>> 0` left out in `#parse`.
    it("a peer on a link is known with its interface", () => {
      const text = (address: NetAddress.InetAddress) => NetAddress.formatInet(address)
      const words = new Int32Array(Addon.recordSize)
      const peers = NativePeer.make()
      for (const address of ["[fe80::2%7]:9", "[fe80::2%8]:9", "[fe80::2%4294967295]:9", "[fe80::2]:9", "1.2.3.4:9"]) {
        const peer = peers.to(NetAddress.inetAddressFromStringUnsafe(address))
        peer.write(words, 0)
        const heard = peers.at(words, 0)
        expect(text(heard.address)).toBe(address)
        expect(`[${heard.host}]:9`.replace("[1.2.3.4]", "1.2.3.4")).toBe(address)
        expect(heard.equals(peer)).toBe(true)
        expect(peers.at(words, 0)).toBe(heard)
        words[Addon.record.scope]! ^= 1
        expect(peers.at(words, 0).equals(peer)).toBe(false)
      }
    })
  })

  describe("sending", () => {
    // Broken by: no `uv_prepare_start`.
    it.live("what is sent leaves before the loop waits, in the order it was sent", () =>
      Effect.gen(function*() {
        const [from, to] = yield* Effect.all([opened(), opened()])
        const { heardAll } = yield* hears(to)
        const peer = from.peer(to.address)
        for (let i = 0; i < 100; i++) from.send(Uint8Array.of(i), peer)
        from.send(empty, peer)
        expect((yield* heardAll).map(([i]) => i)).toStrictEqual(Array.from({ length: 100 }, (_, i) => i))
      }))

    // Broken by: `#taken = 0` left out; `recordSize * (count + 1) < …` for `<=`; in C, `outbound_size` for `outbound_words`.
    it.live("however many are sent in one turn, and however long, each arrives whole", () =>
      Effect.gen(function*() {
        const [from, to] = yield* Effect.all([opened(), opened()])
        const peer = from.peer(to.address)
        for (const lengths of [[65_507, 1, 65_507, 65_507, 1], Array.from({ length: 700 }, (_, i) => 1 + i % 9)]) {
          const { heardAll } = yield* hears(to)
          lengths.forEach((length, i) => from.send(new Uint8Array(length).fill(i), peer))
          from.send(empty, peer)
          const found = yield* heardAll
          expect(found.map((datagram) => datagram.length)).toStrictEqual(lengths)
          expect(found.every((datagram, i) => datagram.every((byte) => byte === i % 256))).toBe(true)
        }
      }))

    // Broken by: in C, another level than IPPROTO_UDP in `cut`; `blocked` for good by a message longer than the buffer.
    it.live("what goes as one message arrives as it was sent, over each family, and out of the least buffer", () =>
      Effect.gen(function*() {
        const lengths = [...Array.from({ length: 200 }, () => 1232), ...Array.from({ length: 50 }, (_, i) => 50 - i)]
        for (
          const [options, hearing] of [
            [local, local],
            [{ address: "::1" }, { address: "::1" }],
            [{ address: "::" }, local],
            [{ ...local, sendBufferBytes: 1 }, local]
          ] as const
        ) {
          const [from, to] = yield* Effect.all([opened(options), opened(hearing)])
          const { heardAll } = yield* hears(to)
          const peer = from.peer(to.address)
          lengths.forEach((length, i) => from.send(new Uint8Array(length).fill(i), peer))
          from.send(empty, peer)
          expect(yield* heardAll).toStrictEqual(lengths.map((length, i) => new Uint8Array(length).fill(i)))
        }
      }))

    // Broken by: in C, `pool_used = 0` in `receive`.
    it.live("a datagram that is kept stays as it was", () =>
      Effect.gen(function*() {
        const [from, to] = yield* Effect.all([opened(), opened()])
        const peer = from.peer(to.address)
        const kept: Array<Uint8Array> = []
        for (let round = 0; round < 200; round++) {
          const { heardAll } = yield* hears(to)
          for (let i = 0; i < 8; i++) from.send(new Uint8Array(1000).fill(round), peer)
          from.send(empty, peer)
          kept.push(...yield* heardAll)
        }
        expect(kept.map((datagram) => new Set(datagram))).toStrictEqual(
          Array.from({ length: 1600 }, (_, i) => new Set([i >> 3]))
        )
      }))

    // Broken by: `socket->sent++` left out; `refused_count` for `refused_count++`; 0 for the index in `#onRefused`.
    it.live("what the system refuses is told for that datagram, and the others of its batch arrive", () =>
      Effect.gen(function*() {
        const [from, to] = yield* Effect.all([opened(), opened()])
        const { heardAll } = yield* hears(to)
        const told: Array<string> = []
        const allTold = yield* Deferred.make<void>()
        const send = (bytes: Uint8Array, address: string) =>
          from.send(bytes, from.peer(NetAddress.inetAddressFromStringUnsafe(address)), ({ reason }) => {
            assert(reason._tag === "DatagramSocketWriteError" && reason.address !== undefined)
            told.push(`${bytes.length} to ${NetAddress.formatInet(reason.address)}: ${reason.kind}`)
            if (told.length === 4) Deferred.doneUnsafe(allTold, Effect.void)
          })
        const good = NetAddress.formatInet(to.address)
        send(Uint8Array.of(1), good)
        send(Uint8Array.of(0), "255.255.255.255:9")
        send(Uint8Array.of(2), good)
        send(Uint8Array.of(0), "127.0.0.1:0")
        send(Uint8Array.of(0, 0), "[2001:db8::1]:9")
        send(new Uint8Array(65_508), good)
        from.send(Uint8Array.of(0), from.peer(NetAddress.inetAddressFromStringUnsafe("127.0.0.1:0")))
        send(Uint8Array.of(3), good)
        send(empty, good)
        expect((yield* heardAll).map(([i]) => i)).toStrictEqual([1, 2, 3])
        yield* Deferred.await(allTold)
        expect(told).toStrictEqual([
          "1 to 255.255.255.255:9: PermissionDenied",
          "1 to 127.0.0.1:0: Unknown",
          "2 to [2001:db8::1]:9: Unreachable",
          `65508 to ${good}: MessageTooLarge`
        ])
        // and what is longer than all that can wait
        send(new Uint8Array(1 << 18), good)
        expect(told.at(-1)).toBe(`262144 to ${good}: MessageTooLarge`)
      }))

    it.live("a send that the socket refuses is a typed error of that call, and the next call is answered", () =>
      Effect.gen(function*() {
        const address = yield* server(layer(local))
        const { greeter } = yield* client(layer(local))
        const why = /send E[A-Z]+ \(.*\)$/u
        for (
          const [to, says] of [
            ["[2001:db8::1]:9", /an IPv4 address reaches no IPv6 address/u],
            ["127.0.0.1:0", why],
            ["255.255.255.255:9", why]
          ] as const
        ) {
          const error = yield* Effect.flip(greeter(to).poke())
          expect(error, to).toMatchObject({
            _tag: "DatagramSocketError",
            reason: { _tag: "DatagramSocketWriteError", address: NetAddress.inetAddressFromStringUnsafe(to) }
          })
          expect(error.message).toMatch(/^The socket refused to send to .*: /u)
          expect(error.message).toMatch(says)
          expect(yield* greeter(address).poke()).toBe(undefined)
        }
        expect(yield* metrics).toMatchObject({ "rpcudp_calls.socket_error": 3 })
      }).pipe(withMetrics))

    // Broken by: `tell()` in the first loop of `#onRefused`.
    it.live("who is told of a refusal may send again, and each refusal is told once", () =>
      Effect.gen(function*() {
        const from = yield* opened()
        const nowhere = from.peer(NetAddress.inetAddressFromStringUnsafe("127.0.0.1:0"))
        let told = 0
        yield* Effect.callback<void>((resume) => {
          const again = (left: number) => () => {
            told++
            if (left > 0) { for (let i = 0; i < 2; i++) from.send(Uint8Array.of(left), nowhere, again(left - 1)) }
            else if (told === 1022) resume(Effect.void)
          }
          for (let i = 0; i < 2; i++) from.send(Uint8Array.of(9), nowhere, again(8))
        })
        yield* Effect.yieldNow
        expect(told).toBe(1022)
      }))

    // Broken by: in C, `make_room` at the end of `flush` whatever was refused.
    it.live("what is sent before a refusal is told does not take its place", () =>
      Effect.gen(function*() {
        const [from, to] = yield* Effect.all([opened(), opened()])
        const told: Array<string> = []
        const end = yield* Deferred.make<void>()
        // It hears in the turn in which the first datagram was refused, before that is told.
        yield* Effect.forkScoped(
          to.run(([number]) => {
            if (number === 1) from.send(Uint8Array.of(2), from.peer(to.address), () => told.push("the second"))
            else Deferred.doneUnsafe(end, Effect.void)
          }),
          { startImmediately: true }
        )
        const nowhere = from.peer(NetAddress.inetAddressFromStringUnsafe("127.0.0.1:0"))
        from.send(Uint8Array.of(0), nowhere, () => told.push("the first"))
        from.send(Uint8Array.of(1), from.peer(to.address))
        yield* Deferred.await(end)
        expect(told).toStrictEqual(["the first"])
      }))

    // Broken by: in C, `flush` left out of `flush_to_tell` while refusals are untold; `poll_for` for `uv_poll_start` in `on_prepare`.
    it.live("a refusal that is not told yet keeps nothing else from leaving, however much is sent", () =>
      Effect.gen(function*() {
        // In this order: it hears before the socket that sends is found writable, and so is told.
        const to = yield* opened()
        const from = yield* opened()
        const peer = from.peer(to.address)
        const told: Array<string> = []
        const heard: Array<number> = []
        const end = yield* Deferred.make<void>()
        const doneIfAll = () => {
          if (heard.length + told.length === 259) Deferred.doneUnsafe(end, Effect.void)
        }
        const tell = ({ message }: { readonly message: string }) => {
          told.push(message)
          doneIfAll()
        }
        yield* Effect.forkScoped(
          to.run((datagram) => {
            heard.push(datagram.length)
            if (datagram.length === 1) { for (let i = 0; i < 257; i++) from.send(new Uint8Array(2), peer, tell) }
            doneIfAll()
          }),
          { startImmediately: true }
        )
        // Once the loop has waited, it knows both sockets.
        yield* Effect.sleep(0)
        from.send(empty, from.peer(NetAddress.inetAddressFromStringUnsafe("127.0.0.1:0")), tell)
        from.send(new Uint8Array(1), peer)
        yield* Deferred.await(end)
        expect(told).toStrictEqual(["The socket refused to send to 127.0.0.1:0: send EINVAL (Unknown)"])
        expect(heard).toStrictEqual([1, ...Array.from({ length: 257 }, () => 2)])
      }))

    // Broken by: no second look at `#hasRoom` in `send`.
    it.live("while the system takes none, 256 datagrams wait and more are refused; on closing those that wait are told", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        let handle: Addon.Handle | undefined
        const socket = yield* Scope.provide(
          opened(local, {
            // As if the system had taken three of them.
            flush: ({ outbound }) => {
              outbound[Addon.outboundHead.sent] = 3
              return 0
            },
            open: (...args) => handle = Addon.load().open(...args)
          }),
          scope
        )
        const told: Array<string> = []
        const peer = socket.peer(NetAddress.inetAddressFromStringUnsafe("127.0.0.1:9"))
        for (let i = 0; i < 258; i++) {
          socket.send(Uint8Array.of(1), peer, ({ message, reason }) => {
            told.push(`${i}: ${reason._tag === "DatagramSocketWriteError" ? message : reason._tag}`)
          })
        }
        const refused = "The socket refused to send to 127.0.0.1:9: send ENOBUFS (Unknown)"
        expect(told).toStrictEqual([`256: ${refused}`, `257: ${refused}`])
        expect(handle?.outbound[Addon.outboundHead.count]).toBe(256)
        yield* Scope.close(scope, Exit.void)
        expect(told.slice(2)).toStrictEqual(
          Array.from({ length: 253 }, (_, i) => `${i + 3}: DatagramSocketClosedError`)
        )
      }))

    it.live("a peer that is not there is nobody's error: the next call is answered", () =>
      Effect.gen(function*() {
        const address = yield* server(layer(local))
        const gone = yield* Scope.make()
        const nobody = yield* Scope.provide(server(layer(local)), gone)
        yield* Scope.close(gone, Exit.void)
        const { greeter } = yield* client(layer(local))
        for (let i = 0; i < 5; i++) {
          const silent = yield* Effect.forkChild(Effect.flip(greeter(nobody).poke().pipe(Protocol.withTimeout(20))))
          expect(yield* greeter(address).poke()).toBe(undefined)
          expect(yield* Fiber.join(silent)).toMatchObject({ _tag: "NoResponse" })
        }
      }))
  })

  describe("receiving", () => {
    it.live("512 calls in flight lose none", () =>
      Effect.gen(function*() {
        const address = yield* server(layer(local))
        const { greeter } = yield* client(layer(local))
        const calls = Array.from({ length: 2048 }, (_, i) => greeter(address).sayhi(`${i}`))
        const answers = yield* Effect.all(calls, { concurrency: 512 })
        expect(answers.map((answer) => answer.split(" ")[1])).toStrictEqual(calls.map((_, i) => `${i}`))
        expect((yield* metrics)["rpcudp_datagrams_overflowed"]).toBe(undefined)
      }).pipe(withMetrics))

    // Broken by: no `count_drops`; `scratch->messages[0]` for `message` in `read_drops`; `dropped` for the difference.
    it.live("what the kernel has dropped, its buffer being full, is counted", () =>
      Effect.gen(function*() {
        const to = yield* opened({ ...local, receiveBufferBytes: 4096 })
        const from = yield* opened()
        const peer = from.peer(to.address)
        let lost = 0
        for (let round = 1; round <= 3; round++) {
          let heard = 0
          const probed = yield* Deferred.make<number>()
          const receiver = yield* Effect.forkChild(
            to.run((datagram) => {
              if (datagram.length === 10) heard++
              else if (datagram[0] === round) Deferred.doneUnsafe(probed, Effect.succeed(datagram[1]!))
            }),
            { startImmediately: true }
          )
          // In one turn, in which nobody reads. What arrives next says what was lost before, be it of the same kind.
          for (let i = 0; i < 1024; i++) from.send(new Uint8Array(10), peer)
          for (let i = 0; !(yield* Deferred.isDone(probed)); i++) {
            from.send(Uint8Array.of(round, i), peer)
            yield* Effect.yieldNow
          }
          yield* Fiber.interrupt(receiver)
          expect(heard).toBeGreaterThan(0)
          expect(heard).toBeLessThan(1024)
          lost += 1024 - heard + (yield* Deferred.await(probed))
          expect((yield* metrics)["rpcudp_datagrams_overflowed"]).toBe(lost)
        }
      }).pipe(withMetrics))

    // Broken by: no look at `#receiver` in the loop of `#onBatch`; no `#receiver = undefined`.
    it.live("each datagram reaches the receiver that is there, and one that ends hears no more of its batch", () =>
      Effect.gen(function*() {
        const [from, to] = yield* Effect.all([opened(), opened()])
        const peer = from.peer(to.address)
        const heard: Array<string> = []
        for (let round = 0; round < 5; round++) {
          const receiver: Fiber.Fiber<unknown, unknown> = yield* Effect.forkChild(
            to.run((datagram) => {
              heard.push(`${round}: ${datagram[0]}`)
              receiver.interruptUnsafe()
            }),
            { startImmediately: true }
          )
          for (let i = 0; i < 3; i++) from.send(Uint8Array.of(round), peer)
          yield* Fiber.await(receiver)
          // What is left of the batch is lost: it comes while nobody receives.
          const { heardAll } = yield* hears(to)
          from.send(empty, peer)
          yield* heardAll
        }
        expect(heard).toStrictEqual(["0: 0", "1: 1", "2: 2", "3: 3", "4: 4"])
        yield* Effect.forkScoped(to.run(() => {}), { startImmediately: true })
        const exit = yield* Effect.exit(to.run(() => {}))
        expect(Exit.isFailure(exit) && Cause.hasDies(exit.cause)).toBe(true)
      }))
  })

  describe("closing", () => {
    it.live("closes once, however often it is told to", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const socket = yield* Scope.provide(opened(), scope)
        yield* Scope.close(scope, Exit.void)
        expect(yield* Effect.exit(socket.close)).toStrictEqual(Exit.void)
      }))

    // Broken by: no `#flush()` in `close`.
    it.live("what was sent before the close still leaves, and its port is free at once", () =>
      Effect.gen(function*() {
        const to = yield* opened()
        const { heardAll } = yield* hears(to)
        const scope = yield* Scope.make()
        const from = yield* Scope.provide(opened(), scope)
        from.send(Uint8Array.of(1), from.peer(to.address))
        from.send(empty, from.peer(to.address))
        yield* Scope.close(scope, Exit.void)
        expect((yield* opened({ ...local, port: from.address.port })).address).toStrictEqual(from.address)
        expect((yield* heardAll).map(([i]) => i)).toStrictEqual([1])
      }))

    // Broken by: no look at `closing` in `flush`; no look at `#open` in `#onBatch` or in `send`, after the flush.
    it.live("closes from inside of its own callbacks", () =>
      Effect.gen(function*() {
        const from = yield* opened()
        const scope = yield* Scope.make()
        const to = yield* Scope.provide(opened(), scope)
        let heard = 0
        const receiver = yield* Effect.forkChild(
          Effect.flip(to.run((_, peer) => {
            heard++
            to.send(Uint8Array.of(1), peer)
            closeNow(to)
            to.send(Uint8Array.of(2), peer)
          })),
          { startImmediately: true }
        )
        for (let i = 0; i < 10; i++) from.send(Uint8Array.of(i), from.peer(to.address))
        expect((yield* Fiber.join(receiver)).reason._tag).toBe("DatagramSocketClosedError")
        // This goes on inside of that callback: what is left of the batch comes after it.
        yield* Effect.yieldNow
        expect(heard).toBe(1)

        // and from inside of a refusal, in a send that finds the arrays full
        const refused = yield* opened()
        const nowhere = refused.peer(NetAddress.inetAddressFromStringUnsafe("127.0.0.1:0"))
        const told: Array<string> = []
        for (let i = 0; i < 257; i++) {
          refused.send(Uint8Array.of(1), nowhere, ({ reason }) => {
            told.push(reason._tag)
            closeNow(refused)
          })
        }
        expect(told).toStrictEqual([
          ...Array.from({ length: 256 }, () => "DatagramSocketWriteError"),
          "DatagramSocketClosedError"
        ])
      }))
  })

  it.live("knows its own peers only, and compares them with others", () =>
    Effect.gen(function*() {
      const native = yield* opened()
      const other = Context.get(yield* Layer.build(Transport.layer(local)), Transport.Transport)
      const address = NetAddress.inetAddressFromStringUnsafe("127.0.0.1:9")
      expect(() => native.send(new Uint8Array(1), other.peer(address))).toThrow("another transport")
      expect(() => other.send(new Uint8Array(1), native.peer(address))).toThrow("another transport")
      expect(native.peer(address).equals(other.peer(address))).toBe(true)
      expect(other.peer(address).equals(native.peer(at("127.0.0.2", address)))).toBe(false)
      expect(native.peer(address).equals(native.peer(at("::ffff:127.0.0.1", address)))).toBe(true)
      expect(native.peer(address).equals(native.peer(at("::7f00:1", address)))).toBe(false)
    }))
})
