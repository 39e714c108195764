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
  { now, settings: { refreshAfter }, table }: NodeContext,
  { joining, lookups, values }: Parts
): Effect.Effect<void> =>
  Effect.gen(function*() {
    yield* joining.rejoin()
    yield* lookups.refresh(table.buckets.filter(({ lookedUp }) => lookedUp <= now() - refreshAfter))
    yield* values.renew()
  })
