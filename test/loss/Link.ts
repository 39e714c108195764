/** Two network namespaces and a link between them on which the kernel loses datagrams. Linux, and root. */
import { NodeServices } from "@effect/platform-node"
import { Data, Effect, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"

/** The address of an end. No other network is reached from there, so it may be any. */
export const addressOf = (end: "a" | "b") => end === "a" ? "10.0.0.1" : "10.0.0.2"

export const ends = ["a", "b"] as const

class Failed extends Data.TaggedError("Failed")<{ readonly line: string; readonly code: number }> {}

const command = Effect.fnUntraced(function*(line: string) {
  const [name = "", ...args] = line.split(" ")
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const code = yield* spawner.exitCode(ChildProcess.make(name, args, { stderr: "ignore", detached: false }))
  if (code !== 0) return yield* new Failed({ line, code })
})

/** A link that loses so many percent of UDP's datagrams each way. Its namespaces go with the scope, and what runs there. */
export const make = Effect.fnUntraced(function*(percent: number) {
  // Other processes may have links of their own.
  const name = `rpcudp${process.pid}`
  const services = yield* Effect.context<ChildProcessSpawner.ChildProcessSpawner>()
  for (const end of ends) {
    yield* Effect.acquireRelease(
      command(`ip netns add ${name}${end}`),
      () => Effect.ignore(command(`ip netns del ${name}${end}`))
    )
  }
  yield* command(`ip link add veth netns ${name}a type veth peer name veth netns ${name}b`)
  for (const end of ends) {
    yield* command(`ip -n ${name}${end} address add ${addressOf(end)}/24 dev veth`)
    yield* command(`ip -n ${name}${end} link set veth up`)
    const nft = `ip netns exec ${name}${end} nft`
    yield* command(`${nft} add table inet loss`)
    yield* command(`${nft} add chain inet loss input { type filter hook input priority 0 ; }`)
    yield* command(`${nft} add rule inet loss input meta l4proto udp numgen random mod 100 < ${percent} drop`)
  }
  return {
    /** Runs a program of this folder at one end until the scope closes, and returns its lines. */
    run: (end: "a" | "b", program: string, ...args: ReadonlyArray<unknown>) =>
      Effect.map(
        ChildProcess.make("ip", [
          ...`netns exec ${name}${end} ${process.execPath}`.split(" "),
          fileURLToPath(new URL(program, import.meta.url)),
          ...args.map(String)
        ], { stderr: "inherit", detached: false }),
        (child) => child.stdout.pipe(Stream.decodeText, Stream.splitLines)
      ).pipe(Effect.provideContext(services))
  }
}, Effect.provide(NodeServices.layer))

/** Whether a link can be made here. */
export const possible: Effect.Effect<boolean> = Effect.isSuccess(Effect.scoped(make(0)))
