/** udp-request: an id of two bytes, and no more encoding than bytes. */
// @ts-expect-error It has no types.
import udp from "udp-request"
import { callbacks } from "../harness/load.ts"
import type { Contender } from "../harness/worker.ts"
import { argumentBytes, replyBytes } from "./workload.ts"

const open = async () => {
  const socket = udp()
  await new Promise<void>((resolve) => {
    socket.listen(resolve)
  })
  return socket
}

export const contender: Contender = {
  serve: async () => {
    const socket = await open()
    socket.on("request", (_: Uint8Array, peer: unknown) => socket.response(replyBytes, peer))
    return socket.address().port
  },
  connect: async (port) => {
    const socket = await open()
    const peer = { host: "127.0.0.1", port }
    return callbacks((done) => {
      socket.request(argumentBytes, peer, (error: unknown) => {
        if (error === null) done()
      })
    })
  }
}
