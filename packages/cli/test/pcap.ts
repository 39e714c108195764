/** Writes captures: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-05.html. Each packet is IPv4 with UDP. */
import { NetAddress } from "effect/net"

export interface Packet {
  /** Nanoseconds since 1970. */
  readonly time: bigint
  readonly from: NetAddress.InetAddress
  readonly to: NetAddress.InetAddress
  readonly payload: Uint8Array
}

export const pcap = (packets: ReadonlyArray<Packet>): Uint8Array => {
  const header = Buffer.alloc(24)
  // Times in nanoseconds; version 2.4; packets of any length; and what they are: IPv4 or IPv6, without a link.
  header.writeUInt32LE(0xa1b23c4d, 0)
  header.writeUInt16LE(2, 4)
  header.writeUInt16LE(4, 6)
  header.writeUInt32LE(65_535, 16)
  header.writeUInt32LE(101, 20)
  return Buffer.concat([header, ...packets.map(record)])
}

const record = (packet: Packet): Uint8Array => {
  const datagram = ip(packet)
  const head = Buffer.alloc(16)
  head.writeUInt32LE(Number(packet.time / 1_000_000_000n), 0)
  head.writeUInt32LE(Number(packet.time % 1_000_000_000n), 4)
  head.writeUInt32LE(datagram.length, 8)
  head.writeUInt32LE(datagram.length, 12)
  return Buffer.concat([head, datagram])
}

/** RFC 791, 3.1, and RFC 768. A checksum of 0 of UDP's is none. */
const ip = ({ from, payload, to }: Packet): Uint8Array => {
  const head = Buffer.alloc(28)
  head[0] = 0x45
  head.writeUInt16BE(28 + payload.length, 2)
  head[8] = 64
  head[9] = 17
  head.set(octets(from), 12)
  head.set(octets(to), 16)
  head.writeUInt16BE(from.port, 20)
  head.writeUInt16BE(to.port, 22)
  head.writeUInt16BE(8 + payload.length, 24)
  return Buffer.concat([head, payload])
}

const octets = ({ address }: NetAddress.InetAddress): ReadonlyArray<number> => {
  if (!NetAddress.isIpv4Address(address)) throw new Error("packets are of IPv4")
  return NetAddress.ipv4ToOctets(address)
}
