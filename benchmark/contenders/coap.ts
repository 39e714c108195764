/** coap: CoAP (RFC 7252), confirmable messages. */
import { Agent, createServer, request } from "coap"
import { Socket } from "node:dgram"
import { callbacks } from "../harness/load.ts"
import type { Contender } from "../harness/worker.ts"
import { argument, replyBytes } from "./workload.ts"

export const contender: Contender = {
  serve: async () => {
    const server = createServer((_, response) => response.end(replyBytes))
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", () => resolve())
    })
    const socket = server._sock
    if (!(socket instanceof Socket)) throw new Error("it does not listen")
    return socket.address().port
  },
  connect: async (port) => {
    const agent = new Agent({ type: "udp4" })
    const call = { agent, hostname: "127.0.0.1", port, pathname: "/forty", query: argument }
    return callbacks((done) => {
      const outgoing = request(call)
      outgoing.on("response", (incoming) => {
        // The reply is read, as by the others.
        if (incoming.payload.length === replyBytes.length) done()
      })
      outgoing.on("error", () => {})
      outgoing.end()
    })
  }
}
