/** The commands, each a process, over UDP on loopback. */
import { NodeServices } from "@effect/platform-node"
import { describe, expect, layer } from "@effect/vitest"
import type { Duration } from "effect"
import { Context, Deferred, Effect, Exit, FileSystem, Layer, Stream } from "effect"
import { Protocol, Transport } from "effect-rpcudp"
import { NetAddress } from "effect/net"
import type { ChildProcess, ChildProcessSpawner } from "effect/process"
import { spawnSync } from "node:child_process"
import { createSocket } from "node:dgram"
import { fileURLToPath } from "node:url"
import * as Processes from "../../../test/support/processes.ts"
import { Id } from "../src/index.ts"
import { Kademlia } from "../src/Messages.ts"
import { inet } from "./nodes.ts"

const root = fileURLToPath(new URL("../../..", import.meta.url))

const main = `${root}packages/kademlia/commands/main.ts`

// The processes run the built library, and it shall be this one.
const built = spawnSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, "-p", "tsconfig.build.json"], {
  cwd: root,
  encoding: "utf8"
})

/** Runs a command to its end. */
const kademlia = (args: ReadonlyArray<string>) => Processes.run(process.execPath, [main, ...args])

/** Starts the command `node`, which need not join. */
const launch = (...args: ReadonlyArray<string>) => launchWith({}, ...args)

const launchWith = (options: ChildProcess.CommandOptions, ...args: ReadonlyArray<string>) =>
  Processes.start(process.execPath, [main, "node", "--port", "0", "--address", "127.0.0.1", ...args], options)

/** Starts a node, and returns where it is once it has joined. */
const startNode = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  const { next, process: child } = yield* launch(...args)
  const [, id, address] = /^node ([0-9a-f]{40}) on (127\.0\.0\.1:\d+)$/.exec(yield* next) ?? []
  return { child, id, address: address ?? "nowhere", table: yield* next }
})

const stop = (child: ChildProcessSpawner.ChildProcessHandle, patience: Duration.Input = "5 seconds") =>
  child.kill({ killSignal: "SIGTERM", forceKillAfter: patience })

/** A socket that says nothing, and when it has heard something. */
const mute = Effect.gen(function*() {
  const socket = createSocket("udp4")
  yield* Effect.addFinalizer(() => Effect.sync(() => socket.close()))
  const heard = new Promise((resolve) => socket.once("message", resolve))
  yield* Effect.promise(() => new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve)))
  return { name: `127.0.0.1:${socket.address().port}`, heard: Effect.promise(() => heard) }
})

const peer = Effect.gen(function*() {
  const live = Protocol.layer({ timeout: "1 second" }).pipe(Layer.provide(Transport.layer({ address: "127.0.0.1" })))
  return yield* Effect.provideContext(Protocol.client(Kademlia), yield* Layer.build(live))
})

/** A peer that answers pings and nothing else: where it is, its client, and when it was first asked for anything else. */
const reticent = Effect.gen(function*() {
  const asked = yield* Deferred.make<void>()
  const id = Id.ofKey("reticent")
  const silence = Effect.andThen(Deferred.succeed(asked, undefined), Effect.never)
  const live = Protocol.serve(Kademlia).pipe(
    Layer.provide(Kademlia.toLayer({
      ping: () => Effect.succeed(id),
      stun: () => silence,
      store: () => silence,
      find_node: () => silence,
      find_value: () => silence
    })),
    Layer.provideMerge(Protocol.layer({ timeout: "1 second", gracePeriod: 0 })),
    Layer.provide(Transport.layer({ address: "127.0.0.1" }))
  )
  const context = yield* Layer.build(live)
  const { address } = Context.get(context, Protocol.Protocol)
  const client = yield* Effect.provideContext(Protocol.client(Kademlia), context)
  return { id, client, name: NetAddress.formatInet(address), asked: Deferred.await(asked) }
})

/** Stores without end, until its scope closes: what was taken, and when that is some. */
const storing = Effect.fnUntraced(function*(address: string, round: number) {
  const client = (yield* peer)(inet(address))
  const acknowledged = new Set<Id.Id>()
  const some = yield* Deferred.make<void>()
  const store = (i: number) => {
    const key = Id.ofKey(`${round} ${i}`)
    return Effect.ignore(Effect.map(client.store(Id.ofKey("peer"), key, new Uint8Array(7_000)), (taken) => {
      if (taken) acknowledged.add(key)
      if (acknowledged.size === 100) Deferred.doneUnsafe(some, Exit.void)
    }))
  }
  yield* Effect.forkScoped(
    Effect.forEach(Array.from({ length: 2_000 }, (_, i) => i), store, { concurrency: 20, discard: true })
  )
  return { acknowledged, some: Deferred.await(some) }
})

