/**
 * Node's own modules, loaded by what needs them when it needs them. A static import would keep a client over
 * `Transport.layerSocket` out of bundles for runtimes that have none. The only module of src that names them but for types.
 */
import type * as Crypto from "node:crypto"
import type * as Dgram from "node:dgram"
import type * as Os from "node:os"

interface Modules {
  readonly "node:crypto": typeof Crypto
  readonly "node:dgram": typeof Dgram
  readonly "node:os": typeof Os
}

const lazily = <Id extends keyof Modules>(id: Id): () => Modules[Id] => {
  let module: Modules[Id] | undefined
  return () => module ??= load(id)
}

const load = <Id extends keyof Modules>(id: Id): Modules[Id] => {
  const module = typeof process === "undefined" ? undefined : process.getBuiltinModule?.(id)
  if (module === undefined) throw new TypeError(`this runtime has no ${id}`)
  return module
}

/** Keys and challenges take it: a node that serves, or one of a closed network. It throws where there is none. */
export const crypto = lazily("node:crypto")

/** `Transport.layer` takes it. It throws where there is none. */
export const dgram = lazily("node:dgram")

/** As `dgram`. */
export const os = lazily("node:os")

/** Deno has Node's modules, and what few of their settings do is something else. */
export const isDeno = (): boolean => "Deno" in globalThis
