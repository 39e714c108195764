/**
 * NAT boxes as RFC 4787 describes them: which address a datagram leaves with, and which are let in. No network, no clock and
 * no chance: those come in as arguments. Addresses are names of sockets.
 */
import * as Duration from "effect/Duration"
import type { Nanos } from "../internal/time/now.ts"
import { nanosOf } from "../internal/time/now.ts"
import { hostOf, portOf } from "./names.ts"

/**
 * What of a peer's address a NAT tells apart: nothing, its host, or its host and port.
 *
 * @category models
 * @since 0.1.0
 */
export type Dependence = "endpoint-independent" | "address-dependent" | "address-and-port-dependent"

/**
 * A NAT box, in the terms of RFC 4787. What it does not say is as a NAT must be by that RFC, and no better.
 *
 * @category models
 * @since 0.1.0
 */
export interface Nat {
  /** Its address outside. What hosts behind it send comes from there, and what is sent there may reach them. */
  readonly outside: string
  /** The hosts behind it. A further NAT may be one of them. No two NATs have hosts of the same address. */
  readonly inside: ReadonlyArray<string>
  /** Which peers a socket behind it sends to from one and the same port outside (section 4.1). */
  readonly mapping: Dependence
  /** Who may send to that port, of those that the socket has sent to from it (section 5): anybody, their hosts, or they alone. */
  readonly filtering: Dependence
  /** How long a mapping lasts after it was last used: 2 minutes by default, the least that a NAT may have (REQ-5). */
  readonly timeout?: Duration.Input | undefined
  /** Whether a mapping is also used by what comes in, not only by what goes out (REQ-6). False by default. */
  readonly refreshInbound?: boolean | undefined
  /** Whether hosts behind it reach each other by its address outside (REQ-9). True by default. */
  readonly hairpinning?: boolean | undefined
  /**
   * Whether a socket has the same port outside as inside, where no other socket has it, as Linux does it (section 4.2.1).
   * False by default: ports are drawn.
   */
  readonly preservePorts?: boolean | undefined
}

/** What boxes are given by their network, which knows of each port outside an `Outside`. */
export interface Surroundings<Outside> {
  /** The chances of the box at this address: numbers from 0 to below 1. */
  readonly draws: (host: string) => () => number
  readonly outside: (host: string, port: number) => Outside
}

/** Which hosts are behind which box. */
export class Nats<Outside> {
  readonly #surroundings: Surroundings<Outside>
  readonly #boxes = new Map<string, NatBox<Outside>>()
  readonly #behind = new Map<string, NatBox<Outside>>()

  constructor(surroundings: Surroundings<Outside>) {
    this.#surroundings = surroundings
  }

  get size(): number {
    return this.#boxes.size
  }

