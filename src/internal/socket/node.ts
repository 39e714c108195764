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
import type { Group } from "./membership.ts"
import { interfaceOf, toJoin } from "./membership.ts"

/**
 * The size in bytes of the receive buffer that a transport asks for unless told otherwise, and goes without if it is refused.
 *
 * @category implementing
 * @since 0.1.0
 */
export const defaultReceiveBufferBytes = 4 * 1024 * 1024

/** To be acquired uninterruptibly: binding is over at once, and a bound socket must not be left behind. */
export const open = (options: Options): Effect.Effect<Socket, DatagramSocket.DatagramSocketError> =>
  Effect.gen(function*() {
    const local = yield* Effect.fromResult(toBind(options))
    const groups = yield* Effect.fromResult(
      Result.all((options.multicast ?? []).map((membership) => toJoin(membership, local.address)))
    )
    const ipv6 = NetAddress.isIpv6Address(local.address)
    const socket = yield* bind(
      {
        ipv6,
        ipv6Only: options.ipv6Only ?? false,
        reuseAddr: options.reuseAddress ?? false,
        reusePort: options.reusePort ?? false
      },
      local,
      (socket) => {
        setBuffers(socket, options)
        if (options.broadcast === true) socket.setBroadcast(true)
        const outgoing = options.multicastInterface ?? groups.find((group) => group.interface !== undefined)?.interface
        if (outgoing !== undefined) socket.setMulticastInterface(interfaceOf(outgoing, scopeIdsOf(ipv6)))
      }
    )
    const members: Array<Dgram.Socket> = []
    yield* Effect.forEach(groups, (group) => Effect.map(join(group, options), (socket) => members.push(socket))).pipe(
      Effect.onError(() => Effect.sync(() => [socket, ...members].forEach((opened) => opened.close())))
    )
    return new Socket(socket, members, ipv6, options.reusePort ?? false)
  })

interface Kind {
  readonly ipv6: boolean
  readonly ipv6Only: boolean
  readonly reuseAddr: boolean
  readonly reusePort: boolean
}

/** A socket that is bound, and set up before anything can arrive. */
const bind = (
  { ipv6, ...kind }: Kind,
  { address, port }: NetAddress.InetAddress,
  setUp: (socket: Dgram.Socket) => void
): Effect.Effect<Dgram.Socket, DatagramSocket.DatagramSocketError> =>
  Effect.callback((resume) => {
    let socket: Dgram.Socket
    try {
      socket = Builtin.dgram().createSocket({ type: ipv6 ? "udp6" : "udp4", lookup: noLookup, ...kind })
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
          setUp(socket)
        } catch (cause) {
          return onOpenError(cause)
        }
        socket.removeListener("error", onOpenError)
        resume(Effect.succeed(socket))
      })
    } catch (cause) {
      onOpenError(cause)
    }
  })

/** A socket that hears what is sent to a group, beside those of other members on this machine. */
const join = ({ address, interface: at }: Group, options: Options) => {
  const ipv6 = NetAddress.isIpv6Address(address.address)
  const any = ipv6 ? NetAddress.ipv6Unspecified : NetAddress.ipv4Unspecified
  // Bound to the group itself it hears nothing else. Windows binds no socket to what is no address of its own, and IPv6 none to a
  // group without the number of an interface.
  const local = ipv6 || Builtin.isWindows() ? NetAddress.inetAddressUnsafe(any, address.port) : address
  return bind({ ipv6, ipv6Only: ipv6, reuseAddr: true, reusePort: false }, local, (socket) => {
    setBuffers(socket, options)
    if (!NetAddress.isMulticast(address.address)) return
    socket.addMembership(
      NetAddress.formatIp(address.address),
      at === undefined ? undefined : interfaceOf(at, scopeIdsOf(ipv6))
    )
  })
}

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
  readonly #members: ReadonlyArray<Dgram.Socket>
  readonly #ipv6: boolean
  readonly #scopeIds: ReadonlyMap<string, number>
  #receiving = false
  #open = true

  /** `members` hear what is sent to groups. */
  constructor(socket: Dgram.Socket, members: ReadonlyArray<Dgram.Socket>, ipv6: boolean, shared: boolean) {
    this.#socket = socket
    this.#members = members
    this.shared = shared
    this.#ipv6 = ipv6
    this.#scopeIds = scopeIdsOf(ipv6)
    const bound = socket.address()
    this.address = this.addressOf(bound.address, bound.port)
    socket.on("close", () => {
      this.#open = false
    })
    // An unconnected socket reports here only what no send can be told of. Without a listener Node would throw it.
    for (const each of [socket, ...members]) each.on("error", () => {})
  }

  readonly run = (
    onDatagram: (datagram: Uint8Array, host: string, port: number, toGroup: boolean) => void
  ): Effect.Effect<never, DatagramSocket.DatagramSocketError> =>
    Effect.callback((resume) => {
      if (!this.#open) return resume(Effect.fail(closedError()))
      if (this.#receiving) return resume(Effect.die(new Error("the transport has a receiver already")))
      this.#receiving = true
      const onMessage = (payload: Uint8Array, from: Dgram.RemoteInfo) =>
        onDatagram(payload, from.address, from.port, false)
      const onGroupMessage = (payload: Uint8Array, from: Dgram.RemoteInfo) =>
        onDatagram(payload, from.address, from.port, true)
      const onClose = () => resume(Effect.fail(closedError()))
      this.#socket.on("message", onMessage)
      for (const member of this.#members) member.on("message", onGroupMessage)
      this.#socket.on("close", onClose)
      return Effect.sync(() => {
        this.#receiving = false
        this.#socket.removeListener("message", onMessage)
        for (const member of this.#members) member.removeListener("message", onGroupMessage)
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
      for (const member of this.#members) member.close()
      this.#socket.close(() => resume(Effect.void))
    })
  }

  #writeError(cause: unknown, host: string, port: number): DatagramSocket.DatagramSocketError {
    if (!this.#open || codeOf(cause) === "ERR_SOCKET_DGRAM_NOT_RUNNING") return closedError()
    if (!this.#ipv6 && host.includes(":")) return familyError(this.addressOf(host, port))
    return writeErrorOf(cause, this.addressOf(host, port))
  }
}

/** The numbers of this machine's interfaces, by their names: IPv4 addresses have none. */
const scopeIdsOf = (ipv6: boolean): ReadonlyMap<string, number> =>
  ipv6 ? NetAddress.scopeIdsFromInterfaces(Object.entries(Builtin.os().networkInterfaces())) : new Map()

// Every host that reaches the socket is an address. Node's own look-up would put off each send by a tick.
const noLookup = (
  host: string,
  _options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void
): void => callback(null, host, host.includes(":") ? 6 : 4)
