/** Where a node is, and whether a stranger's word for that is worth following. No network, no clock. */
import { Effect, Option, Result, Schema, SchemaTransformation } from "effect"
import { NetAddress } from "effect/net"
import * as Id from "./Id.ts"

/** A node: its id and where it answers. */
export class Contact {
  readonly id: Id.Id
  readonly address: NetAddress.InetAddress
  /** The address as people write it: `127.0.0.1:8468`. Two are the same where this is. */
  readonly name: string
  #wire: readonly [Uint8Array, string, number] | undefined

  constructor(id: Id.Id, address: NetAddress.InetAddress, name: string = NetAddress.formatInet(address)) {
    this.id = id
    this.address = address
    this.name = name
  }

  /** As it travels. Most contacts are sent again and again. */
  get wire(): readonly [id: Uint8Array, ip: string, port: number] {
    return this.#wire ??= [encodeId(this.id), NetAddress.formatIp(this.address.address), this.address.port]
  }
}

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

// Neighbours name the same contacts over and over: parsing one takes ten times as long as finding it here.
const named = new Map<string, Contact>()

const maxNamed = 65_536

const contactOf = (item: unknown): Contact | undefined => {
  if (!Array.isArray(item) || !(item[0] instanceof Uint8Array)) return undefined
  const key = `${Buffer.from(item[0].buffer, item[0].byteOffset, item[0].byteLength).toString("hex")} ${item[1]}:${
    item[2]
  }`
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
 * Whether `sender` may send us to `address`. Nobody may name what is no host's address; and whoever is on the public
 * network cannot know, and must not make us knock at, a private or loopback address.
 */
export const mayName = (sender: NetAddress.InetAddress, address: NetAddress.InetAddress): boolean =>
  NetAddress.isUnicast(address.address) && reach(address.address) >= reach(sender.address)

/** From this machine alone to everywhere. */
const reach = (ip: NetAddress.IpAddress): number => {
  if (NetAddress.isLoopback(ip)) return 0
  if (NetAddress.isLinkLocal(ip)) return 1
  return (NetAddress.isIpv4Address(ip) ? NetAddress.isPrivate(ip) : NetAddress.isUniqueLocal(ip)) ? 2 : 3
}
