/** How a socket joins a group: where it is bound, and on which interface. No socket. */
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import type * as Os from "node:os"
import * as Builtin from "../builtin.ts"
import type { Group } from "./contract.ts"
import { openError } from "./errors.ts"

/** What Node is told of a group. */
export interface Joining {
  /** The group, with the interface as its zone where it has one. */
  readonly host: string
  readonly port: number
  readonly ipv6: boolean
  /** If not, it is a broadcast address, which nobody joins. */
  readonly isMulticast: boolean
  /** As Node writes it: an IPv4 address, or `::%` and a name. Undefined: the system chooses. */
  readonly networkInterface: string | undefined
}

/** `reachesIpv6`: whether answers can be sent to IPv6 addresses. */
export const joining = (
  { group, interface: networkInterface }: Group,
  reachesIpv6: boolean
): Result.Result<Joining, DatagramSocket.DatagramSocketError> => {
  const parsed = NetAddress.inetAddressFromInput(group)
  if (Result.isFailure(parsed)) return unavailable(parsed.failure)
  const { address, port } = parsed.success
  const ipv6 = NetAddress.isIpv6Address(address)
  if (ipv6 && !reachesIpv6) {
    return unavailable(new Error("a socket that is bound to an IPv4 address hears no IPv6 group"))
  }
  const interfaces = Object.entries(Builtin.os().networkInterfaces())
  const host = NetAddress.formatNativeHost(parsed.success, NetAddress.scopeIdsFromInterfaces(interfaces))
  const common = { port, ipv6, isMulticast: NetAddress.isMulticast(address) }
  if (networkInterface === undefined) return Result.succeed({ ...common, host, networkInterface })
  const own = NetAddress.ipFromInput(networkInterface)
  if (Result.isFailure(own)) return unavailable(own.failure)
  const written = NetAddress.formatIp(own.success)
  if (!ipv6) return Result.succeed({ ...common, host, networkInterface: written })
  const name = nameOf(written, interfaces)
  return name === undefined
    ? unavailable(new Error(`no interface of this machine has the address ${written}`))
    : Result.succeed({ ...common, host: `${host}%${name}`, networkInterface: `::%${name}` })
}

const nameOf = (
  address: string,
  interfaces: ReadonlyArray<readonly [string, ReadonlyArray<Os.NetworkInterfaceInfo> | undefined]>
): string | undefined => interfaces.find(([, own]) => own?.some((info) => info.address === address))?.[0]

const unavailable = (cause: unknown) => Result.fail(openError("AddressNotAvailable", cause))
