/** Sockets whose thread or process ends, sends that the system refuses at first, and very many sockets. */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { execFile, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { constants, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Worker } from "node:worker_threads"
import { addon, compiler, namespace, suite } from "../../../test/support/needs.ts"
import { available } from "./support.ts"

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

interface Ended {
  readonly code: number | string | null | undefined
  readonly signal: NodeJS.Signals | null | undefined
  readonly stdout: string
}

/** Runs a child to its end. */
const run = (name: string, args: ReadonlyArray<string> = [], env: NodeJS.ProcessEnv = {}): Promise<Ended> =>
  new Promise((resolve) =>
    execFile(
      process.execPath,
      ["--expose-gc", path(`children/${name}.ts`), ...args],
      // One that nothing ends must not outlive this test.
      { env: { ...process.env, ...env }, timeout: 50_000, killSignal: "SIGKILL" },
      (error, stdout) => resolve({ code: error === null ? 0 : error.code, signal: error?.signal ?? null, stdout })
    )
  )

const canCompile = spawnSync("cc", ["--version"]).status === 0

suite("a native socket", available, addon)(() => {
  // Broken by: in C, no look at `closing` after a callback; the fatal exception not handed on.
  describe("a process that ends with one open ends as it would without", () => {
    for (
      const [way, code] of [
        ["at once", 7],
        ["in a callback", 7],
        ["in the callback of a refusal", 7],
        ["by an error", 1]
      ] as const
    ) {
      it(way, async () => {
        expect(await run("exit", [way])).toMatchObject({ code, signal: null })
      })
    }
  })

  // Broken by: in C, `on_refused` called in `on_prepare`, so that what is sent then waits for the loop to wake.
  it("keeps a process no longer than it is open, and leaves nothing that was sent for later", async () => {
    for (const way of ["closed", "closed after refusals"]) {
      expect(await run("exit", [way]), way).toMatchObject({ code: 0, signal: null })
    }
  })

  // Broken by: in C, no `uv_close` of the udp handle; no `napi_delete_reference` in `on_closed`.
  it("10,000 of them leave no descriptor and no byte", async () => {
    const { stdout } = await run("many", ["10000"])
    const [before, after] = JSON.parse(stdout)
    expect(after.descriptors).toBe(before.descriptors)
    expect(after.arrayBuffers).toBe(before.arrayBuffers)
    // Less than a pointer for each.
    expect(after.heapUsed - before.heapUsed).toBeLessThan(80_000)
  })

  describe("in a thread", () => {
    const thread = async () => {
      const worker = new Worker(new URL("children/worker.ts", import.meta.url), { execArgv: [] })
      const [port]: Array<unknown> = await once(worker, "message")
      if (typeof port !== "number") throw new Error("no port")
      return { worker, port }
    }

    /** A socket that exchanges datagrams with that port until it is closed. `done` once so many have come back. */
    const exchange = async (port: number, count: number) => {
      const { addon, loopback, open } = await import("./raw.ts")
      const { promise: done, resolve } = Promise.withResolvers<void>()
      let heard = 0
      const { handle, write } = open((bytes) => {
        if (++heard === count) resolve()
        write(bytes.slice(), loopback(port))
      })
      for (let i = 0; i < 16; i++) write(Uint8Array.of(i), loopback(port))
      return { done, close: () => addon.close(handle) }
    }

    it("works beside others, and closes", async () => {
      const threads = await Promise.all([thread(), thread(), thread()])
      const exchanges = await Promise.all(threads.map(({ port }) => exchange(port, 2000)))
      await Promise.all(exchanges.map(({ done }) => done))
      for (const { close } of exchanges) close()
      await Promise.all(threads.map(async ({ worker }) => {
        worker.postMessage("close", [])
        expect(await once(worker, "exit")).toStrictEqual([0])
      }))
    })

    // Broken by: in C, no `napi_add_async_cleanup_hook`: the process aborts, as handles of the loop are open.
    it("is closed with it, under traffic", async () => {
      for (let i = 0; i < 5; i++) {
        const { port, worker } = await thread()
        const { close, done } = await exchange(port, 500)
        await done
        await worker.terminate()
        close()
        // The port is free: the thread's socket is closed.
        const { addon, loopback, open } = await import("./raw.ts")
        addon.close(open(() => {}, () => {}, { to: loopback(port) }).handle)
      }
    })
  })
})

suite("a native socket before a system that refuses", available && canCompile, `${addon} and ${compiler}`)(() => {
  const { EPERM } = constants.errno

  let folder = ""

  const faults = () => join(folder, "faults.so")

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "effect-rpcudp-native-"))
    expect(spawnSync("cc", ["-shared", "-fPIC", path("faults.c"), "-o", faults()]).status).toBe(0)
  })

  afterAll(() => rmSync(folder, { recursive: true }))

  /** What a child tells that runs with faults.c before the system. */
  const runWithFaults = async (name: string, env: NodeJS.ProcessEnv = {}): Promise<unknown> => {
    const preload = [process.env["LD_PRELOAD"], faults()].filter((file) => file !== undefined).join(" ")
    return JSON.parse((await run(name, [], { ...env, LD_PRELOAD: preload })).stdout)
  }

  // Broken by: in C, ENOBUFS or EAGAIN refused; EINTR refused; no `break` after `poll_for`; no `blocked` in `flush`, or 0 for
  // `untold` where it looks at that; no `apart`, or `socket->sent + taken` for `ends`.
  it("each refusal is of its own datagram, what there is no room for waits, and the order is kept", async () => {
    expect(await runWithFaults("faults")).toStrictEqual({
      atOnce: [[4, EPERM], [6, EPERM], [7, EPERM]],
      waiting: [9, 11],
      again: [0, 9],
      asked: 1,
      told: [[12, EPERM]],
      heard: ["a", "Partial", "F", "b", "c", "d", "F", "e", "F", "end", "f", "F", "second end"],
      left: 0,
      meanwhile: [[1, EPERM]]
    })
  })

  // Broken by: in C, each look of `join` at a record; each of its bounds, one more or less; `can_join` true.
  it("what goes to one peer and is as long goes as one message, if the system cuts it and within what it takes", async () => {
    const times = (count: number, length: number, joined: number) =>
      Array.from({ length: count }, () => [length, joined])
    const expected = [
      times(4, 9, 4),
      times(1, 9, 1),
      [...times(2, 9, 3), [8, 3], ...times(1, 8, 1), ...times(2, 9, 2)],
      [...times(2, 9, 2), [0, 1], ...times(2, 9, 2), ...times(2, 9, 2), [-9, 1], ...times(2, -9, 2)],
      [...times(64, 9, 64), [9, 1]],
      [...times(2, 1232, 2), [1233, 1], [1233, 1], [1232, 1]],
      [...times(53, 1232, 53), [1232, 1]],
      [...times(53, 1232, 54), [211, 54]],
      [...times(53, 1232, 53), [212, 1]]
    ]
    const alone = expected.map((turn) => turn.map(([length]) => [length, 1]))
    // As `npm run native:sanitize` builds it for systems that take one at a time.
    const oneByOne = process.env["ONE_BY_ONE"] !== undefined
    expect(await runWithFaults("joined")).toStrictEqual(oneByOne ? alone : expected)
    expect(await runWithFaults("joined", { CUTS_NOTHING: "1" })).toStrictEqual(alone)
  })
})

const network = "ip link set lo up mtu 1500 && ip link add v0 type veth peer name v1 && ip link set v0 up && " +
  "ip link set v1 up && ip addr add fe80::1/64 dev v0 nodad && ip addr add fe80::1/64 dev v1 nodad"

const canLink = spawnSync("unshare", ["-n", "sh", "-c", network]).status === 0

suite("a native socket on a link", available && canLink, `${addon} and ${namespace}`)(() => {
  // Broken by: in C, no `r_scope` in `from_native` or in `to_native`.
  it("hears and answers with the interface, sends what needs fragments, and is told where no route leads", () => {
    const { stdout } = spawnSync(
      "unshare",
      ["-n", "sh", "-c", `${network} && exec "$0" "$1"`, process.execPath, path("children/link.ts")],
      { encoding: "utf8", timeout: 50_000, killSignal: "SIGKILL" }
    )
    const linkLocal = [true, 0xfe800000 | 0, 0, 0, 1]
    expect(JSON.parse(stdout)).toStrictEqual({
      heard: [["server", ...linkLocal], ["client", ...linkLocal]],
      lengths: [1_473, 8_213, 65_507],
      nowhere: -constants.errno.ENETUNREACH
    })
  })
})
