/** Which nodes of a simulation are behind NATs, and of which kinds. */
import type { Dependence } from "../../../src/testing/nat.ts"

export interface Kind {
  readonly mapping: Dependence
  readonly filtering: Dependence
}

/** As RFC 4787 tells them apart, each as likely as the others. Only behind the first can a node be called by strangers. */
export const kinds: ReadonlyArray<Kind> = [
  { mapping: "endpoint-independent", filtering: "endpoint-independent" },
  { mapping: "endpoint-independent", filtering: "address-dependent" },
  { mapping: "endpoint-independent", filtering: "address-and-port-dependent" },
  { mapping: "address-and-port-dependent", filtering: "address-and-port-dependent" }
]

/** The kind of NAT that a node is behind, if it is behind one: so large a share of the nodes is. */
export const draw = (share: number, random: () => number): Kind | undefined =>
  share > 0 && random() < share ? kinds[Math.floor(random() * kinds.length)] : undefined

/** Whether strangers can call a node behind it, as long as it keeps its mapping. */
export const isOpen = (kind: Kind | undefined): boolean =>
  kind === undefined || (kind.mapping === "endpoint-independent" && kind.filtering === "endpoint-independent")
