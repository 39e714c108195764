/** Bare `node:dgram`, but that a call is an Effect, as ours are: against the baseline it tells what a fiber's waiting costs. */
import { Effect, Exit } from "effect"
import { effects } from "../harness/load.ts"
import type { Contender } from "../harness/worker.ts"
import { argumentBytes } from "./workload.ts"
import { idBytes, ids, make, open } from "./dgram.ts"

export const contender: Contender = {
  serve: make().serve,
  connect: async (port) => {
    const socket = await open()
    const calls = new Map<number, (answer: Exit.Exit<Buffer>) => void>()
    const nextId = ids()
    socket.on("message", (reply) => {
      const key = reply.readUIntBE(0, 6)
      const resume = calls.get(key)
      if (resume === undefined) return
      calls.delete(key)
      resume(Exit.succeed(reply))
    })
    const call = Effect.callback<Buffer>((resume) => {
      const request = Buffer.allocUnsafe(idBytes + argumentBytes.length)
      nextId().copy(request)
      argumentBytes.copy(request, idBytes)
      const key = request.readUIntBE(0, 6)
      calls.set(key, resume)
      socket.send(request, port, "127.0.0.1")
      return Effect.sync(() => {
        calls.delete(key)
      })
    })
    return effects(call, Effect.runFork)
  }
}
