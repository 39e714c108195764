/** Kademlia nodes written in Python, in a process of their own. No UDP here: how to start it, and what to tell it. */
import { NodeServices } from "@effect/platform-node"
import type { Effect } from "effect"
import { Context, Layer } from "effect"
import * as Process from "../../../test/python/process.ts"

export class PythonNodes extends Context.Service<PythonNodes, {
  /** Has one of its nodes do something. Returns what came of it. One command at a time. */
  readonly tell: (command: Readonly<Record<string, unknown>>) => Effect.Effect<unknown>
}>()("effect-kademlia/test/PythonNodes") {
  static readonly layer = (executable: string): Layer.Layer<PythonNodes> =>
    Layer.effect(PythonNodes, Process.start(executable, new URL("kademlia.py", import.meta.url).href)).pipe(
      Layer.provide(NodeServices.layer),
      Layer.orDie
    )
}
