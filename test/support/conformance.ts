/** What holds over every transport. The time is real, and no law here is about time. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Result, Scope, Stream } from "effect"
import { NetAddress } from "effect/net"
import { Codec, Handlers, Protocol } from "../../src/index.ts"
import { vectors } from "../vectors/index.ts"
import { Greeter, greeterLive, NotFound } from "./Contract.ts"
import { multicast, suite } from "./needs.ts"
import type { TransportLayer } from "./nodes.ts"
import { caller, metrics, node, raw, respond, withMetrics } from "./nodes.ts"
import { requestFor } from "./requests.ts"

export interface Environment {
  /** A transport bound to a port of the system's choice, or to this one, which is free. */
  readonly transport: (port?: number) => TransportLayer
  /** Undefined: it has no groups. Missing: this machine has none. */
  readonly groups?: "missing" | {
    /** Without a port. */
    readonly group: string
    /** A transport that has joined the group at this port. */
    readonly member: (port: number) => TransportLayer
    readonly caller: () => TransportLayer
  } | undefined
}

// Handlers that die are logged, and tests print nothing.
const quiet = Effect.provide(Logger.layer([]))

const server = (transport: TransportLayer, interrupted?: Deferred.Deferred<void>, options?: Protocol.Options) =>
  node(Protocol.serve(Greeter).pipe(Layer.provide(greeterLive(interrupted))), transport, options)

/** A node that calls, and the address of one that serves. */
const pair = Effect.fnUntraced(function*({ transport }: Environment) {
  const address = Context.get(yield* server(transport()), Protocol.Protocol).address
  const context = yield* caller(transport())
  const greeter = yield* Effect.provideContext(Protocol.client(Greeter), context)
  return { address, protocol: Context.get(context, Protocol.Protocol), greeter: greeter(address) }
})

