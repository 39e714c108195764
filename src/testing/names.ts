/** How the simulated network writes addresses: `host:port`, and `[host]:port` where the host is an IPv6 address. */
import type * as DatagramSocket from "effect/socket/DatagramSocket"

export const nameOf = ({ host, port }: DatagramSocket.BackingAddress): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

/** The host of a socket's name; an IPv6 host keeps its brackets. */
export const hostOf = (name: string): string => name.slice(0, name.lastIndexOf(":"))

export const portOf = (name: string): number => Number(name.slice(name.lastIndexOf(":") + 1))
