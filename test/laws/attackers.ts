/**
 * Who means harm, drawn from the seed as faults are. An attacker is a function that gives what it sends next, to be
 * forged on the network; those who read traffic are handed what was recorded, and those who are where they say get their
 * answers.
 */
import { Effect, Result } from "effect"
import { NetAddress } from "effect/net"
import { Codec } from "../../src/index.ts"
import type { SimulatedNetwork } from "../../src/testing/index.ts"
import type { Choices } from "./choices.ts"
import { choices } from "./choices.ts"
import type { Expensive } from "./requests.ts"
import { drawExpensive, drawRequest } from "./requests.ts"

/** A datagram that an attacker sends, from an address that need not be its own. */
export interface Forged extends Expensive {
  readonly from: string
  readonly to: string
}

/** What attackers know. */
export interface Field {
  readonly network: SimulatedNetwork.SimulatedNetwork["Service"]
  /** Of the nodes. */
  readonly addresses: ReadonlyArray<string>
  /** What nodes have sent, as somebody on the path sees it. */
  readonly recorded: ReadonlyArray<Forged>
  /** The last of it, whose handlers may still run. */
  readonly latest: ReadonlyArray<Forged>
  /** A number for a request, which nobody else has. */
  readonly nextNumber: () => number
}

/** An attacker with its means. */
interface Attacker {
  readonly kind: string
  /** When it begins and ends, in milliseconds. */
  readonly from: number
  readonly until: number
  /** Whether it begins again once the faults have ceased, and goes on until all honest callers are answered. */
  readonly persists: boolean
  readonly perSecond: number
  readonly next: () => Forged | undefined
  /** Where it is, if it is anywhere: what is sent there, it hears. */
  readonly hears: ReadonlyArray<{ readonly address: string; readonly hear: (datagram: Uint8Array) => void }>
  /** Who suffers most from it. */
  readonly harms: { readonly caller: string; readonly callee: string }
}

/** What attackers did: how much they sent, and how much reached those who are where they say. */
export interface Done {
  forged: number
  /** How many of those say what no peer would, by the reason to drop them. */
  readonly malformed: Record<string, number>
  heard: number
}

export interface Attackers {
  readonly names: ReadonlyArray<string>
  readonly done: Done
  /** Who suffers most from them. */
  readonly harms: ReadonlyArray<Attacker["harms"]>
  /** What each does while there are faults. */
  readonly inStorm: ReadonlyArray<Effect.Effect<void>>
  /** What those do that go on, for so many milliseconds or until this is over. They send so much a second, at most. */
  readonly inCalm: (millis: number, isOver: () => boolean, mostPerSecond: number) => Effect.Effect<void>
}

/** Draws no attacker, or some. What each does follows from its own seed, whatever else happens. */
export const makeAttackers = Effect.fnUntraced(function*(seed: string, field: Field, length: number) {
  const choose = choices(seed)
  const attackers = Array.from(
    { length: choose.pick([0, 1, 1, 2, 3]) },
    (_, i) => draw(choose, field, `${seed} ${i}`, length)
  )
  const done: Done = { forged: 0, malformed: {}, heard: 0 }
  const forge = (datagram: Forged) => {
    done.forged++
    if (datagram.reason !== undefined) done.malformed[datagram.reason] = (done.malformed[datagram.reason] ?? 0) + 1
    return field.network.forge(datagram)
  }
  for (const attacker of attackers) yield* settle(attacker, field, done)
  const result: Attackers = {
    names: attackers.map(({ kind, perSecond }) => `${kind} ${perSecond}/s`),
    done,
    harms: attackers.map(({ harms }) => harms),
    inStorm: attackers.map((attacker) =>
      Effect.andThen(
        Effect.sleep(attacker.from),
        attack(attacker, attacker.until - attacker.from, () => false, forge)
      )
    ),
    inCalm: (millis, isOver, mostPerSecond) => {
      const persistent = attackers.filter(({ persists }) => persists)
      const perSecond = persistent.reduce((sum, attacker) => sum + attacker.perSecond, 0)
      const times = Math.min(hurry, mostPerSecond / perSecond)
      return Effect.forEach(
        persistent,
        (attacker) => attack({ ...attacker, perSecond: times * attacker.perSecond }, millis, isOver, forge),
        { concurrency: "unbounded", discard: true }
      )
    }
  }
  return result
})

