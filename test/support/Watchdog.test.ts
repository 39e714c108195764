import { describe, expect, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"

const vitest = fileURLToPath(new URL("../../node_modules/vitest/vitest.mjs", import.meta.url))
const config = fileURLToPath(new URL("watchdog/fixture/vitest.config.ts", import.meta.url))

/** Runs these files of the fixture. Returns how that ended and what it printed. */
const run = (...files: ReadonlyArray<string>) =>
  new Promise<{ readonly failed: boolean; readonly output: string }>((resolve) =>
    execFile(
      process.execPath,
      [vitest, "run", "--config", config, ...files],
      // A test that nothing ended must not outlive this one.
      { env: { ...process.env, NO_COLOR: "1" }, timeout: 50_000, killSignal: "SIGKILL" },
      (error, stdout, stderr) => resolve({ failed: error !== null, output: `${stdout}${stderr}` })
    )
  )

describe("the watchdog", () => {
  it("ends what no time-out ends and names it: the run fails, and the other files are tested", async () => {
    const { failed, output } = await run("spins", "eats", "loads", "ends")
    expect(output).toMatch(/Ended by the watchdog: spins\.fixture\.ts > spins: it runs for more than 10000 ms/)
    expect(output).toMatch(/Ended by the watchdog: eats\.fixture\.ts > eats: its process holds more than \d+ bytes/)
    expect(output).toMatch(/Ended by the watchdog: \S+loads\.fixture\.ts, before its first test: it runs for more than/)
    expect(output).toMatch(/Tests +1 passed/)
    expect(failed).toBe(true)
  })

  it("leaves alone what ends by itself", async () => {
    const { failed, output } = await run("ends")
    expect(output).not.toContain("Ended by")
    expect(failed).toBe(false)
  })
})
