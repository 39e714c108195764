/** Tells of each datagram how many went as one message with it. Run with faults.c before the system. */
import { addon, loopback, open } from "../raw.ts"

/** In each, what is sent in one turn: the lengths of the datagrams, those below zero of another socket's peer. */
const turns: ReadonlyArray<ReadonlyArray<number>> = [
  [9, 9, 9, 9],
  [9],
  // a shorter one ends a message, and a longer one begins another
  [9, 9, 8, 8, 9, 9],
  // nor is it joined by one that has no bytes, or goes elsewhere
  [9, 9, 0, 9, 9, -9, 9, 9, -9, -9],
  Array.from({ length: 64 + 1 }, () => 9),
  [1232, 1232, 1233, 1233, 1232],
  // 53 of them are 65,296 bytes
  Array.from({ length: 53 + 1 }, () => 1232),
  [...Array.from({ length: 53 }, () => 1232), 65_507 - 53 * 1232],
  [...Array.from({ length: 53 }, () => 1232), 65_508 - 53 * 1232]
]

const found: Array<Array<readonly [length: number, joined: number]>> = []
let turn = 0
let left = 0

const next = (): void => {
  const lengths = turns[turn]
  if (lengths === undefined) {
    for (const { handle } of [sender, receiver, other]) addon.close(handle)
    console.log(JSON.stringify(found))
    return
  }
  found.push([])
  left = lengths.length
  for (const [i, length] of lengths.entries()) {
    const bytes = new Uint8Array(Math.abs(length)).fill(i + 1)
    bytes.set([0x4d, 0].slice(0, bytes.length))
    sender.write(bytes, loopback((length < 0 ? other : receiver).handle.port))
  }
}

const hears = (sign: number) => (bytes: Uint8Array): void => {
  // Each is whole, and no byte of another's.
  if (new Set(bytes.subarray(2)).size > 1) throw new Error("a datagram of several")
  found[turn]!.push([sign * bytes.length, bytes[1] ?? 1])
  if (--left > 0) return
  turn++
  next()
}

const receiver = open(hears(1))
const other = open(hears(-1))
const sender = open(() => {})
next()
