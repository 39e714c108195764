/** The laws of a closed network. */
import { assert, describe, expect, it } from "@effect/vitest"
import {
  Cause,
  Clock,
  Context,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Redacted,
  References,
  Schedule,
  Schema,
  Scope
} from "effect"
import { Aead, WebCrypto } from "effect/crypto"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import * as Crypto from "node:crypto"
import * as Cipher from "../../src/internal/sealing/cipher.ts"
import * as Seal from "../../src/internal/sealing/seal.ts"
import { Sizes } from "../../src/internal/sizes.ts"
import { Codec, Handlers, Protocol, Transport } from "../../src/index.ts"
import { SimulatedNetwork } from "../../src/testing/index.ts"
import { stepping } from "../support/clocks.ts"
import * as MemoryNetwork from "../support/MemoryNetwork.ts"
import { metrics, node, raw, withMetrics } from "../support/nodes.ts"
import { requestFor } from "../support/requests.ts"

const cipher = Cipher.make()

const secretOf = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)

const keyOf = (id: number, fill: number = id): Protocol.Key => ({ id, secret: Redacted.make(secretOf(fill)) })

const ringOf = (...[first, ...others]: readonly [number, ...ReadonlyArray<number>]): Protocol.KeyRing => [
  keyOf(first),
  ...others.map((id) => keyOf(id))
]

const maxAge = Duration.seconds(30)

interface Sealing extends Omit<Seal.Seal, "open"> {
  /** What comes is from one host, where a test does not say from which. */
  readonly open: (datagram: Uint8Array, host?: string) => Uint8Array | Seal.Unsealed
}

/** What seals and opens for one socket, which opens now. */
const sealOf = (ring: Protocol.KeyRing, options?: Partial<Seal.Options>): Effect.Effect<Sealing> =>
  Effect.map(Effect.context<never>(), (context) => {
    const seal = Seal.make({ ring, cipher, maxAge, ...options }, context)
    return { ...seal, open: (datagram, host = "10.0.0.9") => seal.open(datagram, { host }) }
  })

/** Tables of these sizes. */
const withSizes = (sizes: Partial<Sizes>) => Effect.updateService(Sizes, (defaults) => ({ ...defaults, ...sizes }))

const textOf = (opened: Uint8Array | Seal.Unsealed): string =>
  typeof opened === "string" ? opened : `read ${Buffer.from(opened).toString()}`

const datagramOf = (text: string): Uint8Array => new TextEncoder().encode(text)

const uint48 = (n: number): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(n))
  return bytes.subarray(2)
}

interface Sealed {
  readonly id?: number
  readonly secret: Uint8Array
  /** 12 bytes. */
  readonly session: Uint8Array
  readonly counter: number
  readonly time: number
}

/** The wire format once more, from its description. */
const sealedBy = ({ counter, id = 1, secret, session, time }: Sealed, datagram: Uint8Array): Buffer => {
  const header = Buffer.concat([Buffer.of(0x10, id), session, uint48(counter), uint48(time)])
  const info = Buffer.concat([Buffer.from("effect-rpcudp sealed 1"), session, Buffer.of(1)])
  const subkey = Crypto.createHmac("sha256", secret).update(info).digest()
  const nonce = Buffer.concat([uint48(counter), uint48(time)])
  return Buffer.concat([header, Aead.chacha20Poly1305.implementation!.encrypt(subkey, nonce, datagram, header)])
}

const sessionOf = (n: number): Buffer => Buffer.concat([Buffer.alloc(6), uint48(n)])

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

