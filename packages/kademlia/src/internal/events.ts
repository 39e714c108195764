/** Tells what happens at a node to those that watch it. */
import { Effect, PubSub, Stream } from "effect"
import type { Contact } from "../Contact.ts"
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

  emit(event: () => Event): void {
    // Most nodes are watched by nobody.
    if (this.#watchers > 0) PubSub.publishUnsafe(this.#pubsub, event())
  }
}

/** A contact, as events name it. */
export const peerOf = (contact: Contact) => ({ id: contact.id, address: contact.name })
