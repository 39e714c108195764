/** How many datagrams a second of real time the simulated network carries: `npm run --prefix benchmark network`. */
import { Console, Effect } from "effect"
import { NetAddress } from "effect/net"
import { DatagramSocket } from "effect/socket"
import { TestClock } from "effect/testing"
import { SimulatedNetwork } from "../src/testing/index.ts"

const datagrams = 1_000_000

const carry = (name: string, settings: SimulatedNetwork.Settings) =>
  Effect.gen(function*() {
    const network = yield* SimulatedNetwork.SimulatedNetwork
    const to = NetAddress.inetAddressFromStringUnsafe("10.0.0.2:2")
    const sender = yield* Effect.provide(DatagramSocket.DatagramSocket, SimulatedNetwork.socket("10.0.0.1:1"))
    const receiver = yield* Effect.provide(DatagramSocket.DatagramSocket, SimulatedNetwork.socket(to))
    yield* sender.reader
    const reader = yield* receiver.reader
    const writer = yield* sender.writer
    let received = 0
    yield* reader.pull.pipe(
      Effect.map((batch) => {
        received += batch.length
      }),
      Effect.forever({ disableYield: true }),
      Effect.forkChild({ startImmediately: true })
    )
    const payload = new Uint8Array(50)
    const started = performance.now()
    for (let i = 0; i < datagrams; i += 100) {
      for (let j = 0; j < 100; j++) yield* writer.write({ payload, address: to })
      yield* TestClock.adjust("1 millis")
    }
    yield* TestClock.adjust("1 minute")
    const seconds = (performance.now() - started) / 1000
    const { lost } = yield* network.stats
    yield* Console.log(
      `${name}: ${datagrams} sent, ${received} received, ${lost} lost in ${seconds.toFixed(1)} s, ` +
        `${Math.round(datagrams / seconds)} a second`
    )
  }).pipe(
    Effect.provide(SimulatedNetwork.layer(settings)),
    Effect.scoped,
    Effect.provide(TestClock.layer())
  )

await Effect.runPromise(Effect.gen(function*() {
  yield* carry("without faults", {})
  yield* carry("1 ms", { delay: "1 millis" })
  yield* carry("wifi", SimulatedNetwork.wifi)
  yield* carry("5 to 80 ms, loss, duplicates, damage", {
    delay: ["5 millis", "80 millis"],
    loss: 0.05,
    duplicate: 0.01,
    corrupt: 0.001,
    mtu: 1500
  })
}))
