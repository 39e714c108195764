/** Bare `node:dgram`, the baseline: a 20-byte id and a table. No MessagePack, no deadlines, the system's own buffers. */
import { createSocket } from "node:dgram"
import type { Socket } from "node:dgram"
import { randomFillSync } from "node:crypto"
import { callbacks } from "../harness/load.ts"
import type { Contender } from "../harness/worker.ts"
import { argumentBytes, replyBytes } from "./workload.ts"

export const idBytes = 20

export const make = (receiveBufferBytes?: number): Contender => ({
  serve: async () => {
    const socket = await open(receiveBufferBytes)
    socket.on("message", (request, { address, port }) => {
      const reply = Buffer.allocUnsafe(idBytes + replyBytes.length)
      request.copy(reply, 0, 0, idBytes)
      replyBytes.copy(reply, idBytes)
      socket.send(reply, port, address)
    })
    return socket.address().port
  },
  connect: async (port) => {
    const socket = await open(receiveBufferBytes)
    const calls = new Map<number, () => void>()
    const nextId = ids()
    socket.on("message", (reply) => {
      const key = reply.readUIntBE(0, 6)
      const done = calls.get(key)
      if (done === undefined) return
      calls.delete(key)
      done()
    })
    return callbacks((done) => {
      const request = Buffer.allocUnsafe(idBytes + argumentBytes.length)
      nextId().copy(request)
      argumentBytes.copy(request, idBytes)
      calls.set(request.readUIntBE(0, 6), done)
      socket.send(request, port, "127.0.0.1")
    })
  }
})

export const open = (receiveBufferBytes?: number): Promise<Socket> =>
  new Promise((resolve) => {
    const socket = createSocket({ type: "udp4", lookup: (host, _options, callback) => callback(null, host, 4) })
    socket.bind(0, "127.0.0.1", () => {
      if (receiveBufferBytes !== undefined) socket.setRecvBufferSize(receiveBufferBytes)
      resolve(socket)
    })
  })

export const ids = () => {
  const pool = Buffer.allocUnsafe(512 * idBytes)
  let offset = pool.length
  return () => {
    if (offset === pool.length) {
      randomFillSync(pool)
      offset = 0
    }
    return pool.subarray(offset, offset += idBytes)
  }
}

export const contender = make()
