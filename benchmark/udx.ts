/**
 * Why the library has no transport over udx-native: what it says of datagrams that the system refuses, and what becomes
 * of long ones, beside `node:dgram`. `npm run udx`; on a loopback interface whose MTU is 1,500 bytes, as after
 * `ip link set lo up mtu 1500` under `unshare -rn`, also what becomes of those that need fragments.
 */
import { createSocket } from "node:dgram"
import type { Socket } from "node:dgram"
import { open } from "./contenders/ours-udx.ts"

const host = "127.0.0.1"

const bound = (): Promise<Socket> => {
  const socket = createSocket("udp4")
  return new Promise((resolve) => socket.bind(0, host, () => resolve(socket)))
}

const udx = open()
const node = await bound()
const witness = await bound()

const sendByNode = (bytes: number, port: number, to: string): Promise<string> =>
  new Promise((resolve) => {
    const onSent = (error: NodeJS.ErrnoException | null) => resolve(error === null ? "sent" : String(error.code))
    try {
      node.send(Buffer.alloc(bytes), port, to, onSent)
    } catch (error) {
      resolve(error instanceof Error && "code" in error ? String(error.code) : String(error))
    }
  })

const sendByUdx = async (bytes: number, port: number, to: string): Promise<string> =>
  await udx.send(Buffer.alloc(bytes), port, to) ? "sent" : "refused"

/** The bytes of the datagram that `send` brings to `socket`, if it does: what is sent afterwards arrives afterwards. */
const arrives = async (
  socket: Pick<Socket | typeof udx, "off" | "on">,
  send: () => Promise<unknown>,
  sendEnd: () => Promise<unknown>
): Promise<number | undefined> => {
  const { promise, resolve } = Promise.withResolvers<number | undefined>()
  let first: number | undefined
  const onMessage = ({ length }: Uint8Array) => {
    if (length === 1) resolve(first)
    else first = length
  }
  socket.on("message", onMessage)
  await send()
  await sendEnd()
  const bytes = await promise
  socket.off("message", onMessage)
  return bytes
}

const refused = [
  ["port 0", 10, 0, host],
  ["broadcast, which was not asked for", 10, 9, "255.255.255.255"],
  ["IPv6 from a socket on IPv4", 10, 9, "2001:db8::1"],
  ["a foreign network from 127.0.0.1", 10, 9, "192.0.2.1"],
  ["longer than UDP allows", 70_000, 9, host]
] as const

console.table(Object.fromEntries(
  await Promise.all(
    refused.map(async ([what, bytes, port, to]) => [
      what,
      { "node:dgram": await sendByNode(bytes, port, to), "udx-native": await sendByUdx(bytes, port, to) }
    ])
  )
))

const rows: Array<readonly [string, Record<string, string | number>]> = []
for (const bytes of [1472, 1473, 2048, 2049, 8213]) {
  const there = witness.address().port
  const here = udx.address().port
  rows.push([`${bytes} bytes`, {
    "by node:dgram, at node:dgram": await arrives(
      witness,
      () => sendByNode(bytes, there, host),
      () => sendByNode(1, there, host)
    ) ?? "lost",
    "by udx-native, at node:dgram": await arrives(
      witness,
      () => sendByUdx(bytes, there, host),
      () => sendByUdx(1, there, host)
    ) ?? "lost",
    "by node:dgram, at udx-native": await arrives(
      udx,
      () => sendByNode(bytes, here, host),
      () => sendByNode(1, here, host)
    ) ?? "lost"
  }])
}
console.table(Object.fromEntries(rows))

await udx.close()
node.close()
witness.close()
