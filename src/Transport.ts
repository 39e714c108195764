/**
 * Datagrams in, datagrams out: the scoped edge to a UDP socket. It knows nothing of what the datagrams say, and keeps
 * no time.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as DatagramSocket from "effect/socket/DatagramSocket"
import * as Dgram from "./internal/socket/node.ts"
import { run } from "./internal/eager.ts"
import { closedError, writeError } from "./internal/socket/errors.ts"

/**
 * Where a datagram came from, or goes to. Made by a transport, and of use to that transport alone.
 *
 * @category models
 * @since 0.1.0
 */
export interface Peer {
  /** Parsed when first read. An IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) is given as the IPv4 address it maps. */
  readonly address: NetAddress.InetAddress
  /**
   * The address without its port, as text: the same text whenever it is the same host. What is counted per sender is
   * counted by it. An IPv4-mapped IPv6 address is given as the IPv4 address it maps.
   */
  readonly host: string
  /** Whether both are the same address and port, IPv4-mapped IPv6 addresses compared by their IPv4 form. */
  readonly equals: (that: Peer) => boolean
}

/**
 * One UDP socket, open for as long as its layer.
 *
 * Its two hot functions are plain callbacks: an Effect per datagram costs more than the datagram.
 *
 * @category services
 * @since 0.1.0
 */
export class Transport extends Context.Service<Transport, {
  /** The bound address, with the port that the system chose if none was asked for. */
  readonly address: NetAddress.InetAddress

  /** Prepares a destination. */
  readonly peer: (address: NetAddress.InetAddress) => Peer

  /**
   * Sends a datagram, which must not change afterwards. `onFailure` is called at most once, now or later, when the
   * socket refuses it or has closed. Without `onFailure` a refusal goes unnoticed, and the send is cheaper. That the
   * socket took a datagram says nothing about its arrival.
   */
  readonly send: (
    datagram: Uint8Array,
    to: Peer,
    onFailure?: ((error: DatagramSocket.DatagramSocketError) => void) | undefined
  ) => void

  /**
   * Hands over each datagram that arrives, until the socket closes: then it fails with why. One receiver at a time. What
   * arrives while nobody receives is lost. The callback must not throw, and may keep the datagram.
   */
  readonly run: (
    onDatagram: (datagram: Uint8Array, from: Peer) => void
  ) => Effect.Effect<never, DatagramSocket.DatagramSocketError>
}>()("effect-rpcudp/Transport") {}

/**
 * Where and how to bind Node's socket.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * An IPv4 or IPv6 address of this machine. `"0.0.0.0"`, the default, is every IPv4 address; `"::"` is every address of
   * both families, unless `ipv6Only`.
   */
  readonly address?: string | NetAddress.IpAddress | undefined
  /** 0, the default, lets the system choose. */
  readonly port?: number | undefined
  /** Keeps IPv4 away from a socket on `"::"`. */
  readonly ipv6Only?: boolean | undefined
  /** Binds even where another socket of this machine that allows it, too, is bound to the same address (SO_REUSEADDR). */
  readonly reuseAddress?: boolean | undefined
  /**
   * The size in bytes that the kernel is asked to give the receive buffer (SO_RCVBUF). 4 MiB by default: the kernel's
   * own default holds 256 small datagrams and drops the rest of a burst without a trace. The system may grant less
   * (on Linux, `net.core.rmem_max`).
   */
  readonly receiveBufferBytes?: number | undefined
  /** The size in bytes that the kernel is asked to give the send buffer (SO_SNDBUF). */
  readonly sendBufferBytes?: number | undefined
}

/**
 * Node's UDP socket, tuned for calls.
 *
 * One layer is one socket, as layers are shared by identity, and carries one `Protocol`.
 *
 * It fails with a `DatagramSocketError` whose reason is a `DatagramSocketOpenError`: `AddressInUse`,
 * `AddressNotAvailable` (not an address of this machine, or no address at all), `PermissionDenied` or `Unknown`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Transport, DatagramSocket.DatagramSocketError> =>
  Layer.effect(
    Transport,
    Effect.map(
      Effect.acquireRelease(Dgram.open(options ?? {}), (socket) => socket.close),
      (socket) => {
        const { at, to } = nodePeers(socket)
        return {
          address: socket.address,
          peer: to,
          send: (datagram, to, onFailure) => {
            if (!(to instanceof NodePeer)) throw new TypeError("a peer of another transport")
            socket.send(datagram, to.nativeHost, to.port, onFailure)
          },
          run: (onDatagram) => socket.run((datagram, host, port) => onDatagram(datagram, at(host, port)))
        }
      }
    )
  )

/**
 * Who is called or heard twice is written and parsed once: that saves 0.3 us for each end of a call. `to` remembers an
 * address as long as somebody holds it, `at` those heard last.
 */
