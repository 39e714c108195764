/** Tells what happens at a node to those that watch it. */
import { Effect, PubSub, Stream } from "effect"
import type { Event } from "../Event.ts"

// Neighbours make events as they like, and not all that are watched are read.
const maxBehind = 16_384

export class Events {
  static readonly make: Effect.Effect<Events> = Effect.map(
    PubSub.sliding<Event>(maxBehind),
    (pubsub) => new Events(pubsub)
  )

  readonly #pubsub: PubSub.PubSub<Event>
  #watchers = 0

  constructor(pubsub: PubSub.PubSub<Event>) {
    this.#pubsub = pubsub
  }

  /** What happens from its first pull on. Whoever falls too far behind misses the oldest. */
  get stream(): Stream.Stream<Event> {
    return Stream.unwrap(
      Effect.as(
        Effect.acquireRelease(Effect.sync(() => this.#watchers++), () => Effect.sync(() => this.#watchers--)),
        Stream.fromPubSub(this.#pubsub)
      )
    )
  }

  get isWatched(): boolean {
    return this.#watchers > 0
  }

  emit(event: Event): void {
    // `publishUnsafe` would leave out the newest.
    Effect.runSync(PubSub.publish(this.#pubsub, event))
  }
}
