/** Addresses as sockets of one family take them: mapped, and never the unspecified one. */
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import type { Options } from "./contract.ts"
import { openError } from "./errors.ts"

/**
 * Where a socket with these options is bound. It fails with `AddressNotAvailable` where that is no address, or no port:
 * systems bind port 70,000 as 4,464.
 *
 * @category implementing
 * @since 0.1.0
 */
export const toBind = (
  options: Options
): Result.Result<NetAddress.InetAddress, DatagramSocket.DatagramSocketError> =>
  Result.mapError(
    Result.flatMap(
      NetAddress.ipFromInput(options.address ?? "0.0.0.0"),
      (address) => NetAddress.inetAddress(address, options.port ?? 0)
    ),
    (cause) => openError("AddressNotAvailable", cause)
  )

/**
 * What is bound to every address is reached at the loopback one, from which its answers come: systems send there what is
 * sent to the unspecified address, but nothing ever comes from that.
 *
 * @category implementing
 * @since 0.1.0
 */
export const reachable = (address: NetAddress.InetAddress): NetAddress.InetAddress =>
  NetAddress.isUnspecified(address.address)
    ? NetAddress.inetAddressUnsafe(
      NetAddress.isInetAddressV4(address) ? NetAddress.ipv4Loopback : NetAddress.ipv6Loopback,
      address.port
    )
    : address

/** A destination as a socket of the given family takes it: one on IPv6 refuses IPv4 addresses, and the reverse. */
export const target = (address: NetAddress.InetAddress, mapped: boolean): NetAddress.InetAddress => {
  const canonical = NetAddress.toCanonical(address)
  return mapped && NetAddress.isInetAddressV4(canonical)
    ? NetAddress.inetAddressUnsafe(NetAddress.toIpv4Mapped(canonical.address), canonical.port)
    : canonical
}

// As systems write an IPv4-mapped address (RFC 5952, 5).
export const mappedPrefix = "::ffff:"
