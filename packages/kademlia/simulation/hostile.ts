/** Nodes that join like others and then do harm: what each kind answers. Whom they name is drawn from the seed. */
import { Effect, Layer } from "effect"
import { Protocol } from "effect-rpcudp"
import { NetAddress } from "effect/net"
import { Contact } from "../src/Contact.ts"
import * as Id from "../src/Id.ts"
import { Kademlia } from "../src/Messages.ts"

/**
 * All answer pings, so all get into tables. A mute one answers searches too late to count. A lying one names nodes
 * near what is looked for that are not there. A hoarding one takes what it is told to store, keeps nothing, and names
 * none but other hostile nodes.
 */
export const kinds = ["mute", "lying", "hoarding"] as const

export type Kind = typeof kinds[number]

/** What the node in a place is, if it is hostile: of so large a share of places, which lie evenly among the others. */
export const kindAt = (index: number, share: number): Kind | undefined => {
  const before = Math.floor(index * share)
  return Math.floor((index + 1) * share) > before ? kinds[before % kinds.length] : undefined
}

/** How late a mute one answers, in milliseconds. */
export const lateness = 2_000

export interface Names {
  readonly kind: Kind
  readonly k: number
  /** The hostile nodes that are there. */
  readonly others: ReadonlyMap<Id.Id, NetAddress.InetAddress>
  /** From 0 to 1. */
  readonly random: () => number
}

export interface Options extends Names {
  readonly id: Id.Id
}

/** Serves in place of a node. */
export const serve = (options: Options) =>
  Protocol.serve(Kademlia).pipe(
    Layer.provide(
      Kademlia.toLayer({
        ping: () => Effect.succeed(options.id),
        stun: () => Effect.succeed(["10.0.0.1", 1]),
        store: () => Effect.succeed(takes(options.kind)),
        find_node: (_id, target) => answer(options, target),
        find_value: (_id, key) => answer(options, key)
      })
    )
  )

/** Whether it says that it keeps a pair. */
export const takes = (kind: Kind): boolean => kind === "hoarding"

const answer = (options: Options, target: Id.Id): Effect.Effect<ReadonlyArray<Contact>> => {
  const names = Effect.sync(() => namesOf(options, target))
  return options.kind === "mute" ? Effect.delay(names, lateness) : names
}

/** Whom it names to those that ask. */
export const namesOf = (names: Names, target: Id.Id): ReadonlyArray<Contact> => {
  switch (names.kind) {
    case "mute":
      return []
    case "lying":
      return invented(names, target)
    case "hoarding":
      return [...names.others].map(([id, address]) => new Contact(id, address))
        .sort((a, b) => Id.byDistance(target)(a.id, b.id))
        .slice(0, names.k)
  }
}

/** Contacts that share most bits with the target. No node of the simulation has such an address. */
const invented = ({ k, random }: Names, target: Id.Id): ReadonlyArray<Contact> =>
  Array.from({ length: k }, () => {
    const below = (n: number) => Math.floor(random() * n)
    const address = NetAddress.inetAddressFromStringUnsafe(`10.255.${below(256)}.${below(256)}:${1 + below(65_535)}`)
    return new Contact(Id.flip(Id.flip(target, 20 + below(70)), 90 + below(70)), address)
  })
