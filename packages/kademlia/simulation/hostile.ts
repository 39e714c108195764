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

export interface Options {
  readonly kind: Kind
  readonly id: Id.Id
  readonly k: number
  /** The hostile nodes that are there. */
  readonly others: ReadonlyMap<Id.Id, NetAddress.InetAddress>
  /** From 0 to 1. */
  readonly random: () => number
}

/** Serves in place of a node. */
export const serve = (options: Options) =>
  Protocol.serve(Kademlia).pipe(
    Layer.provide(
      Kademlia.toLayer({
        ping: () => Effect.succeed(options.id),
        stun: () => Effect.succeed(["10.0.0.1", 1]),
        store: () => Effect.succeed(options.kind === "hoarding"),
        find_node: (_id, target) => answer(options, target),
        find_value: (_id, key) => answer(options, key)
      })
    )
  )

const answer = (options: Options, target: Id.Id): Effect.Effect<ReadonlyArray<Contact>> => {
  switch (options.kind) {
    case "mute":
      return Effect.as(Effect.sleep("2 seconds"), [])
    case "lying":
      return Effect.sync(() => invented(options, target))
    case "hoarding":
      return Effect.sync(() =>
        [...options.others].map(([id, address]) => new Contact(id, address))
          .sort((a, b) => Id.byDistance(target)(a.id, b.id))
          .slice(0, options.k)
      )
  }
}

/** Contacts that share most bits with the target. No node of the simulation has such an address. */
const invented = ({ k, random }: Options, target: Id.Id): ReadonlyArray<Contact> =>
  Array.from({ length: k }, () => {
    const below = (n: number) => Math.floor(random() * n)
    const address = NetAddress.inetAddressFromStringUnsafe(`10.255.${below(256)}.${below(256)}:${1 + below(65_535)}`)
    return new Contact(Id.flip(Id.flip(target, 20 + below(70)), 90 + below(70)), address)
  })
