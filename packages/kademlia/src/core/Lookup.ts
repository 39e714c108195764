/** The iterative lookup: asks ever closer nodes, a few at once, until the closest have answered. No clock. */
import { Effect, Queue } from "effect"
import type { Scope } from "effect"
import type { Contact } from "../Contact.ts"
import type { Id } from "../Id.ts"
import type { Value } from "../Messages.ts"
import type { Candidate } from "./Shortlist.ts"
import { Shortlist } from "./Shortlist.ts"

/** What a node that was asked has said. */
export type Answer =
  | { readonly _tag: "Contacts"; readonly contacts: ReadonlyArray<Contact> }
  | { readonly _tag: "Value"; readonly value: Value }
  | { readonly _tag: "Lost" }

export interface Options {
  readonly target: Id
  readonly k: number
  readonly alpha: number
  /** Where to begin. */
  readonly from: ReadonlyArray<Contact>
  readonly ask: (candidate: Candidate) => Effect.Effect<Answer>
  /** Where the calls run: one that is still under way when the lookup ends goes on, for what it tells of the peer. */
  readonly scope: Scope.Scope
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

export const run = Effect.fnUntraced(function*({ alpha, ask, from, k, scope, target }: Options) {
  const shortlist = new Shortlist({ target, k, alpha })
  const answers = yield* Queue.unbounded<readonly [Candidate, Answer]>()
  shortlist.add(from)
  while (true) {
    for (let candidate = shortlist.next(); candidate !== undefined; candidate = shortlist.next()) {
      const asked = candidate
      yield* ask(asked).pipe(
        Effect.map((answer) => Queue.offerUnsafe(answers, [asked, answer])),
        Effect.forkIn(scope, { startImmediately: true })
      )
    }
    if (shortlist.isIdle) return resultOf({ target, k }, shortlist, undefined)
    const [candidate, answer] = yield* Queue.take(answers)
    switch (answer._tag) {
      case "Contacts":
        shortlist.answered(candidate)
        shortlist.add(answer.contacts, candidate)
        break
      case "Lost":
        shortlist.failed(candidate)
        break
      case "Value":
        return resultOf({ target, k }, shortlist, { value: answer.value, hop: candidate.hop })
    }
  }
})

const resultOf = (
  { k, target }: Pick<Options, "target" | "k">,
  shortlist: Shortlist,
  found: { readonly value: Value; readonly hop: number } | undefined
): Result => {
  const { answers, asked } = shortlist
  return {
    target,
    value: found?.value,
    closest: answers.slice(0, k).map(({ contact }) => contact),
    hops: found?.hop ?? answers[0]?.hop ?? 0,
    asked
  }
}
