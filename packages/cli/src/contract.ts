/** What modules of others export, for a call with a contract or a server. No sockets. */
import { Effect } from "effect"
import type { Handlers } from "effect-rpcudp"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"
import type { Failure } from "./Failure.ts"
import { usage } from "./Failure.ts"

/** The export that `PATH#NAME` names, `default` if it names none. */
export const load = Effect.fnUntraced(function*(named: string): Effect.fn.Return<unknown, Failure> {
  const [path = "", name = "default"] = named.split("#")
  const module = yield* Effect.tryPromise({
    try: (): Promise<object> => import(pathToFileURL(resolve(path)).href),
    catch: (error) => usage(`${path}: ${error instanceof Error ? error.message : String(error)}`)
  })
  const found = Object.entries(module).find(([key]) => key === name)
  if (found === undefined) return yield* usage(`${path} exports no "${name}", but ${Object.keys(module).join(", ")}`)
  return found[1]
})

/** The contract that `PATH#NAME` names. */
export const group = Effect.fnUntraced(function*(named: string): Effect.fn.Return<Handlers.AnyGroup, Failure> {
  const group = yield* load(named)
  return isGroup(group) ? group : yield* usage(`${named} is no contract made by Handlers.Service`)
})

export const procedureOf = (
  group: Handlers.AnyGroup,
  method: string
): Effect.Effect<Handlers.CompiledProcedure, Failure> => {
  const procedure = group.contract.get(method)
  return procedure === undefined
    ? Effect.fail(usage(`${group.key} has no method "${method}", but ${[...group.contract.keys()].join(", ")}`))
    : Effect.succeed(procedure)
}

/** The procedure of the contract that `PATH#NAME` names. */
export const procedure = (named: string, method: string): Effect.Effect<Handlers.CompiledProcedure, Failure> =>
  Effect.flatMap(group(named), (group) => procedureOf(group, method))

// It may come from another copy of the library than this one.
const isGroup = (value: unknown): value is Handlers.AnyGroup =>
  typeof value === "function" && "contract" in value && value.contract instanceof Map && "implementation" in value
