/**
 * Datagram sockets that reach each other in memory: no loss, no delay, no order but that of sending. `SimulatedNetwork` can't
 * serve here: it is part of what is tested, and it keeps no datagram that a test could read or change.
 */
import { Effect, Layer } from "effect"
import { NetAddress } from "effect/net"
import { DatagramSocket } from "effect/socket"
import { Transport } from "../../src/index.ts"

/** A datagram on its way. */
export interface Packet {
  readonly from: string
  readonly to: string
  readonly payload: Uint8Array
}

export interface MemoryNetwork {
  /** A socket bound to this host; port 0 is the next one that is free. */
  readonly socket: (host: string, port?: number) => Layer.Layer<DatagramSocket.DatagramSocket>
  /** Every datagram sent, the lost ones, too. */
  readonly sent: Array<Packet>
  /** Which datagrams arrive. All do until it is set. */
  delivers: (packet: Packet) => boolean
  /** What a socket says of a send: undefined, that it took it. */
  refuses: (packet: Packet) => DatagramSocket.DatagramSocketError | undefined
  /** Delivers a datagram from wherever it says. */
  readonly inject: (packet: Packet) => void
  /** How many sockets are open. */
  readonly open: () => number
}

export const make = (): MemoryNetwork => {
  const sockets = new Map<string, DatagramSocket.BackingEvents>()
  let nextPort = 49152

  const open = (host: string, port: number, events: DatagramSocket.BackingEvents) =>
    Effect.suspend(() => {
      const bound = { host, port: port === 0 ? nextPort++ : port }
      const name = nameOf(bound)
      if (sockets.has(name)) {
        return Effect.fail(
          new DatagramSocket.DatagramSocketError({
            reason: new DatagramSocket.DatagramSocketOpenError({ kind: "AddressInUse", cause: new Error(name) })
          })
        )
      }
      sockets.set(name, events)
      const send: DatagramSocket.BackingSocket["send"] = (payload, destination, done) => {
        if (destination === undefined) throw new Error("a datagram without a destination")
        const packet = { from: name, to: nameOf(destination), payload: Uint8Array.from(payload) }
        const refusal = network.refuses(packet)
        if (refusal !== undefined) return queueMicrotask(() => done(refusal))
        network.sent.push(packet)
        if (network.delivers(packet)) {
          // Never within the send, as on a real network.
          queueMicrotask(() => sockets.get(packet.to)?.onPacket(packet.payload, bound.host, bound.port))
        }
        done()
      }
      return Effect.succeed<DatagramSocket.BackingSocket>({
        address: bound,
        send,
        sendMany: (payloads, destinations, done) => {
          payloads.forEach((payload, i) => send(payload, destinations[i], () => {}))
          done()
        },
        joinMulticast: () => Effect.die(new Error("no multicast here")),
        close: () => sockets.delete(name)
      })
    })

  const network: MemoryNetwork = {
    socket: (host, port = 0) =>
      Layer.effect(
        DatagramSocket.DatagramSocket,
        DatagramSocket.makeFromBackingSocket((events) => open(host, port, events), {
          receiveBuffer: { capacity: 100_000 }
        })
      ),
    sent: [],
    delivers: () => true,
    refuses: () => undefined,
    inject: ({ from, payload, to }) => {
      const { host, port } = splitName(from)
      sockets.get(to)?.onPacket(payload, host, port)
    },
    open: () => sockets.size
  }
  return network
}

const splitName = (name: string): DatagramSocket.BackingAddress => {
  const colon = name.lastIndexOf(":")
  return { host: name.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(name.slice(colon + 1)) }
}

/** What a socket says that refuses to send there. */
export const refusal = (to: string): DatagramSocket.DatagramSocketError =>
  new DatagramSocket.DatagramSocketError({
    reason: new DatagramSocket.DatagramSocketWriteError({
      kind: "Unreachable",
      address: NetAddress.inetAddressFromStringUnsafe(to),
      cause: new Error("as the test says")
    })
  })

const nameOf = (address: DatagramSocket.BackingAddress): string =>
  NetAddress.formatInet(NetAddress.inetAddressFromIpStringUnsafe(address.host, address.port))

/** Transports of one host, on a network of its own: a port is chosen for each. */
export const oneHost = () => {
  const network = make()
  return () => Transport.layerSocket().pipe(Layer.provide(network.socket("10.0.0.1")))
}
