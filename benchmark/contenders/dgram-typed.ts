/**
 * Bare `node:dgram` whose calls are Effects on our wire, with MessagePack and schemas at both ends, and nothing else: no
 * deadlines, no limits, no metrics. It loses no calls, as its buffers are as long as ours. Against the baseline it is the
 * most that typed calls could reach with these libraries.
 */
import type { Effect } from "effect"
import { Exit, Result } from "effect"
import { Codec } from "../../dist/index.js"
import type { Contender } from "../harness/worker.ts"
import type { Driver } from "../harness/load.ts"
import type { Connected } from "./dgram-fiber.ts"
import { connected, fibers } from "./dgram-fiber.ts"
import { open } from "./dgram.ts"
import { Forty } from "./ours.ts"
import { argument, replyTo } from "./workload.ts"

const { args, success } = Forty.contract.get("forty")!

const receiveBufferBytes = 4 * 1024 * 1024

/** All is synchronous here, and fits. */
const done = (effect: Effect.Effect<unknown, unknown>): unknown => {
  if (Exit.isExit(effect) && Exit.isSuccess(effect)) return effect.value
  throw new Error("not done")
}

export const answerTo = (datagram: Uint8Array): Uint8Array => {
  const request = Result.getOrThrow(Codec.decodeRequest(datagram))
  const decoded = done(args.decode(request.args))
  const reply = done(success.encode(replyTo(Array.isArray(decoded) ? decoded[0] : "")))
  return Result.getOrThrow(Codec.encodeResponse(request.id, reply))
}

export const typedCalls = (socket: Connected): Driver =>
  fibers(socket, 1, (id) => {
    const encoded = done(args.encode([argument]))
    return Result.getOrThrow(Codec.encodeRequest(id, "forty", Array.isArray(encoded) ? encoded : []))
  }, (reply) => done(success.decode(Result.getOrThrow(Codec.decodeResponse(reply)))))

export const contender: Contender = {
  serve: async () => {
    const socket = await open(receiveBufferBytes)
    socket.on("message", (datagram, { address, port }) => socket.send(answerTo(datagram), port, address))
    return socket.address().port
  },
  connect: async (port) => typedCalls(connected(await open(receiveBufferBytes), port))
}
