/** Bad neighbours: what they say and do harms neither the node nor, beyond what the paper allows, its table. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Schema, Stream } from "effect"
import { Handlers, Protocol, Transport } from "effect-rpcudp"
import { SimulatedNetwork } from "effect-rpcudp/testing"
import { TestClock } from "effect/testing"
import { Contact, mayName } from "../src/Contact.ts"
import type { Event } from "../src/index.ts"
import { Id, Node, Storage } from "../src/index.ts"
import { Kademlia } from "../src/Messages.ts"
import { addressOf, contactsOf, inet, inTime, join, network, start } from "./nodes.ts"

/** The methods, with whatever answers a stranger likes. */
class Anything extends Handlers.Service<Anything>()("effect-kademlia/Kademlia", {
  ping: { args: [Schema.Unknown], success: Schema.Unknown },
  stun: { success: Schema.Unknown },
  store: { args: [Schema.Unknown, Schema.Unknown, Schema.Unknown], success: Schema.Unknown },
  find_node: { args: [Schema.Unknown, Schema.Unknown], success: Schema.Unknown },
  find_value: { args: [Schema.Unknown, Schema.Unknown], success: Schema.Unknown }
}) {}

interface Answers {
  readonly ping?: Effect.Effect<unknown, never, Handlers.Sender>
  readonly stun?: unknown
  readonly find?: (target: unknown) => Effect.Effect<unknown>
}

const strangerId = Id.ofKey("stranger")

const range = (count: number) => Array.from({ length: count }, (_, i) => i)

const bytes = (id: string) => Buffer.from(id, "hex")

/** A stranger at an address, who answers as told, and counts what it is asked to find. */
const stranger = Effect.fnUntraced(function*(address: string, answers: Answers) {
  const { find = () => Effect.succeed([]), ping, stun = ["127.0.0.1", 1] } = answers
  const asked: Array<unknown> = []
  const look = (_id: unknown, target: unknown) => {
    asked.push(target)
    return find(target)
  }
  const live = Protocol.serve(Anything).pipe(
    Layer.provide(
      Anything.toLayer({
        ping: () => ping ?? Effect.succeed(bytes(strangerId)),
        stun: () => Effect.succeed(stun),
        store: () => Effect.succeed(true),
        find_node: look,
        find_value: look
      })
    ),
    Layer.provideMerge(Protocol.layer({ timeout: "1 second", gracePeriod: 0 })),
    Layer.provide(Transport.layerSocket()),
    Layer.provide(SimulatedNetwork.socket(address))
  )
  const context = yield* Layer.buildWithMemoMap(live, Layer.makeMemoMapUnsafe(), yield* Effect.scope)
  const call = yield* Effect.provideContext(Protocol.client(Kademlia), context)
  const raw = yield* Effect.provideContext(Protocol.client(Anything), context)
  return { address: inet(address), asked, call: call(addressOf(1)), raw: raw(addressOf(1)) }
})

const on = Effect.provide(SimulatedNetwork.layer({ delay: "20 millis", tick: 5, seed: 1 }))

const at = "10.1.0.1:1"

