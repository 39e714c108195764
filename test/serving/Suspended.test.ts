import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { idBytes } from "../../src/Codec.ts"
import { networkShare } from "../../src/internal/serving/senders.ts"
import type { Suspendable } from "../../src/internal/serving/suspended.ts"
import { Suspended } from "../../src/internal/serving/suspended.ts"
import { stream } from "../support/stream.ts"

const senderOf = (hash: number, networkHash = hash + 1000) => ({
  name: String(hash),
  hostHash: hash,
  hash,
  networkHash,
  proven: undefined,
  seen: -1
})

const idOf = (n: number): Uint8Array => {
  const id = new Uint8Array(idBytes)
  new DataView(id.buffer).setInt32(8, n)
  return id
}

interface Request extends Suspendable<Request> {}

const request = (n: number, options: Partial<Request> = {}): Request => ({
  id: idOf(n),
  hash: n,
  budget: senderOf(1),
  heapBytes: 1,
  proven: false,
  suspended: false,
  nextInSlot: undefined,
  ...options
})

const Seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))

const plenty = { requests: 1e6, bytes: 1e9 }

describe("Suspended", () => {
  it.prop("holds what was added and not removed, however their hashes collide", [Seed], ([seed]) => {
    const { below } = stream(seed)
    const suspended = new Suspended<Request>({ all: plenty, sender: plenty })
    const here = new Map<string, Request>()
    for (let i = 0; i < 500; i++) {
      const [n, hash] = [below(200), below(3) * 64]
      const name = `${n} ${hash}`
      const known = here.get(name)
      expect(suspended.find(hash, Uint8Array.of(9, ...idOf(n)), 1)).toBe(known)
      if (known === undefined) {
        const added = request(n, { hash })
        suspended.add(added)
        here.set(name, added)
      } else if (below(2) === 0) {
        suspended.remove(known)
        // A second time does nothing.
        suspended.remove(known)
        here.delete(name)
      }
      expect(suspended.size).toBe(here.size)
    }
  }, { arbitrary: { runs: 30 } })

  for (
    const [of, bounds, others] of [
      ["all", { all: { requests: 8, bytes: 1e9 }, sender: plenty }, [senderOf(1), senderOf(2), senderOf(3)]],
      ["one sender", { all: plenty, sender: { requests: 8, bytes: 1e9 } }, [senderOf(1)]],
      [
        "one network",
        { all: plenty, sender: { requests: 8 / networkShare, bytes: 1e9 } },
        Array.from({ length: 8 }, (_, i) => senderOf(i + 1, 7))
      ]
    ] as const
  ) {
    it(`of ${of}, the last quarter of the requests is for the proven, and over it there is no room`, () => {
      const suspended = new Suspended<Request>(bounds)
      const newcomer = of === "one network" ? senderOf(99, 7) : senderOf(1)
      const added: Array<Request> = []
      const add = (proven: boolean) => {
        const next = request(added.length, { proven, budget: others[added.length % others.length]! })
        suspended.add(next)
        added.push(next)
      }
      for (let i = 0; i < 5; i++) add(false)
      expect(suspended.roomFor(newcomer)).toBe("any")
      add(false)
      expect(suspended.roomFor(newcomer)).toBe("proven")
      add(true)
      expect(suspended.roomFor(newcomer)).toBe("proven")
      add(true)
      expect(suspended.roomFor(newcomer)).toBe("none")
      // Who belongs to none of them has room, unless it is all that is full.
      expect(suspended.roomFor(senderOf(500))).toBe(of === "all" ? "none" : "any")
      suspended.remove(added[7]!)
      expect(suspended.roomFor(newcomer)).toBe("proven")
      suspended.remove(added[0]!)
      expect(suspended.roomFor(newcomer)).toBe("any")
      for (const one of added) suspended.remove(one)
      expect([suspended.size, suspended.shares, suspended.roomFor(newcomer)]).toStrictEqual([0, 0, "any"])
    })

    it(`of ${of}, so are the bytes`, () => {
      const bytes = of === "one network" ? 1000 / networkShare : 1000
      const suspended = new Suspended<Request>({
        all: of === "all" ? { requests: 1e6, bytes } : plenty,
        sender: of === "all" ? plenty : { requests: 1e6, bytes }
      })
      const newcomer = of === "one network" ? senderOf(99, 7) : senderOf(1)
      let n = 0
      const add = (heapBytes: number, proven: boolean) => {
        const added = request(n, { heapBytes, proven, budget: others[n++ % others.length]! })
        suspended.add(added)
        return added
      }
      // So little of each sender that only their network is short.
      for (let i = 0; i < 7; i++) add(100, false)
      add(49, false)
      expect(suspended.roomFor(newcomer)).toBe("any")
      const last = add(1, false)
      expect(suspended.roomFor(newcomer)).toBe("proven")
      add(249, true)
      expect(suspended.roomFor(newcomer)).toBe("proven")
      const full = add(1, true)
      expect(suspended.roomFor(newcomer)).toBe("none")
      suspended.remove(full)
      suspended.remove(last)
      expect(suspended.roomFor(newcomer)).toBe("any")
    })
  }

  it("where there is no room at all, there is none for the proven of a sender that has used up its own share", () => {
    const suspended = new Suspended<Request>({ all: { requests: 6, bytes: 1e9 }, sender: { requests: 8, bytes: 1e9 } })
    for (let i = 0; i < 6; i++) suspended.add(request(i, { budget: senderOf(1) }))
    expect(suspended.roomFor(senderOf(1))).toBe("none")
  })

  it("counts the senders and the networks of which something is here", () => {
    const suspended = new Suspended<Request>({ all: plenty, sender: plenty })
    for (const [i, sender] of [senderOf(1, 7), senderOf(2, 7), senderOf(2, 7)].entries()) {
      suspended.add(request(i, { budget: sender }))
    }
    expect([suspended.size, suspended.shares]).toStrictEqual([3, 3])
  })

  it("where a sender may have nothing, there is no room", () => {
    for (const none of [{ requests: 0, bytes: 1 }, { requests: 1, bytes: 0 }]) {
      expect(new Suspended({ all: plenty, sender: none }).roomFor(senderOf(1))).toBe("none")
      expect(new Suspended({ all: none, sender: plenty }).roomFor(senderOf(1))).toBe("none")
      const suspended = new Suspended<Request>({ all: plenty, sender: none })
      suspended.add(request(1, { budget: senderOf(2) }))
      expect(suspended.roomFor(senderOf(1))).toBe("none")
    }
  })

  it("of a bound of one, one request is not kept for the proven", () => {
    const suspended = new Suspended<Request>({ all: plenty, sender: { requests: 1, bytes: 1e9 } })
    expect(suspended.roomFor(senderOf(1))).toBe("any")
    suspended.add(request(1))
    expect(suspended.roomFor(senderOf(1))).toBe("none")
  })
})
