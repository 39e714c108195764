/** Bare `node:dgram` whose calls are Effects, as ours are: against the baseline, what a fiber that waits costs. */
import { Effect, Exit } from "effect"
import { effects } from "../harness/load.ts"
import type { Contender } from "../harness/worker.ts"
import { idBytes, ids, make, open } from "./dgram.ts"
import { argumentBytes } from "./workload.ts"

// More than are in flight at once. An array, as a `Map` of what is so short-lived costs the collector 5%.
export const slots = 2 ** 16

export const contender: Contender = {
  serve: make().serve,
  connect: async (port) => {
    const socket = await open()
    const calls = Array.from<((answer: Exit.Exit<Buffer>) => void) | undefined>({ length: slots })
    const nextId = ids()
    let made = 0
    socket.on("message", (reply) => {
      const slot = reply.readUInt16BE()
      const resume = calls[slot]
      if (resume === undefined) return
      calls[slot] = undefined
      resume(Exit.succeed(reply))
    })
    const call = Effect.callback<Buffer>((resume) => {
      const slot = made++ % slots
      const request = Buffer.allocUnsafe(idBytes + argumentBytes.length)
      nextId().copy(request)
      request.writeUInt16BE(slot)
      argumentBytes.copy(request, idBytes)
      calls[slot] = resume
      socket.send(request, port, "127.0.0.1")
      return Effect.sync(() => {
        calls[slot] = undefined
      })
    })
    return effects(call, Effect.runFork)
  }
}
