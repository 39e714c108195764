/** What a node answers to those that call it. */
import { Effect } from "effect"
import { Handlers } from "effect-rpcudp"
import { NetAddress } from "effect/net"
import { Contact } from "../Contact.ts"
import type * as Id from "../Id.ts"
import { Kademlia } from "../Messages.ts"
import type { Contacts } from "../core/Contacts.ts"
import type { NodeContext } from "./context.ts"
import type { Values } from "../core/Values.ts"

export interface Parts {
  readonly contacts: Contacts
  readonly values: Values
}

export const handlers = (node: NodeContext, { contacts, values }: Parts) =>
  Kademlia.of({
    ping: Effect.fnUntraced(function*(id) {
      yield* contacts.heard(yield* caller(id))
      return node.self
    }),
    stun: () => Effect.map(Handlers.Sender, ({ address, port }) => [NetAddress.formatIp(address), port] as const),
    store: Effect.fnUntraced(function*(id, key, value) {
      const contact = yield* caller(id)
      yield* contacts.heard(contact)
      return yield* values.keep(key, value, contact)
    }),
    find_node: Effect.fnUntraced(function*(id, target) {
      const contact = yield* caller(id)
      const found = neighbours(node, contact, target)
      yield* contacts.heard(contact)
      return found
    }),
    find_value: Effect.fnUntraced(function*(id, key) {
      const contact = yield* caller(id)
      const kept = yield* values.kept(key)
      const answer = kept === undefined ? neighbours(node, contact, key) : { value: kept.value }
      yield* contacts.heard(contact)
      return answer
    })
  })

const caller = (id: Id.Id) => Effect.map(Handlers.Sender, (address) => new Contact(id, address))

/** Whom a caller is told of: contacts that answered their last call, and not itself. */
const neighbours = ({ settings: { k }, table }: NodeContext, caller: Contact, target: Id.Id): ReadonlyArray<Contact> =>
  table.closest(target, k, ({ contact, failures }) => failures > 0 || contact.id === caller.id)
