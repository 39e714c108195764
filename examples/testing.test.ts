/**
 * How to test a program's deadlines and retries: `Transport` is a service, so a test provides one that loses datagrams,
 * and `whileTimePasses` lets seconds pass in no time.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Equal, Layer, Schedule } from "effect"
import { Protocol, Transport } from "effect-rpcudp"
import { NetAddress } from "effect/net"
import { whileTimePasses } from "effect-rpcudp/testing"
import { Greeter, NotFound } from "./greeter/Greeter.ts"

// ---------------------------------------------------------------------------------------------------------------------
// the program under test
// ---------------------------------------------------------------------------------------------------------------------

const greet = Effect.fn("greet")(function*(address: NetAddress.InetAddress) {
  const greeter = yield* Protocol.client(Greeter)
  return yield* greeter(address).sayhi("Ada")
})

const greetStubbornly = (address: NetAddress.InetAddress) =>
  greet(address).pipe(
    Protocol.withTimeout("300 millis"),
    Effect.retry({ schedule: Schedule.spaced("1 second"), times: 3, while: Protocol.isNoResponse })
  )

// ---------------------------------------------------------------------------------------------------------------------
// a network of one node
// ---------------------------------------------------------------------------------------------------------------------

const self = NetAddress.inetAddressFromStringUnsafe("192.0.2.1:1234")

/** Every datagram comes back to the node that sent it, but the first `lost` vanish. */
const lossyLoopback = (lost: number) =>
  Layer.sync(Transport.Transport, () => {
    const peer: Transport.Peer = {
      address: self,
      host: NetAddress.formatIp(self.address),
      equals: (that) => Equal.equals(self, that.address)
    }
    let sent = 0
    let receive = (_datagram: Uint8Array, _from: Transport.Peer) => {}
    return Transport.Transport.of({
      address: self,
      peer: () => peer,
      send: (datagram) => {
        if (++sent > lost) receive(datagram, peer)
      },
      run: (onDatagram) =>
        Effect.suspend(() => {
          receive = onDatagram
          return Effect.never
        })
    })
  })

const GreeterTest = Greeter.toLayer({
  sayhi: (name) => Effect.succeed(`Hello ${name}`),
  lookup: (key) => new NotFound({ key }),
  poke: () => Effect.void
})

const nodeThatLoses = (lost: number) =>
  Protocol.serve(Greeter).pipe(
    Layer.provide(GreeterTest),
    Layer.provideMerge(Protocol.layer()),
    Layer.provide(lossyLoopback(lost))
  )

describe("greet", () => {
  it.effect("gives up after five seconds, and not before", () =>
    Effect.gen(function*() {
      const error = yield* whileTimePasses(Effect.flip(greet(self)))
      assert.strictEqual(yield* Clock.currentTimeMillis, 5000)
      assert.strictEqual(error._tag, "NoResponse")
      assert.strictEqual(error.message, `192.0.2.1:1234 did not answer "sayhi" within 5s`)
    }).pipe(Effect.provide(nodeThatLoses(1))))

  it.effect("is answered by the third attempt when two requests are lost", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* whileTimePasses(greetStubbornly(self)), "Hello Ada")
      // Two deadlines of 300 ms, and a second behind each.
      assert.strictEqual(yield* Clock.currentTimeMillis, 2600)
    }).pipe(Effect.provide(nodeThatLoses(2))))
})
