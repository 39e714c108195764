/**
 * Whose an address is, as far as its text tells: one sender has many IPv6 addresses, and one network many senders. Hosts
 * are texts as a transport's `Peer` has them: canonical, an IPv4-mapped address as the IPv4 address. No state.
 */

/**
 * A sender as limits count it: an IPv4 address, or the first 64 bits of an IPv6 address, which is the least that one
 * subscriber has (RFC 6177). Where these bits say nothing of whose it is, the whole address: on a link, and behind a
 * translator (RFC 6052, 2.1).
 */
export const senderOf = (host: string): string => {
  if (!host.includes(":") || linkLocal.test(host) || host.startsWith(translated)) return host
  return groupsOf(host).slice(0, 4).join(":")
}

/**
 * The network that a sender belongs to: the first 24 bits of an IPv4 address, translated or not; the first 48 bits of an
 * IPv6 address, which is what one site has (RFC 6177); all of a link's own addresses.
 */
export const networkOf = (host: string): string => {
  if (!host.includes(":")) return host.slice(0, host.lastIndexOf("."))
  if (linkLocal.test(host)) return host.includes("%") ? `fe80${host.slice(host.indexOf("%"))}` : "fe80"
  const groups = groupsOf(host)
  if (!host.startsWith(translated)) return groups.slice(0, 3).join(":")
  const [high = "0", low = "0"] = groups.slice(6)
  return `${translated}${high}:${(Number.parseInt(low, 16) >> 8).toString(16)}`
}

const linkLocal = /^fe[89ab]/

const translated = "64:ff9b::"

/** The eight groups of an IPv6 address, without their leading zeros. A zone stays at the end of the last one. */
const groupsOf = (host: string): ReadonlyArray<string> => {
  const [head = "", tail] = host.split("::")
  const groups = head === "" ? [] : head.split(":").flatMap(groupsOfPart)
  if (tail === undefined) return groups
  const after = tail === "" ? [] : tail.split(":").flatMap(groupsOfPart)
  return [...groups, ...Array.from({ length: 8 - groups.length - after.length }, () => "0"), ...after]
}

/** Four numbers with dots are two groups. */
const groupsOfPart = (part: string): ReadonlyArray<string> => {
  if (!part.includes(".")) return [part]
  const [a = 0, b = 0, c = 0, d = 0] = part.split(".").map(Number)
  return [(a << 8 | b).toString(16), (c << 8 | d).toString(16)]
}
