/** Hands what others ask to the core, and its answers to the wire. */
import { Effect } from "effect"
import { Handlers } from "effect-rpcudp"
import { NetAddress } from "effect/net"
import { Contact } from "../Contact.ts"
import type { Found } from "../core/Shared.ts"
import type * as Id from "../Id.ts"
import { Kademlia, Unreachable } from "../Messages.ts"
import type { Driver } from "./driver.ts"

export const handlers = (driver: Driver) =>
  Kademlia.of({
    ping: Effect.fnUntraced(function*(id) {
      const from = yield* caller(id)
      const self = yield* driver.tell((core, now) => core.ping(from, now))
      return self ?? (yield* new Unreachable())
    }),
    stun: () => Effect.map(Handlers.Sender, ({ address, port }) => [NetAddress.formatIp(address), port] as const),
    store: (id, key, value) =>
      Effect.flatMap(caller(id), (from) =>
        driver.ask<boolean>((core, then, now) => core.store(from, key, value, then, now))),
    find_node: (id, target) =>
      Effect.flatMap(caller(id), (from) =>
        driver.tell((core, now) => core.findNode(from, target, now))),
    find_value: (id, key) =>
      Effect.flatMap(
        caller(id),
        (from) => driver.ask<Found>((core, then, now) => core.findValue(from, key, then, now))
      ).pipe(Effect.map((found) => found._tag === "Value" ? { value: found.value } : found.contacts))
  })

const caller = (id: Id.Id) => Effect.map(Handlers.Sender, (address) => new Contact(id, address))
