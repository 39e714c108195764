/**
 * Bare `node:dgram` whose calls are Effects on our wire, with MessagePack and schemas at both ends, and nothing else: no
 * deadlines, no limits, no metrics. It loses no calls, as its buffers are as long as ours. Against the baseline it is the
 * most that typed calls could reach with these libraries.
 */
import { Effect, Exit, Result, Schema } from "effect"
import { Codec, Handlers } from "../../dist/index.js"
import { effects } from "../harness/load.ts"
import type { Contender } from "../harness/worker.ts"
import { slots } from "./dgram-fiber.ts"
import { ids, open } from "./dgram.ts"
import { argument, replyTo } from "./workload.ts"

class Forty extends Handlers.Service<Forty>()("benchmark/Forty", {
  forty: { args: [Schema.String], success: Schema.String }
}) {}

const { args, success } = Forty.contract.get("forty")!

const receiveBufferBytes = 4 * 1024 * 1024

/** All is synchronous here, and fits. */
const done = (effect: Effect.Effect<unknown, unknown>): unknown => {
  if (Exit.isExit(effect) && Exit.isSuccess(effect)) return effect.value
  throw new Error("not done")
}

export const contender: Contender = {
  serve: async () => {
    const socket = await open(receiveBufferBytes)
    socket.on("message", (datagram, { address, port }) => {
      const request = Result.getOrThrow(Codec.decodeRequest(datagram))
      const decoded = done(args.decode(request.args))
      const reply = done(success.encode(replyTo(Array.isArray(decoded) ? decoded[0] : "")))
      socket.send(Result.getOrThrow(Codec.encodeResponse(request.id, reply)), port, address)
    })
    return socket.address().port
  },
  connect: async (port) => {
    const socket = await open(receiveBufferBytes)
    const calls = Array.from<((answer: Exit.Exit<unknown>) => void) | undefined>({ length: slots })
    const nextId = ids()
    let made = 0
    socket.on("message", (reply) => {
      const slot = reply.readUInt16BE(1)
      const resume = calls[slot]
      if (resume === undefined) return
      calls[slot] = undefined
      resume(Exit.succeed(done(success.decode(Result.getOrThrow(Codec.decodeResponse(reply))))))
    })
    const call = Effect.callback<unknown>((resume) => {
      const slot = made++ % slots
      const id = nextId()
      id.writeUInt16BE(slot)
      const encoded = done(args.encode([argument]))
      const request = Result.getOrThrow(Codec.encodeRequest(id, "forty", Array.isArray(encoded) ? encoded : []))
      calls[slot] = resume
      socket.send(request, port, "127.0.0.1")
      return Effect.sync(() => {
        calls[slot] = undefined
      })
    })
    return effects(call, Effect.runFork)
  }
}
