/** Several equal peers, called as if they were one. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Exit, Layer, Schema } from "effect"
import { NetAddress } from "effect/net"
import { Handlers, Protocol, Transport } from "../../src/index.ts"
import { SimulatedNetwork, whileTimePasses } from "../../src/testing/index.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

const procedures = { ask: { args: [Schema.String], success: Schema.String, error: Refused } } as const

class Idempotent extends Handlers.Service<Idempotent>()("peers/Idempotent", procedures, { idempotent: true }) {}

class Once extends Handlers.Service<Once>()("peers/Once", procedures) {}

type Ways = Readonly<Record<string, Effect.Effect<string, Refused>>>

const addressOf = (name: string) => `10.0.0.${name.charCodeAt(0) - 96}:1000`

/** Nodes that answer in their ways, what they were asked and when, and a client of all of them. */
const world = Effect.fnUntraced(function*(
  ways: Ways,
  options?: Protocol.AnyOfOptions,
  group: typeof Idempotent | typeof Once = Idempotent
) {
  const events: Array<string> = []
  const note = (event: string) => Effect.map(Clock.currentTimeMillis, (at) => void events.push(`${at} ${event}`))
  const answers = new Map(Object.entries(ways))
  const at = (address: string, limits?: Protocol.Limits) =>
    Protocol.layer({ gracePeriod: 0, timeout: "3 seconds", limits }).pipe(
      Layer.provide(Transport.layerSocket()),
      Layer.provide(SimulatedNetwork.socket(address))
    )
  for (const name of answers.keys()) {
    const handlers = {
      ask: () =>
        Effect.andThen(note(name), Effect.suspend(() => answers.get(name)!)).pipe(
          Effect.onInterrupt(() => note(`${name} stopped`))
        )
    }
    const served = group === Once
      ? Protocol.serve(Once).pipe(Layer.provide(Once.toLayer(handlers)))
      : Protocol.serve(Idempotent).pipe(Layer.provide(Idempotent.toLayer(handlers)))
    const node = served.pipe(Layer.provide(at(addressOf(name), "op".includes(name) ? { handlers: 0 } : undefined)))
    yield* Layer.buildWithMemoMap(node, Layer.makeMemoMapUnsafe(), yield* Effect.scope)
  }
  const peers = yield* Protocol.anyOf(Object.keys(ways).map(addressOf), options)
  const client = yield* Layer.build(at("10.0.1.1:1"))
  const { ask } = (yield* Effect.provideContext(Protocol.client<typeof procedures>(group), client))(peers)
  return {
    answers,
    events,
    call: Effect.exit(ask(question)),
    /** What was noted until the call had ended, and how it has, sorted. */
    ask: whileTimePasses(Effect.exit(ask(question))).pipe(
      Effect.tap(Effect.forEach(Array.from({ length: 30 }), () => Effect.yieldNow)),
      Effect.map((exit) => [...events.splice(0), ...Exit.isSuccess(exit) ? [exit.value] : []].toSorted())
    ),
    fail: whileTimePasses(Effect.flip(ask(question)))
  }
})

// So long that a refusal is no longer.
const question = "?".repeat(40)

const now = Effect.succeed("now")

const onNetwork = Effect.provide(SimulatedNetwork.layer())

