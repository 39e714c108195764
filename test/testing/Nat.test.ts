/** What RFC 4787 says of NATs: first of a box by itself, then over the simulated network. */
import { describe, expect, it } from "@effect/vitest"
import type { Scope } from "effect"
import { Effect, Exit, Schema } from "effect"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import { second } from "../../src/internal/time/now.ts"
import { SimulatedNetwork } from "../../src/testing/index.ts"
import { hostOf, portOf } from "../../src/testing/names.ts"
import { NatBox } from "../../src/testing/nat.ts"
import { stream } from "../support/stream.ts"

const dependences: ReadonlyArray<SimulatedNetwork.Dependence> = [
  "endpoint-independent",
  "address-dependent",
  "address-and-port-dependent"
]

const outside = "192.0.2.1"

type Behaviour = Omit<SimulatedNetwork.Nat, "outside" | "inside">

const open: Behaviour = { mapping: "endpoint-independent", filtering: "endpoint-independent" }

const boxOf = (behaviour: Partial<Behaviour>, seed = 7) => {
  const { below } = stream(seed)
  return new NatBox({ ...open, ...behaviour, outside, inside: [] }, {
    draws: () => () => below(2 ** 32) / 2 ** 32,
    outside: (host, port) => `${host}:${port}`
  })
}

const minute = 60 * second

const [x, y] = ["10.0.0.1:1001", "10.0.0.2:1001"]

// Two hosts, of which the first has two ports.
const peers = ["198.51.100.1:1", "198.51.100.1:2", "198.51.100.2:1"] as const

/** What tells peers apart. */
const partOf = (name: string, dependence: SimulatedNetwork.Dependence) =>
  dependence === "endpoint-independent" ? "" : dependence === "address-dependent" ? hostOf(name) : name

const Seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))

