/**
 * A network in memory, to test programs that speak UDP: it loses, delays, repeats and damages datagrams, splits and
 * heals, all drawn from one seed and on Effect's Clock. What went wrong once goes wrong again with the same seed.
 *
 * It gives standard `DatagramSocket`s, so that any Effect program with UDP can run on it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as WebCrypto from "effect/crypto/WebCrypto"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as DatagramSocket from "effect/socket/DatagramSocket"
import { Agenda } from "../internal/time/agenda.ts"
import { Alarm } from "../internal/time/alarm.ts"
import * as Now from "../internal/time/now.ts"
import { openError, writeError } from "../internal/socket/errors.ts"
import { Groups } from "./groups.ts"
import { hostOf, nameOf } from "./names.ts"
import { type Nat, Nats } from "./nat.ts"

export type { Dependence, Nat } from "./nat.ts"

// ---------------------------------------------------------------------------------------------------------------------
// what can go wrong
// ---------------------------------------------------------------------------------------------------------------------

/**
 * How long a datagram takes, one way: always the same, evenly between two, or log-normal with a median and a 99th
 * percentile, as delays with a long tail are.
 *
 * @category models
 * @since 0.1.0
 */
export type Delay =
  | Duration.Input
  | readonly [min: Duration.Input, max: Duration.Input]
  | { readonly median: Duration.Input; readonly p99: Duration.Input }

/**
 * A datagram on its way, as a rule sees it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Packet {
  /** In milliseconds of the Clock's monotonic time, since the network began. */
  readonly time: number
  /** `host:port`, as the receiver sees it. */
  readonly from: string
  /** `host:port`. */
  readonly to: string
  readonly payload: Uint8Array
}

/**
 * What happens to datagrams. Whatever is left out is as it was: on a new network, every datagram arrives at once.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settings {
  /** Different delays let datagrams overtake each other. */
  readonly delay?: Delay | undefined
  /** The probability that a datagram is lost, 0 to 1. */
  readonly loss?: number | undefined
  /** The probability that a datagram arrives twice, each with a delay of its own, 0 to 1. */
  readonly duplicate?: number | undefined
  /** The probability that one byte arrives as another, unnoticed by any checksum, 0 to 1. */
  readonly corrupt?: number | undefined
  /** The longest packet in bytes, its IP and UDP headers (28 bytes, on IPv6 48) included. A longer one vanishes. */
  readonly mtu?: number | undefined
  /** Bytes a second that each link carries. What is sent faster waits. */
  readonly bandwidth?: number | undefined
  /** Bytes that may wait for bandwidth on a link. A datagram that would not fit is lost. 65,536 by default. */
  readonly queue?: number | undefined
  /** Bytes that may reach a socket within one tick, before its owner has looked. What exceeds them is lost. */
  readonly receiveBuffer?: number | undefined
  /** What the sender's own system says of the send, as if by ICMP: the write fails, and nothing is sent. */
  readonly refuse?: DatagramSocket.IoErrorKind | false | undefined
  /**
   * Decides alone for each datagram that its network carries: the delay of each copy that arrives. `[]` is lost, two
   * entries are duplicated. Loss, duplication and delay are not drawn then; false takes the rule away.
   */
  readonly rule?: ((packet: Packet) => ReadonlyArray<Duration.Input>) | false | undefined
}

/**
 * Some of the ways through the network: from one end, to the other. Each end is a host (`"10.0.0.1"`) or a socket
 * (`"10.0.0.1:1234"`); one that is left out is any.
 *
 * @category models
 * @since 0.1.0
 */
export interface Link {
  readonly from?: string | undefined
  readonly to?: string | undefined
}

/**
 * What became of a datagram, or of a copy of it.
 *
 * @category models
 * @since 0.1.0
 */
export type Fate =
  | "delivered"
  | "duplicated"
  | "corrupted"
  | "lost"
  | "too long"
  | "queue full"
  | "buffer full"
  | "partitioned"
  | "stopped"
  | "nobody"
  /** By a NAT that does not let it in; or it was for an address behind one, from elsewhere. */
  | "filtered"
  | "refused"

