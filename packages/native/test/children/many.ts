/**
 * Opens and closes sockets, each after it has sent and heard a datagram, and tells how many descriptors, and how many
 * bytes more, the process has afterwards. The first rounds are for what is made once.
 */
import { readdirSync } from "node:fs"
import { setImmediate as turn } from "node:timers/promises"
import { addon, loopback, open } from "../raw.ts"

const sockets = Number(process.argv[2])
const atOnce = 100

const round = async () => {
  let heard = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  for (let i = 0; i < atOnce; i++) {
    const socket = open(() => {
      addon.close(socket.handle)
      heard++
      if (heard === atOnce) resolve()
    })
    socket.write(new Uint8Array(100), loopback(socket.handle.port))
  }
  // Some that are closed as they were opened, and twice.
  const idle = open(() => {})
  addon.close(idle.handle)
  addon.close(idle.handle)
  await promise
  // libuv has told that they are closed.
  await turn()
}

const measure = async () => {
  // What was collected is given back in later turns.
  for (let i = 0; i < 5; i++) {
    globalThis.gc!()
    await turn()
  }
  const { arrayBuffers, heapUsed, rss } = process.memoryUsage()
  return { descriptors: readdirSync("/proc/self/fd").length, arrayBuffers, heapUsed, rss }
}

for (let i = 0; i < 20; i++) await round()
const before = await measure()
for (let opened = 0; opened < sockets; opened += atOnce) {
  await round()
  if (opened % 1000 === 0) globalThis.gc!()
}
console.log(JSON.stringify([before, await measure()]))
