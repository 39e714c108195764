/** The kinds of NAT, in the terms of RFC 4787, and which of them let two nodes find each other. */
import type { SimulatedNetwork } from "effect-rpcudp/testing"

export type Kind = Pick<SimulatedNetwork.Nat, "mapping" | "filtering">

const short = { "endpoint-independent": "EI", "address-dependent": "AD", "address-and-port-dependent": "APD" } as const

const dependences = ["endpoint-independent", "address-dependent", "address-and-port-dependent"] as const

export const kinds: ReadonlyArray<Kind> = dependences.flatMap((mapping) =>
  dependences.map((filtering) => ({ mapping, filtering }))
)

/** Its mapping and its filtering: "EI/APD". */
export const nameOf = ({ filtering, mapping }: Kind): string => `${short[mapping]}/${short[filtering]}`

const keepsPort = ({ mapping }: Kind) => mapping === "endpoint-independent"

/** By RFC 5128, sections 3.3 and 5.1: each peer sends to where the third saw the other, so that must be where it is for all. */
export const punched = (a: Kind, b: Kind): boolean => keepsPort(a) && keepsPort(b)

/**
 * By RFC 4787, section 5, the reasons for REQ-8: where one peer has another port for each, it must be heard from a port that nobody
 * was told. Of two such peers the RFCs say nothing but that they are not to be relied on.
 */
export const expected = (a: Kind, b: Kind): boolean | undefined => {
  if (keepsPort(a) && keepsPort(b)) return true
  if (!keepsPort(a) && !keepsPort(b)) return undefined
  return (keepsPort(a) ? a : b).filtering !== "address-and-port-dependent"
}
