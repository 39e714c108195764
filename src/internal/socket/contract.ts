/** What a socket is to those above it. Types alone. */
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import type * as DatagramSocket from "effect/socket/DatagramSocket"

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
   * Shares the port with other sockets of this user that say so, too (SO_REUSEPORT), so that a machine serves with all its
   * cores: a process each. The system sends all datagrams of one address and port to the same socket, for as long as no
   * socket comes or goes. A socket that shares its port only serves: calls through it are a defect, and so are keys. The
   * build fails with `Unknown` on systems that have no such sharing.
   */
  readonly reusePort?: boolean | undefined
  /**
   * The size in bytes that the kernel is asked to give the receive buffer (SO_RCVBUF). 4 MiB by default: the kernel's
   * own default holds 256 small datagrams and drops the rest of a burst without a trace. The system may grant less
   * (on Linux, `net.core.rmem_max`).
   *
   * Leave it out on Deno, which never asks the kernel: it makes so many bytes for each datagram that it receives, and cuts
   * off what is longer. By default it is not told.
   */
  readonly receiveBufferBytes?: number | undefined
  /** The size in bytes that the kernel is asked to give the send buffer (SO_SNDBUF). */
  readonly sendBufferBytes?: number | undefined
  /**
   * Lets the socket send to broadcast addresses (SO_BROADCAST). Without, the system refuses: `PermissionDenied`. To hear what is
   * sent to one, give it in `multicast`.
   */
  readonly broadcast?: boolean | undefined
  /**
   * The groups whose gathers are answered. Each has a socket of its own, bound to the address and port of the group, which other
   * sockets of this machine may share (SO_REUSEADDR): what is sent to the group reaches each of them. Answers come from the address
   * of the layer, where peers may then be called, so its port is another one.
   *
   * The build fails with `AddressNotAvailable` where the system binds no socket to a group (Windows), where no interface has the
   * given address, or where the group is of IPv6 and the socket of IPv4.
   */
  readonly multicast?: ReadonlyArray<Group> | undefined
}

/**
 * A group of IP multicast, or all of a network.
 *
 * @category models
 * @since 0.1.0
 */
export interface Group {
  /**
   * An address and a port: `"239.1.2.3:9999"`, `"[ff02::1234]:9999"`, or a broadcast address as `"255.255.255.255:9999"`. Sent by
   * whoever gathers, it leaves no network: systems give it one hop.
   */
  readonly group: NetAddress.InetAddressInput
  /**
   * An address of this machine, whose interface the group is joined on. The first one of a layer is also the one that it sends to
   * groups by. By default the system chooses; an IPv6 group of a link must have one.
   */
  readonly interface?: string | NetAddress.IpAddress | undefined
}

/**
 * A socket that hears what is sent to a group.
 *
 * @category models
 * @since 0.1.0
 */
export interface GroupSocket<E = never, R = never> {
  /** As in `Group`. Its port is that of the socket. */
  readonly group: NetAddress.InetAddressInput
  /** All that it receives counts as sent to the group. */
  readonly socket: Layer.Layer<DatagramSocket.DatagramSocket, E, R>
}

/**
 * One UDP socket. Its two hot functions are plain callbacks: an Effect per datagram costs more than the datagram.
 *
 * @category models
 * @since 0.1.0
 */
export interface Socket {
  /** The bound address, with the port that the system chose if none was asked for. */
  readonly address: NetAddress.InetAddress

  /** Whether other sockets may be bound to the same port, so that an answer to this one may reach another of them. */
  readonly shared?: boolean | undefined

  /** Whether `send` copies a datagram before it returns, so that whoever has sent it may write over it. */
  readonly copies?: boolean | undefined

  /** Prepares a destination. */
  readonly peer: (address: NetAddress.InetAddress) => Peer

  /**
   * Sends a datagram, which must not change afterwards unless the socket `copies` it. `onFailure` is called at most once,
   * now or later, when the socket refuses it or has closed. Without `onFailure` a refusal goes unnoticed, and the send is
   * cheaper. That the socket took a datagram says nothing about its arrival. It must not throw.
   */
  readonly send: (
    datagram: Uint8Array,
    to: Peer,
    onFailure?: ((error: DatagramSocket.DatagramSocketError) => void) | undefined
  ) => void

  /**
   * Hands over each datagram that arrives, until the socket closes: then it fails with why. One receiver at a time. What
   * arrives while nobody receives is lost. The callback must not throw, and may keep the datagram. `toGroup`: it was sent to a
   * group that this socket has joined. False if left out.
   */
  readonly run: (
    onDatagram: (datagram: Uint8Array, from: Peer, toGroup?: boolean) => void
  ) => Effect.Effect<never, DatagramSocket.DatagramSocketError>
}
