/** The lookups of a node, numbered and told to those that watch: where they begin, and what each answer says of its peer. */
import type { Contact } from "../Contact.ts"
import type { Contacts } from "./Contacts.ts"
import type { Id } from "./distance.ts"
import { withPrefix } from "./distance.ts"
import { inTurn } from "./inTurn.ts"
import type { Answer, Result } from "./Lookup.ts"
import { Lookup } from "./Lookup.ts"
import type { Bucket } from "./RoutingTable.ts"
import type { Outcome, Shared } from "./Shared.ts"
import { peerOf } from "./Shared.ts"
import type { Candidate } from "./Shortlist.ts"

interface Search {
  readonly kind: "node" | "value"
  readonly number: number
  readonly target: Id
  readonly tries: number
  readonly lookup: Lookup
  readonly onEnd: (result: Result) => void
  isOver: boolean
}

export class Lookups {
  readonly #shared: Shared
  readonly #contacts: Contacts
  #count = 0

  constructor(shared: Shared, contacts: Contacts) {
    this.#shared = shared
    this.#contacts = contacts
  }

  /** The nodes closest to an id, or the value of a key. Each node is asked so often before it counts as silent. */
  run(kind: "node" | "value", target: Id, then: (result: Result) => void, tries = 1): void {
    const { now, settings: { alpha, k }, table } = this.#shared
    const number = ++this.#count
    table.lookedUp(target, now)
    this.#shared.emit(() => ({ _tag: "LookupStarted", lookup: number, kind, target }))
    const lookup = new Lookup({ target, k, alpha, from: this.#startingPoints(target) })
    this.#goOn({ kind, number, target, tries, lookup, isOver: false, onEnd: then })
  }

  /** Looks up a random id of each of these buckets, one after the other. */
  refresh(buckets: ReadonlyArray<Bucket>, then: () => void): void {
    inTurn(buckets, ({ depth, prefix }, next) => {
      this.run("node", withPrefix(prefix, depth, this.#shared.randomId()), next)
    }, then)
  }

  /**
   * Asks the three contacts of a bucket that answered longest ago, once each, for a random id of it: that shows whether they
   * are there, and whom they know.
   */
  freshen({ depth, entries, prefix }: Bucket, then: () => void): void {
    const { now, settings: { k }, table } = this.#shared
    const target = withPrefix(prefix, depth, this.#shared.randomId())
    table.lookedUp(target, now)
    const oldest = entries.slice(0, 3).map(({ contact }) => contact)
    let left = oldest.length
    if (left === 0) return then()
    for (const contact of oldest) {
      this.#shared.find("node", contact, target, (answer) => {
        const told = this.#judge(contact, answer)
        this.#note(contact, "node", told)
        if (told._tag === "Contacts") {
          for (const named of told.contacts.slice(0, k)) this.#contacts.named(named)
        }
        if (--left === 0) then()
      })
    }
  }

  #goOn(search: Search): void {
    const { lookup, number, onEnd, target } = search
    for (let candidate = lookup.poll(); candidate !== undefined; candidate = lookup.poll()) {
      const { contact, hop } = candidate
      this.#shared.emit(() => ({ _tag: "Asked", lookup: number, ...peerOf(contact), hop }))
      this.#ask(search, candidate, search.tries)
    }
    const { result } = lookup
    if (result === undefined) return
    search.isOver = true
    const { asked, closest, hops, value } = result
    this.#shared.emit(() => ({
      _tag: "LookupEnded",
      lookup: number,
      target,
      found: value !== undefined,
      hops,
      asked,
      closest: closest.map(({ id }) => id)
    }))
    onEnd(result)
  }

  #ask(search: Search, candidate: Candidate, tries: number): void {
    const { kind, lookup, number, target } = search
    const { contact, hop } = candidate
    this.#shared.find(kind, contact, target, (answer) => {
      if (answer._tag === "Lost" && answer.isSilent && tries > 1) return this.#ask(search, candidate, tries - 1)
      const told = this.#judge(contact, answer)
      if (told._tag !== "Lost") {
        const contacts = told._tag === "Contacts" ? told.contacts.length : 0
        const found = told._tag === "Value"
        this.#shared.emit(() => ({ _tag: "Answered", lookup: number, ...peerOf(contact), hop, contacts, found }))
      }
      this.#note(contact, kind, told)
      // One that was under way when the lookup ended tells of its peer alone.
      if (search.isOver) return
      lookup.answered(candidate, told)
      this.#goOn(search)
    })
  }

  /** What an answer says, and of those that it names those that may be called. */
  #judge(contact: Contact, answer: Outcome<"Find">): Answer {
    if (answer._tag !== "Contacts") return answer
    return { _tag: "Contacts", contacts: this.#contacts.callable(contact, answer.contacts) }
  }

  /** Takes note of what an answer says of its peer. */
  #note(contact: Contact, kind: Search["kind"], answer: Answer): void {
    if (answer._tag === "Lost") this.#contacts.lost(contact, kind === "node" ? "find_node" : "find_value", answer)
    else this.#contacts.responded(contact)
  }

  /** Contacts that have gone silent only if there are no others. */
  #startingPoints(target: Id): ReadonlyArray<Contact> {
    const { settings: { k }, table } = this.#shared
    const live = table.closest(target, k, (entry) => table.isStale(entry))
    return live.length > 0 ? live : table.closest(target, k)
  }
}
