/**
 * The iterative lookup: asks ever closer nodes, a few at once, until the closest have answered. No network, no clock: whom to
 * ask is taken by `poll`, and what came of it is told.
 */
import type { Contact } from "../Contact.ts"
import type { Value } from "../Messages.ts"
import type { Id } from "./distance.ts"
import type { Candidate } from "./Shortlist.ts"
import type { Lost } from "./Shared.ts"
import { Shortlist } from "./Shortlist.ts"

/** What a node that was asked has said. */
export type Answer =
  | { readonly _tag: "Contacts"; readonly contacts: ReadonlyArray<Contact> }
  | { readonly _tag: "Value"; readonly value: Value }
  | Lost

export interface Options {
  readonly target: Id
  readonly k: number
  readonly alpha: number
  /** Where to begin. */
  readonly from: ReadonlyArray<Contact>
}

export interface Result {
  readonly target: Id
  readonly value: Value | undefined
  /** The closest that answered, at most k, the closest first. */
  readonly closest: ReadonlyArray<Contact>
  /** How many nodes were asked one after the other until the value, or else the closest node, was found. */
  readonly hops: number
  /** How many nodes were asked in all. */
  readonly asked: number
}

export class Lookup {
  readonly #options: Options
  readonly #shortlist: Shortlist
  #found: { readonly value: Value; readonly hop: number } | undefined

  constructor(options: Options) {
    this.#options = options
    this.#shortlist = new Shortlist(options)
    this.#shortlist.add(options.from)
  }

  /** Whom to ask now, if anybody, as long as there is no result. What it says is told by `answered`. */
  poll(): Candidate | undefined {
    return this.#shortlist.next()
  }

  answered(candidate: Candidate, answer: Answer): void {
    switch (answer._tag) {
      case "Contacts":
        this.#shortlist.answered(candidate)
        this.#shortlist.add(answer.contacts, candidate)
        break
      case "Lost":
        if (answer.isUnsent) this.#shortlist.unsent(candidate)
        else this.#shortlist.failed(candidate)
        break
      case "Value":
        this.#found = { value: answer.value, hop: candidate.hop }
    }
  }

  /** What it came to: there once the value is found, or else once `poll` has nobody and none is left that was asked. */
  get result(): Result | undefined {
    if (this.#found === undefined && !this.#shortlist.isIdle) return undefined
    const { k, target } = this.#options
    const { answers, asked } = this.#shortlist
    return {
      target,
      value: this.#found?.value,
      closest: answers.slice(0, k).map(({ contact }) => contact),
      hops: this.#found?.hop ?? answers[0]?.hop ?? 0,
      asked
    }
  }
}