describe("a NAT box", () => {
  // Section 4.1.
  for (const [mapping, ports] of [[dependences[0]!, 1], [dependences[1]!, 2], [dependences[2]!, 3]] as const) {
    it(`whose mapping is ${mapping} gives a socket ${ports} ports for three peers at two addresses, the same each time`, () => {
      const box = boxOf({ mapping })
      const first = peers.map((peer) => box.outbound(x, peer, 0))
      expect(new Set(first).size).toBe(ports)
      expect(peers.map((peer) => box.outbound(x, peer, second))).toStrictEqual(first)
      expect(box.size).toBe(ports)
      expect(first.every((name) => hostOf(name!) === outside && portOf(name!) >= 1024)).toBe(true)
    })
  }

  // Section 5.
  for (const [i, filtering] of dependences.entries()) {
    it(`whose filtering is ${filtering} lets in ${3 - i} of three peers at two addresses, of which one was sent to`, () => {
      const box = boxOf({ filtering })
      const port = box.outbound(x, peers[0], 0)!
      const letIn = peers.map((peer) => box.inbound(peer, port, second))
      expect(letIn).toStrictEqual([x, i < 2 ? x : undefined, i < 1 ? x : undefined])
      expect(box.inbound(peers[0], `${outside}:${portOf(port) === 1024 ? 1025 : 1024}`, second)).toBe(undefined)
    })
  }

  it("whose mapping depends on the peer lets in at each port whom the socket sent to from that one", () => {
    const box = boxOf({ mapping: "address-and-port-dependent", filtering: "address-and-port-dependent" })
    const ports = peers.map((peer) => box.outbound(x, peer, 0)!)
    for (const [i, port] of ports.entries()) {
      expect(peers.map((peer) => box.inbound(peer, port, 0))).toStrictEqual(
        peers.map((_, j) => i === j ? x : undefined)
      )
    }
  })

  it("forgets a mapping two minutes after its last use, not before (REQ-5)", () => {
    const box = boxOf({})
    const port = box.outbound(x, peers[0], 0)!
    expect(box.inbound(peers[0], port, 2 * minute - 1)).toBe(x)
    expect(box.inbound(peers[0], port, 2 * minute)).toBe(undefined)
    expect(box.size).toBe(0)
    const next = box.outbound(x, peers[0], 2 * minute)!
    expect(next).not.toBe(port)
    expect(box.outbound(x, peers[0], 4 * minute - 1)).toBe(next)
    expect(box.outbound(x, peers[0], 6 * minute)).not.toBe(next)
  })

  it("has a mapping used by what goes out, and by what comes in only where that is said (REQ-6)", () => {
    for (const refreshInbound of [false, true]) {
      const box = boxOf({ refreshInbound, timeout: "1 minute" })
      const port = box.outbound(x, peers[0], 0)!
      expect(box.outbound(x, peers[0], 50 * second)).toBe(port)
      expect(box.inbound(peers[0], port, 100 * second)).toBe(x)
      expect(box.inbound(peers[0], port, 150 * second)).toBe(refreshInbound ? x : undefined)
    }
  })

  it("lets in nobody who was last sent to longer ago than that, though the mapping is used for others", () => {
    const box = boxOf({ filtering: "address-dependent", timeout: "1 minute" })
    const port = box.outbound(x, peers[0], 0)!
    box.outbound(x, peers[2], 59 * second)
    expect([peers[0], peers[2]].map((peer) => box.inbound(peer, port, 60 * second))).toStrictEqual([undefined, x])
  })

  it("passes on what hosts behind it send to its address, unless it cannot (REQ-9)", () => {
    for (const hairpinning of [undefined, false]) {
      const box = boxOf({ hairpinning })
      const port = box.outbound(x, peers[0], 0)!
      const from = box.outbound(y, port, 0)!
      expect(box.inbound(from, port, 0)).toBe(hairpinning === false ? undefined : x)
      expect(box.inbound(peers[0], port, 0)).toBe(x)
    }
  })

  it("that preserves ports gives a socket its own, to whomever it sends, and another one another (REQ-3)", () => {
    const box = boxOf({ preservePorts: true, mapping: "address-and-port-dependent" })
    expect(peers.map((peer) => box.outbound(x, peer, 0))).toStrictEqual(peers.map(() => `${outside}:1001`))
    const others = peers.map((peer) => box.outbound(y, peer, 0))
    expect(new Set(others).size).toBe(3)
    expect(others).not.toContain(`${outside}:1001`)
    expect(box.outbound(y, peers[0], 2 * minute)).toBe(`${outside}:1001`)
  })

  it("gives each of its 64,512 ports once, and no more", () => {
    const box = boxOf({})
    const ports = new Set(Array.from({ length: 64_512 }, (_, i) => box.outbound(`10.0.0.1:${i}`, peers[0], 0)))
    expect(ports.size).toBe(64_512)
    expect(ports).not.toContain(undefined)
    expect(box.outbound(y, peers[0], 0)).toBe(undefined)
    expect(box.outbound("10.0.0.1:1", peers[0], 0)).not.toBe(undefined)
    expect(box.outbound(y, peers[0], 2 * minute)).not.toBe(undefined)
  })

  it("that was rebooted has no mapping", () => {
    const box = boxOf({})
    const port = box.outbound(x, peers[0], 0)!
    box.reboot()
    expect(box.inbound(peers[0], port, 0)).toBe(undefined)
    expect(box.outbound(x, peers[0], 0)).not.toBe(port)
  })

  it.prop("whatever it is, and whoever sends when, does as its rules say, of all that was sent", [Seed], ([seed]) => {
    const { below } = stream(seed)
    const behaviour = {
      mapping: dependences[below(3)]!,
      filtering: dependences[below(3)]!,
      timeout: "1 minute",
      refreshInbound: below(2) === 0,
      preservePorts: below(2) === 0
    } as const
    const box = boxOf(behaviour, seed)
    interface Use {
      readonly at: number
      readonly inside: string
      readonly port: string
      readonly peer: string
      /** Which of the mappings that the port had one after the other. */
      readonly life: number
      /** What it was sent by. What came in was sent by none. */
      readonly key?: string
    }
    const uses: Array<Use> = []
    let now = 0
    for (let i = 0; i < 200; i++) {
      now += below(10) === 0 ? below(2 * minute) : below(10 * second)
      const used = uses.filter(({ at }) => now - at < minute)
      const last = (port: string) => used.findLast((use) => use.port === port)
      const note = (use: Omit<Use, "at" | "life">) => uses.push({ ...use, at: now, life: last(use.port)?.life ?? i })
      const peer = peers[below(3)]!
      if (below(2) === 0) {
        const inside = [x, y, "10.0.0.1:1002"][below(3)]!
        const key = `${inside} ${partOf(peer, behaviour.mapping)}`
        const port = box.outbound(inside, peer, now)!
        expect([undefined, inside]).toContain(last(port)?.inside)
        const before = uses.findLast((use) => use.key === key)
        const preserved = `${outside}:${portOf(inside)}`
        if (before !== undefined && last(before.port)?.life === before.life) expect(port).toBe(before.port)
        else if (behaviour.preservePorts && [undefined, inside].includes(last(preserved)?.inside)) {
          expect(port).toBe(preserved)
        } else expect(last(port)).toBe(undefined)
        note({ inside, port, peer, key })
      } else if (uses.length > 0) {
        const { port } = uses[below(uses.length)]!
        const part = partOf(peer, behaviour.filtering)
        const sent = used.some((use) => use.port === port && partOf(use.peer, behaviour.filtering) === part)
        const inside = box.inbound(peer, port, now)
        expect(inside).toBe(sent ? last(port)?.inside : undefined)
        if (inside !== undefined && behaviour.refreshInbound) note({ inside, port, peer })
      }
    }
  })
})

