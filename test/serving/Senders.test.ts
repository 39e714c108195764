import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import * as KeyedHash from "../../src/internal/serving/keyedHash.ts"
import type { Options as SendersOptions } from "../../src/internal/serving/senders.ts"
import { Senders } from "../../src/internal/serving/senders.ts"
import { Sizes } from "../../src/internal/sizes.ts"
import { stream } from "../support/stream.ts"

const second = 1_000_000_000

const secret = Uint8Array.from({ length: 20 }, (_, i) => i)

/** Uses up what an unproven sender may be sent in a burst. */
const exhaust = (senders: Senders, host: string, now: number) => {
  for (const bytes of [1000, 1]) while (senders.spend(senders.of(host), bytes, now));
}

const sizes = Sizes.defaultValue()

/** Only the budget of each sender binds, where nothing else is said. */
const make = (options: Partial<SendersOptions> = {}) =>
  new Senders({
    hash: KeyedHash.make({ getRandomValues: stream(1).bytes }),
    sizes,
    requestsPerSecond: 20_000,
    replyBytesPerSecond: 65_536,
    totalReplyBytesPerSecond: Infinity,
    secret,
    ...options
  })

const hostOf = (n: number) => `10.${n >> 16 & 255}.${n >> 8 & 255}.${n & 255}`

/** What one bucket of its own would hold: more than `burst + rate x time` in any interval overfills it. */
class Meter {
  readonly #rate: number
  #level = 0
  #at = 0
  highest = 0

  constructor(perSecond: number) {
    this.#rate = perSecond
  }

  take(amount: number, now: number): void {
    this.#level = Math.max(0, this.#level - (now - this.#at) / second * this.#rate) + amount
    this.#at = now
    this.highest = Math.max(this.highest, this.#level)
  }
}

const challenged = (senders: Senders, host: string, now: number, serial = 0): Uint8Array =>
  senders.token(senders.of(host), serial, now)

const Seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))

