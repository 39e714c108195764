/** What holds of a request to a group, whatever the network does. The changes of src that break it stand in `test/mutations.ts`. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Layer, Random, Schema, Stream } from "effect"
import { NetAddress } from "effect/net"
import { Handlers, Protocol, Transport } from "../../src/index.ts"
import { SimulatedNetwork, whileTimePasses } from "../../src/testing/index.ts"

class Member extends Handlers.Service<Member>()("test/Member", {
  answer: { args: [Schema.Int], success: Schema.String, error: Schema.String }
}) {}

const group = "239.1.2.3:9999"

const timeout = 2000

/** A member takes up to two seconds, and fails now and then. Tells of each run. */
const member = (host: string, onRun: (host: string, question: number) => void) =>
  Protocol.serve(Member).pipe(
    Layer.provide(Member.toLayer({
      answer: Effect.fnUntraced(function*(question) {
        onRun(host, question)
        yield* Effect.sleep(Math.floor((yield* Random.next) * 2000))
        return (yield* Random.next) < 0.2 ? yield* Effect.fail("no") : host
      })
    })),
    Layer.provide(Protocol.layer({ gracePeriod: 0 })),
    Layer.provide(
      Transport.layerSocket({ multicast: [{ group, socket: SimulatedNetwork.socket(`${host}:9999`) }] })
    ),
    Layer.provide(SimulatedNetwork.socket(`${host}:1000`))
  )

const asker = (propagate: boolean) =>
  Protocol.layer({ timeout, propagate, gracePeriod: 0 }).pipe(
    Layer.provide(Transport.layerSocket()),
    Layer.provide(SimulatedNetwork.socket("10.0.1.1:1000"))
  )

/** Asks a few times, and returns what breaks a law. */
const broken = Effect.fnUntraced(function*() {
  const problems: Array<string> = []
  const runs = new Map<string, number>()
  const hosts = Array.from({ length: 1 + Math.floor((yield* Random.next) * 8) }, (_, i) => `10.0.0.${i + 1}`)
  for (const host of hosts) {
    yield* Layer.build(member(host, (host, question) => {
      const times = (runs.get(`${host} ${question}`) ?? 0) + 1
      runs.set(`${host} ${question}`, times)
      if (times > 1) problems.push(`${host} ran question ${question} ${times} times`)
    }))
  }
  let answers = 0
  const ask = Effect.fnUntraced(function*(question: number) {
    yield* Effect.sleep(Math.floor((yield* Random.next) * 1000))
    const beganAt = yield* Clock.currentTimeMillis
    const senders = new Set<string>()
    yield* (yield* Protocol.gather(Member))(group).answer(question).pipe(
      Stream.runForEach(({ sender, value }) =>
        Effect.map(Clock.currentTimeMillis, (at) => {
          answers++
          const name = NetAddress.formatInet(sender)
          if (name !== `${value}:1000`) problems.push(`${name} answered as ${value}`)
          if (senders.has(name)) problems.push(`${name} answered question ${question} twice`)
          if (at > beganAt + timeout) problems.push(`${name} answered question ${question} too late`)
          senders.add(name)
        })
      )
    )
    if ((yield* Clock.currentTimeMillis) !== beganAt + timeout) problems.push("it did not end at its deadline")
  })
  yield* whileTimePasses(
    Effect.forEach([1, 2, 3], ask, { concurrency: "unbounded", discard: true }).pipe(
      Effect.provide(asker((yield* Random.next) < 0.5))
    )
  )
  return { problems, answers }
})

const presets = {
  lan: SimulatedNetwork.lan,
  wifi: SimulatedNetwork.wifi,
  mobile: SimulatedNetwork.mobile,
  satellite: SimulatedNetwork.satellite,
  hostile: SimulatedNetwork.hostile
}

describe("a request to a group", () => {
  for (const [name, preset] of Object.entries(presets)) {
    it.effect(`brings one answer of each sender at most, each runs it once, and its deadline is the end: ${name}`, () =>
      Effect.gen(function*() {
        let answers = 0
        for (let seed = 1; seed <= 10; seed++) {
          const outcome = yield* broken().pipe(
            Effect.scoped,
            // A byte that is another one is another question, or another answer.
            Effect.provide(SimulatedNetwork.layer({ ...preset, corrupt: 0, seed }))
          )
          expect(outcome.problems, `seed ${seed}`).toStrictEqual([])
          answers += outcome.answers
        }
        expect(answers).toBeGreaterThan(10)
      }))
  }
})
