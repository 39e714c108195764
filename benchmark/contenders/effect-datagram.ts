/** Effect's NodeDatagramSocket alone: an id and a table, as with bare `node:dgram`, and Effects to send and to receive. */
import { NodeDatagramSocket } from "@effect/platform-node"
import { Effect, Scope } from "effect"
import { NetAddress } from "effect/net"
import { DatagramSocket } from "effect/socket"
import { effects } from "../harness/load.ts"
import type { Contender } from "../harness/worker.ts"
import { ids } from "./dgram.ts"
import { argumentBytes, replyBytes } from "./workload.ts"

const idBytes = 20

const open = Effect.gen(function*() {
  const socket = yield* DatagramSocket.DatagramSocket
  return { reader: yield* socket.reader, writer: yield* socket.writer }
}).pipe(
  Effect.provide(NodeDatagramSocket.layer({ bind: { address: "127.0.0.1", port: 0 } })),
  Effect.provideService(Scope.Scope, Scope.makeUnsafe())
)

const receive = (
  { pull }: DatagramSocket.Reader,
  onDatagram: (datagram: DatagramSocket.Datagram) => Effect.Effect<void, unknown>
) => Effect.runFork(Effect.forever(Effect.flatMap(pull, Effect.forEach(onDatagram, { discard: true }))))

export const contender: Contender = {
  serve: async () => {
    const { reader, writer } = await Effect.runPromise(open)
    receive(reader, (request) => {
      const reply = Buffer.allocUnsafe(idBytes + replyBytes.length)
      reply.set(request.payload.subarray(0, idBytes))
      replyBytes.copy(reply, idBytes)
      return writer.write({ payload: reply, address: request })
    })
    return reader.address.port
  },
  connect: async (port) => {
    const { reader, writer } = await Effect.runPromise(open)
    const address = NetAddress.inetAddressFromStringUnsafe(`127.0.0.1:${port}`)
    const calls = new Map<number, () => void>()
    const nextId = ids()
    const keyOf = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, 6).readUIntBE(0, 6)
    receive(reader, ({ payload }) =>
      Effect.sync(() => {
        const key = keyOf(payload)
        const done = calls.get(key)
        calls.delete(key)
        done?.()
      }))
    const call = Effect.suspend(() => {
      const request = Buffer.allocUnsafe(idBytes + argumentBytes.length)
      nextId().copy(request)
      argumentBytes.copy(request, idBytes)
      const answer = Effect.callback<void>((resume) => {
        calls.set(keyOf(request), () => resume(Effect.void))
      })
      return Effect.andThen(writer.write({ payload: request, address }), answer)
    })
    return effects(call, Effect.runFork)
  }
}