describe("sealing", () => {
  /** `WebCrypto` that gives the bytes from 0xa0 on. */
  const counted: typeof globalThis.crypto = Object.assign(Object.create(globalThis.crypto), {
    getRandomValues: (bytes: Uint8Array) => {
      bytes.forEach((_, i) => bytes[i] = 0xa0 + i)
      return bytes
    }
  })

  // Computed with Python's hmac and its package `cryptography`.
  it.effect("the third datagram of a session is, to the bit, what another implementation makes of it", () =>
    Effect.gen(function*() {
      const golden = "1007a0a1a2a3a4a5a6a7a8a9aaab00000000000201ba60d3387b313e10e23d4c63f587d59ab28ab2adf5857aac10" +
        "563cff6a137482606e3054cf47e8ccaa53d82b78d86a16"
      const request = Buffer.from("000102030405060708090a0b0c0d0e0f101112131492a3666f6f90", "hex")
      const secret = Uint8Array.from({ length: 32 }, (_, i) => i)
      const ring: Protocol.KeyRing = [{ id: 7, secret: Redacted.make(secret) }]
      yield* TestClock.setTime(1_900_000_000_123)
      const seal = yield* Effect.provideService(sealOf(ring), WebCrypto.WebCrypto, counted)
      seal.seal(request)
      seal.seal(request)
      expect(Buffer.from(seal.seal(request)).toString("hex")).toBe(golden)
      const opened = (yield* sealOf(ring)).open(Buffer.from(golden, "hex"))
      assert(typeof opened !== "string")
      expect(request.equals(opened)).toBe(true)
      const session = Buffer.from("a0a1a2a3a4a5a6a7a8a9aaab", "hex")
      expect(sealedBy({ id: 7, secret, session, counter: 2, time: 1_900_000_000_123 }, request).toString("hex"))
        .toBe(golden)
    }))

  it.effect("a datagram of each length up to the longest comes back, 42 bytes longer on its way", () =>
    Effect.gen(function*() {
      const [a, b] = [yield* sealOf(ringOf(1)), yield* sealOf(ringOf(1))]
      const longest = Crypto.randomBytes(Codec.maxDatagramBytes)
      for (let length = 1; length <= longest.length; length++) {
        const datagram = longest.subarray(0, length)
        const sealed = a.seal(datagram)
        expect(sealed.length).toBe(length + 42)
        const opened = b.open(sealed)
        assert(typeof opened !== "string")
        expect(datagram.equals(opened)).toBe(true)
      }
      expect(b.sessions()).toBe(1)
      // what is no length of a datagram is nothing that was sealed
      const [key, session] = [{ secret: secretOf(1), time: 0 }, sessionOf(1)]
      for (const length of [0, Codec.maxDatagramBytes + 1, 65_507 - 42]) {
        expect(b.open(sealedBy({ ...key, session, counter: length }, new Uint8Array(length)))).toBe("NotSealed")
      }
    }))

  it.effect("whichever bit is flipped, the datagram is refused, nothing is kept of it, and the true one is still read", () =>
    Effect.gen(function*() {
      const [a, b] = [yield* sealOf(ringOf(1)), yield* sealOf(ringOf(1))]
      const sealed = a.seal(datagramOf("a datagram"))
      const reasons = new Map<string, number>()
      for (let bit = 0; bit < 8 * sealed.length; bit++) {
        const flipped = Uint8Array.from(sealed)
        flipped[bit >> 3]! ^= 1 << (bit & 7)
        const reason = textOf(b.open(flipped))
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
      }
      expect(b.sessions()).toBe(0)
      // Of the time's bits, those up to 2^14 milliseconds make it no older or newer than it may be.
      expect(Object.fromEntries(reasons)).toStrictEqual({
        NotSealed: 8,
        UnknownKey: 8,
        Stale: 48 - 15,
        Forged: 8 * (sealed.length - 8) + 15
      })
      expect(textOf(b.open(sealed))).toBe("read a datagram")
    }))

  const Byte = between(0, 255)

  it.effect.prop("whatever bytes come, and wherever a datagram is cut, there is a reason and no exception", [
    Schema.Array(Byte),
    between(0, 200)
  ], ([bytes, at]) =>
    Effect.gen(function*() {
      const seal = yield* sealOf(ringOf(1))
      const header = sealedBy({ secret: secretOf(1), session: sessionOf(1), counter: 0, time: 0 }, new Uint8Array(0))
      for (const start of [0, 1, 2, 14, 20, 26]) {
        const datagram = Uint8Array.from([...header.subarray(0, start), ...bytes])
        // As sockets hand them over: a view into something longer.
        const view = Buffer.concat([Buffer.alloc(3), datagram, Buffer.alloc(50)]).subarray(3, 3 + datagram.length)
        expect(["NotSealed", "UnknownKey", "Stale", "Forged"]).toContain(seal.open(view))
      }
      const other = (yield* sealOf(ringOf(1))).seal(new Uint8Array(150))
      expect(["NotSealed", "Forged"]).toContain(seal.open(other.subarray(0, Math.min(at, other.length - 1))))
      expect(seal.sessions()).toBe(0)
    }), { arbitrary: { runs: 200 } })

  it.effect("only a key of the ring opens, and the first one of it seals", () =>
    Effect.gen(function*() {
      const both = yield* sealOf(ringOf(2, 1))
      const [one, two] = [yield* sealOf(ringOf(1)), yield* sealOf(ringOf(2))]
      const impostor = yield* sealOf([keyOf(1, 9)])
      const sealed = both.seal(datagramOf("x"))
      expect(sealed[1]).toBe(2)
      expect(textOf(one.open(sealed))).toBe("UnknownKey")
      expect(textOf(two.open(sealed))).toBe("read x")
      expect(textOf(both.open(one.seal(datagramOf("y"))))).toBe("read y")
      expect(textOf(both.open(impostor.seal(datagramOf("z"))))).toBe("Forged")
      expect(both.sessions()).toBe(1)
      // A session is one of its key: another key's of the same name has a window of its own.
      const session = sessionOf(1)
      const ids = Array.from({ length: 255 }, (_, n) => n + 1)
      const all = yield* sealOf(ringOf(0, ...ids))
      for (const id of ids) {
        const sealed = sealedBy({ id, secret: secretOf(id), session, counter: 0, time: 0 }, datagramOf(`by ${id}`))
        expect(textOf(all.open(sealed))).toBe(`read by ${id}`)
        expect(textOf(all.open(sealed))).toBe("Replayed")
      }
    }))

  it.effect("a datagram may be as old as the limit, or as far ahead, and no older", () =>
    Effect.gen(function*() {
      const seal = yield* sealOf(ringOf(1))
      yield* TestClock.setTime(100_000)
      const sealedAt = (time: number) =>
        sealedBy({ secret: secretOf(1), session: sessionOf(1), counter: time, time }, datagramOf("x"))
      expect([69_999, 70_000, 130_000, 130_001, 2 ** 48 - 1].map((time) => textOf(seal.open(sealedAt(time)))))
        .toStrictEqual(["Stale", "read x", "read x", "Stale", "Stale"])
    }))

  it.effect("what was sealed before the socket opened is not read, what was sealed since is, whatever the clock is set to", () =>
    Effect.gen(function*() {
      const { clock, wall } = yield* stepping
      yield* Effect.gen(function*() {
        let counter = 0
        const sealedAgo = (age: number) => {
          const time = clock.currentTimeMillisUnsafe() - age
          return sealedBy({ secret: secretOf(1), session: sessionOf(1), counter: counter++, time }, datagramOf("x"))
        }
        yield* TestClock.setTime(1_000_000)
        const seal = yield* sealOf(ringOf(1))
        const ages = (...ages: ReadonlyArray<number>) => ages.map((age) => textOf(seal.open(sealedAgo(age))))
        expect(ages(-1000, 0, 1, 1000)).toStrictEqual(["read x", "read x", "Stale", "Stale"])
        yield* TestClock.adjust(1000)
        expect(ages(0, 1000, 1001)).toStrictEqual(["read x", "read x", "Stale"])
        // A machine that learns the time once it runs: what is recorded of earlier is no newer for that.
        wall.step = 3_600_000
        expect(ages(0, 1000, 1001)).toStrictEqual(["read x", "read x", "Stale"])
        // And one that was ahead is not deaf until its clock is there again.
        wall.step = -600_000
        expect(ages(0, 1000, 1001)).toStrictEqual(["read x", "read x", "Stale"])
      }).pipe(Effect.provideService(Clock.Clock, clock))
    }))

  it.effect("what a socket has sealed itself it does not read, before and after it changes its keys", () =>
    Effect.gen(function*() {
      const seal = yield* sealOf(ringOf(1, 2), { sessionDatagrams: 2 })
      const sealed = Array.from({ length: 5 }, () => seal.seal(datagramOf("x")))
      seal.rekey(ringOf(2, 1))
      sealed.push(seal.seal(datagramOf("x")))
      expect(sealed.map((datagram) => textOf(seal.open(datagram)))).toStrictEqual(sealed.map(() => "Reflected"))
      expect(seal.sessions()).toBe(0)
    }))

  it.effect("no nonce comes twice under one key: at its limit, and with other keys, a new session begins", () =>
    Effect.gen(function*() {
      const seals = yield* Effect.all([
        sealOf(ringOf(1), { sessionDatagrams: 3 }),
        sealOf(ringOf(1), { sessionDatagrams: 3 })
      ])
      const reader = yield* sealOf(ringOf(1, 2))
      const nonces = new Set<string>()
      const sessions = new Set<string>()
      const sealSome = (count: number) => {
        for (const seal of seals) {
          for (let i = 0; i < count; i++) {
            // The same text at the same time: what else could tell two nonces apart?
            const sealed = Buffer.from(seal.seal(datagramOf("x")))
            expect(textOf(reader.open(sealed))).toBe("read x")
            sessions.add(sealed.toString("hex", 1, 14))
            nonces.add(sealed.toString("hex", 1, 20))
          }
        }
      }
      sealSome(10)
      expect([nonces.size, sessions.size, reader.sessions()]).toStrictEqual([20, 8, 8])
      for (const seal of seals) seal.rekey(ringOf(1))
      sealSome(1)
      for (const seal of seals) seal.rekey(ringOf(2, 1))
      sealSome(1)
      expect([nonces.size, sessions.size, reader.sessions()]).toStrictEqual([24, 12, 12])
    }))

  it.effect("a process that was copied with its counters has other nonces a millisecond later", () =>
    Effect.gen(function*() {
      const copies: Array<Uint8Array> = []
      for (let i = 0; i < 2; i++) {
        const seal = yield* Effect.provideService(sealOf(ringOf(1)), WebCrypto.WebCrypto, counted)
        copies.push(seal.seal(new Uint8Array(32)).subarray(26, 26 + 32))
        yield* TestClock.adjust(1)
      }
      expect(copies[1]).not.toStrictEqual(copies[0])
    }))

  it.effect("on a simulated network sessions follow its seed, and still no two are the same", () =>
    Effect.gen(function*() {
      const sessions = Effect.gen(function*() {
        const [a, b] = [yield* sealOf(ringOf(1)), yield* sealOf(ringOf(1))]
        return [a, b].map((seal) => Buffer.from(seal.seal(datagramOf("x"))).toString("hex", 2, 14))
      }).pipe(Effect.provide(SimulatedNetwork.layer({ seed: 1 })))
      const [first, again] = [yield* sessions, yield* sessions]
      expect(again).toStrictEqual(first)
      expect(new Set(first).size).toBe(2)
    }))

  const Jump = Schema.Struct({
    /** On from the highest so far, or again one that came, or back, or to about the end of the window or of a word. */
    how: Schema.Literals(["next", "ahead", "leap", "again", "behind", "edge", "word"]),
    by: between(1, 40_000)
  })

  it.effect.prop("a counter is read once, those of the window in any order, those behind it never", [
    Schema.Literals([0, 31, 8191, 2 ** 31 - 100, 2 ** 32 - 100, 2 ** 40, 2 ** 48 - 100_000]),
    Schema.Literals([32, 64, 8192]),
    Schema.Array(Jump)
  ], ([start, replayWindow, jumps]) =>
    Effect.gen(function*() {
      const seal = yield* sealOf(ringOf(1))
      const read: Array<number> = []
      const model = new Set<number>()
      let highest = -1
      const next = ({ by, how }: typeof Jump.Type): number => {
        switch (how) {
          case "next":
            return highest + 1
          case "ahead":
            return highest + by % 100
          case "leap":
            return highest + by
          case "again":
            return read[by % Math.max(1, read.length)] ?? start
          case "behind":
            return highest - by % (replayWindow + 800)
          case "edge":
            return highest - replayWindow + by % 80 - 40
          case "word":
            return Math.floor(highest / 32) * 32 + by % 67 - 33
        }
      }
      for (const jump of [{ how: "again", by: 1 } as const, ...jumps]) {
        const counter = next(jump)
        if (counter < 0 || counter >= 2 ** 48) continue
        const sealed = sealedBy({ secret: secretOf(1), session: sessionOf(1), counter, time: 0 }, datagramOf("x"))
        const isRead = seal.open(sealed) !== "Replayed"
        // Between, where the word of the highest counter ends, both are right.
        if (model.has(counter) || counter <= highest - replayWindow) expect(isRead).toBe(false)
        else if (counter > highest - replayWindow + 32) expect(isRead).toBe(true)
        if (!isRead) continue
        model.add(counter)
        read.push(counter)
        highest = Math.max(highest, counter)
      }
    }).pipe(withSizes({ replayWindow })), { arbitrary: { runs: 400, size: 150 } })

  it.effect("when no more sessions fit, the one heard longest ago makes room once nothing of it can be read again", () =>
    Effect.gen(function*() {
      const seal = yield* sealOf(ringOf(1))
      // With a clock that is ahead as far as it may.
      const sealedIn = (session: number, counter: number, time: number) =>
        sealedBy({ secret: secretOf(1), session: sessionOf(session), counter, time }, datagramOf("x"))
      const open = (session: number, counter: number, time: number) =>
        textOf(seal.open(sealedIn(session, counter, time), `10.${session}.0.1`))
      for (let n = 0; n < 16; n++) expect(open(n, 0, 30_000)).toBe("read x")
      expect(open(16, 0, 0)).toBe("TooManySessions")
      expect(open(0, 1, 0)).toBe("read x")
      yield* TestClock.adjust(60_000)
      // What they have sent at the beginning is just not too old.
      expect(open(1, 0, 30_000)).toBe("Replayed")
      expect(open(16, 0, 60_000)).toBe("TooManySessions")
      expect(open(0, 2, 60_000)).toBe("read x")
      yield* TestClock.adjust(1)
      expect(open(16, 0, 60_000)).toBe("read x")
      expect([seal.sessions(), seal.shares()]).toStrictEqual([16, 32])
      expect(open(1, 0, 30_000)).toBe("Stale")
      // Not the first one that came: it was heard since.
      expect(open(0, 2, 60_000)).toBe("Replayed")
    }).pipe(withSizes({ sessions: 16 })))

  /** Opens a datagram of a session of its own from each of these hosts, and says what became of them. */
  const openFrom = (seal: Sealing, first: number, hosts: ReadonlyArray<string>): ReadonlyArray<string> =>
    hosts.map((host, i) => {
      const sealed = { secret: secretOf(1), session: sessionOf(first + i), counter: 0, time: 0 }
      return textOf(seal.open(sealedBy(sealed, datagramOf("x")), host))
    })

  const times = (count: number, text: string): ReadonlyArray<string> => Array.from({ length: count }, () => text)

  it.effect("who opens sessions without end meets a bound of its own, then one of its network, and others are heard", () =>
    Effect.gen(function*() {
      const seal = yield* sealOf(ringOf(1))
      expect(openFrom(seal, 0, times(1025, "10.0.0.1"))).toStrictEqual([...times(1024, "read x"), "TooManySessions"])
      // another of its network
      expect(openFrom(seal, 2000, times(1025, "10.0.0.2"))).toStrictEqual([...times(1024, "read x"), "TooManySessions"])
      const others = Array.from({ length: 2049 }, (_, i) => `10.0.0.${3 + i % 200}`)
      expect(openFrom(seal, 4000, others)).toStrictEqual([...times(2048, "read x"), "TooManySessions"])
      expect(openFrom(seal, 8000, ["10.0.0.254", "10.0.1.1", "2001:db8::1"]))
        .toStrictEqual(["TooManySessions", "read x", "read x"])
      expect(seal.sessions()).toBe(4098)
    }))

  it.effect("who has many IPv6 addresses has the bounds of one sender, and of one network", () =>
    Effect.gen(function*() {
      const seal = yield* sealOf(ringOf(1))
      const hosts = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:1::1", "::1"]
      expect(openFrom(seal, 0, hosts))
        .toStrictEqual(["read x", "TooManySessions", "read x", "TooManySessions", "read x", "read x"])
    }).pipe(withSizes({ sessionsPerSender: 1, sessionsPerNetwork: 2 })))

  it.effect("a session is the one's who opened it, from wherever it is heard afterwards", () =>
    Effect.gen(function*() {
      const seal = yield* sealOf(ringOf(1))
      const a = yield* sealOf(ringOf(1))
      for (const host of ["10.0.0.1", "10.0.1.1", "10.0.2.1"]) {
        expect(textOf(seal.open(a.seal(datagramOf(host)), host))).toBe(`read ${host}`)
      }
      expect(openFrom(seal, 0, ["10.0.0.1", "10.0.1.1", "10.0.2.1"]))
        .toStrictEqual(["TooManySessions", "read x", "read x"])
    }).pipe(withSizes({ sessionsPerSender: 1 })))

  it.effect("nothing is kept of who was refused, nor of whose last session has made room", () =>
    Effect.gen(function*() {
      const seal = yield* sealOf(ringOf(1))
      openFrom(seal, 0, ["10.0.0.1", "10.0.0.2"])
      openFrom(seal, 10, Array.from({ length: 100 }, (_, i) => `10.1.${i}.1`))
      expect([seal.sessions(), seal.shares()]).toStrictEqual([2, 3])
      yield* TestClock.adjust("61 seconds")
      const late = { secret: secretOf(1), counter: 0, time: 61_000 }
      for (const [session, host] of [[200, "10.2.0.1"], [201, "10.2.0.1"]] as const) {
        const sealed = sealedBy({ ...late, session: sessionOf(session) }, datagramOf("x"))
        expect(textOf(seal.open(sealed, host))).toBe("read x")
      }
      expect([seal.sessions(), seal.shares()]).toStrictEqual([2, 2])
    }).pipe(withSizes({ sessions: 2 })))

  // Whose an address is, written down.
  const places = [
    { host: "10.0.0.1", sender: "a", network: "A" },
    { host: "10.0.0.2", sender: "b", network: "A" },
    { host: "10.0.1.1", sender: "c", network: "B" },
    { host: "2001:db8::1", sender: "d", network: "C" },
    { host: "2001:db8::2", sender: "d", network: "C" },
    { host: "2001:db8:0:1::", sender: "e", network: "C" }
  ]

  const Bound = between(1, 4)

  const Step = Schema.Union([
    Schema.TaggedStruct("Open", { session: between(0, 9), place: between(0, places.length - 1), skew: between(-1, 1) }),
    Schema.TaggedStruct("Again", { which: between(0, 999), place: between(0, places.length - 1) }),
    Schema.TaggedStruct("Wait", { millis: between(1, 1500) })
  ])

  it.effect.prop("however small the tables are, each bound holds, nothing else is refused, and nothing is read twice", [
    Schema.Struct({ sessions: Bound, sessionsPerSender: Bound, sessionsPerNetwork: Bound }),
    Schema.Array(Step)
  ], ([sizes, steps]) =>
    Effect.gen(function*() {
      const seal = yield* sealOf(ringOf(1), { maxAge: Duration.seconds(1) })
      yield* TestClock.adjust("1 second")
      const sealed: Array<{ readonly datagram: Uint8Array; times: number }> = []
      // In the order in which they were heard.
      let model: Array<{ readonly session: number; readonly place: typeof places[number]; readonly heardAt: number }> =
        []
      const expected = (session: number, place: typeof places[number], now: number): string => {
        const known = model.find((other) => other.session === session)
        if (known === undefined) {
          const shares = [
            [sizes.sessionsPerSender, (other: typeof place) => other.sender === place.sender],
            [sizes.sessionsPerNetwork, (other: typeof place) => other.network === place.network],
            [sizes.sessions, () => true]
          ] as const
          for (const [most, isIn] of shares) {
            const share = model.filter(({ place }) => isIn(place))
            const oldest = share[0]
            if (oldest === undefined || share.length < most) continue
            if (now - oldest.heardAt <= 2000) return "TooManySessions"
            model = model.filter((other) => other !== oldest)
          }
        }
        model = [...model.filter((other) => other !== known), { session, place: known?.place ?? place, heardAt: now }]
        return "read x"
      }
      for (const step of steps) {
        const now = yield* Clock.currentTimeMillis
        if (step._tag === "Open") {
          const place = places[step.place]!
          const sealing = { counter: sealed.length, time: now + 1000 * step.skew, session: sessionOf(step.session) }
          const datagram = sealedBy({ secret: secretOf(1), ...sealing }, datagramOf("x"))
          const opened = textOf(seal.open(datagram, place.host))
          expect(opened).toBe(expected(step.session, place, now))
          sealed.push({ datagram, times: opened === "read x" ? 1 : 0 })
        } else if (step._tag === "Again") {
          const recorded = sealed[step.which % Math.max(1, sealed.length)]
          // What was refused may still be read: it is no second time.
          if (recorded === undefined || recorded.times === 0) continue
          if (textOf(seal.open(recorded.datagram, places[step.place]!.host)) === "read x") recorded.times++
          expect(recorded.times).toBe(1)
        } else yield* TestClock.adjust(step.millis)
        expect(seal.sessions()).toBe(model.length)
        const shares = new Set(model.flatMap(({ place }) => [place.sender, place.network]))
        expect(seal.shares()).toBe(shares.size)
      }
    }).pipe(withSizes(sizes)), { arbitrary: { runs: 300, size: 60 } })

  it.effect.prop(
    "however few of its own sessions a socket knows, it reads none of them, and others as soon as they seal",
    [
      Bound,
      Schema.Array(between(0, 3))
    ],
    ([ownSessions, steps]) =>
      Effect.gen(function*() {
        const seal = yield* sealOf(ringOf(1), { sessionDatagrams: 2 })
        const sealed: Array<Uint8Array> = []
        let began = 0
        let left = 0
        for (const millis of [1, ...steps]) {
          if (left === 0) {
            began++
            left = 2
          }
          left--
          sealed.push(seal.seal(datagramOf("x")))
          expect(seal.ownSessions()).toBe(Math.min(began, ownSessions))
          for (const datagram of sealed) expect(["Reflected", "Stale"]).toContain(textOf(seal.open(datagram)))
          yield* TestClock.adjust(millis)
          for (const datagram of sealed) expect(["Reflected", "Stale"]).toContain(textOf(seal.open(datagram)))
        }
        expect(seal.sessions()).toBe(0)
        yield* TestClock.adjust(2)
        expect(textOf(seal.open((yield* sealOf(ringOf(1))).seal(datagramOf("y"))))).toBe("read y")
      }).pipe(withSizes({ ownSessions })),
    { arbitrary: { runs: 100, size: 20 } }
  )

  it.effect("when a session of its own is forgotten, a socket still reads what known ones have sealed before", () =>
    Effect.gen(function*() {
      const [seal, known, other] = [yield* sealOf(ringOf(1)), yield* sealOf(ringOf(1)), yield* sealOf(ringOf(1))]
      const sealed = ["1", "2"].map((text) => known.seal(datagramOf(text)))
      const unknown = other.seal(datagramOf("3"))
      expect(textOf(seal.open(sealed[0]!))).toBe("read 1")
      for (let i = 0; i < 2; i++) {
        seal.seal(datagramOf("x"))
        yield* TestClock.adjust(10)
        seal.rekey(ringOf(1))
      }
      // It may be of the session that this one makes it forget.
      expect(seal.ownSessions()).toBe(1)
      expect([...sealed.slice(1), unknown].map((datagram) => textOf(seal.open(datagram)))).toStrictEqual([
        "read 2",
        "Stale"
      ])
      // Sealed while it was using a session that it still knows.
      const [time, session] = [15, sessionOf(1)]
      expect(textOf(seal.open(sealedBy({ secret: secretOf(1), session, counter: 0, time }, datagramOf("4"))))).toBe(
        "read 4"
      )
    }).pipe(withSizes({ ownSessions: 1 })))

  it.effect("a window of any size knows as many counters, at least, and of those behind it reads none", () =>
    Effect.gen(function*() {
      for (const replayWindow of [1, 32, 64, 96]) {
        yield* Effect.gen(function*() {
          const seal = yield* sealOf(ringOf(1))
          const open = (counter: number) =>
            textOf(
              seal.open(sealedBy({ secret: secretOf(1), session: sessionOf(1), counter, time: 0 }, datagramOf("x")))
            )
          expect(open(1000)).toBe("read x")
          const others = Array.from({ length: 999 }, (_, i) => 999 - i)
          const read = others.filter((counter) => open(counter) === "read x")
          // Each word has 32, and the last one of them begins at a multiple.
          expect(read).toStrictEqual(others.filter((counter) => counter >= 1024 - 32 * Math.ceil(replayWindow / 32)))
          expect([1000, ...others].map(open)).toStrictEqual(times(1000, "Replayed"))
        }).pipe(withSizes({ replayWindow }))
      }
    }))

  it.effect("a key that goes is not read any more, and what it has sealed is not read again when it comes back", () =>
    Effect.gen(function*() {
      const [a, b] = [yield* sealOf(ringOf(1)), yield* sealOf(ringOf(1))]
      const sealed = a.seal(datagramOf("x"))
      expect(textOf(b.open(sealed))).toBe("read x")
      b.rekey(ringOf(2))
      expect(textOf(b.open(sealed))).toBe("UnknownKey")
      // also where the id went to another secret meanwhile, or the secret to another id
      b.rekey([keyOf(1, 9), keyOf(3, 1)])
      expect(textOf(b.open(sealed))).toBe("Forged")
      b.rekey(ringOf(2, 1))
      expect(textOf(b.open(sealed))).toBe("Replayed")
      expect(textOf(b.open(a.seal(datagramOf("y"))))).toBe("read y")
    }))

  it.effect("a ring that makes no sense is refused, without a word of its secrets, and the one before it stays", () =>
    Effect.gen(function*() {
      const [a, b] = [yield* sealOf(ringOf(1)), yield* sealOf(ringOf(1))]
      const text = "a secret that is 32 letters long" as unknown as Uint8Array
      expect(text).toHaveLength(32)
      const none = [] as unknown as Protocol.KeyRing
      const rings: ReadonlyArray<readonly [Protocol.KeyRing, string]> = [
        [none, "a ring has at least one key"],
        [[keyOf(1), keyOf(1, 2)], "two keys of a ring have the same id"],
        [[keyOf(-1)], "the id of a key is an integer from 0 to 255"],
        [[keyOf(256)], "the id of a key is an integer from 0 to 255"],
        [[keyOf(0.5)], "the id of a key is an integer from 0 to 255"],
        ...[secretOf(1).subarray(1), new Uint8Array(33), text].map((secret) =>
          [[{ id: 1, secret: Redacted.make(secret) }], "the secret of a key is a Uint8Array of 32 bytes"] as const
        )
      ]
      expect(textOf(a.open(b.seal(datagramOf("y"))))).toBe("read y")
      for (const [ring, message] of rings) expect(() => b.rekey(ring)).toThrow(new TypeError(message))
      expect(textOf(b.open(a.seal(datagramOf("x"))))).toBe("read x")
      expect(textOf(a.open(b.seal(datagramOf("y"))))).toBe("read y")
      expect(b.ownSessions()).toBe(1)
    }))

  it.effect("who changes the bytes of a secret later changes no key", () =>
    Effect.gen(function*() {
      const bytes = secretOf(1)
      const seal = yield* sealOf([{ id: 1, secret: Redacted.make(bytes) }])
      bytes.fill(0)
      expect(textOf((yield* sealOf(ringOf(1))).open(seal.seal(datagramOf("x"))))).toBe("read x")
    }))
})