/**
 * A line of the trace.
 *
 * @category models
 * @since 0.1.0
 */
export interface TraceEntry {
  /** In milliseconds since the network began. */
  readonly time: number
  readonly from: string
  readonly to: string
  /** Of the payload, in bytes. */
  readonly size: number
  readonly fate: Fate
}

/**
 * How many datagrams, and copies of them, met which fate. `sent` counts what sockets handed over, refused ones aside.
 * `delivered` counts arrivals; of these `corrupted` were damaged and `duplicated` were second copies.
 *
 * @category models
 * @since 0.1.0
 */
export type Stats = { readonly [F in Fate | "sent"]: number }

// ---------------------------------------------------------------------------------------------------------------------
// the network
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The network of a test. All that changes it takes effect for what is sent from then on.
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Protocol, Transport } from "effect-rpcudp"
 * import { SimulatedNetwork } from "effect-rpcudp/testing"
 *
 * const node = (address: string) =>
 *   Protocol.layer().pipe(
 *     Layer.provide(Transport.layerSocket()),
 *     Layer.provide(SimulatedNetwork.socket(address))
 *   )
 *
 * const test = Effect.gen(function*() {
 *   const network = yield* SimulatedNetwork.SimulatedNetwork
 *   yield* network.set({ loss: 0.5 }, { from: "10.0.0.1" }) // what this host sends
 *   const exit = yield* Effect.gen(function*() {
 *     const { call } = yield* Protocol.Protocol
 *     return yield* call("10.0.0.2:1234", "ping", []) // where nobody is
 *   }).pipe(Effect.provide(node("10.0.0.1:1234")), Effect.exit)
 *   return { exit, stats: yield* network.stats }
 * }).pipe(Effect.provide(SimulatedNetwork.layer({ ...SimulatedNetwork.wifi, seed: 42 })))
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class SimulatedNetwork extends Context.Service<SimulatedNetwork, {
  /** Changes the settings of the whole network, or of a link: there, the last setting that fits a datagram counts. */
  readonly set: (settings: Settings, link?: Link) => Effect.Effect<void>

  /**
   * Cuts every way between the two sides, or with `oneWay` from the first to the second only. Healed by the effect that
   * it returns, or when the scope closes.
   */
  readonly partition: (
    side: ReadonlyArray<string>,
    otherSide: ReadonlyArray<string>,
    options?: { readonly oneWay?: boolean | undefined }
  ) => Effect.Effect<Effect.Effect<void>, never, Scope.Scope>

  /** Stops a host, with all its sockets: what it sends and what is sent to it vanishes, what is on its way to it, too. */
  readonly stop: (host: string) => Effect.Effect<void>

  /** Lets a stopped host return. */
  readonly start: (host: string) => Effect.Effect<void>

  /**
   * Gives the socket that peers see as `from` another address, as a NAT does that has forgotten a mapping: it sends from
   * `to`, and what is sent to `from` finds nobody, what is on its way to it, too.
   */
  readonly rebind: (from: string, to: string) => Effect.Effect<void>

  /**
   * Puts hosts behind a NAT, and returns the effect that reboots it: it forgets its mappings. What passes a NAT has its
   * address outside in traces and rules, and to links and partitions. Who is behind the same NAT reaches each other
   * without it; others do not reach the addresses behind it.
   */
  readonly nat: (nat: Nat) => Effect.Effect<Effect.Effect<void>>

  /**
   * Sends a datagram whose sender's address is forged, or that was recorded earlier: `from` needs no socket. Both are
   * `host:port`.
   */
  readonly forge: (datagram: Omit<Packet, "time">) => Effect.Effect<void>

  /** What has become of the datagrams so far. */
  readonly stats: Effect.Effect<Stats>

  /** Every datagram's fate in order, if the network was made with `trace`. */
  readonly trace: Effect.Effect<ReadonlyArray<TraceEntry>>

  /** How many datagrams are on their way. */
  readonly inFlight: Effect.Effect<number>

  /** Opens a socket: what `socket` is made of. */
  readonly open: (
    address: NetAddress.InetAddress,
    events: DatagramSocket.BackingEvents
  ) => Effect.Effect<DatagramSocket.BackingSocket, DatagramSocket.DatagramSocketError>
}>()("effect-rpcudp/testing/SimulatedNetwork") {}

