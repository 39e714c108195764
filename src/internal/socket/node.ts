/** Node's UDP socket, as Transport needs it. */
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import type * as Dgram from "node:dgram"
import * as Builtin from "../builtin.ts"
import type { Group, Options } from "./contract.ts"
import { closedError, codeOf, familyError, openError, openErrorOf, writeErrorOf } from "./errors.ts"
import { mappedPrefix, toBind } from "./family.ts"
import { joining } from "./group.ts"
import { Turns } from "./turns.ts"

/**
 * The size in bytes of the receive buffer that a transport asks for unless told otherwise, and goes without if it is refused.
 *
 * @category implementing
 * @since 0.1.0
 */
export const defaultReceiveBufferBytes = 4 * 1024 * 1024

/** To be acquired uninterruptibly: binding is over at once, and a bound socket must not be left behind. */
export const open = (options: Options): Effect.Effect<Socket, DatagramSocket.DatagramSocketError> => {
  const local = toBind(options)
  if (Result.isFailure(local)) return Effect.fail(local.failure)
  const { address, port } = local.success
  const ipv6 = NetAddress.isIpv6Address(address)
  const opened = bind({
    host: NetAddress.formatIp(address),
    port,
    type: ipv6 ? "udp6" : "udp4",
    ipv6Only: options.ipv6Only ?? false,
    reuseAddr: options.reuseAddress ?? false,
    reusePort: options.reusePort ?? false
  }, (socket) => {
    setBuffers(socket, options)
    if (options.broadcast === true) socket.setBroadcast(true)
    return new Socket(socket, ipv6, options.reusePort ?? false)
  })
  return Effect.tap(opened, (socket) =>
    Effect.onError(
      Effect.forEach(options.multicast ?? [], (group) => join(socket, group, options)),
      () => socket.close
    ))
}

/** Has the socket hear what is sent to a group, by a further socket that is bound to it. */
const join = (
  socket: Socket,
  group: Group,
  options: Options
): Effect.Effect<void, DatagramSocket.DatagramSocketError> => {
  const found = joining(group, socket.ipv6)
  if (Result.isFailure(found)) return Effect.fail(found.failure)
  const { host, ipv6, isMulticast, port, networkInterface } = found.success
  const shared = { ipv6Only: ipv6, reuseAddr: true, reusePort: false }
  return bind({ host, port, type: ipv6 ? "udp6" : "udp4", ...shared }, (listener) => {
    setBuffers(listener, options)
    if (isMulticast) listener.addMembership(host, networkInterface)
    if (networkInterface !== undefined) socket.sendToGroupsBy(networkInterface, ipv6)
    socket.addListener(listener, ipv6)
  })
}

interface Binding extends Dgram.SocketOptions {
  readonly host: string
  readonly port: number
}