describe("a stranger", () => {
  it.effect("is known by the id that it answers with, not by the one that it calls with", () =>
    Effect.gen(function*() {
      const [node] = yield* network(3)
      const { call } = yield* stranger(at, {})
      yield* inTime(call.ping(Id.ofKey("somebody else")))
      yield* inTime(Effect.sleep("5 seconds"))
      expect(yield* contactsOf(node!)).toHaveLength(2)
      yield* inTime(call.ping(strangerId))
      yield* inTime(Effect.sleep("5 seconds"))
      expect((yield* contactsOf(node!)).map(({ id }) => id)).toContain(strangerId)
    }).pipe(on))

  it.effect("cannot take the place of a node that is there", () =>
    Effect.gen(function*() {
      const [node, other] = yield* network(3)
      const { call } = yield* stranger(at, { ping: Effect.succeed(bytes(other!.node.id)) })
      yield* inTime(call.ping(other!.node.id))
      yield* inTime(Effect.sleep("5 seconds"))
      const found = (yield* contactsOf(node!)).find(({ id }) => id === other!.node.id)
      expect(found?.name).toBe(addressOf(2))
    }).pipe(on))

  it.effect("cannot have a node lost by calling with its id, though pings are lost", () =>
    Effect.gen(function*() {
      const [node, other] = yield* network(3)
      const net = yield* SimulatedNetwork.SimulatedNetwork
      let pings = 0
      yield* net.set({
        rule: ({ from, payload, to }) => {
          const isQuestion = from === addressOf(1) && to === addressOf(2) && Buffer.from(payload).includes("ping")
          return isQuestion && ++pings <= 2 ? [] : ["20 millis"]
        }
      })
      const { call } = yield* stranger(at, { ping: Effect.never })
      for (let i = 0; i < 50; i++) {
        yield* inTime(call.ping(other!.node.id))
        yield* inTime(Effect.sleep("5 seconds"))
      }
      expect(pings).toBe(2)
      expect((yield* contactsOf(node!)).map(({ id }) => id)).toContain(other!.node.id)
    }).pipe(on))

  it.effect("that is a gate does not have an honest node left out by what it says of addresses", () =>
    Effect.gen(function*() {
      const [node] = yield* network(1)
      const honest = yield* start(addressOf(2))
      const gate = yield* stranger(at, {
        stun: ["10.0.0.2", 8468],
        find: () => Effect.succeed([[bytes(honest.node.id), "10.0.0.2", 8468]])
      })
      yield* inTime(node!.node.bootstrap([gate.address]))
      expect((yield* contactsOf(node!)).map(({ id }) => id)).toContain(honest.node.id)
    }).pipe(on))

  it.effect("that has moved is found again once its old place is silent", () =>
    Effect.gen(function*() {
      const [node, other] = yield* network(3)
      yield* other!.close
      const { call } = yield* stranger(at, { ping: Effect.succeed(bytes(other!.node.id)) })
      // Three questions, each once in five minutes, are five calls in a row; then it is its turn.
      for (let i = 0; i < 4; i++) {
        yield* inTime(call.ping(other!.node.id))
        yield* TestClock.adjust("6 minutes")
      }
      const found = (yield* contactsOf(node!)).find(({ id }) => id === other!.node.id)
      expect(found?.name).toBe(at)
    }).pipe(on))

  it.effect("with an id of another length is told so", () =>
    Effect.gen(function*() {
      yield* network(1)
      const { raw } = yield* stranger(at, {})
      for (const id of [new Uint8Array(), new Uint8Array(19), new Uint8Array(21), "x".repeat(20), 7, null]) {
        const error = yield* inTime(Effect.flip(raw.ping(id)))
        expect(error).toMatchObject({ _tag: "Rejected", reason: "InvalidArguments" })
      }
    }).pipe(on))

  it.effect("cannot have anything kept but values", () =>
    Effect.gen(function*() {
      const [node] = yield* network(1)
      const { raw } = yield* stranger(at, {})
      for (const value of [null, [1], { a: 1 }, new Map([[1, 2]])]) {
        const error = yield* inTime(Effect.flip(raw.store(bytes(strangerId), bytes(strangerId), value)))
        expect(error).toMatchObject({ _tag: "Rejected", reason: "InvalidArguments" })
      }
      expect(yield* Stream.runCollect(node!.storage.all)).toStrictEqual([])
    }).pipe(on))
})

describe("a node on all addresses of its machine", () => {
  it.live("learns by its own answer where others see it, and calls itself no more", () =>
    Effect.gen(function*() {
      const live = Node.layer().pipe(
        Layer.provide(Storage.layerMemory()),
        Layer.provide(Protocol.layer({ timeout: "1 second", gracePeriod: 0 })),
        Layer.provide(Transport.layer({ address: "0.0.0.0" }))
      )
      const node = Context.get(yield* Layer.build(live), Node.Node)
      const own = `127.0.0.1:${node.address.port}`
      const liar = Protocol.serve(Anything).pipe(
        Layer.provide(Anything.toLayer({
          ping: () => Effect.succeed(bytes(strangerId)),
          stun: () => Effect.succeed(["127.0.0.1", 1]),
          store: () => Effect.succeed(true),
          find_node: () => Effect.succeed([[bytes(Id.ofKey("another")), "127.0.0.1", node.address.port]]),
          find_value: () => Effect.succeed([])
        })),
        Layer.provideMerge(Protocol.layer({ timeout: "1 second", gracePeriod: 0 })),
        Layer.provide(Transport.layer({ address: "127.0.0.1" }))
      )
      const { address } = Context.get(yield* Layer.build(liar), Protocol.Protocol)
      const events: Array<Event.Event> = []
      yield* node.events.pipe(
        Stream.runForEach((event) => Effect.sync(() => events.push(event))),
        Effect.forkScoped({ startImmediately: true })
      )
      expect(yield* node.bootstrap([inet(own)])).toBe(0)
      expect(yield* node.bootstrap([address])).toBe(1)
      const asked = events.filter((event) => event._tag === "Asked").map(({ address }) => address)
      expect(asked.length).toBeGreaterThan(0)
      expect(asked).not.toContain(own)
    }))
})

