/**
 * The memory of a node that keeps 65,536 pairs of 7.9 KB on disk, while newcomers join by way of it and are handed what they
 * are to keep. The node is a process of its own, over UDP on loopback.
 *
 *   npm run kademlia:memory -- --pairs 65536 --newcomers 100
 */
import { NodeServices } from "@effect/platform-node"
import { ClassicLevel } from "classic-level"
import { Console, Context, Deferred, Effect, FileSystem, Layer, Ref, Schedule, Stream } from "effect"
import { Protocol, Transport } from "effect-rpcudp"
import { NetAddress } from "effect/net"
import { ChildProcess } from "effect/process"
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { serialize } from "node:v8"
import * as Id from "../src/Id.ts"
import * as Node from "../src/Node.ts"
import type { Entry } from "../src/Storage.ts"
import * as Storage from "../src/Storage.ts"

const { values } = parseArgs({
  options: {
    pairs: { type: "string", default: "65536" },
    newcomers: { type: "string", default: "100" },
    /** For how long they are watched, in seconds. */
    seconds: { type: "string", default: "60" }
  }
})

const pairs = Number(values.pairs)

const newcomers = Number(values.newcomers)

const main = fileURLToPath(new URL("../commands/main.ts", import.meta.url))

/** Writes what a node left in a directory that was full. */
const fill = (directory: string) =>
  Effect.promise(async () => {
    const level = new ClassicLevel<string, Uint8Array>(directory, { valueEncoding: "view" })
    await level.open()
    const day = Date.now() + 86_400_000
    for (let from = 0; from < pairs; from += 256) {
      const batch = level.batch()
      for (let i = from; i < Math.min(pairs, from + 256); i++) {
        const sender = `10.${i >> 8 & 255}.${i & 255}.1`
        const entry: Entry = {
          value: new Uint8Array(7_900).fill(i),
          own: false,
          from: Id.ofKey(sender),
          sender,
          network: sender,
          expiresAt: day,
          republishAt: day
        }
        batch.put(Id.ofKey(`key ${i}`), serialize(entry))
      }
      await batch.write()
    }
    await level.close()
  })

/** Of a process, in MB. */
const residentOf = (pid: number): number =>
  Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) / 1000

const join = Effect.fnUntraced(function*(gate: NetAddress.InetAddress) {
  const live = Node.layer().pipe(
    Layer.provideMerge(Storage.layerMemory()),
    Layer.provide(Protocol.layer({ timeout: "2 seconds" })),
    Layer.provide(Transport.layer({ address: "127.0.0.1" }))
  )
  const context = yield* Layer.buildWithMemoMap(live, Layer.makeMemoMapUnsafe(), yield* Effect.scope)
  yield* Context.get(context, Node.Node).bootstrap([gate])
  return Context.get(context, Storage.Storage)
})

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  yield* fill(directory)
  const child = yield* ChildProcess.make(
    process.execPath,
    [main, "node", "--port", "0", "--address", "127.0.0.1", "--data", directory],
    { stdin: "ignore", stderr: "inherit", detached: false }
  )
  const lines = child.stdout.pipe(Stream.decodeText(), Stream.splitLines)
  const first = yield* Deferred.make<string>()
  yield* Effect.forkScoped(Stream.runForEach(lines, (line) => Deferred.succeed(first, line)))
  const gate = NetAddress.inetAddressFromStringUnsafe((yield* Deferred.await(first)).split(" ").at(-1)!)
  // It reads what it keeps, and comes to rest.
  yield* Effect.sleep("20 seconds")
  const idle = residentOf(child.pid)
  const peak = yield* Ref.make(idle)
  yield* Ref.update(peak, (most) => Math.max(most, residentOf(child.pid))).pipe(
    Effect.repeat(Schedule.spaced("200 millis")),
    Effect.forkScoped
  )
  const storages = yield* Effect.forEach(
    Array.from({ length: newcomers }),
    () => join(gate),
    { concurrency: "unbounded" }
  )
  yield* Effect.sleep(Number(values.seconds) * 1000)
  const counts = yield* Effect.forEach(storages, ({ all }) => Stream.runCount(all))
  const most = yield* Ref.get(peak)
  yield* Console.log(
    [
      `${pairs} pairs on disk, ${newcomers} newcomers, which were handed ${counts.reduce((a, b) => a + b, 0)} pairs`,
      `resident: ${idle.toFixed(0)} MB at rest, ${most.toFixed(0)} MB at most: ${(most - idle).toFixed(0)} MB over it`
    ].join("\n")
  )
})

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
