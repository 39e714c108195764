/** Sends what the system refuses at first, and tells what has become of it. Run with faults.c before the system. */
import { constants } from "node:os"
import { addon, loopback, open, outboundHead, record, recordSize, refusedOf } from "../raw.ts"

const { EAGAIN, EINTR, ENOBUFS, EPERM } = constants.errno

const told: Array<unknown> = []
const heard: Array<string> = []
let meanwhile: unknown
const first = Promise.withResolvers<void>()
const second = Promise.withResolvers<void>()

const receiver = open((bytes) => {
  heard.push(bytes[0] === 0x46 ? "F" : String.fromCharCode(...bytes))
  if (heard.at(-1) === "end") first.resolve()
  // The sender is blocked by now, and what was refused before that is not told.
  if (heard.at(-1) === "f") meanwhile = refusedNow()
  if (heard.at(-1) === "second end") second.resolve()
})
const positive = (refused: ReturnType<typeof refusedOf>) => refused.map(([index, errno]) => [index, -errno])
const sender = open(() => {}, (refused) => told.push(...positive(refused)))
const refusedNow = () => positive(refusedOf(sender.handle, addon.flush(sender.handle)))

const to = loopback(receiver.handle.port)
const text = (text: string) => sender.write(new TextEncoder().encode(text), to)
const fault = (errno: number, times: number) => sender.write(Uint8Array.of(0x46, errno, times), to)

text("a")
text("Partial") // the call takes no more
fault(EINTR, 3) // again, at once
text("b")
fault(EPERM, 1) // refused, and no other
text("c")
fault(EPERM, 1)
fault(EPERM, 1)
text("d")
fault(EAGAIN, 3) // waits, and is sent after all
text("e")

// What is refused at once is told to who has asked; then the socket is blocked, and asks no more until it is writable.
const atOnce = refusedNow()
const { outbound } = sender.handle
const waiting = [outbound[outboundHead.sent], outbound[outboundHead.count]]
const again = [addon.flush(sender.handle), outbound[outboundHead.sent]]
// It counts down where it stands, so this is how often the system was asked.
const asked = 3 - sender.handle.bytes[outbound[recordSize * 10 + record.offset]! + 2]!
// While it waits, more may be written.
fault(ENOBUFS, 2)
fault(EPERM, 1) // is told by a call of `onRefused`
text("end")

await first.promise
const left = outbound[outboundHead.count]

text("f")
fault(EPERM, 1)
fault(EAGAIN, 1)
text("second end")

await second.promise
addon.close(sender.handle)
addon.close(receiver.handle)
console.log(JSON.stringify({ atOnce, waiting, again, asked, told, heard, left, meanwhile }))
