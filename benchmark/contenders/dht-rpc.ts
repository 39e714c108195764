/** dht-rpc, Hyperswarm's DHT, over udx-native. Its window is widened: by default it keeps no more than 80 calls in flight. */
import DHT from "dht-rpc"
import { promises } from "../harness/load.ts"
import type { Contender } from "../harness/worker.ts"
import { argumentBytes, replyBytes } from "./workload.ts"

const forty = 40

const open = async () => {
  const node = new DHT({ ephemeral: false, firewalled: false, bootstrap: [], host: "127.0.0.1", maxWindow: 100_000 })
  await node.fullyBootstrapped()
  return node
}

export const contender: Contender = {
  serve: async () => {
    const node = await open()
    node.on("request", (request) => request.reply(replyBytes))
    return node.address().port
  },
  connect: async (port) => {
    const node = await open()
    const to = { host: "127.0.0.1", port }
    return promises(() => node.request({ command: forty, target: null, value: argumentBytes }, to))
  }
}