describe("kademlia", () => {
  layer(NodeServices.layer, { excludeTestServices: true })((it) => {
    it.effect("node, set and get", () =>
      Effect.gen(function*() {
        expect(built.stdout + built.stderr).toBe("")
        const first = yield* startNode()
        expect(first.table).toBe("0 contacts and 0 that wait; 1 bucket: 0 at depth 0")
        const second = yield* startNode("--bootstrap", first.address)
        expect(second.table).toBe("1 contact and 0 that wait; 1 bucket: 1 at depth 0")
        const set = yield* kademlia(["set", "Schlüssel", "a value, and no more", "--bootstrap", first.address])
        expect(set).toStrictEqual({ exitCode: 0, stdout: "", stderr: "2 nodes took the value\n" })
        const [here, there, missing] = yield* Effect.all([
          kademlia(["get", "Schlüssel", "--bootstrap", first.address]),
          kademlia(["get", "Schlüssel", "--bootstrap", second.address]),
          kademlia(["get", "missing", "--bootstrap", first.address])
        ], { concurrency: "unbounded" })
        for (const get of [here, there]) {
          expect(get).toStrictEqual({ exitCode: 0, stdout: "a value, and no more\n", stderr: "" })
        }
        expect(missing).toMatchObject({ exitCode: 1, stdout: "" })
        expect(missing.stderr).toContain("there is no such key")
      }))

    it.effect("say what is wrong, on stderr alone, and exit with 1", () =>
      Effect.gen(function*() {
        const first = yield* startNode()
        const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, message: string]> = [
          // Nobody listens at the discard port.
          [["get", "key", "--bootstrap", "127.0.0.1:9"], "127.0.0.1:9 does not answer"],
          [["get", "key", "--bootstrap", "nowhere"], "nowhere"],
          [["get", "key"], "--bootstrap"],
          [["node", "--port", "65536"], "port"],
          [["node", "--port", first.address.split(":")[1]!, "--address", "127.0.0.1"], "EADDRINUSE"]
        ]
        const outcomes = yield* Effect.forEach(cases, ([args]) => kademlia(args), { concurrency: "unbounded" })
        for (const [i, { exitCode, stderr, stdout }] of outcomes.entries()) {
          const [args, message] = cases[i]!
          expect(exitCode).toBe(1)
          expect(stderr).toContain(message)
          // Usage may go there, but no value.
          if (args[0] === "get" && args.length === 4) expect(stdout).toBe("")
        }
      }))

    it.effect("set says why nothing was stored, and get says nothing to a pipe that is closed", () =>
      Effect.gen(function*() {
        const first = yield* startNode()
        const at = ["--bootstrap", first.address]
        const tooLarge = yield* kademlia(["set", "key", "x".repeat(9_000), ...at])
        expect(tooLarge).toMatchObject({ exitCode: 1, stdout: "" })
        expect(tooLarge.stderr).toContain(
          "too large: with its key it takes 9055 bytes, and a datagram has room for 8192"
        )
        yield* kademlia(["set", "key", "value", ...at])
        const script = `{ "$0" "$@"; echo "exits with $?" >&2; } | :`
        const piped = yield* Processes.run("sh", ["-c", script, process.execPath, main, "get", "key", ...at])
        expect(piped.stderr).toBe("exits with 0\n")
      }))

    it.effect("a node that is told to stop exits with 0, though its gate is silent or others are storing", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const directory = yield* fs.makeTempDirectoryScoped()
        const silent = yield* mute
        const { process: waiting } = yield* launch("--bootstrap", silent.name)
        // It waits for the answer to this.
        yield* silent.heard
        yield* stop(waiting)
        expect(yield* waiting.exitCode).toBe(0)

        const busy = yield* startNode("--data", `${directory}/data`)
        const { acknowledged, some } = yield* storing(busy.address, 0)
        yield* some
        yield* stop(busy.child)
        expect(yield* busy.child.exitCode).toBe(0)
        expect(acknowledged.size).toBeGreaterThan(0)
      }))

    it.effect("a node that is told to stop exits with 0, though it looks somebody up or hands pairs over in vain", () =>
      Effect.gen(function*() {
        const gate = yield* reticent
        const { process: looking } = yield* launch("--bootstrap", gate.name)
        yield* gate.asked
        yield* stop(looking)
        expect(yield* looking.exitCode).toBe(0)

        const full = yield* startNode()
        const newcomer = yield* reticent
        const call = newcomer.client(inet(full.address))
        expect(yield* call.store(newcomer.id, Id.ofKey("key"), "value")).toBe(true)
        yield* newcomer.asked
        yield* stop(full.child)
        expect(yield* full.child.exitCode).toBe(0)
      }))

    for (
      const [what, option, file] of [["its state", "--state", "state"], [
        "what it keeps",
        "--data",
        "data/CURRENT"
      ]] as const
    ) {
      const stopped = Effect.gen(function*() {
        const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
        const path = `${directory}/${file}`
        // Whoever opens a pipe for writing waits for its reader, which then waits for what is never written.
        yield* Processes.run("sh", ["-c", `mkdir -p "\${0%/*}" && mkfifo "$0"`, path])
        const writer = yield* Processes.start("sh", ["-c", `exec 3> "$0"; echo open; exec cat >&3`, path], {
          stdin: "pipe"
        })
        const given = `${directory}/${file.split("/")[0]!}`
        const { process: node } = yield* launchWith({ stderr: "pipe" }, option, given)
        expect(yield* writer.next).toBe("open")
        yield* stop(node, "30 seconds")
        return { given, stderr: yield* node.stderr.pipe(Stream.decodeText, Stream.mkString) }
      })

      it.effect(`a node that is told to stop ends though the disk hangs that has ${what}`, () =>
        Effect.gen(function*() {
          // What it is told between two requests to the disk hangs at none.
          const { given, stderr } = yield* Effect.repeat(stopped, { until: ({ stderr }) => stderr !== "" })
          expect(stderr).toContain("told to stop two seconds ago, it is still at")
          expect(stderr).toContain(option === "--data" ? `opening ${given}` : "FSReq")
        }))
    }

    it.effect("a node that is killed amid writes comes back as itself, with all that it said it keeps", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const directory = yield* fs.makeTempDirectoryScoped()
        const options = ["--state", `${directory}/state.json`, "--data", `${directory}/data`]
        let node = yield* startNode(...options)
        const { id } = node
        const all = new Set<Id.Id>()
        for (let round = 0; round < 2; round++) {
          const { acknowledged, some } = yield* storing(node.address, round)
          yield* some
          yield* node.child.kill({ killSignal: "SIGKILL" })
          for (const key of acknowledged) all.add(key)
          node = yield* startNode(...options)
          expect(node.id).toBe(id)
        }
        const client = (yield* peer)(inet(node.address))
        const found = yield* Effect.forEach(all, (key) => client.find_value(Id.ofKey("peer"), key))
        expect(found.filter((answer) => "value" in answer).length).toBe(all.size)
      }))

    it.effect("a node that is told to stop comes back as itself, with what it kept", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const directory = yield* fs.makeTempDirectoryScoped()
        const state = ["--state", `${directory}/state.json`, "--data", `${directory}/data`]
        const first = yield* startNode()
        const second = yield* startNode("--bootstrap", first.address, ...state)
        yield* kademlia(["set", "key", "value", "--bootstrap", second.address])
        yield* second.child.kill({ killSignal: "SIGTERM" })
        const again = yield* startNode(...state)
        expect(again.id).toBe(second.id)
        // It has found the network by the contacts that it had.
        expect(again.table).toMatch(/^[1-9]\d* contacts?/)
        yield* first.child.kill({ killSignal: "SIGTERM" })
        const get = yield* kademlia(["get", "key", "--bootstrap", again.address])
        expect(get.stdout).toBe("value\n")
      }))

    it.effect("two nodes do not share a directory", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const directory = yield* fs.makeTempDirectoryScoped()
        const data = ["--data", `${directory}/data`]
        yield* startNode(...data)
        const { exitCode, stderr } = yield* kademlia(["node", "--port", "0", "--address", "127.0.0.1", ...data])
        expect(exitCode).toBe(1)
        expect(stderr).toContain("is another node using it?")
      }))
  })
})