export const conformance = (name: string, environment: () => Environment): void => {
  describe(name, () => {
    describe("calling", () => {
      it.live("a call is answered with what its handler gave, and the handler is told who called", () =>
        Effect.gen(function*() {
          const { greeter, protocol } = yield* pair(environment())
          expect(yield* greeter.sayhi("Snake Plissken"))
            .toBe(`Hello Snake Plissken you live at ${NetAddress.formatInet(protocol.address)}`)
          expect(yield* greeter.lookup("there")).toStrictEqual(Uint8Array.from([1, 2]))
          expect(yield* greeter.poke()).toBe(undefined)
        }))

      it.live("a declared error arrives as itself", () =>
        Effect.gen(function*() {
          const { greeter } = yield* pair(environment())
          const error = yield* Effect.flip(greeter.lookup("gone"))
          expect(error).toBeInstanceOf(NotFound)
          expect(error).toMatchObject({ _tag: "NotFound", key: "gone" })
        }))

      it.live("a call without a contract is answered with what MessagePack holds", () =>
        Effect.gen(function*() {
          const { address, protocol } = yield* pair(environment())
          const peer = NetAddress.formatInet(address)
          expect(yield* protocol.call(peer, "lookup", ["there"])).toStrictEqual(Uint8Array.from([1, 2]))
          expect(yield* protocol.call(address, "poke", [])).toBe(null)
          expect(yield* Effect.flip(protocol.call(peer, "lookup", ["gone"]))).toMatchObject({
            _tag: "Rejected",
            reason: "Failed",
            detail: { _tag: "NotFound", key: "gone" }
          })
        }))

      it.live("each of 200 calls at once gets its own answer", () =>
        Effect.gen(function*() {
          const { greeter, protocol } = yield* pair(environment())
          const names = Array.from({ length: 200 }, (_, i) => `name ${i}`)
          const answers = yield* Effect.forEach(names, (name) => greeter.sayhi(name), { concurrency: "unbounded" })
          const self = NetAddress.formatInet(protocol.address)
          expect(answers).toStrictEqual(names.map((name) => `Hello ${name} you live at ${self}`))
        }))

      it.live("a node calls and serves on one port, and a handler calls back its sender", () =>
        Effect.gen(function*() {
          const { transport } = environment()
          const [a, b] = yield* Effect.all([server(transport()), server(transport())])
          const [addressA, addressB] = [a, b].map((context) => Context.get(context, Protocol.Protocol).address)
          const greeter = yield* Effect.provideContext(Protocol.client(Greeter), a)
          expect(yield* greeter(addressB!).callBack())
            .toBe(`Hello from ${addressB!.port} you live at ${NetAddress.formatInet(addressB!)}`)
          // and a node may call itself
          expect(yield* greeter(addressA!).sayhi("me")).toContain(NetAddress.formatInet(addressA!))
        }))
    })

    describe("failing", () => {
      it.live("what the peer has no method for is rejected at once", () =>
        Effect.gen(function*() {
          const { address, protocol } = yield* pair(environment())
          for (const method of ["nope", "__proto__", "constructor", "toString", "", "_timeout"]) {
            const error = yield* Effect.flip(protocol.call(address, method, []))
            expect(error).toMatchObject({ _tag: "Rejected", reason: "UnknownMethod", method })
            expect(error.message).toBe(`${NetAddress.formatInet(address)} has no method "${method}"`)
          }
        }))

      it.live("arguments that do not fit are rejected, and the error says where", () =>
        Effect.gen(function*() {
          const { address, protocol } = yield* pair(environment())
          for (const args of [[], [1], ["a", "b"], [null], [["a"]]]) {
            const error = yield* Effect.flip(protocol.call(address, "sayhi", args))
            expect(error).toMatchObject({ _tag: "Rejected", reason: "InvalidArguments" })
          }
          expect((yield* Effect.flip(protocol.call(address, "sayhi", [1]))).message)
            .toContain("refused the arguments of \"sayhi\": \"Expected string\\n  at [0]\"")
        }))

      it.live("a handler that dies, throws, or gives what it must not is a Defect, without a word of why", () =>
        Effect.gen(function*() {
          const { address, greeter, protocol } = yield* pair(environment())
          for (const method of ["dies", "throws", "lies", "undeclared"]) {
            const error = yield* Effect.flip(protocol.call(address, method, []))
            expect(error).toMatchObject({ _tag: "Rejected", reason: "Defect", detail: undefined })
            expect(JSON.stringify(error)).not.toContain("secret")
          }
          expect(yield* greeter.poke()).toBe(undefined)
        }).pipe(quiet))

      it.live("a handler that hangs harms nobody else, and its caller waits no longer than it wants to", () =>
        Effect.gen(function*() {
          const { greeter } = yield* pair(environment())
          const hanging = yield* Effect.forkChild(Effect.flip(greeter.never().pipe(Protocol.withTimeout("50 millis"))))
          expect(yield* greeter.lookup("there")).toHaveLength(2)
          expect(yield* Fiber.join(hanging)).toMatchObject({ _tag: "NoResponse", method: "never" })
        }))

      it.live("8,192 bytes of body are answered, 8,193 are Oversize, both ways, and the next call is answered", () =>
        Effect.gen(function*() {
          const { address, greeter, protocol } = yield* pair(environment())
          // bin 16: 3 bytes of head
          expect(yield* greeter.bytes(8188)).toHaveLength(8188)
          expect(yield* greeter.bytes(8189)).toHaveLength(8189)
          expect(yield* Effect.flip(greeter.bytes(8190)))
            .toMatchObject({ _tag: "Oversize", of: "response", size: 8193, limit: 8192, method: "bytes" })
          expect(yield* Effect.flip(greeter.longError())).toMatchObject({ _tag: "Oversize", of: "response" })
          // array, "poke", array, string 16: 1 + 5 + 1 + 3 bytes
          expect(yield* Effect.flip(protocol.call(address, "poke", ["x".repeat(8182)])))
            .toMatchObject({ _tag: "Rejected", reason: "InvalidArguments" })
          const error = yield* Effect.flip(protocol.call(address, "poke", ["x".repeat(8183)]))
          expect(error).toMatchObject({ _tag: "Oversize", of: "request", size: 8193, limit: 8192 })
          expect(error.message).toBe("The request of \"poke\" takes 8193 bytes, over the limit of 8192")
          expect(yield* greeter.poke()).toBe(undefined)
        }))

      it.live("an answer that does not fit the contract is an InvalidResponse", () =>
        Effect.gen(function*() {
          const { transport } = environment()
          const peer = yield* raw(transport())
          const context = yield* caller(transport())
          const greeter = (yield* Effect.provideContext(Protocol.client(Greeter), context))(peer.address)
          const call = yield* Effect.forkChild(Effect.flip(greeter.sayhi("a")))
          const { datagram, from } = yield* peer.receive
          peer.send(from, respond(datagram, 17))
          const error = yield* Fiber.join(call)
          expect(error).toMatchObject({ _tag: "InvalidResponse", method: "sayhi", issue: "Expected string" })

          // but where the contract says nothing of the answer, any will do
          const poke = yield* Effect.forkChild(greeter.poke())
          const poked = yield* peer.receive
          peer.send(poked.from, respond(poked.datagram, [1, { a: 2 }]))
          expect(yield* Fiber.join(poke)).toBe(undefined)

          // a declared error where the contract has none, and one that does not fit
          for (const method of ["poke", "lookup"] as const) {
            const call = yield* Effect.forkChild(Effect.flip(method === "poke" ? greeter.poke() : greeter.lookup("k")))
            const { datagram, from } = yield* peer.receive
            const failure = Codec.encodeFailure(Codec.idOf(datagram), { kind: "Error", detail: { _tag: "X" } }, 99)
            if (failure._tag === "Success") peer.send(from, failure.success)
            expect(yield* Fiber.join(call)).toMatchObject({ _tag: "InvalidResponse", method })
          }
        }))

      it.live("a response over 8,192 bytes, as Python may send it, is Oversize", () =>
        Effect.gen(function*() {
          const { transport } = environment()
          const peer = yield* raw(transport())
          const protocol = Context.get(yield* caller(transport()), Protocol.Protocol)
          const call = yield* Effect.forkChild(Effect.flip(protocol.call(peer.address, "long", [])))
          const { datagram, from } = yield* peer.receive
          const long = new Uint8Array(Codec.headerBytes + 3 + 9000)
          long.set([1, ...Codec.idOf(datagram), 0xc5, 0x23, 0x28])
          peer.send(from, long)
          expect(yield* Fiber.join(call)).toMatchObject({ _tag: "Oversize", of: "response", size: 9003 })
        }))

      it.live("arguments that do not fit the caller's own contract are its defect, and nothing is sent", () =>
        Effect.gen(function*() {
          const { greeter } = yield* pair(environment())
          const exit = yield* Effect.exit(greeter.sayhi(1 as unknown as string))
          expect(Exit.isFailure(exit) && exit.cause.reasons).toMatchObject([{ _tag: "Die" }])
          expect((yield* metrics)["rpcudp_datagrams_sent"]).toBe(undefined)
          const unencodable = yield* Effect.exit(
            Effect.flatMap(Effect.succeed(greeter), (greeter) => greeter.sayhi("\ud800"))
          )
          expect(Exit.isFailure(unencodable) && unencodable.cause.reasons).toMatchObject([
            { _tag: "Die", defect: { _tag: "Unencodable" } }
          ])
          expect(yield* metrics).toMatchObject({ "rpcudp_calls.defect": 1 })
        }).pipe(withMetrics))
    })

    describe("trusting", () => {
      it.live("an answer counts only from the address that was called, once, and only while the call waits", () =>
        Effect.gen(function*() {
          const { transport } = environment()
          const [peer, stranger] = yield* Effect.all([raw(transport()), raw(transport())])
          const protocol = Context.get(yield* caller(transport()), Protocol.Protocol)
          const call = yield* Effect.forkChild(protocol.call(peer.address, "who", []))
          const { datagram, from } = yield* peer.receive
          stranger.send(from, respond(datagram, "forged"))
          // The stranger hears from us only once its forged answer has been dealt with.
          stranger.send(from, requestFor("nope"))
          yield* stranger.receive
          // The right peer with the wrong id, with an id that differs in its last byte, and with damaged bytes.
          peer.send(from, respond(new Uint8Array(21), "wrong id"))
          const near = Uint8Array.from(datagram)
          near[20]! ^= 1
          peer.send(from, respond(near, "wrong id"))
          peer.send(from, respond(datagram, "damaged").subarray(0, 25))
          peer.send(from, respond(datagram, "true"))
          expect(yield* Fiber.join(call)).toBe("true")
          peer.send(from, respond(datagram, "again"))
          peer.send(from, requestFor("nope"))
          yield* peer.receive
          expect(yield* metrics).toMatchObject({
            "rpcudp_datagrams_dropped.ForeignSender": 1,
            "rpcudp_datagrams_dropped.UnknownId": 3,
            "rpcudp_datagrams_dropped.Truncated": 1,
            "rpcudp_calls.success": 1
          })
        }).pipe(withMetrics))

      it.live("with matchSender off, an answer counts from anywhere", () =>
        Effect.gen(function*() {
          const { transport } = environment()
          const [peer, other] = yield* Effect.all([raw(transport()), raw(transport())])
          const context = yield* caller(transport(), { matchSender: false })
          const protocol = Context.get(context, Protocol.Protocol)
          const call = yield* Effect.forkChild(protocol.call(peer.address, "who", []))
          const { datagram, from } = yield* peer.receive
          other.send(from, respond(datagram, "from elsewhere"))
          expect(yield* Fiber.join(call)).toBe("from elsewhere")
        }))

      it.live("a call that was interrupted is forgotten: its answer is late", () =>
        Effect.gen(function*() {
          const { transport } = environment()
          const peer = yield* raw(transport())
          const protocol = Context.get(yield* caller(transport()), Protocol.Protocol)
          const call = yield* Effect.forkChild(protocol.call(peer.address, "who", []))
          const { datagram, from } = yield* peer.receive
          expect(yield* metrics).toMatchObject({ rpcudp_calls_in_flight: 1 })
          yield* Fiber.interrupt(call)
          peer.send(from, respond(datagram, "late"))
          peer.send(from, requestFor("nope"))
          for (const type of ["Cancel", "Failure"]) expect(Codec.typeOf((yield* peer.receive).datagram)).toBe(type)
          const after = yield* metrics
          expect(after).toMatchObject({ "rpcudp_calls.interrupted": 1, "rpcudp_datagrams_dropped.UnknownId": 1 })
          expect(after["rpcudp_calls_in_flight"]).toBe(undefined)
        }).pipe(withMetrics))

      it.live("what Python ignores is not answered, but for what our failure frame answers", () =>
        Effect.gen(function*() {
          const { transport } = environment()
          const { address } = Context.get(yield* server(transport()), Protocol.Protocol)
          const answered = new Set(["no such method", "private method", "too many args"])
          for (const { hex, name } of vectors.ignored_by_python) {
            const peer = yield* raw(transport())
            peer.send(address, hex)
            peer.send(address, requestFor("poke"))
            const answers = [yield* peer.receive]
            if (answered.has(name)) answers.push(yield* peer.receive)
            // Not every socket keeps the order of what it sends: Deno's does not.
            expect(new Set(answers.map(({ datagram }) => Codec.typeOf(datagram))), name)
              .toStrictEqual(new Set(answered.has(name) ? ["Failure", "Response"] : ["Response"]))
          }
        }))

      it.live("bytes of no kind, zero-length and very long datagrams are dropped, and the next request is answered", () =>
        Effect.gen(function*() {
          const { transport } = environment()
          const { address } = Context.get(yield* server(transport()), Protocol.Protocol)
          const peer = yield* raw(transport())
          for (const length of [0, 1, 21, 22, 8213, 8214, 65_507]) {
            for (const type of [0, 1, 2, 3, 255]) peer.send(address, new Uint8Array(length).fill(type))
            peer.send(address, requestFor("poke"))
            expect(Codec.typeOf((yield* peer.receive).datagram)).toBe("Response")
          }
        }))

      it.live("a failure frame is never over 64 bytes longer than the request it answers", () =>
        Effect.gen(function*() {
          const { transport } = environment()
          const { address } = Context.get(yield* server(transport()), Protocol.Protocol)
          const peer = yield* raw(transport())
          for (
            const [method, args] of [
              ["nope", []],
              ["dies", []],
              ["lookup", [{ a: "x".repeat(200) }]],
              ["sayhi", ["x", "y".repeat(100)]],
              ["sayhi", []],
              ["bytes", [9000]],
              ["longError", []]
            ] as const
          ) {
            const sent = requestFor(method, args)
            peer.send(address, sent)
            const { datagram } = yield* peer.receive
            expect(Codec.typeOf(datagram)).toBe("Failure")
            expect(datagram.length).toBeLessThanOrEqual(sent.length + Codec.maxFailureGrowth)
          }
        }).pipe(quiet))

      it.live("over its limit of handlers a node refuses requests, and only then", () =>
        Effect.gen(function*() {
          const { transport } = environment()
          const context = yield* server(transport(), undefined, { limits: { handlers: 3 } })
          const { address } = Context.get(context, Protocol.Protocol)
          const greeter = (yield* Effect.provideContext(Protocol.client(Greeter), yield* caller(transport())))(address)
          const peer = yield* raw(transport())
          // One after the other, so that all three are in the hands of their handlers.
          for (let i = 0; i < 3; i++) {
            peer.send(address, requestFor("never"))
            if (i === 2) {
              // The last one is for a request that has answered a challenge of its own.
              const { datagram } = yield* peer.receive
              peer.send(address, Codec.encodeProof(Result.getOrThrow(Codec.decodeChallenge(datagram))))
            }
            // What two sockets send arrives in any order.
            yield* Effect.repeat(Effect.andThen(Effect.yieldNow, metrics), {
              until: (now) => now["rpcudp_requests_in_flight"] === i + 1
            })
            const sayhi = greeter.sayhi("who")
            if (i < 2) expect(yield* sayhi).toMatch(/^Hello/)
            else expect(yield* Effect.flip(sayhi)).toMatchObject({ _tag: "Rejected", reason: "Overloaded" })
          }
          expect(yield* metrics).toMatchObject({
            rpcudp_requests_in_flight: 3,
            "rpcudp_requests.overloaded": 3,
            "rpcudp_challenges.resumed": 2
          })
        }).pipe(withMetrics))
    })

    const { groups } = environment()
    if (groups !== undefined) {
      suite("gathering", groups !== "missing", multicast)(() => {
        if (groups === "missing") return
        const { caller: transport, group, member } = groups

        it.live("each member answers once, from where it may be called, and silence is no answer", () =>
          Effect.gen(function*() {
            const context = yield* caller(transport())
            const { port } = Context.get(context, Protocol.Protocol).address
            const members = yield* Effect.forEach([1, 2, 3], () => server(member(port)))
            const addresses = members.map((member) =>
              NetAddress.formatInet(Context.get(member, Protocol.Protocol).address)
            )
            const gather = Protocol.gather(Greeter, { answers: 3 })(`${group}:${port}`)
            const answers = yield* Effect.provideContext(Stream.runCollect(gather.sayhi("all")), context)
            expect(answers.map(({ sender }) => NetAddress.formatInet(sender)).sort()).toStrictEqual(addresses.sort())
            const greeter = yield* Effect.provideContext(Protocol.client(Greeter), context)
            for (const { sender, value } of answers) expect(yield* greeter(sender).sayhi("all")).toBe(value)
            // What fails is silent: the deadline ends the stream.
            const silence = Stream.runCollect(gather.lookup("gone")).pipe(Protocol.withTimeout("400 millis"))
            expect(yield* Effect.provideContext(silence, context)).toStrictEqual([])
            expect(yield* metrics).toMatchObject({ "rpcudp_requests.error": 3 })
          }).pipe(withMetrics))

        it.live("a gather counts only at the group, and at the group nothing else does", () =>
          Effect.gen(function*() {
            const peer = yield* raw(transport())
            const { port } = peer.address
            const { address } = Context.get(yield* server(member(port)), Protocol.Protocol)
            const to = NetAddress.inetAddressFromStringUnsafe(`${group}:${port}`)
            const gather = Result.getOrThrow(Codec.encodeGather(new Uint8Array(20).fill(1), "poke", []))
            // What is answered last shows that the others are not.
            peer.send(address, gather)
            peer.send(to, requestFor("poke"))
            peer.send(to, gather)
            expect(Codec.idOf((yield* peer.receive).datagram)).toStrictEqual(Codec.idOf(gather))
            yield* Effect.repeat(Effect.andThen(Effect.yieldNow, metrics), {
              until: (now) => now["rpcudp_datagrams_dropped.Misaddressed"] === 2
            })
            expect(yield* metrics).toMatchObject({ "rpcudp_requests.success": 1, rpcudp_datagrams_sent: 1 })
          }).pipe(withMetrics))
      })
    }

    describe("closing", () => {
      it.live("a node that closes ends its calls, interrupts its handlers, and gives its port back at once", () =>
        Effect.gen(function*() {
          const { transport } = environment()
          const interrupted = yield* Deferred.make<void>()
          const scope = yield* Scope.make()
          const context = yield* Scope.provide(server(transport(), interrupted), scope)
          const closing = Context.get(context, Protocol.Protocol)
          const peer = yield* raw(transport())

          // A handler of it hangs, and a call of it waits.
          peer.send(closing.address, requestFor("never"))
          const call = yield* Effect.forkChild(Effect.flip(closing.call(peer.address, "who", [])))
          yield* peer.receive
          // What it is asked later, it answers later: `never` is running by now.
          peer.send(closing.address, requestFor("poke"))
          yield* peer.receive

          yield* Scope.close(scope, Exit.void)
          expect(yield* Fiber.join(call))
            .toMatchObject({ _tag: "DatagramSocketError", reason: { _tag: "DatagramSocketClosedError" } })
          yield* Deferred.await(interrupted)
          expect(yield* Effect.flip(closing.call(peer.address, "who", [])))
            .toMatchObject({ _tag: "DatagramSocketError", reason: { _tag: "DatagramSocketClosedError" } })

          const again = yield* server(transport(closing.address.port))
          expect(Context.get(again, Protocol.Protocol).address).toStrictEqual(closing.address)
          const after = yield* metrics
          expect(after).toMatchObject({ "rpcudp_requests.interrupted": 1, "rpcudp_calls.socket_error": 2 })
          expect(after["rpcudp_calls_in_flight"]).toBe(undefined)
          expect(after["rpcudp_requests_in_flight"]).toBe(undefined)
        }).pipe(withMetrics))

      it.live("a group that is no longer served is unknown, while the node goes on", () =>
        Effect.gen(function*() {
          const { transport } = environment()
          const context = yield* caller(transport())
          const { address, call } = Context.get(context, Protocol.Protocol)
          const scope = yield* Scope.make()
          const serving = Protocol.serve(Greeter).pipe(Layer.provide(greeterLive()))
          yield* Layer.buildWithScope(serving, scope).pipe(Effect.provideContext(context))
          expect(yield* call(address, "poke", [])).toBe(null)
          yield* Scope.close(scope, Exit.void)
          expect(yield* Effect.flip(call(address, "poke", []))).toMatchObject({ reason: "UnknownMethod" })
          // and may be served again
          yield* Layer.build(serving).pipe(Effect.provideContext(context))
          expect(yield* call(address, "poke", [])).toBe(null)
        }))

      it.live("an address in use is a typed error when the layer is built", () =>
        Effect.gen(function*() {
          const { transport } = environment()
          const { address } = Context.get(yield* caller(transport()), Protocol.Protocol)
          expect(yield* Effect.flip(caller(transport(address.port)))).toMatchObject({
            _tag: "DatagramSocketError",
            reason: { _tag: "DatagramSocketOpenError", kind: "AddressInUse" }
          })
        }))

      it.live("a group does not take the method of another that is served already", () =>
        Effect.gen(function*() {
          const { transport } = environment()
          const context = yield* node(Protocol.serve(Greeter).pipe(Layer.provide(greeterLive())), transport())
          const later = Layer.build(Protocol.serve(Poker).pipe(Layer.provide(PokerLive)))
          expect(yield* Effect.flip(Effect.provideContext(later, context))).toMatchObject({
            _tag: "DuplicateMethod",
            method: "poke",
            groups: ["test/Greeter", "test/Poker"]
          })
        }))

      it.live("two groups with one method's name do not share a socket", () =>
        Effect.gen(function*() {
          const { transport } = environment()
          const serving = Protocol.serve(Greeter, Poker).pipe(Layer.provide([greeterLive(), PokerLive]))
          const error = yield* Effect.flip(node(serving, transport()))
          expect(error).toMatchObject({
            _tag: "DuplicateMethod",
            method: "poke",
            groups: ["test/Greeter", "test/Poker"]
          })
          expect(error.message).toBe(
            "Both \"test/Greeter\" and \"test/Poker\" declare the method \"poke\": one socket can serve only one of them"
          )
        }))
    })
  })
}

class Poker extends Handlers.Service<Poker>()("test/Poker", { poke: {}, other: {} }) {}

const PokerLive = Poker.toLayer({ poke: () => Effect.void, other: () => Effect.void })