const nodePeers = (socket: Dgram.Socket) => {
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
  readonly socket: Dgram.Socket
  readonly nativeHost: string
  readonly host: string
  readonly port: number
  #address: NetAddress.InetAddress | undefined

  constructor(socket: Dgram.Socket, nativeHost: string, port: number) {
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

// As systems write an IPv4-mapped address (RFC 5952, 5).
const mappedPrefix = "::ffff:"

/**
 * Whatever `DatagramSocket` is provided: another runtime's, or a simulated one. It is opened when the layer is built
 * and closes with it.
 *
 * A function, as layers are shared by identity: with a constant, two nodes of one program would share one socket.
 *
 * @category layers
 * @since 0.1.0
 */
// @effect-diagnostics-next-line lazyEffect:off
export const layerSocket = (): Layer.Layer<
  Transport,
  DatagramSocket.DatagramSocketError,
  DatagramSocket.DatagramSocket
> => Layer.effect(Transport, makeSocket())

// Writes that may wait for a socket that is stuck: more than any burst, and not without end.
const maxWrites = 16_384

const makeSocket = Effect.fnUntraced(function*(): Effect.fn.Return<
  Transport["Service"],
  DatagramSocket.DatagramSocketError,
  DatagramSocket.DatagramSocket | Scope.Scope
> {
  const socket = yield* DatagramSocket.DatagramSocket
  const context = yield* Effect.context<never>()
  const reader = yield* socket.reader
  const writer = yield* socket.writer
  const address = NetAddress.toCanonical(reader.address)
  const mapped = NetAddress.isInetAddressV6(reader.address)

  // A write waits for ever once its reader has closed, so none outlives this scope.
  let open = true
  const writes = new Set<Fiber.Fiber<void, DatagramSocket.DatagramSocketError>>()
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      open = false
      for (const write of writes) write.interruptUnsafe()
    })
  )

  const send: Transport["Service"]["send"] = (datagram, to, onFailure) => {
    if (!(to instanceof SocketPeer)) throw new TypeError("a peer of another transport")
    if (!open) return onFailure?.(closedError())
    if (writes.size >= maxWrites) {
      return onFailure?.(writeError("Unknown", to.address, new Error("too many writes wait")))
    }
    let waiting: Fiber.Fiber<void, DatagramSocket.DatagramSocketError> | undefined
    const settle = (exit: Exit.Exit<void, DatagramSocket.DatagramSocketError>) => {
      if (waiting !== undefined) writes.delete(waiting)
      if (Exit.isSuccess(exit) || onFailure === undefined) return
      onFailure(Option.getOrElse(Cause.findErrorOption(exit.cause), closedError))
    }
    run(writer.write({ payload: datagram, address: to.target }), context, settle, (write) => {
      waiting = write
      writes.add(write)
    })
  }

  return {
    address,
    peer: (address) => new SocketPeer(target(reachable(address), mapped)),
    send,
    run: (onDatagram) =>
      Effect.forever(
        Effect.map(reader.pull, (datagrams) => {
          for (const datagram of datagrams) onDatagram(datagram.payload, new SocketPeer(datagram))
        }),
        { disableYield: true }
      )
  }
})

class SocketPeer implements Peer {
  // A received datagram is its own address: it must be handed back as it is, never copied.
  readonly target: NetAddress.InetAddress | DatagramSocket.Datagram
  #address: NetAddress.InetAddress | undefined
  #host: string | undefined

  constructor(target: NetAddress.InetAddress | DatagramSocket.Datagram) {
    this.target = target
  }

  get address(): NetAddress.InetAddress {
    return this.#address ??= NetAddress.toCanonical("payload" in this.target ? this.target.address : this.target)
  }

  get host(): string {
    return this.#host ??= NetAddress.formatIp(this.address.address)
  }

  equals(that: Peer): boolean {
    return Equal.equals(this.address, that.address)
  }
}

/**
 * What is bound to every address is reached at the loopback one, from which its answers come: systems send there what is
 * sent to the unspecified address, but nothing ever comes from that.
 */
const reachable = (address: NetAddress.InetAddress): NetAddress.InetAddress =>
  NetAddress.isUnspecified(address.address)
    ? NetAddress.inetAddressUnsafe(
      NetAddress.isInetAddressV4(address) ? NetAddress.ipv4Loopback : NetAddress.ipv6Loopback,
      address.port
    )
    : address

/** A destination as a socket of the given family takes it: one on IPv6 refuses IPv4 addresses, and the reverse. */
const target = (address: NetAddress.InetAddress, mapped: boolean): NetAddress.InetAddress => {
  const canonical = NetAddress.toCanonical(address)
  return mapped && NetAddress.isInetAddressV4(canonical)
    ? NetAddress.inetAddressUnsafe(NetAddress.toIpv4Mapped(canonical.address), canonical.port)
    : canonical
}
