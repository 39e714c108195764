/** A thread with a socket of its own that echoes, until it is told to close or is terminated. */
import { parentPort } from "node:worker_threads"
import { addon, open, record } from "../raw.ts"

const socket = open((bytes, from) => {
  const to = from.slice()
  // What is sent to it comes back, to the port that it came from.
  if (to[record.port] !== 0) socket.write(bytes, to)
})

parentPort!.on("message", () => {
  addon.close(socket.handle)
  parentPort!.close()
})
parentPort!.postMessage(socket.handle.port, [])