const network = SimulatedNetwork.SimulatedNetwork

/** A socket that notes who reached it, and with what. */
const socket = Effect.fnUntraced(function*(address: string) {
  const received: Array<string> = []
  const socket = yield* (yield* network).open(NetAddress.inetAddressFromStringUnsafe(address), {
    onPacket: (payload, host, port) => received.push(`${host}:${port} ${Buffer.from(payload).toString()}`),
    onReadError: () => {},
    onError: () => {},
    onClose: () => {}
  })
  return {
    send: (to: string, text: string) =>
      Effect.sync(() => {
        socket.send(Buffer.from(text), { host: hostOf(to).replace(/[[\]]/gu, ""), port: portOf(to) }, () => {})
      }),
    /** What has come since, once all has. */
    received: Effect.andThen(TestClock.adjust("1 second"), Effect.sync(() => received.splice(0)))
  }
})

/** Runs a test on a network whose datagrams take 10 ms. */
const on =
  (settings: SimulatedNetwork.Options) =>
  <A, E>(test: Effect.Effect<A, E, SimulatedNetwork.SimulatedNetwork | Scope.Scope>) =>
    Effect.provide(test, SimulatedNetwork.layer({ delay: "10 millis", ...settings }))

const strict: Behaviour = { mapping: "endpoint-independent", filtering: "address-and-port-dependent" }

const [a, b, server] = ["10.0.0.1:1", "10.1.0.1:2", "198.51.100.1:3"]

const addressOf = (line: string | undefined) => line?.split(" ")[0] ?? ""