describe("several equal peers", () => {
  it.effect("are asked in turn", () =>
    Effect.gen(function*() {
      const { ask } = yield* world({ a: now, b: now, c: now })
      for (const name of ["a", "b", "c", "a"]) expect(yield* ask).toStrictEqual([`0 ${name}`, "now"])
    }).pipe(onNetwork))

  it.effect("after an equal share of the time-out the next one is asked, and the others stop once it has answered", () =>
    Effect.gen(function*() {
      const { ask } = yield* world({ a: Effect.never, b: Effect.never, c: now })
      expect(yield* ask).toStrictEqual(
        ["0 a", "1000 b", "2000 a stopped", "2000 b stopped", "2000 c", "now"]
      )
    }).pipe(onNetwork))

  it.effect("or after `hedgeAfter`, and the first answer counts, whoever was asked first", () =>
    Effect.gen(function*() {
      const slow = (millis: number) => Effect.delay(Effect.succeed(`${millis}`), millis)
      const { ask } = yield* world({ a: slow(500), b: slow(100), c: now }, { hedgeAfter: "450 millis" })
      expect(yield* ask).toStrictEqual(["0 a", "450 b", "500", "500 b stopped"])
    }).pipe(onNetwork))

  it.effect("who lets calls wait is passed over for a while, and asked if nobody else is left", () =>
    Effect.gen(function*() {
      const { answers, ask } = yield* world({ a: Effect.never, b: now }, { avoidFor: "4 seconds" })
      expect(yield* ask).toStrictEqual(["0 a", "1500 a stopped", "1500 b", "now"])
      for (let i = 0; i < 3; i++) expect(yield* ask).toStrictEqual(["1500 b", "now"])
      answers.set("b", Effect.never).set("a", now)
      // Its turn comes when the other has had its time.
      expect(yield* ask).toStrictEqual(["1500 b", "3000 a", "3000 b stopped", "now"])
      // It has answered, and the other has not.
      for (let i = 0; i < 2; i++) expect(yield* ask).toStrictEqual(["3000 a", "now"])
      answers.set("b", now)
      yield* whileTimePasses(Effect.sleep("3999 millis"))
      for (let i = 0; i < 2; i++) expect(yield* ask).toStrictEqual(["6999 a", "now"])
      yield* whileTimePasses(Effect.sleep("1 millis"))
      expect([yield* ask, yield* ask].flat().toSorted()).toStrictEqual(["7000 a", "7000 b", "now", "now"])
    }).pipe(onNetwork))

  it.effect("among those that are passed over, who has been so for longest is asked first", () =>
    Effect.gen(function*() {
      const { answers, ask } = yield* world({ a: now, b: Effect.never, c: now }, { avoidFor: "1 minute" })
      expect(yield* ask).toStrictEqual(["0 a", "now"])
      expect(yield* ask).toStrictEqual(["0 b", "1000 b stopped", "1000 c", "now"])
      expect(yield* ask).toStrictEqual(["1000 c", "now"])
      answers.set("a", Effect.never)
      expect(yield* ask).toStrictEqual(["1000 a", "2000 a stopped", "2000 c", "now"])
      expect(yield* ask).toStrictEqual(["2000 c", "now"])
      answers.set("b", now).set("c", Effect.never)
      expect(yield* ask).toStrictEqual(["2000 c", "3000 b", "3000 c stopped", "now"])
    }).pipe(onNetwork))

  it.effect("who has answered is not passed over, however late it was", () =>
    Effect.gen(function*() {
      const { answers, ask } = yield* world({ a: Effect.delay(now, "2 seconds"), b: Effect.never })
      expect(yield* ask).toStrictEqual(["0 a", "1500 b", "2000 b stopped", "now"])
      answers.set("a", now).set("b", now)
      expect([...yield* ask, ...yield* ask]).toStrictEqual(["2000 b", "now", "2000 a", "now"])
    }).pipe(onNetwork))

  it.effect("if none answers, the call ends at its one deadline", () =>
    Effect.gen(function*() {
      const { fail } = yield* world({ a: Effect.never, b: Effect.never })
      expect(Protocol.isNoResponse(yield* fail)).toBe(true)
      expect(yield* Clock.currentTimeMillis).toBe(3000)
    }).pipe(onNetwork))

  it.effect("if none has room, the call fails as the last one did", () =>
    Effect.gen(function*() {
      const { fail } = yield* world({ o: now, p: now })
      for (const peer of ["p", "o", "p"].map(addressOf)) {
        expect(yield* fail).toMatchObject({ reason: "Overloaded", peer: NetAddress.inetAddressFromStringUnsafe(peer) })
      }
    }).pipe(onNetwork))

  it.effect("who is asked last has all the time that is left, and is not passed over before", () =>
    Effect.gen(function*() {
      const slow = Effect.delay(now, "2 seconds")
      const { call, events } = yield* world({ a: Effect.never, b: slow }, { hedgeAfter: "100 millis" })
      yield* whileTimePasses(Effect.all([call, Effect.delay(call, "1 second")], { concurrency: "unbounded" }))
      expect(events.slice(0, 3)).toStrictEqual(["0 a", "100 b", "1000 b"])
    }).pipe(onNetwork))

  it.effect("if the time is over before the next one's turn, it is not asked", () =>
    Effect.gen(function*() {
      const { ask } = yield* world({ a: Effect.never, b: now }, { hedgeAfter: "3 seconds" })
      expect(yield* ask).toStrictEqual(["0 a"])
      expect(yield* Clock.currentTimeMillis).toBe(3000)
    }).pipe(onNetwork))

  it.effect("a request that must not run twice is made to one of them", () =>
    Effect.gen(function*() {
      const { ask } = yield* world({ a: Effect.never, b: now }, {}, Once)
      expect(yield* ask).toStrictEqual(["0 a"])
      // It was passed over.
      for (let i = 0; i < 3; i++) expect(yield* ask).toStrictEqual(["3000 b", "now"])
    }).pipe(onNetwork))

  it.effect("nor to another one that has room, as a copy of it may still run at one that had none", () =>
    Effect.gen(function*() {
      const { fail } = yield* world({ o: now, b: now }, {}, Once)
      expect(yield* fail).toMatchObject({ _tag: "Rejected", reason: "Overloaded" })
    }).pipe(onNetwork))

  it.effect("unless the caller says that it may", () =>
    Effect.gen(function*() {
      const { ask } = yield* world({ a: Effect.never, b: now }, { mayRunTwice: true }, Once)
      expect(yield* ask).toStrictEqual(["0 a", "1500 a stopped", "1500 b", "now"])
    }).pipe(onNetwork))

  it.effect("where the socket refuses to send, nothing has run, and the next one is asked at once", () =>
    Effect.gen(function*() {
      const network = yield* SimulatedNetwork.SimulatedNetwork
      const { ask } = yield* world({ a: now, b: now }, {}, Once)
      yield* network.set({ refuse: "Unreachable" }, { to: "10.0.0.1" })
      for (let i = 0; i < 3; i++) expect(yield* ask).toStrictEqual(["0 b", "now"])
    }).pipe(onNetwork))

  it.effect("one that is overloaded is followed by the next at once, where the request may run twice", () =>
    Effect.gen(function*() {
      const { ask } = yield* world({ o: now, b: now })
      for (let i = 0; i < 3; i++) expect(yield* ask).toStrictEqual(["0 b", "now"])
    }).pipe(onNetwork))

  it.effect("an answer is an answer: a declared error, and a handler that dies, are not tried elsewhere", () =>
    Effect.gen(function*() {
      const { ask, fail } = yield* world({ a: new Refused(), b: Effect.die("secret") })
      expect(yield* fail).toStrictEqual(new Refused())
      expect(yield* fail).toMatchObject({ _tag: "Rejected", reason: "Defect" })
      expect(yield* ask).toStrictEqual(["0 a", "0 a", "0 b"])
    }).pipe(onNetwork))

  it.effect("there is at least one, and all are addresses", () =>
    Effect.gen(function*() {
      for (
        const [peers, says] of [[[], "there is at least one peer"], [
          ["localhost:1"],
          "is no address of a peer"
        ]] as const
      ) {
        const exit = yield* Effect.exit(Protocol.anyOf(peers))
        expect(Exit.isFailure(exit) && Exit.hasDies(exit)).toBe(true)
        expect(String(exit)).toContain(says)
      }
      for (const name of ["hedgeAfter", "avoidFor"]) {
        const negative = yield* Effect.exit(Protocol.anyOf(["10.0.0.1:1"], { [name]: -1 }))
        expect(Exit.isFailure(negative) && Exit.hasDies(negative)).toBe(true)
        expect(String(negative)).toContain(`the duration of ${name} is not negative`)
      }
    }))
})
