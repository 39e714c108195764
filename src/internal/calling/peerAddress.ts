/** The address of a peer, as callers write it. Nothing is looked up. */
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"

/** Throws where it is none. */
export const peerAddress = (input: NetAddress.InetAddressInput): NetAddress.InetAddress => {
  const address = NetAddress.inetAddressFromInput(input)
  if (Result.isSuccess(address)) return address.success
  const written = typeof input === "string" ? `"${input}"` : "what was given"
  throw new TypeError(
    `${written} is no address of a peer, which is an IP address and a port: ${address.failure.message}. ` +
      "`Protocol.resolve` looks a host name up, by the AddressResolver of effect/net",
    { cause: address.failure }
  )
}