describe("Senders", () => {
  describe("budgets", () => {
    it.prop("no sender, no network and not all together are sent more than their budget", [Seed], ([seed]) => {
      const { below } = stream(seed)
      // So few places that all of these senders collide, in one row or in both.
      const places = 1 + below(16)
      const salt = KeyedHash.make({ getRandomValues: stream(seed + 1).bytes })
      const few = (text: string) =>
        (salt.ofText(text) >>> 4 & 255) % places | (salt.ofText(text) >>> 12 & 255) % places << 16
      const perSender = 1 + below(100_000)
      const requestsPerSecond = 1 + below(500)
      const totalReplyBytesPerSecond = below(2) === 0 ? 1e12 : 1 + below(20 * perSender)
      const senders = make({
        hash: { ...salt, ofText: few },
        requestsPerSecond,
        replyBytesPerSecond: perSender,
        totalReplyBytesPerSecond
      })
      const meters = new Map<string, { readonly meter: Meter; readonly most: number }>()
      const meter = (name: string, perSecond: number, seconds: number): Meter => {
        const known = meters.get(name) ?? { meter: new Meter(perSecond), most: perSecond * seconds }
        meters.set(name, known)
        return known.meter
      }
      let now = below(second)
      for (let i = 0; i < 6000; i++) {
        now += below(4) === 0 ? below(second / 200) : 0
        if (below(1000) === 0) now += below(8 * second)
        // Some send more than others.
        const host = hostOf(below(2) === 0 ? below(3) : below(2000))
        const sender = senders.of(host)
        const network = host.slice(0, host.lastIndexOf("."))
        if (senders.admit(sender, now)) meter(`requests of ${host}`, requestsPerSecond, 1).take(1, now)
        if (senders.admitProven(sender, now)) meter(`proven of ${host}`, requestsPerSecond, 1).take(1, now)
        const size = 22 + below(below(2) === 0 ? 8192 : 100)
        if (senders.spend(sender, size, now)) {
          meter(`bytes to ${host}`, perSender, 4).take(size, now)
          meter(`bytes to ${network}`, 4 * perSender, 4).take(size, now)
          meter("bytes", totalReplyBytesPerSecond, 4).take(size, now)
        }
        if (senders.spendChallenge(sender, 43, now)) {
          meter(`challenges to ${host}`, 4 * perSender, 1).take(43, now)
          meter(`challenges to ${network}`, 16 * perSender, 1).take(43, now)
          meter("challenges", 4 * totalReplyBytesPerSecond, 1).take(43, now)
        }
      }
      for (const [name, { meter, most }] of meters) {
        // Sums of fractions are not exact.
        expect(meter.highest, name).toBeLessThanOrEqual(most + 1e-3)
      }
    }, { arbitrary: { runs: 30 } })

    it("who finds one of its two buckets emptied by another is still served", () => {
      const senders = make({
        hash: {
          ofId: () => 0,
          ofText: (text) => ({ "10.0.0": 0x00090009, "10.0.0.1": 0x00010001 })[text] ?? 0x00020001
        }
      })
      exhaust(senders, "10.0.0.1", 0)
      expect(senders.spend(senders.of("10.0.0.1"), 1000, 0)).toBe(false)
      expect(senders.spend(senders.of("10.0.0.2"), 1000, 0)).toBe(true)
      // and what it shares it has not used up twice: a second later there is a second's worth
      expect(senders.spend(senders.of("10.0.0.1"), 65_000, second)).toBe(true)
    })

    it("what others take from both of one's buckets is no debt", () => {
      const places = new Map([["1.0.0.a", 0x00010001], ["2.0.0.b", 0x00020001], ["3.0.0.c", 0x00010002]])
      const networks = new Map([["1.0.0", 0x00050005], ["2.0.0", 0x00060006], ["3.0.0", 0x00070007]])
      const ofText = (text: string) => places.get(text) ?? networks.get(text) ?? 0
      const senders = make({ hash: { ofId: () => 0, ofText } })
      for (const name of places.keys()) exhaust(senders, name, 0)
      expect(senders.spend(senders.of("1.0.0.a"), 65_000, second)).toBe(true)
    })

    it("at least 99% of what honest senders ask among 50,000 others is served, 300 of which take all they can", () => {
      let served = 0
      let asked = 0
      for (let seed = 1; seed <= 4; seed++) {
        const senders = make({ hash: KeyedHash.make({ getRandomValues: stream(seed).bytes }) })
        const { below } = stream(seed)
        for (let ms = 0; ms < 500; ms++) {
          const now = ms * 1_000_000
          const ask = (host: string, bytes: number): boolean => {
            const sender = senders.of(host)
            return senders.admit(sender, now) && senders.spend(sender, bytes, now)
          }
          if (ms === 0) { for (let n = 0; n < 300; n++) exhaust(senders, hostOf(n), now) }
          for (let i = 0; i < 50; i++) ask(hostOf(300 + below(49_700)), 824)
          for (let i = 0; i < 300; i++) ask(hostOf(i), 66)
          for (let i = 0; i < 10; i++) {
            asked++
            if (ask(`192.0.${below(256)}.${below(256)}`, 824)) served++
          }
        }
      }
      expect(served / asked).toBeGreaterThanOrEqual(0.99)
    })

    it("what the proven send while they are alone is not held against them when they are not", () => {
      const senders = make({ requestsPerSecond: 100 })
      senders.prove("10.0.0.1", 0)
      let now = 0
      for (; now < 10 * second; now += second / 1000) senders.admit(senders.of("10.0.0.1"), now)
      expect(senders.admit(senders.of("10.0.0.2"), now)).toBe(true)
      // at their rate, from the next moment on
      let admitted = 0
      for (let i = 0; i < 1000; i++) {
        now += second / 1000
        senders.admit(senders.of("10.0.0.2"), now)
        if (senders.admit(senders.of("10.0.0.1"), now)) admitted++
      }
      expect(Math.abs(admitted - 100)).toBeLessThanOrEqual(1)
    })

    it("a proof is no second burst", () => {
      const senders = make({ requestsPerSecond: 100 })
      const admitted = () => {
        let count = 0
        while (senders.admit(senders.of("10.0.0.1"), 5)) count++
        return count
      }
      // Not alone.
      senders.admit(senders.of("10.0.0.2"), 5)
      expect(admitted()).toBe(100)
      senders.prove("10.0.0.1", 5)
      expect(admitted()).toBe(0)
    })
  })

  describe("proofs", () => {
    it("a token proves the address that was challenged with it, and no other", () => {
      const senders = make()
      const token = challenged(senders, "10.0.0.1", 0)
      expect(senders.answered("10.0.0.2", token, 0)).toBe(undefined)
      expect(senders.answered("110.0.0.1", token, 0)).toBe(undefined)
      for (let bit = 0; bit < 160; bit++) {
        const forged = token.with(bit >> 3, token[bit >> 3]! ^ 1 << (bit & 7))
        expect(senders.answered("10.0.0.1", forged, 0)).toBe(undefined)
      }
      expect(senders.answered("10.0.0.1", new Uint8Array(20), 0)).toBe(undefined)
      expect(make({ secret: secret.with(0, 9) }).answered("10.0.0.1", token, 0)).toBe(undefined)
      expect(senders.size).toBe(0)
      exhaust(senders, "10.0.0.1", 0)
      expect(senders.isDoubted(senders.of("10.0.0.1"), 0)).toBe(true)
      expect(senders.answered("10.0.0.1", token, 0)).toBe(0)
      expect(senders.spend(senders.of("10.0.0.1"), 1000, 0)).toBe(true)
      expect(senders.isDoubted(senders.of("10.0.0.1"), second)).toBe(false)
    })

    it("a token brings back the number that it was made for, up to 2^48 - 1", () => {
      const senders = make()
      for (const serial of [0, 1, 255, 256, 2 ** 32, 2 ** 48 - 1]) {
        expect(senders.answered("10.0.0.1", challenged(senders, "10.0.0.1", 0, serial), 0)).toBe(serial)
      }
    })

    it("counts once, however often it is sent, and not after a newer one", () => {
      const senders = make()
      const sender = senders.of("10.0.0.1")
      const [older, newer, newest] = [1, 2, 3].map((serial) => challenged(senders, "10.0.0.1", 0, serial))
      const credit = 2 ** 26
      const grants = (token: Uint8Array | undefined) => {
        expect(senders.answered("10.0.0.1", token!, 0)).toBeGreaterThan(0)
        return senders.hasCredit(sender, credit, 0) && senders.spend(sender, credit, 0)
      }
      expect([older, older, newest, newer, newest].map(grants)).toStrictEqual([true, false, true, false, false])
      // What it answers of calls is no newer challenge.
      senders.prove("10.0.0.1", 100 * second)
      expect(senders.answered("10.0.0.1", newest!, 0)).toBe(3)
      expect(senders.hasCredit(sender, credit, 100 * second)).toBe(false)
    })

    it("a token may stand in the middle of a datagram", () => {
      const senders = make()
      const datagram = Buffer.concat([Buffer.of(4), challenged(senders, "10.0.0.1", 0), Buffer.of(0xc0)])
      expect(senders.answered("10.0.0.1", datagram.subarray(1, 21), 0)).toBe(0)
    })

    it("a token is good for 10 seconds, and no longer than 20", () => {
      for (const at of [0, 3.7, 9.999]) {
        for (const [after, good] of [[0, true], [9.99, true], [20, false], [100, false]] as const) {
          const senders = make()
          const token = challenged(senders, "10.0.0.1", at * second)
          expect(senders.answered("10.0.0.1", token, (at + after) * second) === 0).toBe(good)
        }
      }
    })

    it("a proof holds for 10 minutes, and anew once it is a minute old", () => {
      const senders = make()
      exhaust(senders, "10.0.0.1", 0)
      senders.prove("10.0.0.1", 0)
      const trusted = (now: number) => senders.spend(senders.of("10.0.0.1"), 500_000, now)
      expect(trusted(600 * second - 1)).toBe(true)
      expect(trusted(600 * second)).toBe(false)
      senders.prove("10.0.0.1", 600 * second)
      senders.prove("10.0.0.1", 700 * second)
      expect(trusted(1300 * second - 1)).toBe(true)
      expect(trusted(1300 * second)).toBe(false)
    })

    it("no flood makes a challenge be forgotten", () => {
      const senders = make({ replyBytesPerSecond: 100 })
      const token = challenged(senders, "192.0.2.1", 0)
      for (let n = 0; n < 100_000; n++) senders.token(senders.of(hostOf(n)), n, 0)
      expect(senders.answered("192.0.2.1", token, second)).toBe(0)
    })

    it("who is served is challenged four times a second at most", () => {
      const senders = make()
      exhaust(senders, "10.0.0.1", 0)
      const times: Array<number> = []
      for (let now = 0; now < second; now += second / 1000) {
        if (senders.isDoubted(senders.of("10.0.0.1"), now)) times.push(now)
      }
      expect(times).toStrictEqual([0, second / 4, second / 2, second * 3 / 4])
    })

    it("whoever uses up what may be sent to an address leaves it 6,000 challenges a second", () => {
      const senders = make()
      const victim = senders.of("10.0.0.1")
      let challenges = 0
      for (let i = 0; i < 10_000; i++) {
        senders.spend(victim, 1000, i)
        if (senders.spendChallenge(victim, 43, i)) challenges++
      }
      expect(challenges).toBe(Math.floor(4 * 65_536 / 43))
    })

    it("who was asked for lately is not made anew", () => {
      const senders = make()
      const sender = senders.of("10.0.0.1")
      senders.of("10.0.0.2")
      expect(senders.of("10.0.0.1")).toBe(sender)
    })

    it("who has had less than half of what it may have is not doubted", () => {
      const senders = make({ replyBytesPerSecond: 1000 })
      const sender = senders.of("10.0.0.1")
      expect(senders.isDoubted(sender, 0)).toBe(false)
      senders.spend(sender, 1999, 0)
      expect(senders.isDoubted(sender, 0)).toBe(false)
      senders.spend(sender, 2, 0)
      expect(senders.isDoubted(sender, 0)).toBe(true)
    })

    it("nor is who has proven its address, up to half of what that granted", () => {
      const senders = make({ replyBytesPerSecond: 1000 })
      const sender = senders.of("10.0.0.1")
      senders.prove("10.0.0.1", 0)
      senders.spend(sender, 2 ** 19, 0)
      expect(senders.isDoubted(sender, 0)).toBe(false)
      senders.spend(sender, 1, 0)
      expect(senders.isDoubted(sender, 0)).toBe(true)
    })

    it("once its network, or all together, have had more than half, whoever belongs to it is", () => {
      for (const [total, hosts] of [[Infinity, [1, 2, 3]], [4000, [1 << 8, 2 << 8, 3 << 8]]] as const) {
        const senders = make({ replyBytesPerSecond: 1000, totalReplyBytesPerSecond: total })
        const newcomer = senders.of(hostOf(total === Infinity ? 9 : 9 << 8))
        senders.spend(senders.of(hostOf(hosts[0])), 4000, 0)
        senders.spend(senders.of(hostOf(hosts[1])), 4000, 0)
        expect(senders.isDoubted(newcomer, 0)).toBe(false)
        senders.spend(senders.of(hostOf(hosts[2])), 1, 0)
        expect(senders.isDoubted(newcomer, 0)).toBe(true)
        expect(senders.isDoubted(senders.of("192.0.2.1"), 0)).toBe(total !== Infinity)
      }
    })

    it("of a million proofs the newest are kept, at least 8,192 and at most 16,384", () => {
      const senders = make()
      for (let n = 0; n < 1_000_000; n++) senders.prove(hostOf(n), n)
      expect(senders.size).toBeLessThanOrEqual(16_384)
      expect(senders.size).toBeGreaterThanOrEqual(8192)
      for (let n = 1; n <= 8192; n++) {
        expect(senders.spend(senders.of(hostOf(1_000_000 - n)), 1e6, 1_000_000)).toBe(true)
      }
    })

    it("one network makes its own be forgotten, and nobody else's", () => {
      const senders = make()
      senders.prove("198.51.100.1", 0)
      const host = (n: number) => `2001:db8:0:${n.toString(16)}::1`
      for (let n = 0; n < 65_536; n++) senders.prove(host(n), n)
      expect(senders.size).toBe(1 + 2048)
      expect(senders.hasCredit(senders.of("198.51.100.1"), 1, 65_536)).toBe(true)
      for (const n of [65_535, 65_536 - 2048]) expect(senders.hasCredit(senders.of(host(n)), 1, 65_536)).toBe(true)
      expect(senders.hasCredit(senders.of(host(65_536 - 2049)), 1, 65_536)).toBe(false)
    })

    it("hosts that were heard lately are known, and forgotten all together once they are too many", () => {
      const senders = make({ sizes: { ...sizes, knownHosts: 2 } })
      const [a, b] = [senders.of("10.0.0.1"), senders.of("10.0.0.2")]
      expect([senders.of("10.0.0.1"), senders.of("10.0.0.2")].map((known, i) => known === [a, b][i])).toStrictEqual([
        true,
        true
      ])
      const c = senders.of("10.0.0.3")
      expect(senders.of("10.0.0.3")).toBe(c)
      expect(senders.of("10.0.0.1")).not.toBe(a)
    })

    it("whoever belongs to a sender that has proven itself is known to have, even if it was not heard before", () => {
      const senders = make()
      senders.prove("2001:db8::1", 0)
      expect(senders.hasCredit(senders.of("2001:db8::2"), 1, 0)).toBe(true)
    })

    it("credit is spent to the last byte, and then nothing is run for who has used up the rest as well", () => {
      const senders = make({ replyBytesPerSecond: 1000 })
      exhaust(senders, "10.0.0.1", 0)
      senders.prove("10.0.0.1", 0)
      const sender = senders.of("10.0.0.1")
      expect(senders.hasCredit(sender, 2 ** 20, 0)).toBe(true)
      expect(senders.hasCredit(sender, 2 ** 20 + 1, 0)).toBe(false)
      expect(senders.spend(sender, 2 ** 20 - 1, 0)).toBe(true)
      expect(senders.admit(sender, 0)).toBe(true)
      expect(senders.spend(sender, 1, 0)).toBe(true)
      expect(senders.hasCredit(sender, 1, 0)).toBe(false)
      expect(senders.admit(sender, 0)).toBe(false)
    })

    it("a challenge grants 64 MiB to whom an answer has granted 1 MiB just now", () => {
      const senders = make({ replyBytesPerSecond: 1000 })
      const sender = senders.of("10.0.0.1")
      exhaust(senders, "10.0.0.1", 0)
      senders.prove("10.0.0.1", 0)
      senders.answered("10.0.0.1", challenged(senders, "10.0.0.1", 0), 0)
      expect(senders.hasCredit(sender, 2 ** 26, 0)).toBe(true)
      // Half of that is gone before it is doubted.
      senders.spend(sender, 2 ** 25, 0)
      expect(senders.isDoubted(sender, 0)).toBe(false)
      senders.spend(sender, 1, 0)
      expect(senders.isDoubted(sender, 0)).toBe(true)
    })

    it("who has used up its credit is doubted, unless nothing bounds what it may be sent", () => {
      for (
        const [replyBytesPerSecond, totalReplyBytesPerSecond, doubted] of [
          [Infinity, Infinity, false],
          [Infinity, 1e12, true],
          [1e9, Infinity, true]
        ] as const
      ) {
        const senders = make({ replyBytesPerSecond, totalReplyBytesPerSecond })
        senders.prove("10.0.0.1", 0)
        const sender = senders.of("10.0.0.1")
        senders.spend(sender, 2 ** 20, 0)
        expect([replyBytesPerSecond, totalReplyBytesPerSecond, senders.isDoubted(sender, 0)])
          .toStrictEqual([replyBytesPerSecond, totalReplyBytesPerSecond, doubted])
      }
    })

    it("an answer takes nothing from what a challenge has granted", () => {
      const senders = make({ replyBytesPerSecond: 1000 })
      const sender = senders.of("10.0.0.1")
      senders.answered("10.0.0.1", challenged(senders, "10.0.0.1", 0), 0)
      senders.prove("10.0.0.1", 1)
      expect(senders.hasCredit(sender, 2 ** 26, 1)).toBe(true)
    })

    it("a proof that comes again within a minute does not last longer for it", () => {
      for (const [again, until] of [[59, 600], [60, 660]] as const) {
        const senders = make()
        senders.prove("10.0.0.1", 0)
        senders.prove("10.0.0.1", again * second)
        const holds = (now: number) => senders.hasCredit(senders.of("10.0.0.1"), 1, now)
        expect([holds(until * second - 1), holds(until * second)]).toStrictEqual([true, false])
      }
    })

    it("a sender is alone until another is heard, from the first request on", () => {
      const senders = make({ requestsPerSecond: 10 })
      senders.prove("10.0.0.1", 0)
      const one = senders.of("10.0.0.1")
      for (let i = 0; i < 1000; i++) expect(senders.admit(one, 0)).toBe(true)
    })

    it("a sender is alone a second after the last request of another", () => {
      for (const [gap, admitted] of [[second, true], [second - 1, false]] as const) {
        const senders = make({ requestsPerSecond: 10 })
        senders.prove("10.0.0.1", 0)
        const [one, other] = [senders.of("10.0.0.1"), senders.of("10.0.0.2")]
        senders.admit(other, 0)
        for (let i = 0; i < 100; i++) senders.admit(one, gap - 1)
        expect(senders.admit(one, gap)).toBe(admitted)
      }
    })

    it("that one sender was challenged just now spares no other, though both have one place", () => {
      const senders = make({ sizes: { ...sizes, challengedSenders: 1 }, requestsPerSecond: 1 })
      const [one, other] = [senders.of("10.0.0.1"), senders.of("10.0.9.2")]
      for (const sender of [one, other]) senders.admit(sender, 0)
      expect(senders.isDoubted(one, 0)).toBe(true)
      expect(senders.isDoubted(one, 1)).toBe(false)
      expect(senders.isDoubted(other, 2)).toBe(true)
    })

    it("of those who have proven nothing, no name is kept", () => {
      const senders = make({ replyBytesPerSecond: 100 })
      for (let n = 0; n < 200_000; n++) {
        const sender = senders.of(hostOf(n))
        senders.admit(sender, n)
        senders.isDoubted(sender, n)
        senders.spend(sender, 100, n)
      }
      expect(senders.size).toBe(0)
    })
  })

  describe("names", () => {
    it("an IPv6 sender is its first 64 bits, unless these say nothing of whose it is", () => {
      const senders = make()
      for (
        const [host, name] of [
          ["192.0.2.1", "192.0.2.1"],
          ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
          ["2001:db8:1:2::", "2001:db8:1:2"],
          ["2001:db8::1", "2001:db8:0:0"],
          ["2001:db8:0:1::1", "2001:db8:0:1"],
          ["2001:db8::1:2:3:4:5", "2001:db8:0:1"],
          ["2001::db8:1:2:3:4", "2001:0:0:db8"],
          ["1::2:3:4:5:6:7", "1:0:2:3"],
          ["1::2:3:4:5:192.0.2.1", "1:0:2:3"],
          ["1:2:3:4:5:6:192.0.2.1", "1:2:3:4"],
          ["::2:3:4:5:6:7:8", "0:2:3:4"],
          ["1:2:3:4:5:6:7::", "1:2:3:4"],
          ["2001:db8:1:2::3%eth0", "2001:db8:1:2"],
          ["::1", "0:0:0:0"],
          ["::", "0:0:0:0"],
          ["::192.0.2.1", "0:0:0:0"],
          // Neighbours on a link, and clients behind a translator, are not one subscriber.
          ["fe80::1", "fe80::1"],
          ["fe80::1%eth0", "fe80::1%eth0"],
          ["febf::1%2", "febf::1%2"],
          ["fec0::1", "fec0:0:0:0"],
          ["64:ff9b::c000:201", "64:ff9b::c000:201"]
        ] as const
      ) expect(senders.of(host).name).toBe(name)
    })

    it("are the same however many others there were", () => {
      const senders = make()
      for (let n = 0; n < 3000; n++) senders.of(`2001:db8:${n.toString(16)}::1`)
      const { hash, name } = senders.of("2001:db8:7::1")
      expect(senders.of("2001:db8:7::2")).toMatchObject({ hash, name })
      expect(senders.of("2001:db8:7::1").hash).not.toBe(senders.of("2001:db8:8::1").hash)
    })
  })
})