// ---------------------------------------------------------------------------------------------------------------------
// nodes
// ---------------------------------------------------------------------------------------------------------------------

class Counter extends Handlers.Service<Counter>()("test/Counter", {
  /** Answers its argument. */
  count: { args: [Schema.Int], success: Schema.Int },
  /** The same, a second later. */
  slowly: { args: [Schema.Int], success: Schema.Int }
}) {}

/** The handlers, and the arguments they have run with. */
const counter = () => {
  const ran: Array<number> = []
  const run = (n: number) => Effect.sync(() => (ran.push(n), n))
  return {
    ran,
    live: Protocol.serve(Counter).pipe(
      Layer.provide(Counter.toLayer({
        count: run,
        slowly: (n) => Effect.delay(run(n), "1 second")
      }))
    )
  }
}

const keysOf = (...ids: readonly [number, ...ReadonlyArray<number>]): Protocol.Options => ({
  keys: { ring: ringOf(...ids) }
})

/** Nodes of one network in memory. */
const networkOf = () => {
  const network = MemoryNetwork.make()
  const transport = (host: string, port?: number) =>
    Transport.layerSocket().pipe(Layer.provide(network.socket(host, port)))
  return {
    network,
    transport,
    raw: (host: string, port?: number) => raw(transport(host, port)),
    node: Effect.fnUntraced(function*(host: string, options: Protocol.Options, port?: number) {
      const { live, ran } = counter()
      const context = yield* node(live, transport(host, port), options)
      const protocol = Context.get(context, Protocol.Protocol)
      const client = yield* Effect.provideContext(Protocol.client(Counter), context)
      return { address: protocol.address, client, protocol, ran, sent: sentBy(network, protocol.address) }
    })
  }
}

