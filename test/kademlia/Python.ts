/** Kademlia nodes written in Python, in a process of their own. No UDP here: how to start it, and what to tell it. */
import { NodeServices } from "@effect/platform-node"
import type { Cause } from "effect"
import { Context, Effect, Layer, Queue, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"

export class PythonNodes extends Context.Service<PythonNodes, {
  /** Has one of its nodes do something, and answers what came of it. One command at a time. */
  readonly tell: (command: Readonly<Record<string, unknown>>) => Effect.Effect<unknown>
}>()("test/kademlia/PythonNodes") {
  static readonly layer = (executable: string): Layer.Layer<PythonNodes> =>
    Layer.effect(PythonNodes, start(executable)).pipe(Layer.provide(NodeServices.layer), Layer.orDie)
}

const start = Effect.fnUntraced(function*(executable: string) {
  const commands = yield* Queue.unbounded<string, Cause.Done>()
  const child = yield* ChildProcess.make(
    executable,
    [fileURLToPath(new URL("../python/kademlia.py", import.meta.url))],
    {
      stdin: Stream.encodeText(Stream.fromQueue(commands)),
      stderr: "inherit",
      detached: false
    }
  )
  const lines = yield* child.stdout.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.toQueue({ capacity: "unbounded" })
  )
  // It ends by itself when it has nothing more to read, and says so.
  yield* Effect.addFinalizer(() =>
    Queue.end(commands).pipe(
      Effect.andThen(child.exitCode),
      Effect.filterOrFail((code) => code === 0, (code) => new Error(`Python ended with ${code}`)),
      Effect.orDie
    )
  )
  return PythonNodes.of({
    tell: (command) =>
      Queue.offer(commands, `${JSON.stringify(command)}\n`).pipe(
        Effect.andThen(Effect.orDie(Queue.take(lines))),
        Effect.map((line): unknown => JSON.parse(line))
      )
  })
})
