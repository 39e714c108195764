/** Whether a node can be called, judged by what arrives: no network and no clock, only what is told. */
import { describe, expect, it } from "@effect/vitest"
import { Reachability } from "../src/core/Reachability.ts"

const minutes = 60_000

const peers = Array.from({ length: 8 }, (_, i) => `192.0.${i}`)

/** It has called so many, and each of them has pinged it at once. */
const placedAt = (count: number) => {
  const reachability = new Reachability()
  const call = (now: number) => {
    for (const peer of peers.slice(0, count)) {
      reachability.sent(peer, now)
      reachability.called(peer, true, now)
    }
  }
  call(0)
  const verdict = (now: number) => {
    reachability.judge(now)
    return reachability.verdict
  }
  return { reachability, call, verdict }
}

describe("a node that strangers call", () => {
  it("is reachable once those of two networks have, and not on the word of one", () => {
    const { reachability, verdict } = placedAt(0)
    for (let i = 0; i < 5; i++) reachability.called("192.0.1", i % 2 === 0, i * 20 * minutes)
    expect(verdict(100 * minutes)).toBeUndefined()
    reachability.called("192.0.2", false, 101 * minutes)
    expect(verdict(101 * minutes)).toBe("reachable")
  })

  it("is not found out by those that it has sent to within ten minutes: a NAT lets these in", () => {
    const { reachability, verdict } = placedAt(0)
    for (const peer of peers) {
      reachability.sent(peer, 0)
      // What it is asked it answers, and so the NAT lets the next one in.
      reachability.called(peer, false, 9 * minutes)
      reachability.called(peer, false, 19 * minutes - 1)
    }
    expect(verdict(19 * minutes)).toBeUndefined()
    for (const peer of peers.slice(0, 2)) reachability.called(peer, false, 29 * minutes)
    expect(verdict(29 * minutes)).toBe("reachable")
  })
})

describe("a node that has places in tables", () => {
  it("is unreachable once peers of five networks have not asked for twenty minutes whether it is there", () => {
    const { verdict } = placedAt(5)
    expect(verdict(20 * minutes - 1)).toBeUndefined()
    expect(verdict(20 * minutes)).toBe("unreachable")
  })

  it("cannot tell where they are fewer, where it did not leave them alone, or where they only called", () => {
    expect(placedAt(4).verdict(100 * minutes)).toBeUndefined()
    const busy = placedAt(5)
    for (let now = 0; now <= 100; now += 9) busy.call(now * minutes)
    expect(busy.verdict(100 * minutes)).toBeUndefined()
    const { reachability, verdict } = placedAt(0)
    for (const peer of peers) {
      reachability.sent(peer, 0)
      reachability.called(peer, false, 0)
    }
    expect(verdict(100 * minutes)).toBeUndefined()
  })

  it("is reachable if two of them ask, whoever else is gone", () => {
    const { reachability, verdict } = placedAt(8)
    for (const peer of peers.slice(0, 2)) reachability.called(peer, true, 10 * minutes)
    expect(verdict(20 * minutes)).toBe("reachable")
  })
})

describe("a verdict", () => {
  it("holds for four hours, and then the node finds out anew", () => {
    const { call, verdict } = placedAt(5)
    verdict(20 * minutes)
    expect(verdict(260 * minutes - 1)).toBe("unreachable")
    expect(verdict(260 * minutes)).toBeUndefined()
    expect(verdict(300 * minutes)).toBeUndefined()
    call(300 * minutes)
    expect(verdict(320 * minutes)).toBe("unreachable")
  })

  it("of an unreachable node changes as soon as strangers call it, and that of a reachable one not by their absence", () => {
    const { call, reachability, verdict } = placedAt(5)
    verdict(20 * minutes)
    for (const peer of ["198.51.1", "198.51.2"]) reachability.called(peer, false, 30 * minutes)
    expect(verdict(30 * minutes)).toBe("reachable")
    call(31 * minutes)
    expect(verdict(100 * minutes)).toBe("reachable")
  })
})
