/** How peers are named: by addresses, or by host names that are looked up first. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { AddressResolver, NetAddress } from "effect/net"
import { NodeAddressResolver, NodeDns } from "@effect/platform-node"
import { Protocol, Transport } from "../../src/index.ts"
import { Greeter } from "../support/Contract.ts"

const inet = NetAddress.inetAddressFromStringUnsafe

const at = (address: string) => Protocol.layer().pipe(Layer.provide(Transport.layer({ address })))

/** Knows one name, which has an address of each family. */
const names = Layer.mock(AddressResolver.AddressResolver, {
  resolve: ((target: unknown, options?: AddressResolver.ResolveOptions) =>
    target === "peer.example:4577"
      ? Effect.succeed([inet(options?.family === "IPv4" ? "192.0.2.1:4577" : "[2001:db8::1]:4577")])
      : Effect.fail(new NetAddress.NetAddressError({ input: target, message: "nobody knows it" }))) as (
        typeof AddressResolver.AddressResolver.Service
      )["resolve"]
})

describe("a peer", () => {
  it.effect("that is no address is a defect, whose message has the input and says what looks names up", () =>
    Effect.gen(function*() {
      const greeter = yield* Protocol.client(Greeter)
      const { call } = yield* Protocol.Protocol
      const says = /^"localhost:4577" is no address of a peer, .*`Protocol\.resolve` .* AddressResolver of effect\/net$/
      expect(() => greeter("localhost:4577")).toThrow(
        expect.objectContaining({
          message: expect.stringMatching(says),
          cause: expect.objectContaining({ _tag: "NetAddressError" })
        })
      )
      const exit = yield* Effect.exit(call("localhost:4577", "ping", []))
      expect(String(exit)).toMatch(/"localhost:4577" is no address of a peer/)
      expect(() => greeter({ address: "nowhere", port: 1 })).toThrow(/^what was given is no address/)
    }).pipe(Effect.provide(at("127.0.0.1"))))

  it.effect("that has a host name is resolved to the first address that the socket reaches", () =>
    Effect.gen(function*() {
      const resolved = Protocol.resolve("peer.example:4577")
      expect(yield* Effect.provide(resolved, at("127.0.0.1"))).toStrictEqual(inet("192.0.2.1:4577"))
      expect(yield* Effect.provide(resolved, at("::"))).toStrictEqual(inet("[2001:db8::1]:4577"))
      expect(yield* Effect.flip(Effect.provide(Protocol.resolve("else.example:4577"), at("127.0.0.1"))))
        .toMatchObject({ _tag: "NetAddressError" })
    }).pipe(Effect.provide(names)))

  it.live("on this machine, by the system's own names", () =>
    Effect.gen(function*() {
      const { address } = yield* Protocol.Protocol
      expect(yield* Protocol.resolve(`localhost:${address.port}`)).toStrictEqual(address)
    }).pipe(Effect.provide([at("127.0.0.1"), NodeAddressResolver.layer.pipe(Layer.provide(NodeDns.layer))])))

  it.live("on IPv6 is told from one that cannot be reached, where the socket is on IPv4", () =>
    Effect.gen(function*() {
      const { call } = yield* Protocol.Protocol
      const error = yield* Effect.flip(call("[::1]:9", "ping", []))
      expect(error).toMatchObject({ _tag: "DatagramSocketError", reason: { kind: "Unreachable" } })
      expect(error.message).toBe(
        "The socket refused to send to [::1]:9: a socket that is bound to an IPv4 address reaches no IPv6 address; " +
          "one bound to \"::\" reaches both (Unreachable)"
      )
    }).pipe(Effect.provide(at("127.0.0.1"))))
})