describe("a list of contacts", () => {
  const contact = (key: string, host: string, port: number) => [bytes(Id.ofKey(key)), host, port]

  it.effect("may hold what is none: those are not called, and the others are", () =>
    Effect.gen(function*() {
      const [node, other] = yield* network(2)
      const honest = [bytes(other!.node.id), "10.0.0.2", 8468]
      yield* stranger(at, {
        find: () =>
          Effect.succeed([
            contact("a", "10.7.0.1", 0),
            contact("b", "10.7.0.1", 65_536),
            contact("c", "10.7.0.1", 1.5),
            contact("d", "example.org", 1),
            contact("e", "0.0.0.0", 1),
            contact("f", "255.255.255.255", 1),
            contact("g", "224.0.0.1", 1),
            contact("h", "127.0.0.1", 1),
            [bytes(node!.node.id), "10.7.0.1", 1],
            contact("own", "10.0.0.1", 8468),
            [new Uint8Array(3), "10.7.0.1", 1],
            [bytes(strangerId), { a: 1 }, 1],
            [bytes(strangerId), "10.7.0.1", [{ a: 1 }]],
            "no contact",
            null,
            honest
          ])
      })
      yield* inTime(node!.node.bootstrap([inet(at)]))
      yield* node!.events
      yield* inTime(node!.node.lookup(Id.ofKey("target")))
      const events = yield* node!.events
      const asked = events.filter((event) => event._tag === "Asked").map(({ address }) => address)
      expect(asked.sort()).toStrictEqual([addressOf(2), at])
      expect(events.find((event) => event._tag === "Answered" && event.address === at)).toMatchObject({ contacts: 1 })
    }).pipe(on))

  it.effect("is not even asked who it is where its public network has as many places as it may", () =>
    Effect.gen(function*() {
      const [node] = yield* network(1)
      const asked: Array<number> = []
      for (const n of [1, 2, 3]) {
        const id = Id.ofKey(`neighbour ${n}`)
        const ping = Effect.sync(() => {
          asked.push(n)
          return bytes(id)
        })
        const { call } = yield* stranger(`8.8.8.${n}:1`, { ping })
        yield* inTime(call.ping(id))
        yield* inTime(Effect.sleep("5 seconds"))
      }
      expect(asked).toStrictEqual([1, 2])
      expect(yield* contactsOf(node!)).toHaveLength(2)
    }).pipe(on))

  it("may name what its sender can reach, and no more", () => {
    const at = (host: string) => new Contact(strangerId, inet(`${host}:1`))
    const may = (sender: string, address: string) => mayName(at(sender), at(address))
    expect(may("8.8.8.8", "9.9.9.9")).toBe(true)
    expect(may("8.8.8.8", "[2606:4700::1]")).toBe(true)
    // Each at its first and last address, and what lies just outside.
    const inside = [
      ["10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"],
      ["172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"],
      ["192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"],
      ["100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"],
      ["198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"],
      ["127.0.0.1", "127.255.255.255", "126.255.255.255", "128.0.0.0"],
      ["169.254.0.1", "169.254.255.255", "169.253.255.255", "169.255.0.0"],
      ["[fd00::1]", "[fdff::1]", "[2001:db9::1]", "[2600::]"],
      ["[fe80::1]", "[fec0::1]", "[2606::1]", "[2607::1]"],
      ["[64:ff9b::a00:1]", "[64:ff9b::7f00:1]", "[64:ff9b::808:808]", "[64:ff9c::a00:1]"],
      ["[2002:a00:1::1]", "[2002:7f00:1::1]", "[2002:808:808::1]", "[2003:a00:1::1]"]
    ] as const
    for (const [first, last, ...outside] of inside) {
      for (const address of [first, last]) expect([address, may("8.8.8.8", address)]).toStrictEqual([address, false])
      for (const address of outside) expect([address, may("8.8.8.8", address)]).toStrictEqual([address, true])
    }
    expect(may("8.8.8.8", "[::1]")).toBe(false)
    expect(may("192.168.0.1", "192.168.0.2")).toBe(true)
    expect(may("192.168.0.1", "9.9.9.9")).toBe(true)
    expect(may("192.168.0.1", "127.0.0.1")).toBe(false)
    expect(may("127.0.0.1", "127.0.0.2")).toBe(true)
    // These are no host's, whoever names them.
    for (const address of ["0.0.0.0", "0.1.2.3", "240.0.0.1", "255.255.255.255", "224.0.0.1", "[::]", "[ff02::1]"]) {
      expect([address, may("127.0.0.1", address)]).toStrictEqual([address, false])
      expect([address, may("240.0.0.2", address)]).toStrictEqual([address, false])
    }
  })

  it.effect("however long counts for k", () =>
    Effect.gen(function*() {
      const [node] = yield* network(1, { k: 4 })
      yield* stranger(at, {
        find: () => Effect.succeed(Array.from({ length: 150 }, (_, i) => contact(`${i}`, "10.7.0.1", i + 1)))
      })
      yield* inTime(node!.node.bootstrap([inet(at)]))
      const { asked } = yield* inTime(node!.node.lookup(Id.ofKey("target")))
      expect(asked).toBe(5)
    }).pipe(on))

  it.effect("that names ever closer nodes does not keep a lookup going for ever", () =>
    Effect.gen(function*() {
      const [node] = yield* network(1, { k: 4 })
      let port = 0
      const target = Id.ofKey("target")
      // Each answers, and names four that are closer by a bit.
      const closer = Effect.sync(() =>
        Array.from({ length: 4 }, () => {
          port++
          return [bytes(Id.withPrefix(target, Math.min(159, port), Id.ofKey(`${port}`))), "10.1.0.1", port]
        })
      )
      for (let i = 1; i < 300; i++) {
        yield* stranger(`10.1.0.1:${i}`, { find: () => closer })
        // The clock warns whoever makes something wait for a second without moving it.
        yield* TestClock.adjust("1 milli")
      }
      yield* inTime(node!.node.bootstrap([inet(at)]))
      const { asked } = yield* inTime(node!.node.lookup(target))
      expect(asked).toBeLessThanOrEqual(8 * 4)
    }).pipe(on))

  it.effect("that gives one address many names has it asked once", () =>
    Effect.gen(function*() {
      const [node] = yield* network(1)
      const { asked } = yield* stranger(at, {
        find: () => Effect.succeed(Array.from({ length: 20 }, (_, i) => contact(`${i}`, "10.1.0.1", 1)))
      })
      yield* inTime(node!.node.bootstrap([inet(at)]))
      asked.length = 0
      yield* inTime(node!.node.lookup(Id.ofKey("target")))
      expect(asked).toHaveLength(1)
      expect((yield* contactsOf(node!)).map(({ id }) => id)).toStrictEqual([strangerId])
    }).pipe(on))

  it.effect("does not bring those into the table who do not answer with those ids", () =>
    Effect.gen(function*() {
      const members = yield* network(4)
      const liar = yield* stranger(at, {
        find: () => Effect.succeed([1, 2, 3, 4].map((i) => [bytes(Id.ofKey(`wrong ${i}`)), `10.0.0.${i}`, 8468]))
      })
      yield* inTime(members[0]!.node.bootstrap([liar.address]))
      yield* inTime(members[0]!.node.lookup(Id.ofKey("target")))
      yield* inTime(Effect.sleep("5 seconds"))
      const ids = (yield* contactsOf(members[0]!)).map(({ id }) => id)
      expect(ids.toSorted()).toStrictEqual(
        [strangerId, ...members.slice(1).map(({ node }) => node.id)].toSorted()
      )
    }).pipe(on))
})

