/** Tells what happens at a node to those that watch it. */
import { Effect, PubSub, Stream } from "effect"
import type { Event } from "../Event.ts"

export class Events {
  static readonly make: Effect.Effect<Events> = Effect.map(PubSub.unbounded<Event>(), (pubsub) => new Events(pubsub))

  readonly #pubsub: PubSub.PubSub<Event>
  #watchers = 0

  constructor(pubsub: PubSub.PubSub<Event>) {
    this.#pubsub = pubsub
  }

  /** What happens from its first pull on. */
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
    PubSub.publishUnsafe(this.#pubsub, event)
  }
}
