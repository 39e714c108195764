/** What a node keeps for others: a service, in memory here. No network; its times are told by its callers. */
import { Context, Effect, Layer, Option, Schema, Stream } from "effect"
import type { Id } from "./Id.ts"
import { Value } from "./Messages.ts"

/** A value with what is to become of it. Times are in milliseconds of the Clock. */
export const Entry = Schema.Struct({
  value: Value,
  /** Whether this node itself published it: then it never expires here. */
  own: Schema.Boolean,
  /** Who stored it here first: the node's id, in hexadecimal digits. */
  from: Schema.String,
  /** Where that came from: an address, and its network, as limits count them. Empty for this node. */
  sender: Schema.String,
  network: Schema.String,
  expiresAt: Schema.Number,
  /** When this node is to store it at the closest nodes again. */
  republishAt: Schema.Number
})

export type Entry = typeof Entry.Type

/**
 * Whatever fails in a storage is a defect: it is logged. Whoever looks for a pair that could not be read is told that there is none,
 * but it keeps its place, and no peer's value takes it. One that could not be written is not taken, so that a peer may store it
 * elsewhere, and one that could not be removed is removed later.
 */
export class Storage extends Context.Service<Storage, {
  readonly get: (key: Id) => Effect.Effect<Option.Option<Entry>>
  /** Returns false where there is no room for another key. */
  readonly put: (key: Id, entry: Entry) => Effect.Effect<boolean>
  readonly remove: (key: Id) => Effect.Effect<void>
  /** Whatever is there, read a few at a time: there may be gigabytes. What changes meanwhile may be missed. */
  readonly all: Stream.Stream<readonly [key: Id, entry: Entry]>
}>()("effect-kademlia/Storage") {}

export interface Options {
  /** How many keys are kept at most, each with a value of up to 8 KiB. 65,536 by default. */
  readonly maxKeys?: number | undefined
}

export const defaultMaxKeys = 65_536

/** Forgets everything with the process. */
export const layerMemory = (options?: Options): Layer.Layer<Storage> =>
  Layer.sync(Storage, () => {
    const maxKeys = options?.maxKeys ?? defaultMaxKeys
    const entries = new Map<Id, Entry>()
    return {
      get: (key) => Effect.sync(() => Option.fromUndefinedOr(entries.get(key))),
      put: (key, entry) =>
        Effect.sync(() => {
          if (entries.size >= maxKeys && !entries.has(key)) return false
          entries.set(key, entry)
          return true
        }),
      remove: (key) => Effect.sync(() => void entries.delete(key)),
      all: Stream.suspend(() => Stream.fromIterable(entries, { chunkSize: 64 }))
    }
  })
