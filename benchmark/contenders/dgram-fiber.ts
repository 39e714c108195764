/** Bare `node:dgram` whose calls are Effects, as ours are: against the baseline, what a fiber that waits costs. */
import { Effect, Exit } from "effect"
import type { Socket } from "node:dgram"
import { effects } from "../harness/load.ts"
import type { Driver } from "../harness/load.ts"
import type { Contender } from "../harness/worker.ts"
import { idBytes, ids, make, open } from "./dgram.ts"
import { argumentBytes } from "./workload.ts"

// More than are in flight at once. An array, as a `Map` of what is so short-lived costs the collector 5%.
const slots = 2 ** 16

/** A socket that talks to one peer. */
export interface Connected {
  readonly receive: (onDatagram: (datagram: Uint8Array) => void) => void
  readonly send: (datagram: Uint8Array) => void
}

export const connected = (socket: Socket, port: number): Connected => ({
  receive: (onDatagram) => {
    socket.on("message", onDatagram)
  },
  send: (datagram) => socket.send(datagram, port, "127.0.0.1")
})

/** Calls that are fibers. Each is found by the first two bytes of its id, which stands at `idOffset` in what is answered. */
export const fibers = (
  socket: Connected,
  idOffset: number,
  encode: (id: Buffer) => Uint8Array,
  decode: (reply: Uint8Array) => unknown
): Driver => {
  const calls = Array.from<((answer: Exit.Exit<unknown>) => void) | undefined>({ length: slots })
  const nextId = ids()
  let made = 0
  socket.receive((reply) => {
    const slot = (reply[idOffset]! << 8) | reply[idOffset + 1]!
    const resume = calls[slot]
    if (resume === undefined) return
    calls[slot] = undefined
    resume(Exit.succeed(decode(reply)))
  })
  const call = Effect.callback<unknown>((resume) => {
    const slot = made++ % slots
    const id = nextId()
    id.writeUInt16BE(slot)
    const request = encode(id)
    calls[slot] = resume
    socket.send(request)
    return Effect.sync(() => {
      calls[slot] = undefined
    })
  })
  return effects(call, Effect.runFork)
}

export const contender: Contender = {
  serve: make().serve,
  connect: async (port) =>
    fibers(connected(await open(), port), 0, (id) => {
      const request = Buffer.allocUnsafe(idBytes + argumentBytes.length)
      id.copy(request)
      argumentBytes.copy(request, idBytes)
      return request
    }, (reply) => reply)
}