describe("a node that answers", () => {
  for (
    const [what, find] of [
      ["nothing", () => Effect.never],
      ["text", () => Effect.succeed("garbage")],
      ["a number", () => Effect.succeed(7)],
      ["nil", () => Effect.succeed(null)],
      ["a map that is none of ours", () => Effect.succeed({ values: 1 })],
      ["a value that is none", () => Effect.succeed({ value: null })],
      ["lists in lists", () => Effect.succeed([[[[]]], [[]], []])],
      ["a map for an address", () => Effect.succeed([[bytes(strangerId), { a: 1 }, 8468]])],
      ["a map for a port", () => Effect.succeed([[bytes(strangerId), "10.0.0.1", [{ a: 1 }]]])]
    ] as const
  ) {
    it.effect(`${what} does not keep others from being found`, () =>
      Effect.gen(function*() {
        const members = yield* network(6, { k: 8 })
        for (let i = 1; i <= 3; i++) {
          const bad = yield* stranger(`10.1.0.${i}:1`, { find, ping: Effect.succeed(bytes(Id.ofKey(`bad ${i}`))) })
          yield* inTime(bad.call.ping(Id.ofKey(`bad ${i}`)))
          yield* inTime(members[2]!.node.bootstrap([bad.address]))
        }
        yield* inTime(members[1]!.node.set("key", "value"))
        const late = yield* join(7, { k: 8 })
        expect(yield* inTime(late.node.get("key"))).toStrictEqual(Option.some("value"))
        expect(yield* inTime(members[2]!.node.get("missing"))).toStrictEqual(Option.none())
      }).pipe(on))
  }

  it.effect("with damaged datagrams neither", () =>
    Effect.gen(function*() {
      const members = yield* network(12, { k: 6 })
      const net = yield* SimulatedNetwork.SimulatedNetwork
      yield* net.set({ corrupt: 0.2, duplicate: 0.2, loss: 0.05 })
      yield* inTime(members[4]!.node.set("key", "value"))
      const found = yield* inTime(Effect.forEach(members, ({ node }) => node.get("key"), { concurrency: "unbounded" }))
      // A byte of the value itself may be the damaged one: datagrams carry no checksum but UDP's.
      expect(found.filter(Option.isSome).length).toBe(12)
    }).pipe(on))
})

