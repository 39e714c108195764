/** Groups as a node joins them: which are some, and how interfaces are named. No socket. */
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import type { Membership } from "./contract.ts"
import { openError } from "./errors.ts"

export interface Group {
  readonly address: NetAddress.InetAddress
  readonly interface: Membership["interface"]
}

/**
 * The group that a node at `local` is to join. It fails with `AddressNotAvailable` where that is none, or where the socket that
 * answers could not reach those who ask it.
 */
export const toJoin = (
  membership: Membership,
  local: NetAddress.IpAddress
): Result.Result<Group, DatagramSocket.DatagramSocketError> => {
  const parsed = NetAddress.inetAddressFromInput(membership.group)
  if (Result.isFailure(parsed)) return Result.fail(openError("AddressNotAvailable", parsed.failure))
  const address = parsed.success
  const problem = problemOf(address, local)
  return problem === undefined
    ? Result.succeed({ address, interface: membership.interface })
    : Result.fail(
      openError("AddressNotAvailable", new Error(`the group ${NetAddress.formatInet(address)} ${problem}`))
    )
}

/** As Node takes it. */
export const interfaceOf = (
  at: string | NetAddress.MulticastInterface,
  scopeIds: ReadonlyMap<string, number>
): string => typeof at === "string" ? at : NetAddress.formatMulticastInterface(at, scopeIds)

const problemOf = ({ address, port }: NetAddress.InetAddress, local: NetAddress.IpAddress): string | undefined => {
  if (!NetAddress.isMulticast(address) && !isBroadcast(address)) return "is neither a multicast nor a broadcast address"
  if (port === 0) return "has no port"
  if (NetAddress.isIpv6Address(address) !== NetAddress.isIpv6Address(local)) {
    return "is of another family than the socket"
  }
  return undefined
}

/** The limited one, or one that ends in 255, as those of most networks do: how long their prefixes are isn't known here. */
const isBroadcast = (address: NetAddress.IpAddress): boolean =>
  NetAddress.isIpv4Address(address) && NetAddress.formatIp(address).endsWith(".255")
