/** Node's UDP socket, as Transport needs it. */
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import type * as Dgram from "node:dgram"
import * as Builtin from "../builtin.ts"
import type { Options } from "./contract.ts"
import { closedError, codeOf, familyError, openError, openErrorOf, writeErrorOf } from "./errors.ts"
import { toBind } from "./family.ts"

/**
 * The size in bytes of the receive buffer that a transport asks for unless told otherwise, and goes without if it is refused.
 *
 * @category implementing
 * @since 0.1.0
 */
export const defaultReceiveBufferBytes = 4 * 1024 * 1024

/** To be acquired uninterruptibly: binding is over at once, and a bound socket must not be left behind. */
export const open = (options: Options): Effect.Effect<Socket, DatagramSocket.DatagramSocketError> =>
  Effect.callback((resume) => {
    const local = toBind(options)
    if (Result.isFailure(local)) return resume(Effect.fail(local.failure))
    const { address, port } = local.success
    const ipv6 = NetAddress.isIpv6Address(address)
    let socket: Dgram.Socket
    try {
      socket = Builtin.dgram().createSocket({
        type: ipv6 ? "udp6" : "udp4",
        ipv6Only: options.ipv6Only ?? false,
        reuseAddr: options.reuseAddress ?? false,
        reusePort: options.reusePort ?? false,
        lookup: noLookup
      })
    } catch (cause) {
      return resume(Effect.fail(openError("Unknown", cause)))
    }
    const onOpenError = (cause: unknown) => {
      socket.close()
      resume(Effect.fail(openErrorOf(cause)))
    }
    socket.once("error", onOpenError)
    try {
      socket.bind({ address: NetAddress.formatIp(address), port }, () => {
        try {
          setBuffers(socket, options)
        } catch (cause) {
          return onOpenError(cause)
        }
        socket.removeListener("error", onOpenError)
        resume(Effect.succeed(new Socket(socket, ipv6, options.reusePort ?? false)))
      })
    } catch (cause) {
      onOpenError(cause)
    }
  })

const setBuffers = (socket: Dgram.Socket, options: Options): void => {
  if (options.sendBufferBytes !== undefined) socket.setSendBufferSize(options.sendBufferBytes)
  if (options.receiveBufferBytes !== undefined) return socket.setRecvBufferSize(options.receiveBufferBytes)
  // Deno's asks nothing of the system: it makes so many bytes for each datagram that it receives.
  if (Builtin.isDeno()) return
  try {
    socket.setRecvBufferSize(defaultReceiveBufferBytes)
  } catch {
    // Nobody asked for this size: where the system caps it by refusing (macOS), its own default serves.
  }
}

export class Socket {
  readonly address: NetAddress.InetAddress
  readonly shared: boolean
  readonly #socket: Dgram.Socket
  readonly #ipv6: boolean
  readonly #scopeIds: ReadonlyMap<string, number>
  #receiving = false
  #open = true

  constructor(socket: Dgram.Socket, ipv6: boolean, shared: boolean) {
    this.#socket = socket
    this.shared = shared
    this.#ipv6 = ipv6
    this.#scopeIds = ipv6
      ? NetAddress.scopeIdsFromInterfaces(Object.entries(Builtin.os().networkInterfaces()))
      : new Map()
    const bound = socket.address()
    this.address = this.addressOf(bound.address, bound.port)
    socket.on("close", () => {
      this.#open = false
    })
    // An unconnected socket reports here only what no send can be told of. Without a listener Node would throw it.
    socket.on("error", () => {})
  }

  readonly run = (
    onDatagram: (datagram: Uint8Array, host: string, port: number) => void
  ): Effect.Effect<never, DatagramSocket.DatagramSocketError> =>
    Effect.callback((resume) => {
      if (!this.#open) return resume(Effect.fail(closedError()))
      if (this.#receiving) return resume(Effect.die(new Error("the transport has a receiver already")))
      this.#receiving = true
      const onMessage = (payload: Uint8Array, from: Dgram.RemoteInfo) => onDatagram(payload, from.address, from.port)
      const onClose = () => resume(Effect.fail(closedError()))
      this.#socket.on("message", onMessage)
      this.#socket.on("close", onClose)
      return Effect.sync(() => {
        this.#receiving = false
        this.#socket.removeListener("message", onMessage)
        this.#socket.removeListener("close", onClose)
      })
    })

  send(
    datagram: Uint8Array,
    host: string,
    port: number,
    onFailure: ((error: DatagramSocket.DatagramSocketError) => void) | undefined
  ): void {
    try {
      // Node tells of a refused send only through a callback, which costs 5 to 15% of a send: a response does without.
      if (onFailure === undefined) return this.#socket.send(datagram, port, host)
      this.#socket.send(datagram, port, host, (cause) => {
        if (cause !== null) onFailure(this.#writeError(cause, host, port))
      })
    } catch (cause) {
      onFailure?.(this.#writeError(cause, host, port))
    }
  }

  /** A destination as this socket takes it: one on IPv6 refuses IPv4 addresses, and the reverse. */
  hostOf(address: NetAddress.InetAddress): string {
    const canonical = NetAddress.toCanonical(address)
    return this.#ipv6 && NetAddress.isInetAddressV4(canonical)
      ? `::ffff:${NetAddress.formatIp(canonical.address)}`
      : NetAddress.formatNativeHost(canonical, this.#scopeIds)
  }

  addressOf(host: string, port: number): NetAddress.InetAddress {
    let zone = host.indexOf("%")
    if (zone === -1 || this.#scopeIds.has(host.slice(zone + 1))) zone = host.length
    // An interface that came up after the socket has no known zone: the address alone must do.
    return NetAddress.toCanonical(NetAddress.inetAddressFromNativeUnsafe(host.slice(0, zone), port, this.#scopeIds))
  }

  get close(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (!this.#open) return resume(Effect.void)
      this.#socket.close(() => resume(Effect.void))
    })
  }

  #writeError(cause: unknown, host: string, port: number): DatagramSocket.DatagramSocketError {
    if (!this.#open || codeOf(cause) === "ERR_SOCKET_DGRAM_NOT_RUNNING") return closedError()
    if (!this.#ipv6 && host.includes(":")) return familyError(this.addressOf(host, port))
    return writeErrorOf(cause, this.addressOf(host, port))
  }
}

// Every host that reaches the socket is an address. Node's own look-up would put off each send by a tick.
const noLookup = (
  host: string,
  _options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void
): void => callback(null, host, host.includes(":") ? 6 : 4)