/**
 * How to make a network.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Settings {
  /** Decides everything that chance decides. 0 by default. */
  readonly seed?: number | string | undefined
  /** Whether to keep a line for each datagram. */
  readonly trace?: boolean | undefined
  /**
   * Arrivals are rounded up to a multiple of this: 0.1 ms by default. All that arrives at one tick shares a wake-up, so a
   * network of thousands of nodes runs faster with coarser ticks.
   */
  readonly tick?: Duration.Input | undefined
}

/**
 * A network in which chance follows the seed. For all that is built with it, Effect's `Random` and `WebCrypto`'s random
 * bytes follow the seed, too (so never run anything but a test on it): the same program has the same trace.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<SimulatedNetwork> =>
  Layer.mergeAll(
    Layer.effect(SimulatedNetwork, Effect.suspend(() => make(options ?? {}))),
    Layer.sync(Random.Random, () => stream(`${options?.seed ?? 0} random`)),
    Layer.sync(WebCrypto.WebCrypto, () => seededCrypto(`${options?.seed ?? 0} crypto`))
  )

/**
 * A socket at an address of the network: `"10.0.0.1:1234"`, `"[2001:db8::1]:1234"`, or with port 0 the next that is free
 * on its host. It opens when it is first read, and fails then with `AddressInUse` if it must.
 *
 * The network is one LAN to what is sent to a multicast group, which reaches all sockets of its port that have joined it, and to
 * 255.255.255.255, which reaches all IPv4 sockets of its port: the sender's own, too, and none behind another NAT. Each copy is
 * a datagram of its own to settings, traces and `stats`.
 *
 * @category layers
 * @since 0.1.0
 */
export const socket = (
  address: NetAddress.InetAddressInput,
  options?: { readonly receiveBuffer?: DatagramSocket.ReceiveBufferOptions | undefined }
): Layer.Layer<DatagramSocket.DatagramSocket, never, SimulatedNetwork> =>
  Layer.effect(
    DatagramSocket.DatagramSocket,
    Effect.flatMap(SimulatedNetwork, (network) =>
      DatagramSocket.makeFromBackingSocket(
        (events) => network.open(NetAddress.inetAddressFromInputUnsafe(address), events),
        options
      ))
  )

/**
 * One line for a person: when, from where to where, how long, and what became of it.
 *
 * @category formatting
 * @since 0.1.0
 */
export const formatTrace = (entry: TraceEntry): string =>
  `${entry.time.toFixed(1).padStart(10)} ms  ${entry.from} > ${entry.to}  ${entry.size} bytes  ${entry.fate}`

// ---------------------------------------------------------------------------------------------------------------------
// presets
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A switched office network: Ethernet's 1,500 bytes (RFC 894), a gigabit a second, up to half a millisecond a way.
 *
 * @category presets
 * @since 0.1.0
 */
export const lan: Settings = { delay: ["0.1 millis", "0.5 millis"], mtu: 1500, bandwidth: 125_000_000 }

/**
 * A crowded campus Wi-Fi: a median of 3 ms with a 99th percentile of 250 ms (Sui and others, "Characterizing and
 * Improving WiFi Latency in Large-Scale Operational Networks", MobiSys 2016). Loss is our guess: Wi-Fi itself sends again.
 *
 * @category presets
 * @since 0.1.0
 */
export const wifi: Settings = { delay: { median: "3 millis", p99: "250 millis" }, loss: 0.005, mtu: 1500 }

/**
 * A mobile network, 4G: 45 ms and a jitter of 15, 0.2% lost, 50 Mbit/s (the profile "4G" of Loadero's network
 * conditions), under the 1,400 bytes that tunnels in mobile cores commonly leave.
 *
 * @category presets
 * @since 0.1.0
 */
export const mobile: Settings = {
  delay: ["30 millis", "60 millis"],
  loss: 0.002,
  mtu: 1400,
  bandwidth: 6_250_000
}

