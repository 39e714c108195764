/** Who has a turn, in which order, and who has to give up waiting: against the plainest model. */
import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { Contact } from "../src/Contact.ts"
import { holderOf, Turns } from "../src/core/Turns.ts"
import { Id } from "../src/index.ts"
import { inet } from "./nodes.ts"

const Who = Schema.Struct({
  network: Schema.Literals(["1", "1", "1", "2", "3"]),
  sender: Schema.Literals(["1", "1", "2", "3"])
})

interface Waiting {
  readonly network: string
  readonly sender: string
}

/** Takes turns, none of which ends before `end` is called. */
const taking = (limits: { readonly atOnce: number; readonly waiting: number }) => {
  const turns = new Turns(limits)
  const begun: Array<string> = []
  const refused: Array<string> = []
  const ends: Array<() => void> = []
  const act = (name: string) => (done: () => void) => {
    begun.push(name)
    ends.push(done)
  }
  return {
    begun,
    refused,
    take: (name: string, network: string, sender = network) =>
      turns.take({ network, sender }, act(name), () => refused.push(name)),
    takeFirst: (name: string) => turns.takeFirst(act(name)),
    end: () => ends.shift()!()
  }
}

describe("turns", () => {
  it("are taken so many at once, and go round the networks, and round the senders of each", () => {
    const { begun, end, take } = taking({ atOnce: 2, waiting: 99 })
    for (const name of ["a1", "a2", "a3", "a4"]) take(name, "a")
    for (const name of ["b1", "b2", "b3"]) take(name, "b", "b")
    for (const name of ["c1", "c2"]) take(name, "b", "c")
    expect(begun).toStrictEqual(["a1", "a2"])
    end()
    expect(begun).toStrictEqual(["a1", "a2", "a3"])
    for (let i = 0; i < 6; i++) end()
    expect(begun).toStrictEqual(["a1", "a2", "a3", "b1", "a4", "c1", "b2", "c2", "b3"])
  })

  it("of the node itself come first, and nobody's place in the row is theirs", () => {
    const { begun, end, refused, take, takeFirst } = taking({ atOnce: 1, waiting: 2 })
    for (const name of ["a1", "a2", "b1"]) take(name, name)
    takeFirst("own 1")
    const giveUp = takeFirst("own 2")
    takeFirst("own 3")
    giveUp()
    for (let i = 0; i < 4; i++) end()
    expect(begun).toStrictEqual(["a1", "own 1", "own 3", "a2", "b1"])
    expect(refused).toStrictEqual([])
  })

  it("that are given up are not taken, and others have their places; those that have begun go on", () => {
    const { begun, end, refused, take } = taking({ atOnce: 1, waiting: 2 })
    const [first, second] = [take("a1", "a"), take("a2", "a")]
    take("a3", "a")
    take("a4", "a")
    first()
    second()
    second()
    take("a5", "a")
    take("a6", "a")
    expect(refused).toStrictEqual(["a4", "a6"])
    end()
    end()
    expect(begun).toStrictEqual(["a1", "a3", "a5"])
  })

  it("that end at once do not call deeper and deeper", () => {
    const turns = new Turns({ atOnce: 1, waiting: 20_000 })
    let ended = 0
    turns.takeFirst((done) => {
      for (let i = 0; i < 20_000; i++) {
        turns.take({ network: "", sender: "" }, (done) => {
          ended++
          done()
        }, () => {})
      }
      done()
    })
    expect(ended).toBe(20_000)
  })

  it.prop(
    "are shared equally where too many wait: whoever has most loses the oldest of its own",
    [Schema.Array(Who)],
    ([whos]) => {
      const { begun, end, refused, take } = taking({ atOnce: 1, waiting: 5 })
      take("busy", "busy")
      const waiting = new Map<string, Waiting>()
      for (const [i, { network, sender }] of whos.entries()) {
        const before = [...waiting]
        const count = (who: Partial<Waiting>) =>
          before.filter(([, other]) =>
            other.network === (who.network ?? other.network) && other.sender === (who.sender ?? other.sender)
          ).length
        const name = `${i}`
        take(name, network, sender)
        waiting.set(name, { network, sender })
        const victim = refused.pop()
        if (victim === undefined) expect(before.length).toBeLessThan(5)
        else if (victim === name) {
          for (const [, other] of before) {
            expect(count({ network: other.network })).toBeLessThanOrEqual(count({ network }) + 1)
            if (other.network === network) expect(count(other)).toBeLessThanOrEqual(count({ network, sender }) + 1)
          }
        } else {
          const payer = waiting.get(victim)!
          const isOver = count({ network: payer.network }) > count({ network }) + 1 ||
            (payer.network === network && count(payer) > count({ network, sender }) + 1)
          expect(isOver).toBe(true)
          for (const [, other] of before) {
            if (other.network === payer.network) expect(count(other)).toBeLessThanOrEqual(count(payer))
          }
          const oldest = before.find(([, other]) => other.network === payer.network && other.sender === payer.sender)
          expect(oldest?.[0]).toBe(victim)
        }
        if (victim !== undefined) waiting.delete(victim)
      }
      for (let i = 0; i <= waiting.size; i++) end()
      expect(new Set(begun.slice(1))).toStrictEqual(new Set(waiting.keys()))
    }
  )
})

it("a private network counts as as many as it has addresses, a public one as one", () => {
  const of = (address: string) => holderOf(new Contact(Id.ofKey("id"), inet(address)))
  expect(of("10.0.0.1:1")).toStrictEqual({ network: "10.0.0.1", sender: "10.0.0.1" })
  expect(of("8.8.8.8:1")).toStrictEqual({ network: "8.8.8", sender: "8.8.8.8" })
  expect(of("[2600:1:2:3::4]:1")).toStrictEqual({ network: "2600:1:2", sender: "2600:1:2:3" })
})
