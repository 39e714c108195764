/**
 * Does to the addon what nobody should: arguments of every kind, arrays that are detached, resized or full of nonsense, and
 * callbacks that close, flush, open, detach or throw. What must hold: it throws an error with a code or does nothing, the
 * process goes on, and two sockets that nobody has touched still exchange a datagram. What it does to memory is seen by
 * `npm run native:sanitize`.
 *
 *   node --expose-gc fuzz.ts [--seed 1] [--rounds 100]
 */
import { setImmediate as turn } from "node:timers/promises"
import { parseArgs } from "node:util"
import type { Addon, Handle } from "../src/internal/addon.ts"
import type { Raw } from "./raw.ts"
import { addon, loopback, open as openRaw, outboundHead, recordSize } from "./raw.ts"

const { values: flags } = parseArgs({
  options: { seed: { type: "string", default: "1" }, rounds: { type: "string", default: "100" } }
})

// As a caller without types has it.
const untyped: { readonly [name in keyof Addon]: (...args: ReadonlyArray<unknown>) => unknown } = addon as never

let state = Number(flags.seed)

/** mulberry32: a number from 0 to 1. */
const random = (): number => {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
}

const upTo = (n: number): number => Math.floor(random() * n)
const one = <A>(of: ReadonlyArray<A>): A => of[upTo(of.length)]!
const chance = (share: number): boolean => random() < share

const number = (): number =>
  one([0, 1, -1, 2, 7, 8, 64, 65, 256, 257, 65_535, 65_536, 131_072, 131_073, 2 ** 31 - 1, -(2 ** 31), upTo(2 ** 32)])

const handles: Array<Handle> = []
const counts = { calls: 0, errors: 0, callbacks: 0, thrown: 0 }

const detach = (array: ArrayBufferView | undefined): void => {
  if (array === undefined) return
  const { buffer } = array
  if (buffer instanceof ArrayBuffer && !buffer.detached) {
    if (chance(0.5)) structuredClone(buffer, { transfer: [buffer] })
    else buffer.transfer(upTo(100))
  }
}

const arraysOf = (handle: Handle) => [handle.inbound, handle.outbound, handle.bytes, handle.refused]

/** An array that may be too short, of another kind, detached, shared, or beyond the end of a buffer that has shrunk. */
const array = (): ArrayBufferView => {
  const length = one([0, 1, 7, 8, 8, 8, 8, 9, 528])
  switch (upTo(6)) {
    case 0: {
      const buffer = new ArrayBuffer(4 * length, { maxByteLength: 8192 })
      const view = chance(0.5) ? new Int32Array(buffer) : new Int32Array(buffer, 0, length)
      buffer.resize(upTo(64))
      return view
    }
    case 1:
      return new Int32Array(new SharedArrayBuffer(4 * length)).fill(number())
    case 2: {
      const view = new Int32Array(length)
      detach(view)
      return view
    }
    case 3:
      return one([
        new Uint8Array(length),
        new Float64Array(length),
        new BigInt64Array(length),
        new DataView(new ArrayBuffer(32))
      ])
    default:
      return Int32Array.from({ length }, number)
  }
}

const anything = (): unknown =>
  one<() => unknown>([
    () => undefined,
    () => null,
    number,
    () => NaN,
    () => -0.5,
    () => Infinity,
    () => 10n ** 20n,
    () => "socket",
    () => Symbol("socket"),
    () => ({}),
    () => () => {},
    array,
    () => one(handles),
    () => Object.create(one(handles) ?? {}),
    () => new Proxy(one(handles) ?? {}, {}),
    () => ({ ...one(handles) }),
    () => loopback(0),
    () => one(handles)?.inbound
  ])()

const handle = (): unknown => chance(0.9) && handles.length > 0 ? one(handles) : anything()

