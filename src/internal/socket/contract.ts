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
   * The groups that this node is a member of: what is sent to them is heard by a socket of their own, which shares its port with
   * other members on this machine. Answers leave by the one socket, so each member has an address of its own.
   */
  readonly multicast?: ReadonlyArray<Membership> | undefined
  /**
   * By which interface datagrams to groups leave: the address of one, or the number of one for IPv6. That of the first membership
   * by default, and else the system's choice.
   */
  readonly multicastInterface?: string | NetAddress.MulticastInterface | undefined
  /** Allows to send to broadcast addresses (SO_BROADCAST), which systems refuse otherwise. */
  readonly broadcast?: boolean | undefined
}

/**
 * Membership of a group.
 *
 * @category models
 * @since 0.1.0
 */
export interface Membership {
  /** Its address and port: `"239.1.2.3:9999"`, `"[ff02::1:2]:9999"`, or a broadcast address, `"255.255.255.255:9999"`. */
  readonly group: NetAddress.InetAddressInput
  /** Where it is joined: the address of an interface, or the number of one for IPv6. The system's choice by default. */
  readonly interface?: string | NetAddress.MulticastInterface | undefined
}

/**
 * Membership of a group by way of a `DatagramSocket`.
 *
 * @category models
 * @since 0.1.0
 */
export interface SocketMembership<E = never, R = never> {
  /** As `Membership` has it. */
  readonly group: NetAddress.InetAddressInput
  /** Where it is joined. The socket's choice by default. */
  readonly interface?: NetAddress.MulticastInterface | undefined
  /** What hears the group: bound to its port. Answers leave by the transport's other socket. */
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

  /** Prepares a destination. */
  readonly peer: (address: NetAddress.InetAddress) => Peer

  /**
   * Sends a datagram, which must not change afterwards. `onFailure` is called at most once, now or later, when the
   * socket refuses it or has closed. Without `onFailure` a refusal goes unnoticed, and the send is cheaper. That the
   * socket took a datagram says nothing about its arrival. It must not throw.
   */
  readonly send: (
    datagram: Uint8Array,
    to: Peer,
    onFailure?: ((error: DatagramSocket.DatagramSocketError) => void) | undefined
  ) => void

  /**
   * Hands over each datagram that arrives, until the socket closes: then it fails with why. One receiver at a time. What
   * arrives while nobody receives is lost. The callback must not throw, and may keep the datagram. `toGroup`: it was sent to all
   * members of a group.
   */
  readonly run: (
    onDatagram: (datagram: Uint8Array, from: Peer, toGroup?: boolean) => void
  ) => Effect.Effect<never, DatagramSocket.DatagramSocketError>
}
