/** What a node does now and then: joins again, refreshes buckets, renews what it keeps. Knows no interval. */
import { Effect } from "effect"
import type { NodeContext } from "../internal/context.ts"
import type { Joining } from "./Joining.ts"
import type { Lookups } from "./Lookups.ts"
import type { Values } from "./Values.ts"

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