/**
 * A geostationary satellite: 239.6 to 279 ms a way (RFC 2488, section 2), and a megabit a second. Loss is our guess.
 *
 * @category presets
 * @since 0.1.0
 */
export const satellite: Settings = {
  delay: ["239.6 millis", "279 millis"],
  loss: 0.01,
  mtu: 1500,
  bandwidth: 125_000
}

/**
 * Worse than what one meets: a fifth of all datagrams lost, a tenth repeated, one in twenty damaged in a way that no
 * checksum has noticed, and delays from none to a second, so that datagrams overtake each other all the time.
 *
 * @category presets
 * @since 0.1.0
 */
export const hostile: Settings = {
  delay: ["0 millis", "1 second"],
  loss: 0.2,
  duplicate: 0.1,
  corrupt: 0.05,
  mtu: 1500,
  bandwidth: 125_000,
  queue: 16_384
}

// ---------------------------------------------------------------------------------------------------------------------
// implementation
// ---------------------------------------------------------------------------------------------------------------------

const unsupported = new DatagramSocket.DatagramSocketError({
  reason: new DatagramSocket.DatagramSocketUnsupportedError({
    capability: "multicast of one source",
    runtime: "SimulatedNetwork"
  })
})

const defaultTick = "0.1 millis"

const defaultQueueBytes = 65_536

const ephemeralPort = 49_152

type RandomService = typeof Random.Random.Service

/** Effect's own seeded generator. */
const stream = (seed: string): RandomService => Effect.runSync(Random.withSeed(Random.Random, seed))

/** The system's Crypto, but for its random bytes. */
const seededCrypto = (seed: string): typeof WebCrypto.WebCrypto.Service => {
  const random = stream(seed)
  const getRandomValues = <A extends ArrayBufferView>(array: A): A => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
    for (let i = 0; i < bytes.length; i++) bytes[i] = random.nextDoubleUnsafe() * 256
    return array
  }
  return new Proxy(globalThis.crypto, {
    get: (crypto, property) => {
      if (property === "getRandomValues") return getRandomValues
      const value: unknown = Reflect.get(crypto, property)
      return typeof value === "function" ? value.bind(crypto) : value
    }
  })
}

/**
 * What chance says, as numbers from 0 to below 1: a Weyl sequence through a mixer of 32 bits, as splitmix has it. Effect's
 * generator takes 2.5 KB, which a network of thousands of nodes does not have for each of its ways.
 */
class Dice {
  #state = 0

  /** What follows depends on these two alone. */
  reset(seed: number, number: number): void {
    this.#state = mix(seed + Math.imul(number, 0x9e37_79b1))
  }

