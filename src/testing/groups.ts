/** Who hears what is sent to a multicast group, or to all. No chance, no clock. */
import * as NetAddress from "effect/net/NetAddress"
import type * as DatagramSocket from "effect/socket/DatagramSocket"

interface Member {
  readonly address: DatagramSocket.BackingAddress
}

export class Groups<M extends Member> {
  readonly #sockets: ReadonlyMap<string, M>
  readonly #members = new Map<string, Set<M>>()

  /** `sockets`: all of the network. */
  constructor(sockets: ReadonlyMap<string, M>) {
    this.#sockets = sockets
  }

  join(group: NetAddress.IpAddress, member: M): () => void {
    const host = NetAddress.formatIp(group)
    const members = this.#members.get(host) ?? new Set()
    this.#members.set(host, members.add(member))
    return () => members.delete(member)
  }

  leave(member: M): void {
    for (const members of this.#members.values()) members.delete(member)
  }

  /** In the order in which they joined, or opened. Undefined: nobody does, or it is the address of one socket alone. */
  hearers({ host, port }: DatagramSocket.BackingAddress): ReadonlyArray<M> | undefined {
    const all = host === broadcast ? Array.from(this.#sockets.values()).filter(isIpv4) : this.#members.get(host)
    // Most datagrams are for one socket, and there are millions.
    if (all === undefined) return undefined
    const found = Array.from(all).filter(({ address }) => address.port === port)
    return found.length === 0 ? undefined : found
  }
}

const broadcast = NetAddress.formatIp(NetAddress.ipv4Broadcast)

const isIpv4 = ({ address }: Member): boolean => !address.host.includes(":")