const scribble = (target: Handle): void => {
  const { bytes, outbound } = target
  for (let i = upTo(5); i > 0; i--) {
    const index = chance(0.7) ? upTo(8) : upTo(256)
    const words = chance(0.6) ? loopback(one(handles)?.port ?? 9) : Int32Array.from({ length: recordSize }, number)
    words[0] = chance(0.6) ? upTo(1000) : number()
    words[1] = chance(0.6) ? upTo(1000) : number()
    if (outbound.length > 0) outbound.set(words, recordSize * (index + 1))
  }
  // Some that might go as one message, and end where they may not.
  if (outbound.length > 0 && chance(0.3)) {
    const words = loopback(one(handles)?.port ?? 9)
    let offset = one([0, 65_000, 131_000])
    for (let i = 1; i <= 256; i++, offset += words[1]!) {
      words[0] = offset
      words[1] = chance(0.9) ? one([10, 1232]) : upTo(2000)
      outbound.set(words, recordSize * i)
    }
  }
  if (bytes.length > 0) bytes.fill(upTo(256), upTo(bytes.length))
  outbound[outboundHead.count] = chance(0.8) ? upTo(one([20, 257])) : number()
  outbound[outboundHead.sent] = number()
}

/** Some of what callers and callbacks do. */
const act = (depth = 0): void => {
  counts.calls++
  try {
    switch (upTo(13)) {
      case 0:
      case 1:
        open(depth)
        break
      case 2:
        untyped.open(...Array.from({ length: upTo(6) }, anything))
        break
      case 3:
        untyped.flush(...Array.from({ length: upTo(3) }, handle))
        break
      case 4:
        untyped.bufferSize(handle(), chance(0.7) ? upTo(2) : anything(), chance(0.5) ? number() : anything())
        break
      case 5:
        if (chance(0.5)) untyped.close(handle())
        break
      case 6: {
        const target = one(handles)
        if (target !== undefined && chance(0.3)) detach(one(arraysOf(target)))
        break
      }
      case 7: {
        const target = one(handles)
        if (target !== undefined && chance(0.2)) {
          Object.assign(target, { outbound: array(), inbound: array(), port: anything() })
        }
        break
      }
      case 8:
        if (chance(0.1)) globalThis.gc!()
        break
      default: {
        const target = one(handles)
        if (target !== undefined) scribble(target)
        if (target !== undefined && chance(0.5)) addon.flush(target)
      }
    }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    // A RangeError is of the arrays, that this file has detached or replaced.
    if (!("code" in error) && !(error instanceof RangeError) && !(error instanceof TypeError)) throw error
    counts.errors++
  }
}

const open = (depth: number): void => {
  const behave = () => {
    counts.callbacks++
    for (let i = depth < 3 ? upTo(3) : 0; i > 0; i--) act(depth + 1)
  }
  const onBatch = (pool: ArrayBuffer) => {
    behave()
    if (chance(0.05)) pool.transfer(upTo(10))
    if (chance(0.02)) throw new Thrown("from a batch")
  }
  const onRefused = () => {
    behave()
    if (chance(0.02)) throw new Thrown("from a refusal")
  }
  const record = chance(0.8) ? loopback(0) : Int32Array.of(0, 0, 0, 0, 0, 0, 0, one([0, 1]))
  // With an IPv6 flag, a record of IPv4 is a socket on the mapped address.
  handles.push(addon.open(record, chance(0.7) ? 0 : upTo(16), onBatch, onRefused))
  // Some are forgotten without being closed.
  if (handles.length > 12) {
    const [oldest] = handles.splice(upTo(handles.length), 1)
    if (oldest !== undefined && chance(0.9)) addon.close(oldest)
  }
}

class Thrown extends Error {}

// Who throws in a callback is told as of any other callback.
process.on("uncaughtException", (error) => {
  if (!(error instanceof Thrown)) throw error
  counts.thrown++
})

/** A datagram from one to the other, both of which nobody has touched. */
const exchange = async (): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const to: Raw = openRaw((bytes) => bytes.length === 77 && resolve())
  const from: Raw = openRaw(() => {})
  from.write(new Uint8Array(77), loopback(to.handle.port))
  await promise
  addon.close(to.handle)
  addon.close(from.handle)
}

for (let round = 0; round < Number(flags.rounds); round++) {
  for (let i = upTo(200); i > 0; i--) act()
  for (let i = upTo(4); i > 0; i--) await turn()
  await exchange()
}
for (const open of handles.splice(0)) addon.close(open)
await turn()
console.log(JSON.stringify(counts))
// Those that were forgotten hold the process.
process.exit(0)
