/** What arrives in one turn of the event loop is handed over together, and what is sent meanwhile leaves together. */
import { expect, it } from "@effect/vitest"
import { setImmediate as turn } from "node:timers/promises"
import { Turns } from "../../src/internal/socket/turns.ts"

/** Each datagram is a number. What is heard is answered, `times` times. */
const echo = (times = 1) => {
  const done: Array<string> = []
  const turns = new Turns()
  const send = (number: number) => turns.send(() => done.push(`sent ${number}`))
  const hear = (number: number) => {
    done.push(`heard ${number}`)
    for (let i = 0; i < times; i++) send(number)
  }
  const arrive = (number: number) => turns.passes() ? hear(number) : turns.arrive(() => hear(number))
  return { arrive, done, send, turns }
}

const from = (first: number, last: number): ReadonlyArray<number> =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i)

const each = (what: string, numbers: ReadonlyArray<number>): Array<string> =>
  numbers.map((number) => `${what} ${number}`)

it("hands over at its end what a turn has brought, and then sends what was sent", async () => {
  const { arrive, done, send, turns } = echo()
  for (const round of [[1, 2, 3], [4, 5]]) {
    done.length = 0
    for (const number of round) arrive(number)
    expect(done).toStrictEqual([])
    await turn()
    expect(done).toStrictEqual([...each("heard", round), ...each("sent", round)])
  }
  done.length = 0
  expect(turns.gathers).toBe(false)
  send(6)
  expect(done).toStrictEqual(["sent 6"])
})

it("keeps no more than 64 waiting, nor than 32 that are sent", async () => {
  const { arrive, done } = echo()
  for (const number of from(1, 64)) {
    expect(done).toStrictEqual([])
    arrive(number)
  }
  const all = [from(1, 32), from(33, 64)].flatMap((some) => each("heard", some).concat(each("sent", some)))
  expect(done).toStrictEqual(all)
  // The turn has no more, which is not one that came alone.
  await turn()
  expect(done).toStrictEqual(all)
  arrive(65)
  expect(done).toStrictEqual(all)
})

it("sends in order, however much each sends", async () => {
  const { arrive, done } = echo(33)
  for (const number of [1, 2]) arrive(number)
  await turn()
  expect(done.filter((what) => what.startsWith("sent"))).toStrictEqual([
    ...Array.from({ length: 33 }, () => "sent 1"),
    ...Array.from({ length: 33 }, () => "sent 2")
  ])
  expect(done.indexOf("heard 2")).toBe(1 + 32)
})

it("lets 32 not wait after one that came alone, and then one to see whether it still is", async () => {
  const { arrive, done } = echo()
  for (let round = 0; round < 2; round++) {
    done.length = 0
    arrive(0)
    expect(done).toStrictEqual([])
    await turn()
    expect(done).toStrictEqual(["heard 0", "sent 0"])
    done.length = 0
    for (const number of from(1, 32)) arrive(number)
    expect(done).toStrictEqual(from(1, 32).flatMap((number) => [`heard ${number}`, `sent ${number}`]))
  }
})

it("sends at once what is flushed, what a send sends, and all that follows one that throws", async () => {
  const { done, send, turns } = echo()
  turns.arrive(() => {
    turns.send(() => {
      done.push("sent 1")
      send(10)
    })
    send(2)
    expect(turns.gathers).toBe(true)
    expect(done).toStrictEqual([])
    turns.flush()
    expect(turns.gathers).toBe(false)
    send(3)
    done.push("handed over")
  })
  await turn()
  expect(done).toStrictEqual(["sent 1", "sent 10", "sent 2", "sent 3", "handed over"])

  for (const _ of from(1, 62)) turns.arrive(() => {})
  turns.arrive(() => send(100))
  done.length = 0
  expect(() =>
    turns.arrive(() => {
      throw new Error("thrown")
    })
  ).toThrow("thrown")
  send(200)
  expect(done).toStrictEqual(["sent 100", "sent 200"])
})
