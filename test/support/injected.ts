/** A transport without a network: what arrives is handed in, from whatever address, and what is sent is kept. */
import { Effect, Equal, Layer } from "effect"
import { NetAddress } from "effect/net"
import { Transport } from "../../src/index.ts"

export interface Injected {
  readonly layer: Layer.Layer<Transport.Transport>
  readonly receive: (datagram: Uint8Array, from: Transport.Peer, toGroup?: boolean) => void
  /** What was sent, until it is taken away. */
  readonly sent: Array<{ readonly datagram: Uint8Array; readonly to: Transport.Peer }>
}

export const peerOf = (address: NetAddress.InetAddress): Transport.Peer => ({
  address,
  host: NetAddress.formatIp(address.address),
  equals: (that) => Equal.equals(that.address, address)
})

export const peerAt = (address: string): Transport.Peer => peerOf(NetAddress.inetAddressFromStringUnsafe(address))

export const make = (): Injected => {
  let receive: Injected["receive"] = () => {}
  const sent: Injected["sent"] = []
  return {
    layer: Layer.succeed(Transport.Transport, {
      address: NetAddress.inetAddressFromStringUnsafe("10.0.0.1:1"),
      peer: peerOf,
      send: (datagram, to) => sent.push({ datagram, to }),
      run: (onDatagram) =>
        Effect.callback(() => {
          receive = onDatagram
        })
    }),
    receive: (datagram, from, toGroup) => receive(datagram, from, toGroup),
    sent
  }
}
