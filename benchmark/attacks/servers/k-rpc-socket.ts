/** A node of k-rpc-socket. Its queries are dealt with as k-rpc's own users do, and no less carefully. */
import RPC from "k-rpc-socket"
import { randomBytes } from "node:crypto"
import { began, finished, ran, steer, versionOf } from "./steer.ts"

const rpc = new RPC()
const id = randomBytes(20)

rpc.on("query", (query, peer) => {
  const method = Buffer.isBuffer(query.q) ? query.q.toString() : ""
  const reply = (v: Uint8Array) => rpc.response(peer, query, { id, v })
  switch (method) {
    case "ping":
      ran(method)
      return reply(Buffer.from("pong"))
    case "slow":
      ran(method)
      began()
      return void setTimeout(() => {
        finished()
        reply(Buffer.from("slow"))
      }, 1000)
    case "never":
      ran(method)
      began()
      return void setTimeout(() => query, 3_600_000)
    case "dies":
      ran(method)
      throw new Error("a secret of the handler")
    case "large":
      ran(method)
      return reply(Buffer.alloc(8000))
    case "huge":
      ran(method)
      return reply(Buffer.alloc(60_000))
  }
})

await new Promise<void>((resolve) => {
  rpc.on("listening", resolve)
  rpc.bind(0, "127.0.0.1")
})

const ping = { q: "ping", a: { id } }

steer({
  version: `k-rpc-socket ${versionOf("k-rpc-socket")}, bencode ${versionOf("bencode")}`,
  port: rpc.address().port,
  kept: () => ({ "calls in flight": rpc.inflight, "slots of calls": rpc._ids.length }),
  call: (host, port) =>
    new Promise((resolve) => {
      rpc.query({ host, port }, ping, (error, message) => {
        const value = message?.r?.v
        resolve({
          outcome: error === null ? "answer" : "none",
          value: value === undefined ? null : Buffer.from(value).toString()
        })
      })
    }),
  abandon: (host, port, count, cancel) => {
    const ids = Array.from({ length: count }, () => rpc.query({ host, port }, ping))
    if (cancel) { for (const id of ids) rpc.cancel(id) }
  }
})
