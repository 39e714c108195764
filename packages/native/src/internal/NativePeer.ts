/** Where the addon's socket hears from, and sends to: numbers, and text for whoever asks. */
import * as Equal from "effect/Equal"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import { Transport } from "effect-rpcudp"
import { record } from "./addon.ts"

/**
 * Who is called or heard twice is parsed once. `to` remembers an address as long as somebody holds it, `at` those heard
 * last.
 */
export const make = () => {
  const known = new WeakMap<NetAddress.InetAddress, NativePeer>()
  const heard: Array<NativePeer | undefined> = Array.from({ length: 1024 })
  return {
    to: (address: NetAddress.InetAddress): NativePeer => {
      let peer = known.get(address)
      if (peer === undefined) known.set(address, peer = ofAddress(Transport.reachable(address)))
      return peer
    },
    /** The peer of the record that begins at this word. */
    at: (words: Int32Array, offset: number): NativePeer => {
      const port = words[offset + record.port]!
      const slot = (port ^ words[offset + record.address + 3]!) & 1023
      const last = heard[slot]
      return last !== undefined && last.isOf(words, offset) ? last : heard[slot] = ofRecord(words, offset)
    }
  }
}

export class NativePeer implements Transport.Peer {
  readonly port: number
  readonly scope: number
  // The words of an IPv6 address, or of the one that an IPv4 address is mapped to.
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
  #address: NetAddress.InetAddress | undefined
  #host: string | undefined

  constructor(port: number, scope: number, w0: number, w1: number, w2: number, w3: number) {
    this.port = port
    this.scope = scope
    this.w0 = w0
    this.w1 = w1
    this.w2 = w2
    this.w3 = w3
  }

  get address(): NetAddress.InetAddress {
    return this.#address ??= NetAddress.toCanonical(this.#parse())
  }

  get host(): string {
    return this.#host ??= NetAddress.formatHost(this.address)
  }

  equals(that: Transport.Peer): boolean {
    if (!(that instanceof NativePeer)) return Equal.equals(this.address, that.address)
    return this.w3 === that.w3 && this.port === that.port && this.w2 === that.w2 && this.w1 === that.w1 &&
      this.w0 === that.w0 && this.scope === that.scope
  }

  isOf(words: Int32Array, offset: number): boolean {
    return words[offset + record.address + 3] === this.w3 && words[offset + record.port] === this.port &&
      words[offset + record.address + 2] === this.w2 && words[offset + record.address + 1] === this.w1 &&
      words[offset + record.address] === this.w0 && words[offset + record.scope] === this.scope
  }

  write(words: Int32Array, offset: number): void {
    words[offset + record.port] = this.port
    words[offset + record.scope] = this.scope
    words[offset + record.address] = this.w0
    words[offset + record.address + 1] = this.w1
    words[offset + record.address + 2] = this.w2
    words[offset + record.address + 3] = this.w3
  }

  #parse(): NetAddress.InetAddress {
    const bytes = new DataView(new ArrayBuffer(16))
    for (const [i, word] of [this.w0, this.w1, this.w2, this.w3].entries()) bytes.setInt32(4 * i, word)
    const address = NetAddress.ipv6FromBytesUnsafe(new Uint8Array(bytes.buffer))
    return Result.getOrThrow(NetAddress.inetAddressV6(address, this.port, { scopeId: this.scope >>> 0 }))
  }
}

export const ofAddress = (address: NetAddress.InetAddress): NativePeer => {
  const ip = NetAddress.isInetAddressV4(address) ? NetAddress.toIpv4Mapped(address.address) : address.address
  const bytes = new DataView(Uint8Array.from(NetAddress.ipv6ToOctets(ip)).buffer)
  const scope = NetAddress.isInetAddressV6(address) ? address.scopeId | 0 : 0
  return new NativePeer(
    address.port,
    scope,
    bytes.getInt32(0),
    bytes.getInt32(4),
    bytes.getInt32(8),
    bytes.getInt32(12)
  )
}

const ofRecord = (words: Int32Array, offset: number): NativePeer =>
  new NativePeer(
    words[offset + record.port]!,
    words[offset + record.scope]!,
    words[offset + record.address]!,
    words[offset + record.address + 1]!,
    words[offset + record.address + 2]!,
    words[offset + record.address + 3]!
  )
