/** When a node joins again: no clock, only times. */
import { expect, it } from "@effect/vitest"
import { Rejoining } from "../src/core/Rejoining.ts"

const minute = 60_000

/** The minutes at which it is due, if it never brings anybody. */
const dueIn = (k: number, live: number) => {
  const rejoining = new Rejoining(k)
  const due: Array<number> = []
  for (let at = 0; at < 24; at++) {
    if (!rejoining.isDue(live, at * minute)) continue
    due.push(at)
    rejoining.tried(live, live, at * minute)
  }
  return due
}

/** One that has been tried three times in vain, the last time after four minutes. */
const inVain = () => {
  const rejoining = new Rejoining(20)
  for (const at of [0, 1, 4]) rejoining.tried(3, 3, at * minute)
  return rejoining
}

it("in vain, it is tried after one minute, three, and then every five", () => {
  expect(dueIn(20, 9)).toStrictEqual([0, 1, 4, 9, 14, 19])
})

it("ten contacts that answer are enough, and k are where that is less", () => {
  expect(dueIn(20, 10)).toStrictEqual([])
  expect(dueIn(4, 4)).toStrictEqual([])
  expect(dueIn(4, 3)).not.toStrictEqual([])
})

it("what brought somebody is tried again at once, and its pauses begin anew", () => {
  const rejoining = inVain()
  expect(rejoining.isDue(3, 8 * minute)).toBe(false)
  expect(rejoining.isDue(3, 9 * minute)).toBe(true)
  rejoining.tried(3, 4, 9 * minute)
  expect(rejoining.isDue(4, 9 * minute)).toBe(true)
  rejoining.tried(4, 4, 9 * minute)
  expect([10 * minute - 1, 10 * minute].map((at) => rejoining.isDue(4, at))).toStrictEqual([false, true])
})

it("the pauses begin anew after there were enough contacts", () => {
  const rejoining = inVain()
  expect(rejoining.isDue(10, 5 * minute)).toBe(false)
  expect(rejoining.isDue(3, 9 * minute)).toBe(true)
  rejoining.tried(3, 3, 9 * minute)
  expect(rejoining.isDue(3, 10 * minute)).toBe(true)
})
