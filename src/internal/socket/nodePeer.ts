/** Where Node's socket hears from, and sends to. */
import * as Equal from "effect/Equal"
import type * as NetAddress from "effect/net/NetAddress"
import type { Peer, Socket } from "./contract.ts"
import { mappedPrefix, reachable } from "./family.ts"
import type * as Node from "./node.ts"

export const make = (socket: Node.Socket): Socket => {
  const { at, to } = nodePeers(socket)
  return {
    address: socket.address,
    shared: socket.shared,
    peer: to,
    send: (datagram, to, onFailure) => {
      if (!(to instanceof NodePeer)) throw new TypeError("a peer of another transport")
      socket.send(datagram, to.nativeHost, to.port, onFailure)
    },
    run: (onDatagram) => socket.run((datagram, host, port, toGroup) => onDatagram(datagram, at(host, port), toGroup))
  }
}

/**
 * An address is written and parsed once, not for each datagram. `to` remembers an address as long as somebody holds it, `at`
 * those heard last.
 */
const nodePeers = (socket: Node.Socket) => {
  const known = new WeakMap<NetAddress.InetAddress, NodePeer>()
  const heard: Array<NodePeer | undefined> = Array.from({ length: 1024 })
  return {
    to: (address: NetAddress.InetAddress): NodePeer => {
      let peer = known.get(address)
      if (peer === undefined) {
        known.set(address, peer = new NodePeer(socket, socket.hostOf(reachable(address)), address.port))
      }
      return peer
    },
    at: (host: string, port: number): NodePeer => {
      const slot = port % heard.length
      const last = heard[slot]
      if (last !== undefined && last.port === port && last.nativeHost === host) return last
      return heard[slot] = new NodePeer(socket, host, port)
    }
  }
}

class NodePeer implements Peer {
  readonly socket: Node.Socket
  readonly nativeHost: string
  readonly host: string
  readonly port: number
  #address: NetAddress.InetAddress | undefined

  constructor(socket: Node.Socket, nativeHost: string, port: number) {
    this.socket = socket
    this.nativeHost = nativeHost
    this.host = nativeHost.startsWith(mappedPrefix) && nativeHost.includes(".")
      ? nativeHost.slice(mappedPrefix.length)
      : nativeHost
    this.port = port
  }

  get address(): NetAddress.InetAddress {
    return this.#address ??= this.socket.addressOf(this.nativeHost, this.port)
  }

  equals(that: Peer): boolean {
    // Both hosts are as the system writes them, so texts differ only where IPv6 has more than one way to write.
    if (that instanceof NodePeer && this.nativeHost === that.nativeHost) return this.port === that.port
    return Equal.equals(this.address, that.address)
  }
}
