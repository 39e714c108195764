/** The addon without the transport above it, as children and the fuzzer use it: no Effect, nothing of effect-rpcudp. */
import type { Addon, Handle } from "../src/internal/addon.ts"
import * as addonModule from "../src/internal/addon.ts"

const { flag, inboundHead, outboundHead, record, recordSize } = addonModule

export const addon: Addon = addonModule.load()

/** The record of a peer on 127.0.0.1. */
export const loopback = (port: number): Int32Array => Int32Array.of(0, 0, port, 0, 0, 0, 0xffff, 0x7f000001)

export interface Raw {
  readonly handle: Handle
  /** Writes a datagram, and returns the number of its record. It is sent when the turn ends. */
  readonly write: (bytes: Uint8Array, to: Int32Array) => number
}

export const open = (
  onDatagram: (bytes: Uint8Array, from: Int32Array) => void,
  onRefused: (refused: ReadonlyArray<readonly [index: number, errno: number]>) => void = () => {},
  { flags = 0, to = loopback(0) }: { readonly flags?: number; readonly to?: Int32Array } = {}
): Raw => {
  const handle = addon.open(to, flags, (pool) => {
    const words = handle.inbound
    for (let i = 1; i <= words[inboundHead.count]!; i++) {
      const from = words.subarray(recordSize * i, recordSize * (i + 1))
      onDatagram(new Uint8Array(pool, from[record.offset], from[record.length]), from)
    }
  }, (count) => onRefused(refusedOf(handle, count)))
  let taken = 0
  return {
    handle,
    write: (bytes, to) => {
      const words = handle.outbound
      const index = words[outboundHead.count]!
      if (index === 0) taken = 0
      words.set(to, recordSize * (index + 1))
      words[recordSize * (index + 1) + record.offset] = taken
      words[recordSize * (index + 1) + record.length] = bytes.length
      handle.bytes.set(bytes, taken)
      taken += bytes.length
      words[outboundHead.count] = index + 1
      return index
    }
  }
}

export const refusedOf = (handle: Handle, count: number): ReadonlyArray<readonly [index: number, errno: number]> =>
  Array.from({ length: count }, (_, i) => [handle.refused[2 * i]!, handle.refused[2 * i + 1]!] as const)

export { flag, inboundHead, outboundHead, record, recordSize }
