/** Where a node is, and whether a stranger's word for that is worth following. No network, no clock. */
import { Effect, Option, Result, Schema, SchemaTransformation } from "effect"
import { IpNetwork, NetAddress } from "effect/net"
import { headOf } from "./core/distance.ts"
import * as Id from "./Id.ts"

/** A node: its id and where it answers. */
export class Contact {
  readonly id: Id.Id
  readonly address: NetAddress.InetAddress
  /** The address as people write it: `127.0.0.1:8468`. Two are the same where this is. */
  readonly name: string
  /** The first 32 bits of its id: they nearly always decide which of two is closer. */
  readonly head: number
  #wire: readonly [Uint8Array, string, number] | undefined
  #reach: number | undefined
  #sender: string | undefined
  #vicinity: string | undefined

  constructor(id: Id.Id, address: NetAddress.InetAddress, name: string = NetAddress.formatInet(address)) {
    this.id = id
    this.address = address
    this.name = name
    this.head = headOf(id)
  }

  /** As it travels. Most contacts are sent again and again. */
  get wire(): readonly [id: Uint8Array, ip: string, port: number] {
    return this.#wire ??= [encodeId(this.id), NetAddress.formatIp(this.address.address), this.address.port]
  }

  /** Who may call it: from `nowhere` to `everywhere`. */
  get reach(): number {
    return this.#reach ??= reachOf(this.address.address)
  }

  /** Whom limits take it for: an IPv4 address or an IPv6 /64. */
  get sender(): string {
    return this.#sender ??= hostOf(this.address.address)
  }

  /** Whose neighbours it has: an IPv4 /24 or an IPv6 /48. Empty in a private network, where all are neighbours. */
  get network(): string {
    return this.reach < everywhere ? "" : this.vicinity
  }

  /** Whom a NAT may take for one and the same: the public network that it is in, or else its host. */
  get vicinity(): string {
    return this.#vicinity ??= vicinityOf(this.address.address)
  }
}

export const vicinityOf = (ip: NetAddress.IpAddress): string => reachOf(ip) === everywhere ? prefixOf(ip) : hostOf(ip)

const encodeId = Schema.encodeSync(Id.Id)

const Wire = Schema.Tuple([
  Id.Id,
  Schema.String,
  Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 }))
])

const decodeWire = Schema.decodeUnknownOption(Wire)

/**
 * The contacts that a peer names: `[id, ip, port]` each, as Python sends them. One that is none (a host name, port 0, a
 * short id) is left out, and the others count.
 */
export const Contacts = Schema.Unknown.check(Schema.makeFilter(Array.isArray, { expected: "a list" })).pipe(
  Schema.decodeTo(
    Schema.declare<ReadonlyArray<Contact>>((u): u is ReadonlyArray<Contact> =>
      Array.isArray(u) && u.every((contact) => contact instanceof Contact)
    ),
    SchemaTransformation.transformEffect<ReadonlyArray<Contact>, unknown>({
      decode: (list) => Effect.succeed(Array.isArray(list) ? contactsOf(list) : []),
      encode: (contacts) => Effect.succeed(contacts.map(({ wire }) => wire))
    })
  )
)

const contactsOf = (list: ReadonlyArray<unknown>): ReadonlyArray<Contact> => {
  const contacts: Array<Contact> = []
  for (const item of list) {
    const contact = contactOf(item)
    if (contact !== undefined) contacts.push(contact)
  }
  return contacts
}

// Neighbours name the same contacts over and over: each is parsed once.
const named = new Map<string, Contact>()

const maxNamed = 65_536

const contactOf = (item: unknown): Contact | undefined => {
  if (!Array.isArray(item)) return undefined
  const [id, ip, port]: ReadonlyArray<unknown> = item
  // A map, which has no prototype, cannot become text.
  if (!(id instanceof Uint8Array) || typeof ip !== "string" || typeof port !== "number") return undefined
  const key = `${Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("hex")} ${ip}:${port}`
  const known = named.get(key)
  if (known !== undefined) return known
  const contact = Option.getOrUndefined(Option.flatMap(decodeWire(item), fromWire))
  if (contact === undefined) return undefined
  if (named.size === maxNamed) named.clear()
  named.set(key, contact)
  return contact
}

