/** For `node --import`: a program of ours in a process of its own runs on the sources, never on a dist that may be stale. */
import { registerHooks } from "node:module"

registerHooks({
  resolve: (specifier, context, next) => {
    const module = /^effect-rpcudp(?:\/(.+))?$/.exec(specifier)
    if (module === null) return next(specifier, context)
    const file = module[1] === undefined ? "index" : module[1] === "testing" ? "testing/index" : module[1]
    return next(new URL(`../../src/${file}.ts`, import.meta.url).href, context)
  }
})
