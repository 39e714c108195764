/** k-rpc-socket, BitTorrent's DHT: bencoded. */
import RPC from "k-rpc-socket"
import { callbacks } from "../harness/load.ts"
import type { Contender } from "../harness/worker.ts"
import { argumentBytes, replyBytes } from "./workload.ts"

const open = async () => {
  const socket = new RPC()
  await new Promise<void>((resolve) => {
    socket.bind(0, resolve)
  })
  return socket
}

export const contender: Contender = {
  serve: async () => {
    const socket = await open()
    socket.on("query", (query, peer) => socket.response(peer, query, { v: replyBytes }))
    return socket.address().port
  },
  connect: async (port) => {
    const socket = await open()
    const peer = { host: "127.0.0.1", port }
    return callbacks((done) => {
      socket.query(peer, { q: "forty", a: { v: argumentBytes } }, (error) => {
        if (error === null) done()
      })
    })
  }
}