describe("what strangers make a node do", () => {
  /** Requests to the first node, each from another port of the stranger, under another id. */
  const calls = Effect.fnUntraced(function*(count: number) {
    const { raw } = yield* stranger(at, { ping: Effect.never })
    const net = yield* SimulatedNetwork.SimulatedNetwork
    let from = at
    let port = 1000
    return (pause: number) =>
      Effect.gen(function*() {
        for (let i = 1; i <= count; i++) {
          const to = `10.1.0.1:${++port}`
          yield* net.rebind(from, to)
          from = to
          yield* Effect.forkChild(Effect.exit(raw.find_node(bytes(Id.ofKey(`${port}`)), bytes(strangerId))), {
            startImmediately: true
          })
          if (pause > 0) yield* TestClock.adjust(pause)
        }
      })
  })

  it.effect("has a bound: pings to those who want a place", () =>
    Effect.gen(function*() {
      yield* start(addressOf(1))
      const net = yield* SimulatedNetwork.SimulatedNetwork
      yield* (yield* calls(500))(0)
      const { sent } = yield* net.stats
      yield* inTime(Effect.sleep("100 millis"))
      const { sent: after } = yield* net.stats
      expect(sent).toBe(500)
      // An answer to each, and the pings: they are all of one address.
      expect(after - sent).toBeLessThanOrEqual(500 + 16)
    }).pipe(on))

  it.effect("leaves newcomers their chance, though others want to be pinged all the time", () =>
    Effect.gen(function*() {
      const { node } = yield* start(addressOf(1))
      const flood = yield* calls(70)
      yield* flood(1000 / 70)
      const newcomer = yield* stranger("10.2.0.1:1", {})
      yield* Effect.forkChild(newcomer.call.ping(strangerId), { startImmediately: true })
      yield* flood(1000 / 70)
      const buckets = yield* node.buckets
      expect(buckets.flatMap(({ entries }) => entries).map(({ contact }) => contact.name)).toStrictEqual(["10.2.0.1:1"])
    }).pipe(on))

  it.effect("does not keep others out: who stores without end gives its places to those that have less", () =>
    Effect.gen(function*() {
      const { node, storage } = yield* start(addressOf(1), {}, Storage.layerMemory({ maxKeys: 50 }))
      const flood = yield* stranger(at, {})
      const others = yield* Effect.forEach([1, 2, 3, 4], (i) => stranger(`10.2.0.${i}:1`, {}))
      const keyOf = (name: string, i: number) => Id.ofKey(`${name} ${i}`)
      const floods = (name: string) =>
        Effect.forEach(range(200), (i) => inTime(flood.call.store(keyOf(name, i), keyOf(name, i), "x")))
      expect((yield* floods("first")).filter(Boolean).length).toBeGreaterThanOrEqual(50)
      for (const [n, { call }] of others.entries()) {
        for (const i of range(5)) {
          expect(yield* inTime(call.store(keyOf("other", n), keyOf(`other ${n}`, i), "y"))).toBe(true)
        }
      }
      expect(yield* inTime(node.set("own", "z"))).toBe(0)
      yield* floods("second")
      const values = (yield* Stream.runCollect(storage.all)).map(([, { value }]) => value)
      expect(values.length).toBe(50)
      expect(values.filter((value) => value === "y").length).toBe(20)
      expect(values).toContain("z")
    }).pipe(on))
})
