/** Bare udx-native: the exchange of `dgram.ts` over dht-rpc's socket. */
// @ts-expect-error It has no types.
import UDX from "udx-native"
import { callbacks } from "../harness/load.ts"
import type { Contender } from "../harness/worker.ts"
import { ids } from "./dgram.ts"
import { argumentBytes, replyBytes } from "./workload.ts"

const idBytes = 20

const open = () => {
  const socket = new UDX().createSocket()
  socket.bind(0, "127.0.0.1")
  return socket
}

export const contender: Contender = {
  serve: async () => {
    const socket = open()
    socket.on("message", (request: Buffer, { host, port }: { host: string; port: number }) => {
      const reply = Buffer.allocUnsafe(idBytes + replyBytes.length)
      request.copy(reply, 0, 0, idBytes)
      replyBytes.copy(reply, idBytes)
      socket.trySend(reply, port, host)
    })
    return socket.address().port
  },
  connect: async (port) => {
    const socket = open()
    const calls = new Map<number, () => void>()
    const nextId = ids()
    socket.on("message", (reply: Buffer) => {
      const key = reply.readUIntBE(0, 6)
      const done = calls.get(key)
      calls.delete(key)
      done?.()
    })
    return callbacks((done) => {
      const request = Buffer.allocUnsafe(idBytes + argumentBytes.length)
      nextId().copy(request)
      argumentBytes.copy(request, idBytes)
      calls.set(request.readUIntBE(0, 6), done)
      socket.trySend(request, port, "127.0.0.1")
    })
  }
}
