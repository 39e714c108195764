/** What both storages do, and what the one in a directory does more; the file of a node's state. */
import { NodeFileSystem } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { ClassicLevel } from "classic-level"
import { Effect, Exit, FileSystem, Layer, Logger, Option, Stream } from "effect"
import { SimulatedNetwork } from "effect-rpcudp/testing"
import { serialize } from "node:v8"
import type { Messages } from "../src/index.ts"
import { Id, Node, Storage } from "../src/index.ts"
import * as State from "../src/State.ts"
import * as StorageLevel from "../src/StorageLevel.ts"
import { addressOf, network } from "./nodes.ts"

const entry = (value: Messages.Value): Storage.Entry => ({
  value,
  own: false,
  from: Id.ofKey("from"),
  sender: "10.9.9.9",
  network: "10.9.9.9",
  expiresAt: Infinity,
  republishAt: 5
})

const values: ReadonlyArray<Messages.Value> = ["text", "", Uint8Array.of(0, 255), true, false, 0, -1.5, 2n ** 60n]

const temporary = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

const kinds = {
  memory: (options?: Storage.Options) => Storage.layerMemory(options),
  "a directory": (options?: Storage.Options) =>
    Layer.unwrap(Effect.map(temporary, (directory) => StorageLevel.layer(directory, options)))
}

for (const [kind, storage] of Object.entries(kinds)) {
  const using = (options?: Storage.Options) => <A, E>(test: Effect.Effect<A, E, Storage.Storage>) =>
    test.pipe(Effect.provide(Layer.provide(storage(options), NodeFileSystem.layer)), Effect.scoped)

  describe(`a storage in ${kind}`, () => {
    it.effect("gives back what it was given", () =>
      Effect.gen(function*() {
        const { all, get, put, remove } = yield* Storage.Storage
        for (const [i, value] of values.entries()) {
          const key = Id.ofKey(`${i}`)
          expect(yield* get(key)).toStrictEqual(Option.none())
          expect(yield* put(key, entry("another"))).toBe(true)
          expect(yield* put(key, entry(value))).toBe(true)
          const found = Option.getOrThrow(yield* get(key))
          expect({ ...found, value: plain(found.value) }).toStrictEqual({ ...entry(value), value: plain(value) })
        }
        expect(new Map(yield* Stream.runCollect(all)).size).toBe(values.length)
        yield* remove(Id.ofKey("0"))
        expect(yield* get(Id.ofKey("0"))).toStrictEqual(Option.none())
        expect((yield* Stream.runCollect(all)).map(([key]) => key)).not.toContain(Id.ofKey("0"))
      }).pipe(using()))

    it.effect("has room for so many keys, and no more", () =>
      Effect.gen(function*() {
        const { put, remove } = yield* Storage.Storage
        const [a, b, c] = ["a", "b", "c"].map(Id.ofKey) as [Id.Id, Id.Id, Id.Id]
        expect([yield* put(a, entry(1)), yield* put(b, entry(2)), yield* put(c, entry(3))]).toStrictEqual([
          true,
          true,
          false
        ])
        expect(yield* put(b, entry(4))).toBe(true)
        yield* remove(a)
        expect(yield* put(c, entry(3))).toBe(true)
      }).pipe(using({ maxKeys: 2 })))
  })
}

const plain = (value: Messages.Value) => value instanceof Uint8Array ? Array.from(value) : value

describe("a storage in a directory", () => {
  it.effect("has it still when it is opened again, and is open once", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const key = Id.ofKey("key")
      yield* Effect.flatMap(Storage.Storage, ({ put }) => put(key, entry("value"))).pipe(
        Effect.provide(StorageLevel.layer(directory))
      )
      const again = Effect.flatMap(Storage.Storage, ({ get }) => get(key)).pipe(
        Effect.provide(StorageLevel.layer(directory))
      )
      expect(yield* again).toStrictEqual(Option.some(entry("value")))
      const error = yield* again.pipe(Effect.flip, Effect.provide(StorageLevel.layer(directory)))
      expect(error).toMatchObject({ _tag: "StorageUnavailable", directory })
    }).pipe(Effect.provide(NodeFileSystem.layer), Effect.scoped))
})