  next(): number {
    this.#state = (this.#state + 0x9e37_79b9) | 0
    return (mix(this.#state) >>> 0) / 2 ** 32
  }
}

const mix = (n: number): number => {
  n = Math.imul(n ^ (n >>> 16), 0x21f0_aaad)
  n = Math.imul(n ^ (n >>> 15), 0x735a_2d97)
  return n ^ (n >>> 15)
}

/** FNV-1a. */
const hashOf = (text: string): number => {
  let hash = 0x811c_9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193)
  return mix(hash)
}

/** Where datagrams come from. */
interface Source {
  /** As peers see it. */
  address: DatagramSocket.BackingAddress
  /** The same, as one text. */
  name: string
  /** From this socket to others, by their names. */
  readonly ways: Map<string, Way>
}

/** A bound socket. */
interface Bound extends Source {
  readonly events: DatagramSocket.BackingEvents
  tick: number
  /** Bytes that arrived in that tick. */
  bytes: number
}

/** One way between two sockets. */
interface Way {
  readonly seed: number
  /** How many datagrams went this way. */
  count: number
  settings: Settings
  delay: DrawDelay
  /** Of which change of the settings those are. */
  version: number
}

/** A datagram in flight, from this host and port. */
interface Flight {
  readonly packet: Packet
  readonly settings: Settings
  readonly host: string
  readonly port: number
  readonly damaged: boolean
}

/** What chance says of one copy of a datagram. */
interface Copy {
  /** In nanoseconds. */
  readonly delay: number
  readonly damaged: boolean
  /** Where, 0 to 1, and what its byte is changed by. */
  readonly at: number
  readonly by: number
}

const make = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<
  SimulatedNetwork["Service"],
  never,
  Scope.Scope
> {
  const context = yield* Effect.context<never>()
  const seed = options.seed ?? 0
  const tickNanos = nanosOf(options.tick ?? defaultTick)
  const sockets = new Map<string, Bound>()
  const dice = new Dice()
  const lines = new Map<string, { freeAt: number }>()
  const overrides: Array<{ readonly link: Link; readonly settings: Settings }> = []
  const cuts = new Set<{ readonly from: ReadonlySet<string>; readonly to: ReadonlySet<string> }>()
  const stopped = new Set<string>()
  const nats = new Nats<Source>({
    draws: (host) => {
      const dice = new Dice()
      dice.reset(hashOf(`${seed} nat ${host}`), 0)
      return () => dice.next()
    },
    outside: (host, port) => sourceOf(`${host}:${port}`)
  })
  const groups = new Groups(sockets)
  const nextPort = new Map<string, number>()
  const trace: Array<TraceEntry> = []
  const stats: { -readonly [F in keyof Stats]: Stats[F] } = {
    sent: 0,
    delivered: 0,
    duplicated: 0,
    corrupted: 0,
    lost: 0,
    "too long": 0,
    "queue full": 0,
    "buffer full": 0,
    partitioned: 0,
    stopped: 0,
    nobody: 0,
    filtered: 0,
    refused: 0
  }
  let base: Settings = options
  let baseDelay = drawDelay(base)
  let version = 0
  let inFlight = 0

  const agenda = new Agenda<Flight>()
  const clock = Context.get(context, Clock.Clock)
  const nanos = Now.make(clock)
  const alarm = new Alarm({ clock, now: nanos, context, onRing: () => arriveDue() })
  yield* Effect.addFinalizer(() => Effect.sync(() => alarm.off()))

  const note = (packet: Packet, fate: Fate) => {
    stats[fate]++
    if (options.trace !== true) return
    trace.push({
      time: Now.millisOf(nanos()),
      from: packet.from,
      to: packet.to,
      size: packet.payload.length,
      fate
    })
  }

  const wayOf = ({ name: from, ways }: Source, to: string): Way => {
    let way = ways.get(to)
    if (way === undefined) {
      // Each way has chances of its own: what happens on one changes nothing on another.
      way = { seed: hashOf(`${seed} ${from}>${to}`), count: 0, settings: base, delay: baseDelay, version: -1 }
      ways.set(to, way)
    }
    if (way.version !== version) {
      way.settings = overrides.reduce(
        (settings: Settings, { link, settings: others }) =>
          fits(link.from, from) && fits(link.to, to) ? merge(settings, others) : settings,
        base
      )
      way.delay = way.settings === base ? baseDelay : drawDelay(way.settings)
      way.version = version
    }
    return way
  }

  /** Sends through the NATs that the sender is behind, and the receiver is not. */
  const leave = (packet: Packet, source: Source): DatagramSocket.DatagramSocketError | undefined => {
    const box = nats.between(packet.from, packet.to)
    if (box === undefined || stopped.has(hostOf(packet.from))) return send(packet, source)
    const outside = box.outbound(packet.from, packet.to, nanos())
    if (outside !== undefined) return leave({ ...packet, from: outside.name }, outside)
    stats.sent++
    note(packet, "filtered")
    return undefined
  }

  /** Sends a copy to each. Those behind another NAT do not let it in. */
  const spread = (
    packet: Packet,
    source: Source,
    hearers: ReadonlyArray<Bound>
  ): DatagramSocket.DatagramSocketError | undefined => {
    let refusal: DatagramSocket.DatagramSocketError | undefined
    for (const { name } of hearers) refusal ??= send({ ...packet, to: name }, source)
    return refusal
  }

  const send = (packet: Packet, source: Source) => {
    const way = wayOf(source, packet.to)
    const { settings } = way
    if (settings.refuse !== undefined && settings.refuse !== false) {
      note(packet, "refused")
      const to = NetAddress.inetAddressFromStringUnsafe(packet.to)
      return writeError(settings.refuse, to, new Error("the simulated network refuses"))
    }
    stats.sent++
    if (stopped.has(hostOf(packet.from))) return void note(packet, "stopped")
    for (const cut of cuts) {
      if (isOn(cut.from, packet.from) && isOn(cut.to, packet.to)) return void note(packet, "partitioned")
    }
    const size = packet.payload.length + (packet.to.startsWith("[") ? 48 : 28)
    if (size > (settings.mtu ?? Infinity)) return void note(packet, "too long")
    const queued = queue(packet, settings, size)
    if (queued === undefined) return void note(packet, "queue full")
    dice.reset(way.seed, way.count++)
    const copies = draw(dice, way, packet)
    if (copies.length === 0) return void note(packet, "lost")
    copies.forEach((copy, i) => {
      if (i > 0) stats.duplicated++
      const damaged = copy.damaged && packet.payload.length > 0
      const payload = damaged ? damage(packet.payload, copy) : packet.payload
      launch(
        { packet: { ...packet, payload }, settings, damaged, host: source.address.host, port: source.address.port },
        queued + copy.delay
      )
    })
    return undefined
  }

  /** How long a datagram waits for bandwidth, in nanoseconds; undefined, that there is no room to wait. */
  const queue = (packet: Packet, settings: Settings, size: number): number | undefined => {
    if (settings.bandwidth === undefined) return 0
    const name = `${hostOf(packet.from)}>${hostOf(packet.to)}`
    let line = lines.get(name)
    if (line === undefined) lines.set(name, line = { freeAt: 0 })
    const now = nanos()
    const waiting = Math.max(0, line.freeAt - now) * settings.bandwidth / 1e9
    if (waiting + size > Math.max(settings.queue ?? defaultQueueBytes, size)) return undefined
    line.freeAt = Math.max(line.freeAt, now) + size * 1e9 / settings.bandwidth
    return line.freeAt - now
  }

  const launch = (flight: Flight, delay: number) => {
    inFlight++
    // Never within the send, as on a real network.
    if (delay === 0) return queueMicrotask(() => arrive(flight))
    const tick = Math.ceil((nanos() + delay) / tickNanos)
    agenda.add(tick, flight)
    alarm.by(tick * tickNanos)
  }

  const arriveDue = () => {
    const now = Math.floor(nanos() / tickNanos)
    for (let due = agenda.take(now); due !== undefined; due = agenda.take(now)) due.forEach(arrive)
    if (agenda.earliest !== undefined) alarm.by(agenda.earliest * tickNanos)
  }

  const arrive = ({ damaged, host, packet, port, settings }: Flight) => {
    inFlight--
    if (stopped.has(hostOf(packet.to))) return note(packet, "stopped")
    const name = nats.size === 0 ? packet.to : nats.enter(packet.from, packet.to, nanos())
    if (name === undefined) return note(packet, "filtered")
    if (name !== packet.to && stopped.has(hostOf(name))) return note(packet, "stopped")
    const bound = sockets.get(name)
    if (bound === undefined) return note(packet, "nobody")
    const tick = Math.floor(nanos() / tickNanos)
    if (bound.tick !== tick) {
      bound.tick = tick
      bound.bytes = 0
    }
    bound.bytes += packet.payload.length
    if (bound.bytes > (settings.receiveBuffer ?? Infinity)) return note(packet, "buffer full")
    if (damaged) stats.corrupted++
    note(packet, "delivered")
    bound.events.onPacket(packet.payload, host, port)
  }

  const open = (requested: NetAddress.InetAddress, events: DatagramSocket.BackingEvents) =>
    Effect.suspend(() => {
      const host = NetAddress.formatIp(requested.address)
      const address = { host, port: requested.port === 0 ? freePort(host) : requested.port }
      const name = nameOf(address)
      if (sockets.has(name)) {
        return Effect.fail(openError("AddressInUse", new Error(`${name} of the simulated network has a socket`)))
      }
      const bound: Bound = { address, name, events, ways: new Map(), tick: 0, bytes: 0 }
      sockets.set(name, bound)
      const write = (
        payload: Uint8Array,
        to: DatagramSocket.BackingAddress | undefined
      ): DatagramSocket.DatagramSocketError | undefined => {
        if (to === undefined) return undefined
        const time = Now.millisOf(nanos())
        const packet = { time, from: bound.name, to: nameOf(to), payload: new Uint8Array(payload) }
        const hearers = groups.hearers(to)
        if (hearers !== undefined) return spread(packet, bound, hearers)
        return nats.size === 0 ? send(packet, bound) : leave(packet, bound)
      }
      return Effect.succeed<DatagramSocket.BackingSocket>({
        address,
        send: (payload, to, done) => done(write(payload, to)),
        sendMany: (payloads, destinations, done) => {
          for (const [i, payload] of payloads.entries()) {
            const error = write(payload, destinations[i])
            if (error !== undefined) return done(error, i)
          }
          done()
        },
        // A host has one address, and so one interface.
        joinMulticast: ({ group, source }) =>
          source === undefined
            ? Effect.sync(() => {
              const leave = groups.join(group, bound)
              return () => Effect.sync(leave)
            })
            : Effect.fail(unsupported),
        close: () => {
          groups.leave(bound)
          sockets.delete(bound.name)
        }
      })
    })

  let forged = 0
  const forge = ({ from, payload, to }: Omit<Packet, "time">) => {
    const source = sourceOf(from)
    const time = Now.millisOf(nanos())
    const target = sourceOf(to)
    for (const { name } of groups.hearers(target.address) ?? [target]) {
      // Nothing is kept of it, so its chances count through all that is forged.
      wayOf(source, name).count = forged++
      send({ time, from: source.name, to: name, payload: new Uint8Array(payload) }, source)
    }
  }

  const freePort = (host: string): number => {
    while (true) {
      const port = nextPort.get(host) ?? ephemeralPort
      nextPort.set(host, port === 65_535 ? ephemeralPort : port + 1)
      if (!sockets.has(nameOf({ host, port }))) return port
    }
  }

  return SimulatedNetwork.of({
    set: (settings, link) =>
      Effect.sync(() => {
        if (link === undefined) {
          base = merge(base, settings)
          baseDelay = drawDelay(base)
        } else overrides.push({ link: { from: normalEnd(link.from), to: normalEnd(link.to) }, settings })
        version++
      }),
    partition: (side, otherSide, { oneWay = false } = {}) =>
      Effect.suspend(() => {
        const from = new Set(side.map(normal))
        const to = new Set(otherSide.map(normal))
        const made = oneWay ? [{ from, to }] : [{ from, to }, { from: to, to: from }]
        const heal = Effect.sync(() => made.forEach((cut) => cuts.delete(cut)))
        const cut = Effect.sync(() => made.forEach((cut) => cuts.add(cut)))
        return Effect.as(Effect.acquireRelease(cut, () => heal), heal)
      }),
    stop: (host) => Effect.sync(() => void stopped.add(normal(host))),
    start: (host) => Effect.sync(() => void stopped.delete(normal(host))),
    rebind: (from, to) =>
      Effect.sync(() => {
        const bound = sockets.get(normal(from))
        if (bound === undefined) throw new Error(`no socket at ${from}`)
        if (sockets.has(normal(to))) throw new Error(`there is a socket at ${to} already`)
        const inet = NetAddress.inetAddressFromStringUnsafe(to)
        sockets.delete(bound.name)
        bound.address = { host: NetAddress.formatIp(inet.address), port: inet.port }
        bound.name = nameOf(bound.address)
        bound.ways.clear()
        sockets.set(bound.name, bound)
      }),
    nat: (nat) =>
      Effect.sync(() => {
        const box = nats.add({ ...nat, outside: normal(nat.outside), inside: nat.inside.map(normal) })
        return Effect.sync(() => box.reboot())
      }),
    forge: (datagram) => Effect.sync(() => forge(datagram)),
    stats: Effect.sync(() => ({ ...stats })),
    trace: Effect.sync(() => trace.slice()),
    inFlight: Effect.sync(() => inFlight),
    open
  })
})

