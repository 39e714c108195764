/** The node that a command calls or serves with: how it is told to, which socket it binds, and what goes through that. */
import { Duration, Effect, FileSystem, Layer, Option, Redacted } from "effect"
import { Flag } from "effect/cli"
import { AddressResolver, NetAddress } from "effect/net"
import type { DatagramSocket } from "effect/socket"
import { Protocol, Transport } from "effect-rpcudp"
import { Failure, usage } from "./Failure.ts"

// ---------------------------------------------------------------------------------------------------------------------
// flags
// ---------------------------------------------------------------------------------------------------------------------

/** 300ms, 5s, 2m */
export const durationOf = (text: string): Option.Option<Duration.Duration> => {
  const [, count, unit = ""] = /^(\d+(?:\.\d+)?)([a-z]+)$/.exec(text) ?? []
  return count !== undefined && isUnit(unit) ? Option.some(Duration.millis(Number(count) * units[unit])) : Option.none()
}

const units = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

const isUnit = (text: string): text is keyof typeof units => Object.hasOwn(units, text)

/** A flag for a duration. */
export const duration = (name: string, otherwise: string, description: string): Flag.Flag<Duration.Duration> =>
  Flag.String(name).pipe(
    Flag.withMetavar("DURATION"),
    Flag.withDescription(`${description}, such as 300ms or 5s; ${otherwise} by default`),
    Flag.withDefault(otherwise),
    Flag.filterMap(durationOf, () => "a duration such as 300ms, 5s or 2m")
  )

export const timeout = duration("timeout", "5s", "How long a call waits for its answer")

export const retransmit = Flag.Boolean("retransmit").pipe(
  Flag.withDescription("Sends the request again while its answer is missing; a Python peer runs each copy"),
  Flag.withDefault(false)
)

export const keys = Flag.String("key").pipe(
  Flag.withMetavar("FILE"),
  Flag.withDescription(
    "A key of a closed network: a file with its id and 32 bytes in base64, as in 1:bm8g...; repeat it for a ring"
  ),
  Flag.atLeast(0)
)

export const groupInterface = Flag.String("interface").pipe(
  Flag.withMetavar("ADDRESS"),
  Flag.withDescription("The address of the interface by which groups are reached; the system's choice by default"),
  Flag.optional,
  Flag.map(Option.getOrUndefined)
)

// ---------------------------------------------------------------------------------------------------------------------
// addresses
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The address of HOST:PORT. A name that has addresses of both families is called at its first IPv4 address, since a
 * `Transport.layer` that is told no address listens on IPv4 alone.
 */
export const resolve = Effect.fnUntraced(function*(host: string) {
  const resolver = yield* AddressResolver.AddressResolver
  const addresses = yield* resolver.resolve(host).pipe(
    Effect.mapError((error) =>
      error._tag === "DnsError"
        ? new Failure({ kind: "Unresolved", message: `${host} has no address (${error.reason})` })
        : usage(`${host} is no HOST:PORT: ${error.message}`)
    )
  )
  return addresses.find(({ address }) => NetAddress.isIpv4Address(address)) ?? addresses[0]
})

/** Who speaks to this machine alone need not be heard by others. */
const bindFor = ({ address }: NetAddress.InetAddress): string => {
  const local = NetAddress.isLoopback(address)
  if (NetAddress.isIpv4Address(address)) return local ? "127.0.0.1" : "0.0.0.0"
  return local ? "::1" : "::"
}

// ---------------------------------------------------------------------------------------------------------------------
// layers
// ---------------------------------------------------------------------------------------------------------------------

/** What has gone through a socket. */
export interface Traffic {
  sent: number
  sentBytes: number
  received: number
  receivedBytes: number
}

export const noTraffic = (): Traffic => ({ sent: 0, sentBytes: 0, received: 0, receivedBytes: 0 })

export interface Settings {
  readonly timeout: Duration.Duration
  readonly keys: ReadonlyArray<string>
}

/** A node that calls this peer. What it sends and receives is counted. */
export const caller = (
  peer: NetAddress.InetAddress,
  settings: Settings,
  traffic: Traffic
): Layer.Layer<Protocol.Protocol, Failure, FileSystem.FileSystem> =>
  protocol(settings).pipe(
    Layer.provide(over(Transport.layer({ address: bindFor(peer) }), (socket) => counting(socket, traffic))),
    asFailure
  )

/** A node that asks a group, by the interface of this address. */
export const gatherer = (
  group: NetAddress.InetAddress,
  settings: Settings,
  at: string | undefined
): Layer.Layer<Protocol.Protocol, Failure, FileSystem.FileSystem> =>
  protocol(settings).pipe(
    Layer.provide(Transport.layer({
      // What is bound to the address of an interface sends to groups by it.
      address: at ?? (NetAddress.isIpv4Address(group.address) ? "0.0.0.0" : "::"),
      broadcast: true
    })),
    asFailure
  )

/** A socket that does not open is a failure like others. */
export const asFailure = <A, R>(
  node: Layer.Layer<A, Failure | DatagramSocket.DatagramSocketError, R>
): Layer.Layer<A, Failure, R> =>
  Layer.catchTag(
    node,
    "DatagramSocketError",
    (error) => Layer.effectContext(Effect.fail(new Failure({ kind: "DatagramSocketError", message: error.message })))
  )

const counting = (socket: Transport.Socket, traffic: Traffic): Transport.Socket => ({
  ...socket,
  send: (datagram, to, onFailure) => {
    traffic.sent++
    traffic.sentBytes += datagram.length
    socket.send(datagram, to, onFailure)
  },
  run: (onDatagram) =>
    socket.run((datagram, from, toGroup) => {
      traffic.received++
      traffic.receivedBytes += datagram.length
      onDatagram(datagram, from, toGroup)
    })
})

/** A transport with something between it and the protocol. */
export const over = <E, R>(
  transport: Layer.Layer<Transport.Transport, E, R>,
  wrap: (socket: Transport.Socket) => Transport.Socket
): Layer.Layer<Transport.Transport, E, R> =>
  Layer.effect(Transport.Transport, Effect.map(Transport.Transport, wrap)).pipe(Layer.provide(transport))

export const protocol = (
  settings: Partial<Settings>
): Layer.Layer<Protocol.Protocol, Failure, Transport.Transport | FileSystem.FileSystem> =>
  Layer.unwrap(Effect.map(Effect.forEach(settings.keys ?? [], readKey), ([first, ...others]) =>
    Protocol.layer({
      timeout: settings.timeout,
      keys: first === undefined ? undefined : { ring: [first, ...others] }
    })))

const readKey = Effect.fnUntraced(function*(file: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(file).pipe(Effect.mapError((error) => usage(`${file}: ${error.message}`)))
  const [, id, base64 = ""] = /^(\d{1,3}):([A-Za-z0-9+/]{43}=)\s*$/.exec(text) ?? []
  // The text is a secret: it is not repeated.
  if (id === undefined || Number(id) > 255) {
    return yield* usage(`${file} is no key: an id from 0 to 255, a colon, and 32 bytes in base64`)
  }
  return { id: Number(id), secret: Redacted.make(new Uint8Array(Buffer.from(base64, "base64"))) }
})
