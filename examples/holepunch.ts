/**
 * Two nodes behind NATs find each other by a third, and call each other without it from then on: over the simulated network for
 * every pair of kinds of NAT, or with `--real` through NATs of Linux's own, made of network namespaces and nftables (root).
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, Layer, Option, Schema } from "effect"
import { Transport } from "effect-rpcudp"
import { SimulatedNetwork, whileTimePasses } from "effect-rpcudp/testing"
import { TestClock } from "effect/testing"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { expected, type Kind, kinds, nameOf, punched } from "./holepunch/kinds.ts"
import * as Linux from "./holepunch/linux.ts"
import { meet, node, register, third, Way } from "./holepunch/Meeting.ts"

const { values } = parseArgs({
  options: {
    real: { type: "boolean", default: false },
    contained: { type: "boolean", default: false }
  }
})

class Wrong extends Schema.TaggedError<Wrong>()("Wrong", { message: Schema.String }) {}

const thirdAt = "198.51.100.1:8468"

interface Found {
  readonly way: boolean
  readonly wayBack: boolean
}

/** Ada goes to meet Bob. Each is behind a NAT of its own, or both are behind the first. */
const simulate = (nats: readonly [SimulatedNetwork.Nat, ...ReadonlyArray<SimulatedNetwork.Nat>]) =>
  Effect.gen(function*() {
    const network = yield* SimulatedNetwork.SimulatedNetwork
    yield* Effect.forEach(nats, network.nat, { discard: true })
    const at = (address: string) => Layer.provide(Transport.layerSocket(), SimulatedNetwork.socket(address))
    yield* Layer.build(Layer.provide(third, at(thirdAt)))
    const ada = yield* Layer.build(Layer.provide(node("Ada", thirdAt), at("10.0.1.2:8468")))
    const bob = yield* Layer.build(Layer.provide(node("Bob", thirdAt), at("10.0.2.2:8468")))
    yield* Effect.provideContext(register("Ada", thirdAt), ada)
    yield* Effect.provideContext(register("Bob", thirdAt), bob)
    const way = yield* Effect.provideContext(meet("Bob", thirdAt), ada)
    const { found } = yield* Effect.provideContext(Way, bob)
    const wayBack = yield* Effect.timeoutOption(found, "3 seconds")
    return { way: Option.isSome(way), wayBack: Option.isSome(wayBack) }
  }).pipe(
    Effect.scoped,
    whileTimePasses,
    Effect.provide(
      // The network takes the clock that it finds.
      SimulatedNetwork.layer({ delay: ["10 millis", "40 millis"], seed: 1 }).pipe(Layer.provideMerge(TestClock.layer()))
    )
  )

const simulatePair = (a: Kind, b: Kind) =>
  simulate([
    { ...a, outside: "192.0.2.1", inside: ["10.0.1.2"] },
    { ...b, outside: "203.0.113.1", inside: ["10.0.2.2"] }
  ])

/** The same through NATs of Linux's. */
const tryReal = Effect.fnUntraced(function*(a: Kind, b: Kind) {
  yield* Linux.behave("a", a)
  yield* Linux.behave("b", b)
  // The third still knows the Bob of the last pair.
  const name = `Bob behind ${nameOf(b)}, for ${nameOf(a)}`
  const bob = yield* Linux.start("b", "peer.ts", name, thirdAt)
  const ada = yield* Linux.start("a", "peer.ts", "Ada", thirdAt, name)
  const line = Option.getOrElse(yield* ada.firstLine, () => "nothing")
  if (line === "no way") return { way: false, wayBack: false }
  if (line !== "a way") return yield* new Wrong({ message: `Ada said: ${line}` })
  const wayBack = yield* Effect.timeoutOption(bob.firstLine, "5 seconds")
  return { way: true, wayBack: Option.isSome(wayBack) }
}, Effect.scoped)

const wayOf = Effect.fnUntraced(function*(pair: string, { way, wayBack }: Found) {
  if (way === wayBack) return way
  return yield* new Wrong({ message: `${pair}: one reaches the other, and not the other way` })
})

/** What the table says of a pair. */
const cell = Effect.fnUntraced(function*(a: Kind, b: Kind, found: Found, expected: boolean | undefined) {
  const pair = `${nameOf(a)} and ${nameOf(b)}`
  const way = yield* wayOf(pair, found)
  if (expected !== undefined && way !== expected) return yield* new Wrong({ message: `${pair}: not as expected` })
  return !way ? "." : punched(a, b) ? "+" : "*"
})

const row = (name: string, cells: ReadonlyArray<string>) =>
  [name, ...cells].map((text) => text.padEnd(8)).join("").trimEnd()

const simulated = Effect.gen(function*() {
  yield* Console.log(
    "Ada's NAT by Bob's, mapping/filtering: endpoint-independent (EI), address- (AD) and port-dependent (APD)"
  )
  yield* Console.log(row("", kinds.map(nameOf)))
  const all: Array<string> = []
  for (const a of kinds) {
    const cells = yield* Effect.forEach(
      kinds,
      (b) => Effect.flatMap(simulatePair(a, b), (found) => cell(a, b, found, expected(a, b)))
    )
    all.push(...cells)
    yield* Console.log(row(nameOf(a), cells))
  }
  const count = (text: string) => all.filter((other) => other === text).length
  yield* Console.log(
    `a way: ${count("+")} of 9 that RFC 5128 expects (+), ${count("*")} of ${all.length - 9} that it does not (*)`
  )
  for (const hairpinning of [true, false]) {
    const nat = { ...kinds[1]!, hairpinning, outside: "192.0.2.1", inside: ["10.0.1.2", "10.0.2.2"] }
    const way = yield* wayOf("one NAT", yield* simulate([nat]))
    if (way !== hairpinning) return yield* new Wrong({ message: "behind one NAT: not as expected" })
    yield* Console.log(`behind one NAT ${hairpinning ? "with" : "without"} hairpinning: ${way ? "a way" : "no way"}`)
  }
})

const real = Effect.gen(function*() {
  const serving = yield* Linux.start("internet", "third.ts", ...thirdAt.split(":"))
  yield* serving.firstLine
  yield* Console.log("the same through NATs of Linux's")
  yield* Console.log(row("", Linux.kinds.map(nameOf)))
  for (const [i, a] of Linux.kinds.entries()) {
    const cells = yield* Effect.forEach(
      Linux.kinds.slice(0, i + 1),
      Effect.fnUntraced(function*(b) {
        // Whatever the RFCs leave open, it is as it was simulated.
        const { way } = yield* simulatePair(a, b)
        return yield* cell(a, b, yield* tryReal(a, b), way)
      })
    )
    yield* Console.log(row(nameOf(a), cells))
  }
})

const needs = "skipped: NATs of Linux's take root, ip (Debian: iproute2) and nft (Debian: nftables)"

const program = Effect.gen(function*() {
  if (!values.real) return yield* simulated
  if (values.contained) {
    return yield* Effect.matchEffect(Linux.make, {
      onFailure: ({ code, command }) => Console.log(`${needs}; "${command}" ended with ${code}`),
      onSuccess: () => Effect.raceFirst(real, Linux.orphaned)
    })
  }
  const code = yield* Linux.contain(process.execPath, fileURLToPath(import.meta.url), "--real", "--contained")
  if (Option.isNone(code)) return yield* Console.log(needs)
  if (code.value !== 0) return yield* new Wrong({ message: `it ended with ${code.value}` })
})

program.pipe(Effect.scoped, Effect.provide(NodeServices.layer), NodeRuntime.runMain)