  /** Hosts are given as names have them. */
  add(nat: Nat): NatBox<Outside> {
    const { inside, outside } = nat
    if (this.#boxes.has(outside)) throw new Error(`there is a NAT at ${outside} already`)
    for (const host of inside) {
      if (this.#behind.has(host)) throw new Error(`${host} is behind a NAT already`)
    }
    const box = new NatBox(nat, this.#surroundings)
    this.#boxes.set(outside, box)
    for (const host of inside) this.#behind.set(host, box)
    return box
  }

  /** The box that a datagram leaves through next, on its way from one to the other. */
  between(from: string, to: string): NatBox<Outside> | undefined {
    if (this.#boxes.size === 0) return undefined
    const box = this.#behind.get(hostOf(from))
    return box === this.#behind.get(hostOf(to)) ? undefined : box
  }

  /** The name of the socket that a datagram reaches, through all boxes that let it in. */
  enter(from: string, to: string, now: Nanos): string | undefined {
    if (this.#boxes.size === 0) return to
    // Nobody knows the way to what is behind another box.
    if (this.#behind.get(hostOf(to)) !== this.#behind.get(hostOf(from))) return undefined
    let name: string | undefined = to
    for (let box; name !== undefined && (box = this.#boxes.get(hostOf(name))) !== undefined;) {
      name = box.inbound(from, name, now)
    }
    return name
  }
}

/** A port outside, and whose it is. */
interface Mapping<Outside> {
  readonly outside: Outside
  readonly port: number
  readonly inside: string
  /** What it is found by among the mappings. */
  readonly keys: Array<string>
  /** When the socket last sent to whom, as far as filtering tells them apart. Who was sent to longest ago comes first. */
  readonly sentTo: Map<string, Nanos>
  usedAt: Nanos
}

// RFC 4787, section 4.2.1, keeps those below for sockets that have one of them inside.
const firstPort = 1024

const portCount = 65_536 - firstPort

/** A port outside belongs to one socket, so none is overloaded (REQ-3). */
export class NatBox<Outside> {
  readonly #mapping: Dependence
  readonly #filtering: Dependence
  readonly #timeout: Nanos
  readonly #refreshInbound: boolean
  readonly #hairpinning: boolean
  readonly #preservePorts: boolean
  readonly #host: string
  readonly #draw: () => number
  readonly #outside: (port: number) => Outside
  readonly #mappings = new Map<string, Mapping<Outside>>()
  // What was used longest ago comes first.
  readonly #ports = new Map<number, Mapping<Outside>>()

  constructor(nat: Nat, surroundings: Surroundings<Outside>) {
    this.#mapping = nat.mapping
    this.#filtering = nat.filtering
    this.#timeout = nanosOf(Duration.fromInputUnsafe(nat.timeout ?? "2 minutes"))
    this.#refreshInbound = nat.refreshInbound ?? false
    this.#hairpinning = nat.hairpinning ?? true
    this.#preservePorts = nat.preservePorts ?? false
    this.#host = nat.outside
    this.#draw = surroundings.draws(nat.outside)
    this.#outside = (port) => surroundings.outside(nat.outside, port)
  }

  /** How many ports outside are in use. */
  get size(): number {
    return this.#ports.size
  }

  /** Where a datagram of a socket inside comes from, as peers see it. Undefined where no port is free. */
  outbound(from: string, to: string, now: Nanos): Outside | undefined {
    this.#forgetExpired(now)
    const key = `${from}>${partOf(to, this.#mapping)}`
    let mapping = this.#mappings.get(key)
    if (mapping === undefined) {
      mapping = this.#map(from)
      if (mapping === undefined) return undefined
      mapping.keys.push(key)
      this.#mappings.set(key, mapping)
    }
    this.#use(mapping, to, now)
    return mapping.outside
  }

  /** The socket inside that a datagram for `to`, an address of this box, is passed on to. Undefined where it is not let in. */
  inbound(from: string, to: string, now: Nanos): string | undefined {
    this.#forgetExpired(now)
    if (!this.#hairpinning && hostOf(from) === this.#host) return undefined
    const mapping = this.#ports.get(portOf(to))
    const sentAt = mapping?.sentTo.get(partOf(from, this.#filtering))
    if (mapping === undefined || sentAt === undefined || now - sentAt >= this.#timeout) return undefined
    if (this.#refreshInbound) this.#use(mapping, from, now)
    return mapping.inside
  }

  /** Forgets all mappings. */
  reboot(): void {
    this.#mappings.clear()
    this.#ports.clear()
  }

  #map(inside: string): Mapping<Outside> | undefined {
    const own = this.#ports.get(portOf(inside))
    if (this.#preservePorts && own?.inside === inside) return own
    const port = this.#preservePorts && own === undefined ? portOf(inside) : this.#freePort()
    if (port === undefined) return undefined
    return { outside: this.#outside(port), port, inside, keys: [], sentTo: new Map(), usedAt: 0 }
  }

  #freePort(): number | undefined {
    const drawn = Math.floor(this.#draw() * portCount)
    for (let i = 0; i < portCount; i++) {
      const port = firstPort + (drawn + i) % portCount
      if (!this.#ports.has(port)) return port
    }
    return undefined
  }

  #use(mapping: Mapping<Outside>, peer: string, now: Nanos): void {
    mapping.usedAt = now
    this.#ports.delete(mapping.port)
    this.#ports.set(mapping.port, mapping)
    const { sentTo } = mapping
    for (const [other, sentAt] of sentTo) {
      if (now - sentAt < this.#timeout) break
      sentTo.delete(other)
    }
    const part = partOf(peer, this.#filtering)
    sentTo.delete(part)
    sentTo.set(part, now)
  }

  #forgetExpired(now: Nanos): void {
    for (const mapping of this.#ports.values()) {
      if (now - mapping.usedAt < this.#timeout) return
      this.#ports.delete(mapping.port)
      for (const key of mapping.keys) this.#mappings.delete(key)
    }
  }
}

const partOf = (name: string, dependence: Dependence): string => {
  switch (dependence) {
    case "endpoint-independent":
      return ""
    case "address-dependent":
      return hostOf(name)
    case "address-and-port-dependent":
      return name
  }
}