describe("on a network with NATs", () => {
  it.effect("a host behind one is heard from its address outside, and who is answered reaches it, nobody else", () =>
    Effect.gen(function*() {
      const net = yield* network
      void (yield* net.nat({ ...strict, outside: "192.0.2.1", inside: ["10.0.0.1"] }))
      const inside = yield* socket(a)
      const peer = yield* socket(server)
      const stranger = yield* socket("198.51.100.2:3")
      yield* inside.send(server, "hello")
      const [line] = yield* peer.received
      const seen = addressOf(line)
      expect(line).toBe(`${seen} hello`)
      expect(hostOf(seen)).toBe("192.0.2.1")
      yield* stranger.send(seen, "unasked")
      yield* stranger.send(a, "to the address inside")
      yield* peer.send(a, "to the address inside")
      yield* peer.send(seen, "answer")
      expect(yield* inside.received).toStrictEqual([`${server} answer`])
      expect(yield* net.stats).toMatchObject({ sent: 5, delivered: 2, filtered: 3, nobody: 0 })
      yield* TestClock.adjust("2 minutes")
      yield* peer.send(seen, "late")
      expect(yield* inside.received).toStrictEqual([])
    }).pipe(on({})))

  it.effect("hosts behind one NAT reach each other without it, and by its address where it hairpins", () =>
    Effect.gen(function*() {
      const net = yield* network
      for (const [i, hairpinning] of [true, false].entries()) {
        const hosts = [`10.0.${i}.1`, `10.0.${i}.2`]
        void (yield* net.nat({ ...open, hairpinning, outside: `192.0.2.${i}`, inside: hosts }))
        const [one, other] = [yield* socket(`${hosts[0]}:1`), yield* socket(`${hosts[1]}:1`)]
        const peer = yield* socket(`198.51.100.${i}:1`)
        yield* one.send(`${hosts[1]}:1`, "inside")
        expect(yield* other.received).toStrictEqual([`${hosts[0]}:1 inside`])
        yield* one.send(`198.51.100.${i}:1`, "one")
        const [line] = yield* peer.received
        const seen = addressOf(line)
        yield* other.send(seen, "outside")
        const lines = yield* one.received
        expect(lines.map((line) => line.replace(/:\d+/u, ""))).toStrictEqual(
          hairpinning ? [`192.0.2.${i} outside`] : []
        )
      }
      expect(yield* net.stats).toMatchObject({ filtered: 1 })
    }).pipe(on({})))

  it.effect("what passes several NATs has the address of the last, and its answer comes back through all (section 4.4)", () =>
    Effect.gen(function*() {
      const net = yield* network
      void (yield* net.nat({ ...strict, outside: "100.64.0.1", inside: ["10.0.0.1"] }))
      void (yield* net.nat({ ...strict, outside: "100.64.0.2", inside: ["10.1.0.1"] }))
      void (yield* net.nat({ ...open, outside: "192.0.2.1", inside: ["100.64.0.1", "100.64.0.2", "100.64.0.3"] }))
      const [one, other, between] = [yield* socket(a), yield* socket(b), yield* socket("100.64.0.3:1")]
      const peer = yield* socket(server)
      yield* one.send(server, "hello")
      const [seen = ""] = (yield* peer.received).map(addressOf)
      expect(hostOf(seen)).toBe("192.0.2.1")
      yield* peer.send(seen, "answer")
      expect(yield* one.received).toStrictEqual([`${server} answer`])
      // Between the two levels, one NAT is passed.
      yield* one.send("100.64.0.3:1", "near")
      expect((yield* between.received).map((line) => hostOf(addressOf(line)))).toStrictEqual(["100.64.0.1"])
      // The inner NATs know nothing of each other, and the outer one hairpins.
      yield* other.send(server, "hello")
      const [seenOther = ""] = (yield* peer.received).map(addressOf)
      yield* one.send(seenOther, "punch")
      expect(yield* other.received).toStrictEqual([])
      yield* other.send(seen, "punched")
      expect(yield* one.received).toStrictEqual([`${seenOther} punched`])
    }).pipe(on({})))

  it.effect("a stopped host behind a NAT neither sends nor receives, nor does any whose NAT is stopped", () =>
    Effect.gen(function*() {
      const net = yield* network
      const reboot = yield* net.nat({ ...open, timeout: "1 hour", outside: "192.0.2.1", inside: ["10.0.0.1"] })
      const [inside, peer] = [yield* socket(a), yield* socket(server)]
      yield* inside.send(server, "hello")
      const [seen = ""] = (yield* peer.received).map(addressOf)
      for (const host of ["10.0.0.1", "192.0.2.1"]) {
        yield* net.stop(host)
        yield* inside.send(server, "out")
        yield* peer.send(seen, "in")
        expect([yield* inside.received, yield* peer.received]).toStrictEqual([[], []])
        yield* net.start(host)
      }
      expect(yield* net.stats).toMatchObject({ stopped: 4, filtered: 0 })
      yield* peer.send(seen, "in")
      expect(yield* inside.received).toStrictEqual([`${server} in`])
      yield* reboot
      yield* peer.send(seen, "in")
      expect(yield* inside.received).toStrictEqual([])
    }).pipe(on({})))

  it.effect("links, partitions and the trace know a host behind a NAT by its address outside", () =>
    Effect.gen(function*() {
      const net = yield* network
      void (yield* net.nat({ ...open, preservePorts: true, outside: "[2001:db8::1]", inside: ["fd00::1"] }))
      const inside = yield* socket("[fd00::1]:1")
      const peer = yield* socket("[2001:db8::2]:2")
      yield* net.set({ loss: 1 }, { from: "2001:db8::1", to: "[2001:db8::2]:2" })
      yield* inside.send("[2001:db8::2]:2", "x")
      yield* net.set({ loss: 0 }, { from: "[2001:db8::1]:1" })
      yield* Effect.scoped(Effect.gen(function*() {
        void (yield* net.partition(["2001:db8::1"], ["2001:db8::2"]))
        yield* inside.send("[2001:db8::2]:2", "y")
      }))
      yield* inside.send("[2001:db8::2]:2", "z")
      expect(yield* peer.received).toStrictEqual(["2001:db8::1:1 z"])
      expect((yield* net.trace).map(({ fate, from }) => [from, fate])).toStrictEqual([
        ["[2001:db8::1]:1", "lost"],
        ["[2001:db8::1]:1", "partitioned"],
        ["[2001:db8::1]:1", "delivered"]
      ])
    }).pipe(on({ trace: true })))

  it.effect("the seed decides the ports", () =>
    Effect.gen(function*() {
      const ports = (seed: number) =>
        Effect.gen(function*() {
          void (yield* (yield* network).nat({ ...open, outside: "192.0.2.1", inside: ["10.0.0.1"] }))
          const peer = yield* socket(server)
          for (let port = 1; port <= 5; port++) {
            const inside = yield* socket(`10.0.0.1:${port}`)
            yield* inside.send(server, "")
          }
          return (yield* peer.received).map((line) => portOf(addressOf(line)))
        }).pipe(on({ seed }), Effect.scoped)
      const first = yield* ports(1)
      expect(new Set(first).size).toBe(5)
      expect(yield* ports(1)).toStrictEqual(first)
      expect(yield* ports(2)).not.toStrictEqual(first)
    }))

  it.effect("what a NAT has no port for is filtered", () =>
    Effect.gen(function*() {
      const net = yield* network
      const mapping = "address-and-port-dependent"
      void (yield* net.nat({ ...open, mapping, outside: "192.0.2.1", inside: ["10.0.0.1"] }))
      const inside = yield* socket(a)
      for (let i = 0; i < 64_513; i++) yield* inside.send(`198.51.100.${i >> 15}:${1 + i % 32_768}`, "")
      yield* Effect.yieldNow
      expect(yield* net.stats).toMatchObject({ sent: 64_513, filtered: 1, nobody: 64_512 })
    }).pipe(on({ delay: 0 })))

  it.effect("there is one NAT at an address, and a host is behind one", () =>
    Effect.gen(function*() {
      const net = yield* network
      void (yield* net.nat({ ...open, outside: "192.0.2.1", inside: ["10.0.0.1"] }))
      expect(yield* Effect.exit(net.nat({ ...open, outside: "192.0.2.1", inside: ["10.0.0.2"] })))
        .toStrictEqual(Exit.die(new Error("there is a NAT at 192.0.2.1 already")))
      expect(yield* Effect.exit(net.nat({ ...open, outside: "192.0.2.2", inside: ["10.0.0.2", "10.0.0.1"] })))
        .toStrictEqual(Exit.die(new Error("10.0.0.1 is behind a NAT already")))
    }).pipe(on({})))
})
