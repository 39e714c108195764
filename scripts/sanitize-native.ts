/**
 * Runs the tests of packages/native and the fuzzer of its boundary over an addon that AddressSanitizer, UBSan and
 * LeakSanitizer watch: `npm run native:sanitize -- [--seeds 10]`. Twice, since systems without recvmmsg take another way
 * through it. It needs what `npm run build:native` needs, and gcc's sanitizers. Leaks of Node's own are not told.
 */
import { spawnSync } from "node:child_process"
import { cpSync, globSync, mkdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { build } from "./build-native.ts"

const { values: flags } = parseArgs({ options: { seeds: { type: "string", default: "10" } } })

const root = fileURLToPath(new URL("..", import.meta.url))
const packageFolder = join(root, "packages/native")
const folder = join(packageFolder, ".sanitized")
const reports = join(folder, "reports")

const main = (): number => {
  const failed = ["", "-DONE_BY_ONE"].flatMap((define) => {
    console.log(`\n== ${define === "" ? "recvmmsg and sendmmsg" : "recvmsg and sendmsg, one by one"}`)
    return sanitized(define)
  })
  for (const problem of failed) console.error(problem)
  console.log(failed.length === 0 ? "\nnothing was found" : `\n${failed.length} findings`)
  return failed.length === 0 ? 0 : 1
}

const sanitized = (define: string): ReadonlyArray<string> => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(reports, { recursive: true })
  cpSync(join(packageFolder, "binding.gyp"), join(folder, "binding.gyp"))
  cpSync(join(packageFolder, "native"), join(folder, "native"), { recursive: true })
  const compile = `-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g -O1 ${define}`
  if (!build(folder, { compile, link: "-fsanitize=address,undefined" })) return ["it was not built"]
  // For the tests to know.
  if (define !== "") process.env["ONE_BY_ONE"] = "1"
  return [
    ...run("the tests", join(root, "node_modules/vitest/vitest.mjs"), "run", "packages/native/test", "--maxWorkers=1"),
    ...run("10,000 sockets", "--expose-gc", join(packageFolder, "test/children/many.ts"), "10000"),
    ...Array.from({ length: Number(flags.seeds) }, (_, i) => `${i + 1}`).flatMap((seed) =>
      run(`seed ${seed}`, "--expose-gc", join(packageFolder, "test/fuzz.ts"), "--seed", seed)
    ),
    ...found()
  ]
}

/** The sanitizers come first in each process: Node was built without them. */
const libraries = ["libasan.so", "libubsan.so"].map((name) =>
  spawnSync("gcc", [`-print-file-name=${name}`], { encoding: "utf8" }).stdout.trim()
)

const run = (what: string, ...args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const options = `abort_on_error=1:print_stacktrace=1:log_path=${join(reports, "report")}`
  const { signal, status } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: "inherit",
    env: {
      ...process.env,
      // Where node-gyp-build looks first.
      EFFECT_RPCUDP_NATIVE_PREBUILD: folder,
      LD_PRELOAD: libraries.join(" "),
      // Node leaks by itself, so a leak is no error of the process.
      ASAN_OPTIONS: `detect_leaks=1:exitcode=0:${options}`,
      UBSAN_OPTIONS: options
    }
  })
  return status === 0 ? [] : [`${what}: ended with ${signal ?? status}`]
}

/** What the sanitizers have reported: errors of any kind, and leaks of what the addon has asked for. */
const found = (): ReadonlyArray<string> =>
  globSync(join(reports, "*")).flatMap((file) =>
    readFileSync(file, "utf8").split(/\n\n/).filter((part) =>
      /ERROR: AddressSanitizer|runtime error/.test(part) ||
      (/ leak of /.test(part) && part.includes("native/socket.c"))
    )
  )

process.exitCode = main()
