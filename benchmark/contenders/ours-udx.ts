/** effect-rpcudp over udx-native, dht-rpc's socket: a transport that the library does not have, and RESULTS.md says why. */
import { Effect, Layer } from "effect"
import { NetAddress } from "effect/net"
import { DatagramSocket } from "effect/socket"
// @ts-expect-error It has no types.
import UDX from "udx-native"
import { Protocol, Transport } from "../../dist/index.js"
import { make } from "./ours.ts"

/** What is used of udx-native's socket. */
interface Socket {
  readonly address: () => { readonly port: number }
  readonly bind: (port: number, host: string) => void
  readonly close: () => Promise<void>
  readonly send: (datagram: Uint8Array, port: number, host: string) => Promise<boolean>
  readonly trySend: (datagram: Uint8Array, port: number, host: string) => void
  readonly setRecvBufferSize: (bytes: number) => void
  readonly on: (event: "message", listener: OnMessage) => void
  readonly off: (event: "message", listener: OnMessage) => void
}

type OnMessage = (datagram: Uint8Array, from: { readonly host: string; readonly port: number }) => void

class UdxPeer implements Transport.Peer {
  readonly host: string
  readonly port: number
  #address: NetAddress.InetAddress | undefined

  constructor(host: string, port: number) {
    this.host = host
    this.port = port
  }

  get address(): NetAddress.InetAddress {
    return this.#address ??= NetAddress.inetAddressFromIpStringUnsafe(this.host, this.port)
  }

  equals(that: Transport.Peer): boolean {
    return that instanceof UdxPeer && this.host === that.host && this.port === that.port
  }
}

const layer = (): Layer.Layer<Transport.Transport> =>
  Layer.effect(
    Transport.Transport,
    Effect.map(
      Effect.acquireRelease(Effect.sync(open), (socket) => Effect.promise(() => socket.close())),
      (socket) => {
        const known = new WeakMap<NetAddress.InetAddress, UdxPeer>()
        const heard: Array<UdxPeer | undefined> = Array.from({ length: 1024 })
        const at = (host: string, port: number): UdxPeer => {
          const slot = port % heard.length
          const last = heard[slot]
          if (last !== undefined && last.port === port && last.host === host) return last
          return heard[slot] = new UdxPeer(host, port)
        }
        return {
          address: NetAddress.inetAddressUnsafe(NetAddress.ipv4Loopback, socket.address().port),
          peer: (address) => {
            let peer = known.get(address)
            if (peer === undefined) {
              known.set(address, peer = new UdxPeer(NetAddress.formatIp(address.address), address.port))
            }
            return peer
          },
          send: (datagram, to, onFailure) => {
            if (!(to instanceof UdxPeer)) throw new TypeError("a peer of another transport")
            if (onFailure === undefined) return socket.trySend(datagram, to.port, to.host)
            const fail = (cause: unknown) => onFailure(refused(to, cause))
            // It answers true where the system refused, too; what asking costs is to be measured all the same.
            socket.send(datagram, to.port, to.host).then((sent) => sent ? undefined : fail(undefined), fail)
          },
          run: (onDatagram) =>
            Effect.callback(() => {
              const onMessage: OnMessage = (datagram, { host, port }) => onDatagram(datagram, at(host, port))
              socket.on("message", onMessage)
              return Effect.sync(() => socket.off("message", onMessage))
            })
        }
      }
    )
  )

export const open = (): Socket => {
  const socket: Socket = new UDX().createSocket()
  socket.bind(0, "127.0.0.1")
  socket.setRecvBufferSize(4 * 1024 * 1024)
  return socket
}

const refused = ({ address }: Transport.Peer, cause: unknown): DatagramSocket.DatagramSocketError =>
  new DatagramSocket.DatagramSocketError({
    reason: new DatagramSocket.DatagramSocketWriteError({ kind: "Unknown", address, cause })
  })

export const contender = make((options) => Protocol.layer(options).pipe(Layer.provide(layer())))
