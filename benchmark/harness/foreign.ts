/** The contenders in C and in Python, and over the socket in C: what they need is looked for, and what is missing is said. */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Contender } from "./run.ts"
import { node } from "./run.ts"

/** A contender, or why it cannot take part. */
export type Found = Contender | { readonly name: string; readonly missing: string }

const at = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url))

const build = at(".build")

/** `batch`: how many datagrams a system call takes or gives. `cut`: what is sent is one message that the kernel cuts. */
export const c = (name: string, batch: number, cut = false): Found => {
  const compiler = ["cc", "gcc"].find((compiler) => spawnSync(compiler, ["--version"]).status === 0)
  if (compiler === undefined) return { name, missing: "no C compiler (apt-get install gcc)" }
  mkdirSync(build, { recursive: true })
  const binary = `${build}/peer${batch}${cut ? "cut" : ""}`
  const defines = [`-DBATCH=${batch}`, ...(cut ? ["-DCUT"] : [])]
  const { status, stderr } = spawnSync(compiler, ["-O2", ...defines, "-o", binary, at("contenders/peer.c")], {
    encoding: "utf8"
  })
  if (status !== 0) return { name, missing: `it did not compile: ${stderr}` }
  return { name, serve: [binary, "serve"], call: (port) => [binary, "call", port] }
}

export const overNative = (name: string, file: string): Found =>
  existsSync(at("../packages/native/build/Release/effect_rpcudp_native.node"))
    ? node(name, file)
    : { name, missing: "the addon is not built (npm run build:native)" }

/** On Debian's Python, whose packages u-msgpack and uvloop are; `rpcudp` from where `pip` or `PYTHONPATH` has it. */
export const python = (loop: "asyncio" | "uvloop"): Found => {
  const name = `Python rpcudp, ${loop}`
  const has = (python: string, module: string) =>
    spawnSync(python, ["-c", `import ${module}`], { stdio: "ignore" }).status === 0
  const pythons = ["/usr/bin/python3", "python3"].filter((python) => spawnSync(python, ["--version"]).status === 0)
  if (pythons.length === 0) return { name, missing: "no Python 3" }
  const python = pythons.find((python) => has(python, "rpcudp.protocol"))
  if (python === undefined) {
    return { name, missing: "its modules rpcudp and umsgpack (pip install rpcudp, or PYTHONPATH with its source)" }
  }
  if (loop === "uvloop" && !has(python, "uvloop")) return { name, missing: "its module uvloop" }
  const command = [python, at("contenders/rpcudp-peer.py"), loop]
  return {
    name,
    serve: [...command, "serve"],
    call: (port) => [...command, "call", port],
    wait: (port, calls) => [...command, "wait", port, String(calls)]
  }
}