/** Of datagrams that no socket sends from there. */
const sourceOf = (from: string): Source => {
  const inet = NetAddress.inetAddressFromStringUnsafe(from)
  const address = { host: NetAddress.formatIp(inet.address), port: inet.port }
  return { address, name: nameOf(address), ways: new Map() }
}

/** The copies of a datagram that arrive. */
const draw = (dice: Dice, way: Way, packet: Packet): ReadonlyArray<Copy> => {
  const { settings } = way
  const lost = chance(dice, settings.loss)
  const duplicated = chance(dice, settings.duplicate)
  if (settings.rule !== undefined && settings.rule !== false) {
    return settings.rule(packet).map((delay) => {
      const { at, by, damaged } = drawCopy(dice, way)
      return { at, by, damaged, delay: nanosOf(delay) }
    })
  }
  if (lost) return []
  return duplicated ? [drawCopy(dice, way), drawCopy(dice, way)] : [drawCopy(dice, way)]
}

const drawCopy = (dice: Dice, { delay, settings }: Way): Copy => ({
  delay: delay(dice),
  damaged: chance(dice, settings.corrupt),
  at: dice.next(),
  by: dice.next()
})

/** One byte becomes another. */
const damage = (payload: Uint8Array, { at, by }: Copy): Uint8Array => {
  const damaged = payload.slice()
  damaged[Math.floor(at * payload.length)]! ^= 1 + Math.floor(by * 255)
  return damaged
}

