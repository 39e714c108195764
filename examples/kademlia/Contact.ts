/** Where a node is, and whether a stranger's word for that is worth following. No network, no clock. */
import { Option, Result, Schema, SchemaTransformation } from "effect"
import { NetAddress } from "effect/net"
import * as Id from "./Id.ts"

/** A node: its id and where it answers. */
export interface Contact {
  readonly id: Id.Id
  readonly address: NetAddress.InetAddress
}

const Wire = Schema.Tuple([Id.Id, Schema.String, Schema.Int])

const decodeWire = Schema.decodeUnknownOption(Wire)

const encodeId = Schema.encodeSync(Id.Id)

/**
 * The contacts that a peer names: `[id, ip, port]` each, as Python sends them. One that is none (a host name, port 0, a
 * short id) is left out, and the others count.
 */
export const Contacts = Schema.Array(Schema.Unknown).pipe(
  Schema.decodeTo(
    Schema.Array(Schema.declare((u): u is Contact => typeof u === "object" && u !== null && "address" in u)),
    SchemaTransformation.transform<ReadonlyArray<Contact>, ReadonlyArray<unknown>>({
      decode: (list) =>
        list.flatMap((item) =>
          Option.match(Option.flatMap(decodeWire(item), fromWire), { onNone: () => [], onSome: (contact) => [contact] })
        ),
      encode: (contacts) =>
        contacts.map(({ address, id }) => [encodeId(id), NetAddress.formatIp(address.address), address.port])
    })
  )
)

const fromWire = ([id, ip, port]: typeof Wire.Type): Option.Option<Contact> => {
  if (port === 0) return Option.none()
  return Option.map(
    Result.getSuccess(NetAddress.inetAddressFromIpString(ip, port)),
    (address) => ({ id, address: NetAddress.toCanonical(address) })
  )
}

/** As people write it: `127.0.0.1:8468`. */
export const format = (contact: Contact): string => NetAddress.formatInet(contact.address)

/** An IP address alone, as it travels. */
export const formatIp = NetAddress.formatIp

/** Whether two contacts are at the same address and port. */
export const sameAddress = (a: NetAddress.InetAddress, b: NetAddress.InetAddress): boolean =>
  a === b || NetAddress.formatInet(a) === NetAddress.formatInet(b)

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