/** A node with keys on the simulated network. */
const simulated = Effect.fnUntraced(function*(address: string) {
  const network = yield* Effect.context<SimulatedNetwork.SimulatedNetwork>()
  const { live, ran } = counter()
  const socket = SimulatedNetwork.socket(address).pipe(Layer.provide(Layer.succeedContext(network)))
  const context = yield* node(live, Transport.layerSocket().pipe(Layer.provide(socket)), keysOf(1))
  return { client: yield* Effect.provideContext(Protocol.client(Counter), context), ran }
})

/** Has one such node call another so many times, all at once and each until it is answered. Gives what the handler ran for. */
const callOften = Effect.fnUntraced(function*(times: number) {
  const [server, client] = [yield* simulated("10.0.0.1:1"), yield* simulated("10.0.0.2:2")]
  const calls = yield* Effect.forEach(
    Array.from({ length: times }, (_, n) => n),
    (n) =>
      client.client("10.0.0.1:1").count(n).pipe(
        Protocol.withRetransmit(Schedule.spaced("50 millis")),
        Effect.forkChild
      )
  )
  yield* TestClock.adjust("5 seconds")
  for (const [n, call] of calls.entries()) expect(yield* Fiber.join(call)).toBe(n)
  return server.ran
})

const sentBy = (network: MemoryNetwork.MemoryNetwork, address: NetAddress.InetAddress) => () =>
  network.sent.filter(({ from }) => from === NetAddress.formatInet(address)).map(({ payload }) => payload)

