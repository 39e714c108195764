/** A process that ends with a socket open, or once it has closed it, in the way that its argument says. */
import { addon, loopback, open } from "../raw.ts"

const way = process.argv[2]

if (way === "in a callback" || way === "by an error" || way === "closed") {
  const socket = open(() => {
    if (way === "in a callback") process.exit(7)
    if (way === "by an error") throw new Error("as the test says")
    addon.close(socket.handle)
  })
  socket.write(new Uint8Array(1), loopback(socket.handle.port))
}

// Each is told of a refusal, and sends over the other. Nothing else wakes the loop.
if (way === "in the callback of a refusal" || way === "closed after refusals") {
  let told = 0
  const onRefused = (mine: 0 | 1) => () => {
    if (way === "in the callback of a refusal") process.exit(7)
    told++
    if (told === 1000) { for (const { handle } of sockets) addon.close(handle) }
    else sockets[1 - mine]!.write(new Uint8Array(1), loopback(0))
  }
  const sockets = [open(() => {}, onRefused(0)), open(() => {}, onRefused(1))]
  sockets[0]!.write(new Uint8Array(1), loopback(0))
}

if (way === "at once") {
  open(() => {})
  process.exit(7)
}
