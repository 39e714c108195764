/** The calls of `dgram-typed.ts` over NativeTransport's socket: the least that calls of ours could take over it. */
import { Effect, Layer, Scope } from "effect"
import { NetAddress } from "effect/net"
import { Transport } from "../../dist/index.js"
import { NativeTransport } from "../../packages/native/dist/index.js"
import type { Contender } from "../harness/worker.ts"
import { answerTo, typedCalls } from "./dgram-typed.ts"

const open = async () => {
  const layer = NativeTransport.layer({ address: "127.0.0.1" })
  const context = await Effect.runPromise(Layer.buildWithScope(layer, Scope.makeUnsafe()))
  return Effect.runPromiseWith(context)(Transport.Transport)
}

export const contender: Contender = {
  serve: async () => {
    const socket = await open()
    Effect.runFork(socket.run((datagram, from) => socket.send(answerTo(datagram), from)))
    return socket.address.port
  },
  connect: async (port) => {
    const socket = await open()
    const peer = socket.peer(NetAddress.inetAddressFromIpStringUnsafe("127.0.0.1", port))
    return typedCalls({
      receive: (onDatagram) => {
        Effect.runFork(socket.run(onDatagram))
      },
      send: (datagram) => socket.send(datagram, peer)
    })
  }
}