/** How many times as fast attackers may be in the calm, which ends as soon as the honest are answered. */
const hurry = 4

const draw = (choose: Choices, field: Field, seed: string, length: number): Attacker => {
  const kind = choose.pick(["spoofer", "spoofer", "flooder", "replayer", "spendthrift", "crowd", "forger"] as const)
  const { most, ...means } = kinds[kind](choices(seed), field)
  const from = choose.below(length)
  return {
    kind,
    from,
    until: Math.min(length, from + choose.scaled(100, 10_000)),
    persists: choose.chance(0.8),
    perSecond: choose.scaled(1 + most / 50, most),
    hears: [],
    ...means
  }
}

const tickMillis = 20

/** Sends at the attacker's rate for as long as it is let. */
const attack = (
  attacker: Attacker,
  millis: number,
  isOver: () => boolean,
  forge: (datagram: Forged) => Effect.Effect<void>
): Effect.Effect<void> =>
  Effect.gen(function*() {
    let due = 0
    for (let passed = 0; passed < millis && !isOver(); passed += tickMillis) {
      for (due += attacker.perSecond * tickMillis / 1000; due >= 1; due--) {
        const datagram = attacker.next()
        if (datagram !== undefined) yield* forge(datagram)
      }
      yield* Effect.sleep(tickMillis)
    }
  })

/** Puts the attacker where it says it is, for as long as the scope. */
const settle = (attacker: Attacker, { network }: Field, done: Done) =>
  Effect.forEach(attacker.hears, ({ address, hear }) =>
    // Another attacker may be there.
    Effect.ignore(network.open(NetAddress.inetAddressFromStringUnsafe(address), {
      onPacket: (datagram) => {
        done.heard++
        hear(datagram)
      },
      onReadError: () => {},
      onError: () => {},
      onClose: () => {}
    })), { discard: true })

// ---------------------------------------------------------------------------------------------------------------------
// kinds
// ---------------------------------------------------------------------------------------------------------------------

type Means = Pick<Attacker, "next" | "harms"> & Partial<Pick<Attacker, "hears">> & { readonly most: number }

/** Asks in a victim's name, so that the answers hit it, or so that it is refused. */
const spoofer = (choose: Choices, { addresses, nextNumber }: Field): Means => {
  const [victim, server] = two(choose, addresses)
  const ports = [victim, elsewhere(choose, victim)]
  const repeats = choose.pick([0, 0.2, 0.8])
  const draw = drawRequest(choose, nextNumber)
  const ids: Array<Uint8Array> = []
  return {
    most: 200,
    harms: { caller: victim, callee: server },
    next: () => {
      // An id comes again from both ports, in any order, and with another body.
      const isRepeat = ids.length > 0 && choose.chance(repeats)
      const id = isRepeat ? choose.pick(ids.slice(-4)) : choose.bytes(Codec.idBytes)
      if (!isRepeat) ids.push(id)
      return { from: choose.pick(isRepeat ? ports : [victim]), to: server, payload: draw(id) }
    }
  }
}

/** Asks for as much as it can, from one address or from all that one line has, which it may prove to be its own. */
const flooder = (choose: Choices, { addresses, nextNumber }: Field): Means => {
  const [caller, server] = two(choose, addresses)
  const own = choose.chance(0.5)
    ? [`10.99.0.${choose.between(1, 200)}:${choose.between(1024, 60_000)}`]
    : Array.from({ length: choose.between(2, 20) }, (_, i) => `[2001:db8:99:${(i + 1).toString(16)}::1]:1000`)
  const draw = drawRequest(choose, nextNumber)
  const proofs: Array<Forged> = []
  return {
    most: 200,
    harms: { caller, callee: server },
    next: () => proofs.pop() ?? { from: choose.pick(own), to: server, payload: draw(choose.bytes(Codec.idBytes)) },
    hears: choose.chance(0.5) ? [] : own.map((address) => ({
      address,
      hear: (datagram) => {
        const message = Codec.decode(datagram)
        if (Result.isFailure(message) || message.success._tag !== "Challenge") return
        proofs.push({ from: address, to: server, payload: Codec.encodeProof(message.success.token) })
      }
    }))
  }
}

