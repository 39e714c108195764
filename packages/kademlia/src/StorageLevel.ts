/** What a node keeps, in a directory: LevelDB, embedded by way of classic-level. */
import { ClassicLevel } from "classic-level"
import { Cause, Effect, Layer, Option, Schema, Stream } from "effect"
import { deserialize, serialize } from "node:v8"
import { Hex } from "./Id.ts"
import type { Options } from "./Storage.ts"
import { defaultMaxKeys, Entry, Storage } from "./Storage.ts"

export class StorageUnavailable extends Schema.TaggedError<StorageUnavailable>()("StorageUnavailable", {
  directory: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    const reason = this.cause instanceof Error ? this.cause.cause : undefined
    const code = reason instanceof Error && "code" in reason ? reason.code : undefined
    const why = reason instanceof Error ? reason.message : String(this.cause)
    const advice = code === "LEVEL_LOCKED" ? "is another node using it?" : `${why}. ${mend}`
    return `nothing can be kept in ${this.directory}: ${advice}`
  }
}

const mend = "If the directory is damaged, move it away, and the node starts with an empty one. " +
  "What it kept for others they have, too; what it published must be set again"

/** Keeps what it is told across restarts. The directory belongs to one node at a time. */
export const layer = (directory: string, options?: Options): Layer.Layer<Storage, StorageUnavailable> =>
  Layer.effect(
    Storage,
    Effect.gen(function*() {
      const maxKeys = options?.maxKeys ?? defaultMaxKeys
      const level = yield* open(directory)
      const keys = new Set(yield* Effect.promise(() => level.keys().all()))
      return {
        get: (key) =>
          Effect.map(Effect.promise(() => level.get(key)), (bytes) => Option.fromUndefinedOr(entryOf(bytes))),
        put: (key, entry) =>
          Effect.suspend(() => {
            const isNew = !keys.has(key)
            if (keys.size >= maxKeys && isNew) return Effect.succeed(false)
            // It has its place while it is written, and none if that fails.
            keys.add(key)
            return Effect.promise(() => level.put(key, serialize(entry))).pipe(
              Effect.onError(() => Effect.sync(() => isNew && keys.delete(key))),
              Effect.as(true)
            )
          }),
        remove: (key) =>
          Effect.suspend(() => {
            return Effect.map(Effect.promise(() => level.del(key)), () => void keys.delete(key))
          }),
        all: Stream.unwrap(
          Effect.map(
            Effect.acquireRelease(
              Effect.sync(() => level.iterator({ highWaterMarkBytes })),
              (iterator) => Effect.promise(() => iterator.close())
            ),
            (iterator) =>
              Stream.fromEffectRepeat(
                Effect.flatMap(
                  Effect.promise(() => iterator.nextv(chunk)),
                  (pairs) =>
                    pairs.length === 0 ? Cause.done() : Effect.succeed(entriesOf(pairs, (key) => keys.delete(key)))
                )
              ).pipe(Stream.flattenIterable)
          )
        )
      }
    })
  )

// Read at once. A value has up to 8 KiB.
const chunk = 64

const highWaterMarkBytes = 1_048_576

const entriesOf = (
  pairs: ReadonlyArray<readonly [key: string, bytes: Uint8Array]>,
  onDamaged: (key: string) => void
) =>
  pairs.flatMap(([key, bytes]) => {
    const entry = entryOf(bytes)
    if (entry !== undefined && isId(key)) return [[key, entry] as const]
    // It shall not take a place from others.
    onDamaged(key)
    return []
  })

const open = (directory: string) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        const level = new ClassicLevel<string, Uint8Array>(directory, { valueEncoding: "view" })
        await level.open()
        return level
      },
      catch: (cause) => new StorageUnavailable({ directory, cause })
    }).pipe(Effect.withSpan(`opening ${directory}`)),
    (level) => Effect.promise(() => level.close()).pipe(Effect.withSpan(`closing ${directory}`))
  )

const isId = Schema.is(Hex)

const decode = Schema.decodeUnknownOption(Entry)

// JSON would not tell a bigint or bytes from a string. What is damaged is as none: others keep it, too.
const entryOf = (bytes: Uint8Array | undefined): Entry | undefined =>
  bytes === undefined
    ? undefined
    : Option.getOrUndefined(Option.flatMap(Option.liftThrowable(() => deserialize(bytes))(), decode))
