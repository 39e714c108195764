/** A node written in Python, in a process of its own. No UDP here: how to start it, and how to have it call. */
import { NodeServices } from "@effect/platform-node"
import { Context, Effect, Layer, Option } from "effect"
import { NetAddress } from "effect/net"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import * as Process from "./process.ts"

/** What `peer.py` does on command, with the parameters that it names. */
export interface Commands {
  readonly call: { readonly method: string; readonly args: ReadonlyArray<unknown>; readonly timeout?: number }
  readonly send: { readonly method: string; readonly name: string }
  readonly flood: { readonly method: string; readonly calls: number; readonly in_flight: number }
  readonly zeros: { readonly method: string; readonly length: number }
}

export class Python extends Context.Service<Python, {
  readonly address: NetAddress.InetAddress
  /** Has it call `peer`, and returns what came of it. One command at a time. */
  readonly command: <Name extends keyof Commands>(
    name: Name,
    peer: NetAddress.InetAddress,
    parameters: Commands[Name]
  ) => Effect.Effect<unknown>
}>()("test/python/Python") {
  /** A Python that has u-msgpack: the one on PATH, or Debian's, which a PATH may hide. */
  static readonly find: Effect.Effect<Option.Option<string>> = Effect.gen(function*() {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    for (const candidate of ["python3", "/usr/bin/python3"]) {
      const tried = ChildProcess.make(candidate, ["-c", "import umsgpack"], { stderr: "ignore", detached: false })
      const code = yield* Effect.option(spawner.exitCode(tried))
      if (Option.contains(code, ChildProcessSpawner.ExitCode(0))) return Option.some(candidate)
    }
    return Option.none()
  }).pipe(Effect.provide(NodeServices.layer))

  static readonly layer = (executable: string): Layer.Layer<Python> =>
    Layer.effect(Python, start(executable)).pipe(Layer.provide(NodeServices.layer), Layer.orDie)
}

const start = Effect.fnUntraced(function*(executable: string) {
  const { next, tell } = yield* Process.start(executable, "peer.py")
  const address = yield* next
  return Python.of({
    address: NetAddress.inetAddressFromStringUnsafe(String(address)),
    command: (name, peer, parameters) => tell({ do: name, peer: NetAddress.formatInet(peer), ...parameters })
  })
})