/** What a bound socket is made into, or why it is none, and is closed again. */
const bind = <A>(
  { host, port, ...options }: Binding,
  setUp: (socket: Dgram.Socket) => A
): Effect.Effect<A, DatagramSocket.DatagramSocketError> =>
  Effect.callback((resume) => {
    let socket: Dgram.Socket
    try {
      socket = Builtin.dgram().createSocket({ ...options, lookup: noLookup })
    } catch (cause) {
      return resume(Effect.fail(openError("Unknown", cause)))
    }
    const onOpenError = (cause: unknown) => {
      socket.close()
      resume(Effect.fail(openErrorOf(cause)))
    }
    socket.once("error", onOpenError)
    try {
      socket.bind({ address: host, port }, () => {
        let made: A
        try {
          made = setUp(socket)
        } catch (cause) {
          return onOpenError(cause)
        }
        socket.removeListener("error", onOpenError)
        // An unconnected socket reports here only what no send can be told of. Without a listener Node would throw it.
        socket.on("error", () => {})
        resume(Effect.succeed(made))
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

/**
 * How many bytes may wait for the system to have room for them, as in the native transport. libuv's queue has no bound: who makes a
 * node answer faster than its line is would have it hold whatever the machine has, and everybody's answers wait behind that.
 */
const maxQueuedBytes = 2 ** 17

type OnDatagram = (datagram: Uint8Array, host: string, port: number, toGroup: boolean) => void

type OnFailure = (error: DatagramSocket.DatagramSocketError) => void

export class Socket {
  readonly address: NetAddress.InetAddress
  readonly shared: boolean
  readonly ipv6: boolean
  readonly #socket: Dgram.Socket
  /** The sockets that hear groups, and what makes an address of theirs one of this socket. */
  readonly #listeners: Array<{ readonly socket: Dgram.Socket; readonly prefix: string }> = []
  #sendsBy: string | undefined
  readonly #scopeIds: ReadonlyMap<string, number>
  readonly #turns = new Turns()
  #onDatagram: OnDatagram | undefined
  #open = true

  constructor(socket: Dgram.Socket, ipv6: boolean, shared: boolean) {
    this.#socket = socket
    this.shared = shared
    this.ipv6 = ipv6
    this.#scopeIds = ipv6
      ? NetAddress.scopeIdsFromInterfaces(Object.entries(Builtin.os().networkInterfaces()))
      : new Map()
    const bound = socket.address()
    this.address = this.addressOf(bound.address, bound.port)
    socket.on("close", () => {
      this.#open = false
    })
  }

  /** `socket` hears what is sent to a group. It closes with this one. */
  addListener(socket: Dgram.Socket, ipv6: boolean): void {
    this.#listeners.push({ socket, prefix: this.ipv6 && !ipv6 ? mappedPrefix : "" })
  }

  sendToGroupsBy(networkInterface: string, ipv6: boolean): void {
    if (this.#sendsBy !== undefined || ipv6 !== this.ipv6) return
    this.#sendsBy = networkInterface
    this.#socket.setMulticastInterface(networkInterface)
  }

  readonly run = (onDatagram: OnDatagram): Effect.Effect<never, DatagramSocket.DatagramSocketError> =>
    Effect.callback((resume) => {
      if (!this.#open) return resume(Effect.fail(closedError()))
      if (this.#onDatagram !== undefined) return resume(Effect.die(new Error("the transport has a receiver already")))
      this.#onDatagram = onDatagram
      const onMessage = (payload: Uint8Array, { address, port }: Dgram.RemoteInfo) => {
        if (this.#turns.passes()) onDatagram(payload, address, port, false)
        else this.#turns.arrive(() => this.#onDatagram?.(payload, address, port, false))
      }
      const onClose = () => resume(Effect.fail(closedError()))
      this.#socket.on("message", onMessage)
      this.#socket.on("close", onClose)
      const stops = this.#listeners.map(({ prefix, socket }) => {
        const onGathered = (payload: Uint8Array, from: Dgram.RemoteInfo) =>
          onDatagram(payload, `${prefix}${from.address}`, from.port, true)
        socket.on("message", onGathered)
        return () => socket.removeListener("message", onGathered)
      })
      return Effect.sync(() => {
        this.#onDatagram = undefined
        this.#socket.removeListener("message", onMessage)
        this.#socket.removeListener("close", onClose)
        for (const stop of stops) stop()
      })
    })

  send(datagram: Uint8Array, host: string, port: number, onFailure: OnFailure | undefined): void {
    // Hot path (`npm run bench`), as is `run`: no function is made for what does not wait.
    if (this.#turns.gathers) this.#turns.send(() => this.#sendNow(datagram, host, port, onFailure))
    else this.#sendNow(datagram, host, port, onFailure)
  }

  #sendNow(datagram: Uint8Array, host: string, port: number, onFailure: OnFailure | undefined): void {
    try {
      // With its own length: what a flood of long ones leaves is room for those that are short.
      if (this.#queuedBytes + datagram.length > maxQueuedBytes) throw new Error("send ENOBUFS")
      // Node tells of a refused send only through a callback, which costs 5 to 15% of a send: a response does without.
      if (onFailure === undefined) return this.#socket.send(datagram, port, host)
      this.#socket.send(datagram, port, host, (cause) => {
        if (cause !== null) onFailure(this.#writeError(cause, host, port))
      })
    } catch (cause) {
      onFailure?.(this.#writeError(cause, host, port))
    }
  }

  get #queuedBytes(): number {
    try {
      return this.#socket.getSendQueueSize()
    } catch {
      // It has closed, which `send` says.
      return 0
    }
  }

  /** A destination as this socket takes it: one on IPv6 refuses IPv4 addresses, and the reverse. */
  hostOf(address: NetAddress.InetAddress): string {
    const canonical = NetAddress.toCanonical(address)
    return this.ipv6 && NetAddress.isInetAddressV4(canonical)
      ? `${mappedPrefix}${NetAddress.formatIp(canonical.address)}`
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
      this.#onDatagram = undefined
      this.#turns.flush()
      for (const { socket } of this.#listeners) socket.close()
      this.#socket.close(() => resume(Effect.void))
    })
  }

  #writeError(cause: unknown, host: string, port: number): DatagramSocket.DatagramSocketError {
    if (!this.#open || codeOf(cause) === "ERR_SOCKET_DGRAM_NOT_RUNNING") return closedError()
    if (!this.ipv6 && host.includes(":")) return familyError(this.addressOf(host, port))
    return writeErrorOf(cause, this.addressOf(host, port))
  }
}

// Every host that reaches the socket is an address. Node's own look-up would put off each send by a tick.
const noLookup = (
  host: string,
  _options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void
): void => callback(null, host, host.includes(":") ? 6 : 4)