type DrawDelay = (dice: Dice) => number

/** What draws the delay that settings have, in nanoseconds. */
const drawDelay = ({ delay }: Settings): DrawDelay => {
  if (delay === undefined) return () => 0
  if (isRange(delay)) {
    const [min, max] = [nanosOf(delay[0]), nanosOf(delay[1])]
    return (dice) => min + dice.next() * (max - min)
  }
  if (Predicate.hasProperty(delay, "median")) {
    const median = nanosOf(delay.median)
    // The 99th percentile of the standard normal distribution is 2.3263.
    const sigma = Math.log(nanosOf(delay.p99) / median) / 2.3263
    return (dice) => median * Math.exp(sigma * normalOf(dice))
  }
  const nanos = nanosOf(delay)
  return () => nanos
}

// A pair is a range, although Effect would also take one of numbers for seconds and nanoseconds.
const isRange = (delay: Delay): delay is readonly [Duration.Input, Duration.Input] => Array.isArray(delay)

/** From the standard normal distribution: Box and Muller (1958). */
const normalOf = (dice: Dice): number => Math.sqrt(-2 * Math.log(1 - dice.next())) * Math.cos(2 * Math.PI * dice.next())

const nanosOf = (input: Duration.Input): Now.Nanos => Now.nanosOf(Duration.fromInputUnsafe(input))

const chance = (dice: Dice, probability: number | undefined): boolean => dice.next() < (probability ?? 0)

/** Settings that are given take the place of those that are there. */
const merge = (settings: Settings, others: Settings): Settings => ({
  ...settings,
  ...Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined))
})

const normalEnd = (end: string | undefined): string | undefined => end === undefined ? undefined : normal(end)

/** A host or a socket, as names of sockets are written. */
const normal = (end: string): string => {
  const inet = NetAddress.inetAddressFromString(end)
  const address = Result.isSuccess(inet)
    ? inet.success
    : NetAddress.inetAddressFromIpStringUnsafe(end.replace(/^\[|\]$/gu, ""), 0)
  const name = nameOf({ host: NetAddress.formatIp(address.address), port: address.port })
  return Result.isSuccess(inet) ? name : hostOf(name)
}

const fits = (end: string | undefined, name: string): boolean =>
  end === undefined || end === name || end === hostOf(name)

const isOn = (side: ReadonlySet<string>, name: string): boolean => side.has(name) || side.has(hostOf(name))
