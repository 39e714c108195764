/** The lookups of a node, numbered and told to those that watch: where they begin, and what each answer says of its peer. */
import { Effect } from "effect"
import type { Contact } from "../Contact.ts"
import * as Id from "../Id.ts"
import * as Lookup from "./Lookup.ts"
import type { Bucket, Entry } from "./RoutingTable.ts"
import type { Candidate } from "./Shortlist.ts"
import type { Contacts } from "./Contacts.ts"
import type { NodeContext } from "../internal/context.ts"
import { peerOf } from "../internal/events.ts"

interface Search {
  readonly kind: "node" | "value"
  readonly number: number
  readonly target: Id.Id
  readonly times: number
}

export class Lookups {
  readonly #node: NodeContext
  readonly #contacts: Contacts
  #count = 0

  constructor(node: NodeContext, contacts: Contacts) {
    this.#node = node
    this.#contacts = contacts
  }

  /** The nodes closest to an id, or the value of a key. Each node is asked so often before it counts as silent. */
  run(kind: "node" | "value", target: Id.Id, times = 1): Effect.Effect<Lookup.Result> {
    const { events, now, scope, settings: { alpha, k }, table } = this.#node
    return Effect.gen({ self: this }, function*() {
      const number = ++this.#count
      table.lookedUp(target, now())
      events.emit(() => ({ _tag: "LookupStarted", lookup: number, kind, target }))
      const result = yield* Lookup.run({
        target,
        k,
        alpha,
        from: this.#startingPoints(target),
        scope,
        ask: (candidate) => this.#ask({ kind, number, target, times }, candidate)
      })
      const { asked, closest, hops, value } = result
      events.emit(() => ({
        _tag: "LookupEnded",
        lookup: number,
        target,
        found: value !== undefined,
        hops,
        asked,
        closest: closest.map(({ id }) => id)
      }))
      return result
    })
  }

  /** Looks up a random id of each of these buckets, one after the other. */
  refresh(buckets: ReadonlyArray<Bucket>): Effect.Effect<void> {
    return Effect.forEach(
      buckets,
      ({ depth, prefix }) =>
        Effect.flatMap(Id.random, (random) => this.run("node", Id.withPrefix(prefix, depth, random))),
      { discard: true }
    )
  }

  /**
   * Asks the three contacts of a bucket that were seen longest ago, once each, for a random id of it: that shows whether they
   * are there, and whom they know.
   */
  freshen({ depth, entries, prefix }: Bucket): Effect.Effect<void> {
    const { client, now, self, settings: { k }, table } = this.#node
    return Effect.gen({ self: this }, function*() {
      const target = Id.withPrefix(prefix, depth, yield* Id.random)
      table.lookedUp(target, now())
      const oldest = entries.slice(0, 3).map(({ contact }) => contact)
      yield* Effect.forEach(oldest, (contact) =>
        client(contact.address).find_node(self, target).pipe(
          Effect.matchEffect({
            onSuccess: (answer) =>
              Effect.andThen(
                this.#contacts.heard(contact),
                Effect.forEach(
                  this.#contacts.callable(contact, answer).slice(0, k),
                  (named) => this.#contacts.named(named),
                  {
                    discard: true
                  }
                )
              ),
            onFailure: () => this.#contacts.lost(contact, "find_node")
          })
        ), { concurrency: "unbounded", discard: true })
    })
  }

  #ask(
    { kind, number, target, times }: Search,
    { contact, hop }: Candidate
  ): Effect.Effect<Lookup.Answer> {
    const { client, events, self } = this.#node
    const method = kind === "node" ? "find_node" : "find_value"
    events.emit(() => ({ _tag: "Asked", lookup: number, ...peerOf(contact), hop }))
    return client(contact.address)[method](self, target).pipe(
      Effect.retry({ times: times - 1, while: ({ _tag }) => _tag === "NoResponse" }),
      Effect.matchEffect({
        onSuccess: (answer) => {
          const told: Lookup.Answer = "value" in answer
            ? { _tag: "Value", value: answer.value }
            : { _tag: "Contacts", contacts: this.#contacts.callable(contact, answer) }
          const found = told._tag === "Value"
          const contacts = told._tag === "Contacts" ? told.contacts.length : 0
          events.emit(() => ({ _tag: "Answered", lookup: number, ...peerOf(contact), hop, contacts, found }))
          return Effect.as(this.#contacts.heard(contact), told)
        },
        onFailure: (): Effect.Effect<Lookup.Answer> => Effect.as(this.#contacts.lost(contact, method), { _tag: "Lost" })
      })
    )
  }

  /** Contacts that have gone silent only if there are no others. */
  #startingPoints(target: Id.Id): ReadonlyArray<Contact> {
    const { settings: { k }, table } = this.#node
    const isStale = ({ failures }: Entry) => failures >= table.options.staleAfter
    const live = table.closest(target, k, isStale)
    return live.length > 0 ? live : table.closest(target, k)
  }
}