describe("a closed network", () => {
  it.effect("calls are answered, and nothing of them can be read on the way", () =>
    Effect.gen(function*() {
      const { network, node } = networkOf()
      const [a, b] = [yield* node("10.0.0.1", keysOf(1)), yield* node("10.0.0.2", keysOf(1))]
      expect(yield* a.client(b.address).count(7)).toBe(7)
      expect(yield* b.client(a.address).count(8)).toBe(8)
      expect(yield* Effect.flip(a.protocol.call(b.address, "nope", []))).toMatchObject({ reason: "UnknownMethod" })
      expect(network.sent).toHaveLength(6)
      for (const { payload } of network.sent) {
        expect(payload[0]).toBe(0x10)
        for (const method of ["count", "nope"]) expect(Buffer.from(payload).includes(method)).toBe(false)
      }
    }))

  it.effect("without the key nothing is answered, nothing is run, and each datagram is counted by its reason", () =>
    Effect.gen(function*() {
      const { node, raw } = networkOf()
      const server = yield* node("10.0.0.1", keysOf(1))
      const stranger = yield* raw("10.6.6.6")
      const request = requestFor("count", [666])
      const strangers = yield* sealOf([keyOf(1, 9)])
      const unknown = yield* sealOf(ringOf(2))
      for (let i = 0; i < 100; i++) {
        stranger.send(server.address, request)
        stranger.send(server.address, strangers.seal(request))
        stranger.send(server.address, unknown.seal(request))
        stranger.send(server.address, new Uint8Array(i))
      }
      // When this call is answered, all that came before it has been dealt with.
      const friend = yield* node("10.0.0.2", keysOf(1))
      expect(yield* friend.client(server.address).count(1)).toBe(1)
      expect(server.ran).toStrictEqual([1])
      expect(server.sent()).toHaveLength(1)
      expect(yield* metrics).toStrictEqual({
        "rpcudp_datagrams_dropped.NotSealed": 200,
        "rpcudp_datagrams_dropped.Forged": 100,
        "rpcudp_datagrams_dropped.UnknownKey": 100,
        "rpcudp_datagrams_received": 402,
        "rpcudp_received_bytes": expect.any(Number),
        "rpcudp_datagrams_sent": 2,
        "rpcudp_sent_bytes": expect.any(Number),
        "rpcudp_requests.success": 1,
        "rpcudp_calls.success": 1,
        "rpcudp_round_trip_seconds": 1
      })
    }).pipe(withMetrics))

  it.effect("a node without keys is silent to a sealed datagram", () =>
    Effect.gen(function*() {
      const { node, raw } = networkOf()
      const server = yield* node("10.0.0.1", {})
      const stranger = yield* raw("10.6.6.6")
      const seal = yield* sealOf(ringOf(1))
      for (let length = 1; length <= 100; length++) stranger.send(server.address, seal.seal(new Uint8Array(length)))
      stranger.send(server.address, requestFor("count", [1]))
      yield* stranger.receive
      expect(server.ran).toStrictEqual([1])
      expect(server.sent()).toHaveLength(1)
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.UnknownType": 100 })
    }).pipe(withMetrics))

  it.effect("a recorded datagram runs its handler no second time, from wherever and however often it is played", () =>
    Effect.gen(function*() {
      const { network, node, raw } = networkOf()
      // Without a memory of requests: the seal alone must do.
      const server = yield* node("10.0.0.1", { ...keysOf(1), memory: false })
      const client = yield* node("10.0.0.2", keysOf(1))
      const strangers = [yield* raw("10.0.0.2"), yield* raw("10.6.6.6")]
      for (let i = 0; i < 5; i++) expect(yield* client.client(server.address).count(i)).toBe(i)
      const recorded = network.sent.map(({ payload }) => payload)
      const answers = server.sent().length
      for (let round = 0; round < 20; round++) {
        for (const stranger of strangers) recorded.forEach((datagram) => stranger.send(server.address, datagram))
        yield* TestClock.adjust("1 second")
      }
      expect(yield* client.client(server.address).count(5)).toBe(5)
      expect(server.ran).toStrictEqual([0, 1, 2, 3, 4, 5])
      expect(server.sent()).toHaveLength(answers + 1)
      // Half of what was recorded is the server's own.
      expect(yield* metrics).toMatchObject({
        "rpcudp_datagrams_dropped.Replayed": 200,
        "rpcudp_datagrams_dropped.Reflected": 200
      })
    }).pipe(withMetrics))

  it.effect("nobody makes a node answer its own call by sending it back", () =>
    Effect.gen(function*() {
      const { node, raw } = networkOf()
      const victim = yield* node("10.0.0.1", keysOf(1))
      // It holds no key, but the victim takes it for the peer it calls.
      const attacker = yield* raw("10.6.6.6")
      const call = yield* victim.client(attacker.address).count(1).pipe(Effect.flip, Effect.forkChild)
      attacker.send(victim.address, (yield* attacker.receive).datagram)
      yield* TestClock.adjust("5 seconds")
      expect((yield* Fiber.join(call))._tag).toBe("NoResponse")
      expect(victim.ran).toStrictEqual([])
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.Reflected": 1 })
    }).pipe(withMetrics))

  it.effect("a member that opens more sessions than there is room for leaves room for who comes after it", () =>
    Effect.gen(function*() {
      const { network, node } = networkOf()
      const server = yield* node("10.0.0.1", keysOf(1))
      const to = NetAddress.formatInet(server.address)
      const proof = Buffer.concat([Buffer.of(0x04), Buffer.alloc(Codec.idBytes), Buffer.of(0xc0)])
      for (let n = 0; n < 16_500; n++) {
        const payload = sealedBy({ secret: secretOf(1), session: sessionOf(n), counter: 0, time: 0 }, proof)
        network.inject({ from: "10.6.6.6:6", to, payload })
        if (n % 1000 === 0) yield* TestClock.adjust(0)
      }
      const call = yield* (yield* node("10.0.0.2", keysOf(1))).client(server.address).count(1).pipe(Effect.forkChild)
      yield* TestClock.adjust("5 seconds")
      expect(yield* Fiber.join(call)).toBe(1)
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.TooManySessions": 16_500 - 1024 })
    }).pipe(withMetrics))

  it.effect("a node that was started again refuses what was recorded before", () =>
    Effect.gen(function*() {
      const { network, node, raw } = networkOf()
      const client = yield* node("10.0.0.2", keysOf(1))
      const stranger = yield* raw("10.6.6.6")
      const scope = yield* Scope.make()
      const first = yield* Scope.provide(node("10.0.0.1", keysOf(1), 1234), scope)
      expect(yield* client.client(first.address).count(1)).toBe(1)
      const recorded = network.sent.map(({ payload }) => payload)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("10 millis")
      const again = yield* node("10.0.0.1", keysOf(1), 1234)
      for (const datagram of recorded) stranger.send(again.address, datagram)
      expect(yield* client.client(again.address).count(2)).toBe(2)
      expect(again.ran).toStrictEqual([2])
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.Stale": 2 })
    }).pipe(withMetrics))

  it.effect("each transmission is sealed anew, and the handler runs once", () =>
    Effect.gen(function*() {
      const { network, node } = networkOf()
      const server = yield* node("10.0.0.1", keysOf(1))
      const client = yield* node("10.0.0.2", keysOf(1))
      let lost = 0
      // The first request and the first two answers are lost.
      network.delivers = () => ++lost > 5 || ![1, 3, 5].includes(lost)
      const call = yield* client.client(server.address).count(1).pipe(
        Protocol.withRetransmit(Schedule.spaced("100 millis")),
        Effect.forkChild
      )
      yield* TestClock.adjust("2 seconds")
      expect(yield* Fiber.join(call)).toBe(1)
      expect(server.ran).toStrictEqual([1])
      const sent = client.sent()
      expect(sent).toHaveLength(4)
      expect(sent.map((datagram) => Buffer.from(datagram).readUIntBE(14, 6))).toStrictEqual([0, 1, 2, 3])
      expect(new Set(sent.map((datagram) => Buffer.from(datagram.subarray(26)).toString("hex"))).size).toBe(4)
      expect(yield* metrics).toMatchObject({ "rpcudp_requests.repeated": 2, rpcudp_retransmissions: 3 })
    }).pipe(withMetrics))

  it.effect("keys change in three steps, node by node, with calls in flight, and no call is lost or sent again", () =>
    Effect.gen(function*() {
      const { network, node } = networkOf()
      const nodes = yield* Effect.forEach([1, 2, 3], (i) => node(`10.0.0.${i}`, keysOf(1)))
      let number = 0
      const pairs = nodes.flatMap((caller) => nodes.filter((callee) => callee !== caller).map((to) => ({ caller, to })))
      const callAll = Effect.forEach(pairs, ({ caller, to }) => {
        const n = number++
        return Effect.forkChild(Effect.map(caller.client(to.address).slowly(n), (answer) => expect(answer).toBe(n)))
      })
      const calls = [yield* callAll]
      for (const ring of [ringOf(1, 2), ringOf(2, 1), ringOf(2)]) {
        for (const { protocol } of nodes) {
          yield* TestClock.adjust("400 millis")
          yield* protocol.rekey(ring)
          calls.push(yield* callAll)
        }
        // The next step comes when what was sealed before this one is answered.
        yield* TestClock.adjust("1 second")
      }
      yield* TestClock.adjust("1 second")
      for (const call of calls.flat()) yield* Fiber.join(call)
      expect(number).toBe(60)
      expect(network.sent).toHaveLength(2 * number)
      const used = new Map([1, 2].map((id) => [id, network.sent.filter(({ payload }) => payload[1] === id).length]))
      expect(Math.min(...used.values())).toBeGreaterThan(30)
      expect(nodes.flatMap(({ ran }) => ran).sort((a, b) => a - b)).toStrictEqual(
        Array.from({ length: 60 }, (_, n) => n)
      )
      expect(yield* metrics).not.toHaveProperty("rpcudp_datagrams_dropped.UnknownKey")
    }).pipe(withMetrics))

  it.effect("changing keys is a defect of a node without any, and so are keys that make no sense", () =>
    Effect.gen(function*() {
      const { node, transport } = networkOf()
      const { protocol } = yield* node("10.0.0.1", {})
      const built = Layer.build(
        Protocol.layer({ keys: { ring: [keyOf(1), keyOf(1)] } }).pipe(Layer.provide(transport("10.0.0.3")))
      )
      const exits = [
        yield* Effect.exit(protocol.rekey(ringOf(1))),
        yield* Effect.exit((yield* node("10.0.0.2", keysOf(1))).protocol.rekey([keyOf(256)])),
        yield* Effect.exit(Effect.asVoid(built))
      ]
      const defects = exits.map((exit) => Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "")
      expect(defects).toStrictEqual([
        "TypeError: a protocol without keys has none to change",
        "TypeError: the id of a key is an integer from 0 to 255",
        "TypeError: two keys of a ring have the same id"
      ])
    }))

  it.effect("no log holds a secret, or what was refused", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.map(Logger.formatLogFmt, (line) => void lines.push(line))
      yield* Effect.gen(function*() {
        const { node, raw } = networkOf()
        const server = yield* node("10.0.0.1", keysOf(65))
        const stranger = yield* raw("10.6.6.6")
        stranger.send(server.address, (yield* sealOf([keyOf(65, 66)])).seal(requestFor("count", [1])))
        const client = yield* node("10.0.0.2", keysOf(65))
        yield* client.client(server.address).count(1)
        yield* Effect.exit(server.protocol.rekey([{ id: 1, secret: Redacted.make(new Uint8Array(31).fill(65)) }]))
          .pipe(Effect.tap((exit) => Effect.logError(exit)))
      }).pipe(Effect.provide(Logger.layer([logger])), Effect.provideService(References.MinimumLogLevel, "Debug"))
      expect(lines).toHaveLength(2)
      expect(lines.join()).toContain("reason=Forged")
      expect(lines.join()).toContain("Uint8Array of 32 bytes")
      for (const secret of ["AAAA", "65,65", "4141", "BBBB"]) expect(lines.join()).not.toContain(secret)
    }))

  it.effect("on a network that loses and repeats datagrams every call is answered, and no handler runs twice", () =>
    Effect.gen(function*() {
      const network = yield* SimulatedNetwork.SimulatedNetwork
      const ran = yield* callOften(500)
      expect([...ran].sort((a, b) => a - b)).toStrictEqual(Array.from({ length: 500 }, (_, n) => n))
      const { duplicated, lost } = yield* network.stats
      expect(Math.min(lost, duplicated)).toBeGreaterThan(100)
      // Each copy of a datagram was refused as such.
      expect(yield* metrics).toMatchObject({ "rpcudp_datagrams_dropped.Replayed": duplicated })
    }).pipe(
      Effect.provide(SimulatedNetwork.layer({ loss: 0.2, duplicate: 0.3, delay: [1, 80], seed: 4 })),
      withMetrics
    ))

  it.effect("a datagram that arrives damaged is refused, and the call is answered nevertheless", () =>
    Effect.gen(function*() {
      const network = yield* SimulatedNetwork.SimulatedNetwork
      expect(yield* callOften(200)).toHaveLength(200)
      const { corrupted } = yield* network.stats
      const counted = yield* metrics
      const refused = ["NotSealed", "UnknownKey", "Stale", "Forged"]
        .reduce((sum, reason) => sum + (counted[`rpcudp_datagrams_dropped.${reason}`] ?? 0), 0)
      expect(corrupted).toBeGreaterThan(50)
      expect(refused).toBe(corrupted)
    }).pipe(Effect.provide(SimulatedNetwork.layer({ corrupt: 0.3, delay: [1, 40], seed: 5 })), withMetrics))
})