describe("a pair that cannot be written", () => {
  it.effect("takes no place", () =>
    Effect.gen(function*() {
      const { get, put } = yield* Storage.Storage
      const [a, b] = ["a", "b"].map(Id.ofKey) as [Id.Id, Id.Id]
      // The database is given nothing of this, as of what a full disk refuses.
      const unwritable = { ...entry("value"), more: () => {} }
      expect(Exit.isFailure(yield* Effect.exit(put(a, unwritable)))).toBe(true)
      expect(yield* put(b, entry("value"))).toBe(true)
      expect(Exit.isFailure(yield* Effect.exit(put(b, unwritable)))).toBe(true)
      expect(yield* put(a, entry("value"))).toBe(false)
      expect(yield* get(b)).toStrictEqual(Option.some(entry("value")))
    }).pipe(
      Effect.provide(Layer.provide(kinds["a directory"]({ maxKeys: 1 }), NodeFileSystem.layer)),
      Effect.scoped
    ))
})

describe("a directory that is damaged", () => {
  it.effect("has what can be read of it, and takes the rest anew", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const [whole, damaged, foreign] = ["whole", "damaged", "foreign"].map(Id.ofKey) as [Id.Id, Id.Id, Id.Id]
      yield* Effect.promise(async () => {
        const level = new ClassicLevel<string, Uint8Array>(directory, { valueEncoding: "view" })
        await level.put(whole, serialize(entry("value")))
        await level.put(damaged, serialize(entry("value")).subarray(0, 40))
        await level.put(foreign, serialize({ value: "value" }))
        await level.put("no key", serialize(entry("value")))
        await level.close()
      })
      yield* Effect.gen(function*() {
        const { all, get, put } = yield* Storage.Storage
        expect((yield* Stream.runCollect(all)).map(([key]) => key)).toStrictEqual([whole])
        for (const key of [damaged, foreign]) expect(yield* get(key)).toStrictEqual(Option.none())
        // What cannot be read takes no place.
        expect(yield* put(Id.ofKey("another"), entry("value"))).toBe(true)
        expect(yield* put(damaged, entry("again"))).toBe(true)
        expect(yield* get(damaged)).toStrictEqual(Option.some(entry("again")))
      }).pipe(Effect.provide(StorageLevel.layer(directory, { maxKeys: 3 })))
    }).pipe(Effect.provide(NodeFileSystem.layer), Effect.scoped))

  for (
    const [what, damage, why] of [
      ["whose CURRENT is damaged", "CURRENT", "Corruption: CURRENT file does not end with newline"],
      ["whose MANIFEST is gone", "MANIFEST-", "No such file or directory"]
    ] as const
  ) {
    it.effect(`and cannot be opened says why, and what to do: ${what}`, () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const directory = yield* temporary
        const open = Layer.build(StorageLevel.layer(directory)).pipe(Effect.scoped)
        yield* open
        const name = (yield* fs.readDirectory(directory)).find((name) => name.startsWith(damage))!
        yield* damage === "CURRENT"
          ? fs.writeFileString(`${directory}/${name}`, "garbage")
          : fs.remove(`${directory}/${name}`)
        const error = yield* Effect.flip(open)
        expect(error.message).toContain(directory)
        expect(error.message).toContain(`${why}. If the directory is damaged, move it away`)
        yield* fs.rename(directory, `${directory}.damaged`)
        yield* open
        yield* fs.remove(`${directory}.damaged`, { recursive: true })
      }).pipe(Effect.provide(NodeFileSystem.layer), Effect.scoped))
  }

  it.effect("by the end of its log alone opens, and has what stands before that", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* temporary
      const keys = Array.from({ length: 50 }, (_, i) => Id.ofKey(`${i}`))
      yield* Effect.flatMap(Storage.Storage, ({ put }) =>
        Effect.forEach(keys, (key) => put(key, entry("value")), { discard: true })).pipe(
          Effect.provide(StorageLevel.layer(directory))
        )
      const log = `${directory}/${(yield* fs.readDirectory(directory)).find((name) =>
        name.endsWith(".log")
      )!}`
      const { size } = yield* fs.stat(log)
      yield* fs.truncate(log, Number(size) >> 1)
      const found = yield* Effect.flatMap(Storage.Storage, ({ all }) => Stream.runCollect(all)).pipe(
        Effect.provide(StorageLevel.layer(directory))
      )
      expect(found.length).toBeGreaterThan(0)
      expect(new Set(found.map(([key]) => key))).toStrictEqual(new Set(keys.slice(0, found.length)))
    }).pipe(Effect.provide(NodeFileSystem.layer), Effect.scoped))
})

