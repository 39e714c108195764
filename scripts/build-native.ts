/**
 * Builds the addon of packages/native with the node-gyp that npm has, against the headers that are in the package `node`:
 * nothing is downloaded. It needs a C and a C++ compiler, make and Python 3 (Debian: g++, make, python3).
 */
import { spawnSync } from "node:child_process"
import { globSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))

/** What has `include/node` in it: the development dependency, or the Node that runs this. */
const headers = (): string => {
  const [inDependency] = globSync(`${root}node_modules/node/node_modules/node-*/include/node/node_api.h`)
  return inDependency === undefined ? join(dirname(process.execPath), "..") : join(dirname(inDependency), "../..")
}

/** Builds it in that folder, with these flags of the compiler and the linker. Returns whether it could. */
export const build = (folder: string, flags: { readonly compile: string; readonly link: string }): boolean => {
  const nodeGyp = process.env["npm_config_node_gyp"]
  if (nodeGyp === undefined) {
    console.error("npm says where node-gyp is: npm run build:native")
    return false
  }
  const { status } = spawnSync(
    process.execPath,
    [nodeGyp, "rebuild", "--loglevel=warn", `--directory=${folder}`],
    {
      stdio: "inherit",
      // What npm is configured to would win over an argument.
      env: { ...process.env, npm_config_nodedir: headers(), CFLAGS: flags.compile, LDFLAGS: flags.link }
    }
  )
  return status === 0
}

if (import.meta.main) {
  process.exitCode = build(`${root}packages/native`, { compile: "", link: "" }) ? 0 : 1
}