/** Plays again what it has recorded: as it was, from elsewhere, to others. */
const replayer = (choose: Choices, { addresses, recorded }: Field): Means => {
  const [caller, callee] = two(choose, addresses)
  return {
    most: 50,
    harms: { caller, callee },
    next: () => {
      if (recorded.length === 0) return undefined
      const { from, payload, to } = choose.pick(recorded)
      return choose.pick([
        { from, payload, to },
        { from, payload, to },
        { from: elsewhere(choose, from), payload, to },
        { from: choose.pick(addresses), payload, to },
        { from, payload, to: choose.pick(addresses) }
      ])
    }
  }
}

/** Sends what costs most to read. */
const spendthrift = (choose: Choices, { addresses, nextNumber }: Field): Means => {
  const [from, to] = two(choose, addresses)
  const draw = drawExpensive(choose, nextNumber)
  return { most: 5, harms: { caller: from, callee: to }, next: () => ({ from, to, ...draw() }) }
}

/** Asks in the name of whole networks where nobody is. */
const crowd = (choose: Choices, { addresses, nextNumber }: Field): Means => {
  const [caller, to] = two(choose, addresses)
  const networks = choose.scaled(1, 20)
  const v6 = choose.chance(0.3)
  const draw = drawRequest(choose, nextNumber, ["bytes", "bytes", "any"])
  return {
    most: 400,
    harms: { caller, callee: to },
    next: () => {
      const network = choose.between(1, networks)
      const from = v6
        ? `[2001:db8:${(256 + network).toString(16)}:${choose.below(4)}::${choose.between(1, 9)}]:${
          choose.between(1, 9)
        }`
        : `10.${16 + network}.0.${choose.below(256)}:${choose.between(1, 9)}`
      return { from, to, payload: draw(choose.bytes(Codec.idBytes)) }
    }
  }
}

/** Answers, proves and cancels in others' place. It knows ids, and is neither where they went nor where they came from. */
const forger = (choose: Choices, { addresses, latest, recorded }: Field): Means => {
  const [caller, callee] = two(choose, addresses)
  return {
    most: 200,
    harms: { caller, callee },
    next: () => {
      if (choose.chance(0.5) && latest.length > 0) {
        const { from, payload, to } = choose.pick(latest)
        return { from: elsewhere(choose, from), to, payload: Codec.encodeCancel(Codec.idOf(payload)) }
      }
      const overheard = choose.chance(0.7) && recorded.length > 0 ? choose.pick(recorded) : undefined
      const id = overheard === undefined ? choose.bytes(Codec.idBytes) : Codec.idOf(overheard.payload)
      // What comes from where the call went would be the answer.
      const from = overheard === undefined ? callee : elsewhere(choose, overheard.to)
      const token = choose.bytes(Codec.idBytes)
      const payload = choose.pick([
        Result.getOrThrow(Codec.encodeResponse(id, [1, token])),
        Result.getOrThrow(Codec.encodeFailure(id, { kind: "Overloaded" }, 100)),
        Codec.encodeChallenge(id, token),
        Codec.encodeProof(token),
        Codec.encodeCancel(id)
      ])
      return { from, to: overheard?.from ?? caller, payload }
    }
  }
}

const kinds = { spoofer, flooder, replayer, spendthrift, crowd, forger }

/** The same host, another port. */
const elsewhere = (choose: Choices, address: string): string =>
  `${address.slice(0, address.lastIndexOf(":"))}:${choose.between(61_000, 65_000)}`

const two = (choose: Choices, addresses: ReadonlyArray<string>): readonly [string, string] => {
  const first = choose.below(addresses.length)
  const second = (first + 1 + choose.below(addresses.length - 1)) % addresses.length
  return [addresses[first]!, addresses[second]!]
}
