/** What a node needs to come back as the same node: its id and whom it knew, in a file. */
import { Effect, FileSystem, Layer, Option, Schedule, Schema } from "effect"
import type { Duration } from "effect"
import type { NetAddress } from "effect/net"
import { NetAddress as Address } from "effect/net"
import * as Id from "./Id.ts"
import { Node } from "./Node.ts"

export const State = Schema.Struct({
  id: Id.Hex,
  /** `host:port` each, the closest to the id first. */
  contacts: Schema.Array(Schema.String)
})

export type State = typeof State.Type

const Json = Schema.fromJsonString(State)

/** The state in a file, if there is one. One that is damaged is as none: it is kept aside, and the log says so. */
export const load = Effect.fn("load")(function*(file: string) {
  const fs = yield* FileSystem.FileSystem
  if (!(yield* fs.exists(file))) return Option.none<State>()
  return yield* fs.readFileString(file).pipe(
    Effect.flatMap(Schema.decodeEffect(Json)),
    Effect.asSome,
    Effect.catchTag("SchemaError", (error) => Effect.as(setAside(file, error), Option.none<State>()))
  )
})

/** Else the next state would be saved over it. */
const setAside = Effect.fnUntraced(function*(file: string, error: Schema.SchemaError) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.rename(file, `${file}.damaged`)
  yield* Effect.logWarning(
    `kademlia: ${file} is damaged, and is now ${file}.damaged. The node comes back with a new id, and knows none of its contacts. ` +
      `To have them back stop it, put a good copy at ${file}, and start it again`,
    error
  )
})

/** The contacts of a state, for `bootstrap`. */
export const addressesOf = (state: State): ReadonlyArray<NetAddress.InetAddress> =>
  state.contacts.flatMap((contact) => Option.toArray(Option.getSuccess(Address.inetAddressFromString(contact))))

/** Saves the state of the node at once, each minute, and when the layer closes. */
export const layer = (
  file: string,
  every: Duration.Input = "1 minute"
): Layer.Layer<never, never, Node | FileSystem.FileSystem> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const saving = save(file).pipe(
      Effect.catchCause((cause) => Effect.logWarning(`kademlia: ${file} could not be saved`, cause)),
      Effect.withSpan(`saving ${file}`),
      Effect.provideContext(yield* Effect.context<Node | FileSystem.FileSystem>())
    )
    yield* Effect.addFinalizer(() => saving)
    // Whatever it keeps belongs to its id, and it may be killed at any time.
    yield* saving
    yield* Effect.forkScoped(Effect.schedule(saving, Schedule.spaced(every)))
  }))

const save = Effect.fnUntraced(function*(file: string) {
  const fs = yield* FileSystem.FileSystem
  const node = yield* Node
  const contacts = (yield* node.buckets)
    .flatMap(({ entries }) => entries.filter(({ failures }) => failures === 0).map(({ contact }) => contact))
    .toSorted((a, b) => Id.byDistance(node.id)(a.id, b.id))
  // A node that knows nobody would forget whom it can ask.
  if (contacts.length === 0 && Option.isSome(yield* load(file))) return
  const json = yield* Schema.encodeEffect(Json)({ id: node.id, contacts: contacts.map(({ name }) => name) })
  // Whole or not at all, whenever the process ends.
  yield* fs.writeFileString(`${file}.new`, json)
  yield* fs.rename(`${file}.new`, file)
})
