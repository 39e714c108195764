/** Members of groups over the system's own sockets. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Schema, Stream } from "effect"
import { createSocket } from "node:dgram"
import { networkInterfaces } from "node:os"
import { Handlers, Protocol, Transport } from "../../src/index.ts"
import { multicast, suite } from "../support/needs.ts"
import { caller, node } from "../support/nodes.ts"

class Printer extends Handlers.Service<Printer>()("test/Printer", { name: { success: Schema.String } }) {}

interface Network {
  readonly address: string
  readonly group: string
  readonly interface?: string | number | undefined
}

/** Of an interface that speaks IPv6. */
function linkNumber(): number | undefined {
  return Object.values(networkInterfaces()).flat().find((at) => at?.family === "IPv6" && at.scopeid > 0)?.scopeid
}

const ipv4: Network = { address: "127.0.0.1", group: "239.255.12.34", interface: "127.0.0.1" }
const broadcast: Network = { address: "127.0.0.1", group: "127.255.255.255" }
// Interface-local (RFC 4291, 2.7): it never leaves the machine.
const ipv6: Network = { address: "::", group: "ff11::12:34", interface: linkNumber() }

/** A socket that shares its port with members, so that nobody else takes it meanwhile. */
const holdPort = ({ address }: Network) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createSocket>>((resume) => {
      const socket = createSocket({ type: address.includes(":") ? "udp6" : "udp4", reuseAddr: true })
      socket.bind({ address: address.includes(":") ? "::" : "0.0.0.0", port: 0 }, () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.sync(() => socket.close())
  )

/** Whether this machine carries what is sent to a group on loopback. */
const carries = ({ address, group, interface: at }: Network): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createSocket({ type: address.includes(":") ? "udp6" : "udp4", reuseAddr: true })
    const settle = (carried: boolean) => {
      clearTimeout(patience)
      socket.close()
      resolve(carried)
    }
    const patience = setTimeout(() => settle(false), 1000)
    socket.once("error", () => settle(false))
    socket.once("message", () => settle(true))
    socket.bind(0, () => {
      try {
        if (group.endsWith(".255")) socket.setBroadcast(true)
        else socket.addMembership(group, typeof at === "string" ? at : undefined)
        if (typeof at === "string") socket.setMulticastInterface(at)
        socket.send("anybody?", socket.address().port, group)
      } catch {
        settle(false)
      }
    })
  })

const transport = ({ address, interface: at }: Network, groups: ReadonlyArray<string>) =>
  Transport.layer({
    address,
    broadcast: true,
    multicast: groups.map((group) => ({ group, interface: at })),
    multicastInterface: at
  })

const serving = (name: string) =>
  Protocol.serve(Printer).pipe(Layer.provide(Printer.toLayer({ name: () => Effect.succeed(name) })))

const networks = [["IPv4 multicast", ipv4], ["IPv4 broadcast", broadcast], ["IPv6 multicast", ipv6]] as const

for (const [title, network] of networks) {
  suite(title, await carries(network), multicast)(() => {
    it.live("members on one machine answer from addresses of their own, where they are called from then on", () =>
      Effect.gen(function*() {
        const { port } = (yield* holdPort(network)).address()
        const group = network.group.includes(":") ? `[${network.group}]:${port}` : `${network.group}:${port}`
        for (const name of ["Ada", "Bob", "Cyd"]) yield* node(serving(name), transport(network, [group]))
        // This one is no member.
        yield* node(serving("Dan"), transport(network, []))
        const context = yield* caller(transport(network, []))
        const all = yield* Effect.gen(function*() {
          const printers = (yield* Protocol.gather(Printer))(group)
          const printer = yield* Protocol.client(Printer)
          return yield* printers.name().pipe(
            Stream.take(3),
            Stream.mapEffect(({ sender, value }) => Effect.map(printer(sender).name(), (again) => [value, again])),
            Stream.runCollect
          )
        }).pipe(Effect.provideContext(context))
        expect(all.toSorted()).toStrictEqual([["Ada", "Ada"], ["Bob", "Bob"], ["Cyd", "Cyd"]])
      }))
  })
}

/** A socket that is bound to this address alone: nobody shares it. */
const bound = (address: string, port: number) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createSocket>, Error>((resume) => {
      const socket = createSocket("udp4")
      socket.once("error", (error) => resume(Effect.fail(error)))
      socket.bind(port, address, () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.sync(() => socket.close())
  )

suite("a member of a group", await carries(ipv4), multicast)(() => {
  it.live("leaves nothing bound once it has closed", () =>
    Effect.gen(function*() {
      // Nobody who is bound to every address has this port meanwhile.
      const { port } = (yield* bound("127.0.0.9", 0)).address()
      yield* Effect.scoped(Layer.build(transport(ipv4, [`${ipv4.group}:${port}`])))
      yield* bound(ipv4.group, port)
    }))
})

describe("a transport that is to be a member of a group", () => {
  it.live("does not open where that is none, or none that it could answer", () =>
    Effect.gen(function*() {
      const cases = [
        ["127.0.0.1:1234", "neither a multicast nor a broadcast address"],
        ["239.1.2.3:0", "has no port"],
        ["[ff12::1]:1234", "of another family"],
        ["nowhere", "expected host:port"]
      ] as const
      for (const [group, problem] of cases) {
        const error = yield* Effect.flip(Layer.build(transport(ipv4, [group])))
        expect(error).toMatchObject({ reason: { kind: "AddressNotAvailable" } })
        expect(error.message).toContain(problem)
      }
    }))

  it.live("leaves no socket behind if it can't join", () =>
    Effect.gen(function*() {
      const { port } = yield* Effect.scoped(Effect.map(holdPort(ipv4), (socket) => socket.address()))
      const failing = Transport.layer({
        address: "127.0.0.1",
        port,
        multicast: [
          { group: "239.1.2.3:1234", interface: "127.0.0.1" },
          // No address of this machine.
          { group: "239.1.2.3:1234", interface: "192.0.2.77" }
        ]
      })
      expect(Exit.isFailure(yield* Effect.exit(Layer.build(failing)))).toBe(true)
      const context = yield* Layer.build(Transport.layer({ address: "127.0.0.1", port }))
      expect(Context.get(context, Transport.Transport).address.port).toBe(port)
    }))
})
