/** What a node does now and then: joins again, refreshes buckets, renews what it keeps. Knows no interval. */
import { Effect } from "effect"
import type { NodeContext } from "./context.ts"
import type { Joining } from "./joining.ts"
import type { Lookups } from "./lookups.ts"
import type { Values } from "./values.ts"

export interface Parts {
  readonly joining: Joining
  readonly lookups: Lookups
  readonly values: Values
}

/** Does what is due. */
export const maintain = (
  { now, self, settings: { refreshAfter }, table }: NodeContext,
  { joining, lookups, values }: Parts
): Effect.Effect<void> =>
  Effect.gen(function*() {
    yield* joining.rejoin()
    const quiet = table.buckets.filter(({ lookedUp }) => lookedUp <= now() - refreshAfter)
    // Neighbours have to know each other. Of those that are far away some will do.
    const own = table.bucketOf(self)
    yield* lookups.refresh(quiet.filter((bucket) => bucket === own))
    yield* Effect.forEach(quiet.filter((bucket) => bucket !== own), (bucket) => lookups.freshen(bucket), {
      discard: true
    })
    yield* values.renew()
  })
