/** A node of dht-rpc: persistent and reachable, as one is on a public address. */
import DHT from "dht-rpc"
import { began, type Ended, finished, ran, steer, versionOf } from "./steer.ts"

const dht = new DHT({ bootstrap: [], host: "127.0.0.1", port: 0, ephemeral: false, firewalled: false })

// The commands, in this order, as the attackers number them.
const first = 100
const methods = ["ping", "slow", "never", "dies", "large", "huge"]

dht.on("request", (request) => {
  const method = methods[request.command - first]
  if (method === undefined) return
  ran(method)
  switch (method) {
    case "ping":
      return request.reply(Buffer.from("pong"))
    case "slow":
      began()
      return void setTimeout(() => {
        finished()
        request.reply(Buffer.from("slow"))
      }, 1000)
    case "never":
      began()
      return void setTimeout(() => request, 3_600_000)
    case "dies":
      throw new Error("a secret of the handler")
    case "large":
      return request.reply(Buffer.alloc(8000))
    default:
      return request.reply(Buffer.alloc(60_000))
  }
})

await dht.fullyBootstrapped()

const none: Ended = { outcome: "none", value: null }

steer({
  version: `dht-rpc ${versionOf("dht-rpc")}, udx-native ${versionOf("udx-native")}`,
  port: dht.address().port,
  kept: () => ({
    "calls in flight": dht.io.inflight.length,
    "calls that wait to be sent": dht.io._pending.length,
    "nodes in its table": dht.nodes.length,
    "pings put off": dht._pendingTimers.size
  }),
  call: (host, port) =>
    dht.request({ command: first }, { host, port }).then(
      ({ value }): Ended => ({ outcome: "answer", value: value === null ? null : Buffer.from(value).toString() }),
      () => none
    ),
  abandon: (host, port, count, cancel) => {
    const session = dht.session()
    for (let i = 0; i < count; i++) session.request({ command: first }, { host, port }).catch(() => none)
    if (cancel) session.destroy()
  }
})
