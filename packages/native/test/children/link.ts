/**
 * In a network of its own, with two links that both have the address fe80::1 and a loopback interface that takes 1,500 bytes: sends
 * over the second link, what needs fragments, and to where there is no route. Tells what arrived, and what was refused.
 */
import { networkInterfaces } from "node:os"
import { addon, flag, loopback, open, record } from "../raw.ts"

const index = networkInterfaces()["v1"]!.find(({ address }) => address === "fe80::1")!.scopeid!
const link = (port: number, scope: number) => Int32Array.of(0, 0, port, scope, 0xfe800000 | 0, 0, 0, 1)

const { promise, resolve } = Promise.withResolvers<void>()

// It hears over the link, and answers to where that came from.
const heard: Array<unknown> = []
const any = { flags: flag.ipv6, to: new Int32Array(8) }
const host = (from: Int32Array) => [from[record.scope] === index, ...from.subarray(record.address)]
const server = open(
  (bytes, from) => {
    heard.push(["server", ...host(from)])
    server.write(bytes.slice(), from.slice())
  },
  () => {},
  any
)
const client = open(
  (_, from) => {
    heard.push(["client", ...host(from)])
    resolve()
  },
  () => {},
  any
)
client.write(Uint8Array.of(1), link(server.handle.port, index))
await promise

const lengths: Array<number> = []
const all = Promise.withResolvers<void>()
const whole = open((bytes) => {
  if (bytes.every((byte) => byte === 7)) lengths.push(bytes.length)
  if (lengths.length === 3) all.resolve()
})
for (const length of [1_473, 8_213, 65_507]) {
  whole.write(new Uint8Array(length).fill(7), loopback(whole.handle.port))
  addon.flush(whole.handle)
}
await all.promise

whole.write(Uint8Array.of(1), loopback(9).with(record.address + 3, 0xc0000201 | 0))
const nowhere = addon.flush(whole.handle) === 1 ? whole.handle.refused[1] : undefined

for (const { handle } of [server, client, whole]) addon.close(handle)
console.log(JSON.stringify({ heard, lengths, nowhere }))