describe("the state of a node", () => {
  it.effect("is its id and whom it knows, the closest first; what is damaged is none", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* temporary}/state.json`
      const members = yield* network(5)
      const { node } = members[2]!
      expect(yield* State.load(file)).toStrictEqual(Option.none())
      yield* Layer.build(State.layer(file).pipe(Layer.provide(Layer.succeed(Node.Node, node)))).pipe(Effect.scoped)
      const state = Option.getOrThrow(yield* State.load(file))
      expect(state.id).toBe(node.id)
      const others = members.filter((member) => member.node !== node).map((member) => member.node)
      others.sort((a, b) => Id.byDistance(node.id)(a.id, b.id))
      expect(State.addressesOf(state)).toStrictEqual(others.map(({ address }) => address))
      for (const text of ["", "{}", `{"id":"x","contacts":[]}`, "\u0000"]) {
        yield* fs.writeFileString(file, text)
        expect(yield* State.load(file)).toStrictEqual(Option.none())
      }
      expect(State.addressesOf({ id: node.id, contacts: ["nonsense", addressOf(1)] })).toHaveLength(1)
    }).pipe(
      Effect.provide([NodeFileSystem.layer, SimulatedNetwork.layer({ delay: "20 millis", tick: 5 })]),
      Effect.scoped
    ))

  it.effect("is kept aside where it is damaged, and the log says where and what to do", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* temporary}/state.json`
      yield* fs.writeFileString(file, "garbage")
      const logged: Array<string> = []
      const logger = Logger.make(({ message }) => void logged.push(String(message)))
      expect(yield* State.load(file).pipe(Effect.provide(Logger.layer([logger])))).toStrictEqual(Option.none())
      expect(yield* fs.exists(file)).toBe(false)
      expect(yield* fs.readFileString(`${file}.damaged`)).toBe("garbage")
      expect(logged.join("")).toContain(`put a good copy at ${file}, and start it again`)
    }).pipe(Effect.provide(NodeFileSystem.layer), Effect.scoped))

  it.effect("is saved at once: a node that is killed comes back with its id", () =>
    Effect.gen(function*() {
      const file = `${yield* temporary}/state.json`
      const [alone] = yield* network(1)
      yield* Layer.build(State.layer(file).pipe(Layer.provide(Layer.succeed(Node.Node, alone!.node))))
      expect(yield* State.load(file)).toStrictEqual(Option.some({ id: alone!.node.id, contacts: [] }))
    }).pipe(
      Effect.provide([NodeFileSystem.layer, SimulatedNetwork.layer()]),
      Effect.scoped
    ))

  it.effect("is not overwritten by that of a node that knows nobody, unless it is damaged", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* temporary}/state.json`
      const [alone] = yield* network(1)
      const save = Layer.build(State.layer(file).pipe(Layer.provide(Layer.succeed(Node.Node, alone!.node)))).pipe(
        Effect.scoped
      )
      const state = { id: alone!.node.id, contacts: ["10.0.0.9:8468"] }
      yield* fs.writeFileString(file, JSON.stringify(state))
      yield* save
      expect(yield* State.load(file)).toStrictEqual(Option.some(state))
      const damaged = JSON.stringify(state).slice(0, 30)
      yield* fs.writeFileString(file, damaged)
      yield* save
      expect(yield* State.load(file)).toStrictEqual(Option.some({ id: alone!.node.id, contacts: [] }))
      expect(yield* fs.readFileString(`${file}.damaged`)).toBe(damaged)
    }).pipe(
      Effect.provide([NodeFileSystem.layer, SimulatedNetwork.layer()]),
      Effect.scoped
    ))
})