const fromWire = ([id, ip, port]: typeof Wire.Type): Option.Option<Contact> =>
  Option.map(
    Result.getSuccess(NetAddress.inetAddressFromIpString(ip, port)),
    (address) => new Contact(id, NetAddress.toCanonical(address))
  )

/**
 * Whether `sender` may send us to `contact`. Nobody may name what is no host's address; and whoever is on the public
 * network cannot know, and must not make us knock at, a private or loopback address.
 */
export const mayName = (sender: Contact, contact: Contact): boolean =>
  contact.reach !== nowhere && contact.reach >= sender.reach

/**
 * Whether a socket at `own` can send to `contact`: one on IPv4 reaches no IPv6 address, and the other way round, but for one on
 * all addresses of both families.
 */
export const reaches = (own: NetAddress.IpAddress, { address: { address } }: Contact): boolean =>
  NetAddress.isIpv4Address(own) === NetAddress.isIpv4Address(address) ||
  (NetAddress.isIpv6Address(own) && NetAddress.isUnspecified(own))

/** Whether a node can call the contact from where it is: by its family of addresses, and not in a private network of others. */
export const mayCall = (caller: Contact, contact: Contact): boolean =>
  NetAddress.isIpv4Address(caller.address.address) === NetAddress.isIpv4Address(contact.address.address) &&
  contact.reach >= caller.reach

const nowhere = -1

const everywhere = 3

/** From this machine alone to everywhere. */
const reachOf = (ip: NetAddress.IpAddress): number => {
  if (!NetAddress.isUnicast(ip)) return nowhere
  if (NetAddress.isLoopback(ip)) return 0
  if (NetAddress.isLinkLocal(ip)) return 1
  return NetAddress.isIpv4Address(ip) ? reachOfIpv4(ip) : reachOfIpv6(ip)
}

const reachOfIpv4 = (ip: NetAddress.Ipv4Address): number => {
  if (IpNetwork.contains(thisNetwork, ip) || IpNetwork.contains(reserved, ip)) return nowhere
  const isInside = NetAddress.isPrivate(ip) || IpNetwork.contains(carrier, ip) || IpNetwork.contains(benchmarking, ip)
  return isInside ? 2 : everywhere
}

const reachOfIpv6 = (ip: NetAddress.Ipv6Address): number => {
  // These carry an IPv4 address, to which a gateway would send.
  if (IpNetwork.contains(translated, ip)) return reachOf(ipv4In(ip, 12))
  if (IpNetwork.contains(sixToFour, ip)) return reachOf(ipv4In(ip, 2))
  return NetAddress.isUniqueLocal(ip) || IpNetwork.contains(siteLocal, ip) ? 2 : everywhere
}

const ipv4In = (ip: NetAddress.Ipv6Address, offset: number): NetAddress.Ipv4Address =>
  NetAddress.ipv4FromBytesUnsafe(Uint8Array.from(NetAddress.ipv6ToOctets(ip).slice(offset, offset + 4)))

const thisNetwork = IpNetwork.fromStringUnsafe("0.0.0.0/8")
const reserved = IpNetwork.fromStringUnsafe("240.0.0.0/4")
const carrier = IpNetwork.fromStringUnsafe("100.64.0.0/10")
const benchmarking = IpNetwork.fromStringUnsafe("198.18.0.0/15")
const siteLocal = IpNetwork.fromStringUnsafe("fec0::/10")
const translated = IpNetwork.fromStringUnsafe("64:ff9b::/96")
const sixToFour = IpNetwork.fromStringUnsafe("2002::/16")

const prefixOf = (ip: NetAddress.IpAddress): string =>
  NetAddress.isIpv4Address(ip)
    ? NetAddress.ipv4ToOctets(ip).slice(0, 3).join(".")
    : segmentsOf(ip, 3)

const hostOf = (ip: NetAddress.IpAddress): string =>
  NetAddress.isIpv4Address(ip) ? NetAddress.formatIp(ip) : segmentsOf(ip, 4)

const segmentsOf = (ip: NetAddress.Ipv6Address, count: number): string =>
  NetAddress.ipv6ToSegments(ip).slice(0, count).map((segment) => segment.toString(16)).join(":")
