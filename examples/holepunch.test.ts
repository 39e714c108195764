/** Who a node of `holepunch/Meeting.ts` believes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { NetAddress } from "effect/net"
import { Handlers, Protocol, Transport } from "effect-rpcudp"
import { SimulatedNetwork, whileTimePasses } from "effect-rpcudp/testing"
import { node, Peer } from "./holepunch/Meeting.ts"

const thirdAt = "198.51.100.1:8468"
const bobAt = "203.0.113.2:8468"
const bystanderAt = "203.0.113.9:8468"

const at = (address: string) => Layer.provide(Transport.layerSocket(), SimulatedNetwork.socket(address))

/** The senders whose greetings reach somebody who has asked for none. */
const bystander = Effect.gen(function*() {
  const senders: Array<string> = []
  const Listening = Peer.toLayer({
    punch: () => Effect.void,
    greet: () =>
      Effect.map(Handlers.Sender, (sender) => {
        senders.push(NetAddress.formatInet(sender))
        return "somebody"
      })
  })
  yield* Layer.build(
    Protocol.serve(Peer).pipe(
      Layer.provide(Listening),
      Layer.provide(Layer.fresh(Protocol.layer())),
      Layer.provide(at(bystanderAt))
    )
  )
  return senders
})

/** Calls Bob's `punch` from this address, and lets pass the time in which Bob would call. */
const punchFrom = (address: string) =>
  Effect.gen(function*() {
    const peers = yield* Protocol.client(Peer)
    yield* peers(bobAt).punch(bystanderAt)
    yield* Effect.sleep("5 seconds")
  }).pipe(
    Effect.provide(Layer.fresh(Protocol.layer()).pipe(Layer.provide(at(address)))),
    Effect.scoped,
    whileTimePasses
  )

describe("a node that meets others", () => {
  it.effect("sends to an address that the third names, and to none that anybody else names", () =>
    Effect.gen(function*() {
      const senders = yield* bystander
      yield* Layer.build(Layer.provide(node("Bob", thirdAt), at(bobAt)))
      yield* punchFrom("192.0.2.66:8468")
      assert.deepStrictEqual(senders, [])
      yield* punchFrom(thirdAt)
      assert.deepStrictEqual(senders, [bobAt])
    }).pipe(Effect.scoped, Effect.provide(SimulatedNetwork.layer({ seed: 1 }))))
})
